"""Embedding functions that ask a service: one file each for its request and its answer, over one transport."""

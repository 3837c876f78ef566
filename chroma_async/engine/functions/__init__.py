"""Attached functions: what they make of a collection, kept in another."""

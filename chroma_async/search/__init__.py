"""Search payloads: filter, rank expression, grouping, window and selection, as a tree and as JSON."""

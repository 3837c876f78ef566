"""Files made off to the side, each job ending in one manifest commit: flush, merge, vacuum, index."""

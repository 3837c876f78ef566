"""What an operator asks of a whole store: checking it, compacting it."""

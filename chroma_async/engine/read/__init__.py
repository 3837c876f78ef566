"""Reading one Version: rows by age, nearest rows, searches. Pure and blocking; called in worker threads."""

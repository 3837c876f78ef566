"""``python -m tests.bench``: this server and Chroma's own side by side, on one machine, in one run."""

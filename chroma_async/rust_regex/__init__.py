"""Rust's regular expressions, which Chroma's filters speak, read and bounded in time here. Known to the query language alone."""

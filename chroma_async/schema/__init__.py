"""What a collection promises about itself: its name, its metadata, how it is indexed, and what its records may carry. No I/O."""

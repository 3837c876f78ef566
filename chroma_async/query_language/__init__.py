"""What is asked: filters (``where``, ``where_document``) and search payloads, as trees, as JSON, and as their slow obvious meaning."""

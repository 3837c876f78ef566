"""Searches, rank expressions, conditions and schemas, put together step by step with chromadb's names. They only make JSON."""

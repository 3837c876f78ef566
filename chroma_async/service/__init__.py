"""What answers: :class:`~chroma_async.api.ChromaAPI` on an engine of this process. The server and the embedded clients stand on it."""

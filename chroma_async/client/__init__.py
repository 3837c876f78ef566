"""What a program holds: clients and collections with chromadb's names, the checks of their arguments, and the transport over HTTP."""

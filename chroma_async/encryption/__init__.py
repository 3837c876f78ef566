"""Client-side encryption: documents and named metadata fields leave the client encrypted, and come back in the clear.

The store keeps what it is given; it never sees a key. Embeddings, ids, uris and the other fields stay readable: docs/security.md says what
they give away. The ciphers are those of the ``cryptography`` package, which ``chroma-async[encryption]`` brings.
"""

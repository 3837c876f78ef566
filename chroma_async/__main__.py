"""``python -m chroma_async`` is ``chroma-async``."""

from chroma_async.cli import main

if __name__ == "__main__":
    main(prog_name="chroma-async")

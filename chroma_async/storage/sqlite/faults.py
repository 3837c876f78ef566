"""What an SQLite error means to the caller.

SQLite reports by result code; the primary code is the low byte of the extended one (https://www.sqlite.org/rescode.html).
"""

from __future__ import annotations

import sqlite3

from chroma_async.errors import ChromaError, CorruptionError, InternalError, InvalidArgumentError, PoisonedError, UnavailableError

_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
#: What nobody can have written: text that is none (the driver decodes it), and a schema without what these modules put into it.
_IMPOSSIBLE = ("Could not decode to UTF-8", "no such table", "no such column")
#: The disk is full, or the file is held by someone else: SQLite has undone the transaction, or never began it.
_RETRY = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
#: What the system refuses for now: no descriptor, no memory, no right, no room for the files beside a database.
_REFUSED = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM}
#: The disk itself does not give back what is on it.
_UNREADABLE = {sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS}


def primary_code(error: sqlite3.Error) -> int:
    """The primary result code; ``SQLITE_ERROR`` for an error that the driver itself raised."""
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF


def read_fault(error: sqlite3.Error | UnicodeDecodeError, file: str) -> ChromaError:
    """A read or an opening failed."""
    if isinstance(error, UnicodeDecodeError) or str(error).startswith(_IMPOSSIBLE) or primary_code(error) in _CORRUPT:
        return CorruptionError(f"{file} is damaged: {error}", file)
    if getattr(error, "sqlite_errorcode", None) in _UNREADABLE:
        return InternalError(f"{file}: {error}")
    if primary_code(error) in _RETRY | _REFUSED:
        return UnavailableError(f"{file} cannot be read or opened now: {error}")
    return InternalError(f"{file}: {error}")


def write_fault(error: sqlite3.Error | UnicodeEncodeError, file: str) -> ChromaError:
    """A statement failed before COMMIT; the transaction was rolled back, so nothing was written."""
    if isinstance(error, UnicodeEncodeError):
        return InvalidArgumentError("text with a lone surrogate cannot be stored")
    code = primary_code(error)
    if code in _CORRUPT:
        return CorruptionError(f"{file} is damaged: {error}", file)
    if code in _RETRY | _REFUSED:
        return UnavailableError(f"nothing was written to {file}: {error}")
    return InternalError(f"{file}: {error}")


def commit_fault(error: sqlite3.Error, file: str) -> ChromaError:
    """COMMIT failed. A full disk is no doubt: the commit frame is written last, so without it there is no transaction. Anything else is."""
    if primary_code(error) in _RETRY:
        return UnavailableError(f"nothing was written to {file}: {error}")
    return PoisonedError(f"{file}: a commit failed and may or may not be durable; writes are refused until the store is reopened: {error}")

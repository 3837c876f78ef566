"""Keys in the data directory: ``keys.json`` with their digests, and for the first one ``initial-token`` with its text.

Both are open to their owner alone, and replaced by renaming. Whoever writes them owns the directory, so there is one writer at a time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from chroma_async.auth.caller import Caller
from chroma_async.auth.keys import INITIAL, Key, make_key

KEYS, INITIAL_TOKEN = "keys.json", "initial-token"
#: Version of the layout of ``keys.json``.
KEYS_FORMAT = 1


def read_keys(directory: Path) -> tuple[Key, ...]:
    """The keys of a data directory; none if it has no such file, or does not exist.

    :raises ValueError: the file cannot be read. Whoever cannot say which keys count lets nobody in.
    """
    file = directory / KEYS
    try:
        content = json.loads(file.read_bytes())
        if content["format"] != KEYS_FORMAT:
            raise ValueError(f"{file}: its format {content['format']!r:.20} is not known to this release")
        return tuple(map(_key, content["keys"]))
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except (OSError, KeyError, TypeError, AttributeError, UnicodeError, json.JSONDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not what this server wrote"
        raise ValueError(f"{file} cannot be read: {reason}") from None


def write_keys(directory: Path, keys: Sequence[Key]) -> None:
    """Replace the keys. Durable when it returns. :raises OSError: they are as they were."""
    content = {"format": KEYS_FORMAT, "keys": [_json(key) for key in keys]}
    _replace(directory / KEYS, json.dumps(content, indent=1).encode())


def make_initial_key(directory: Path, now_s: float) -> Key:
    """A key that may do all, its text in ``initial-token``. The text comes first: a crash in between leaves one that no key knows.

    :raises OSError: there is no key.
    """
    key, text = make_key(Caller(INITIAL), now_s, id=INITIAL)
    _replace(directory / INITIAL_TOKEN, f"{text}\n".encode())
    write_keys(directory, [*read_keys(directory), key])
    return key


def _json(key: Key) -> dict[str, Any]:
    who = key.caller
    return {
        "id": key.id,
        "sha256": key.digest.hex(),
        "user": who.user,
        "role": who.role,
        "tenant": who.tenant,
        "databases": list(who.databases),
        "created_s": key.created_s,
        "expires_s": key.expires_s,
    }


def _key(entry: Any) -> Key:
    caller = Caller(entry["user"], entry["role"], entry["tenant"], tuple(entry["databases"]))
    return Key(entry["id"], bytes.fromhex(entry["sha256"]), caller, entry["created_s"], entry["expires_s"])


def _replace(file: Path, content: bytes) -> None:
    temporary = file.with_name(f"{file.name}.new")
    # One that a crash left might be open to others.
    temporary.unlink(missing_ok=True)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        os.replace(temporary, file)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    directory = os.open(file.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)

"""A model in ONNX's own bytes, small enough to write by hand: it looks each token up in a table.

The messages and field numbers are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

WORDS = {"[PAD]": 0, "[UNK]": 1, "cat": 2, "dog": 3, "tree": 4}
#: One row for each word.
TABLE = np.array([[9, 9, 9], [0, 0, 1], [3, 4, 0], [0, 5, 12], [1, 0, 0]], dtype=np.float32)
_INT64, _FLOAT = 7, 1


def _varint(value: int) -> bytes:
    out = b""
    while True:
        value, low = value >> 7, value & 0x7F
        if not value:
            return out + bytes([low])
        out += bytes([low | 0x80])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes | str) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(raw)) + raw


def _value(name: str, kind: int, dimensions: tuple[str | int, ...]) -> bytes:
    shape = b"".join(_bytes(1, _number(1, size) if isinstance(size, int) else _bytes(2, size)) for size in dimensions)
    return _bytes(1, name) + _bytes(2, _bytes(1, _number(1, kind) + _bytes(2, shape)))


def model(inputs: tuple[str, ...] = ("input_ids", "attention_mask", "token_type_ids")) -> bytes:
    """``last_hidden_state[b, t] = TABLE[input_ids[b, t]]``."""
    rows, columns = TABLE.shape
    node = _bytes(1, "table") + _bytes(1, "input_ids") + _bytes(2, "last_hidden_state") + _bytes(4, "Gather")
    table = _number(1, rows) + _number(1, columns) + _number(2, _FLOAT) + _bytes(8, "table") + _bytes(9, TABLE.tobytes())
    given = b"".join(_bytes(11, _value(name, _INT64, ("batch", "tokens"))) for name in inputs)
    result = _bytes(12, _value("last_hidden_state", _FLOAT, ("batch", "tokens", columns)))
    graph = _bytes(1, node) + _bytes(2, "tiny") + _bytes(5, table) + given + result
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _number(2, 13))


def tokenizer() -> bytes:
    """One token for each word between spaces."""
    return json.dumps(
        {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [],
            "normalizer": {"type": "Lowercase"},
            "pre_tokenizer": {"type": "Whitespace"},
            "post_processor": None,
            "decoder": None,
            "model": {"type": "WordLevel", "vocab": WORDS, "unk_token": "[UNK]"},
        }
    ).encode()


def files() -> dict[str, bytes]:
    """The files of the published model, of which two are read."""
    rest = dict.fromkeys(("config.json", "special_tokens_map.json", "tokenizer_config.json", "vocab.txt"), b"{}")
    return {**rest, "model.onnx": model(), "tokenizer.json": tokenizer()}


def write(directory: Path) -> Path:
    """The files in ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in files().items():
        (directory / name).write_bytes(content)
    return directory


def embed(text: str) -> list[float]:
    """What the model should make of ``text``."""
    rows = np.array([TABLE[WORDS.get(word, 1)] for word in text.lower().split()][:256], dtype=np.float64)
    mean = rows.mean(axis=0)
    return list(mean / np.linalg.norm(mean))

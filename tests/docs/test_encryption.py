"""docs/encryption.md is true: its programs run, and its table is the parameters of the class."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import chroma_async
from chroma_async import Encryption
from tests.docs.markdown import ROOT, code, table

PAGE = (ROOT / "docs" / "encryption.md").read_text("utf-8")
PROGRAMS = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", PAGE, re.S))


def test_the_program_finds_and_decrypts(tmp_path: Path) -> None:
    (tmp_path / "encrypted.py").write_text(PROGRAMS["encrypted.py"], "utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, "encrypted.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.stdout, ended.stderr) == ("complains of headaches G43\n", "")


async def test_the_rotation_of_the_page_leaves_nothing_under_the_old_key(tmp_path: Path) -> None:
    keys = {"old": bytes(32), "new": bytes(range(32))}
    names: dict[str, Any] = {}
    exec(PROGRAMS["rotate.py"], names)
    embeddings = [[float(number), 1.0] for number in range(25)]
    async with chroma_async.AsyncPersistentClient(tmp_path, encryption=Encryption(keys, "old")) as client:
        docs = await client.create_collection("docs", embedding_function=None)
        await docs.add([str(number) for number in range(25)], embeddings, documents=[f"text {number}" for number in range(25)])
    async with chroma_async.AsyncPersistentClient(tmp_path, encryption=Encryption(keys, "new", previous=["old"])) as client:
        await names["encrypt_again"](await client.get_collection("docs"), page=10)
    async with chroma_async.AsyncPersistentClient(tmp_path, encryption=Encryption({"new": keys["new"]}, "new")) as client:
        got = await (await client.get_collection("docs")).get(include=["documents", "embeddings"])
    assert got["documents"] == [f"text {number}" for number in range(25)]
    assert got["embeddings"].tolist() == embeddings


def test_the_table_of_parameters_is_that_of_the_class() -> None:
    assert [code(name)[0] for name, _ in table(PAGE, "parameter", "is")] == list(inspect.signature(Encryption).parameters)


def test_a_text_takes_the_bytes_that_the_page_says() -> None:
    from base64 import urlsafe_b64encode

    overhead = len("enc1:2026-11:") + len(urlsafe_b64encode(bytes(12 + 16)))
    assert overhead <= 60
    assert "4/3 of its\nbytes and 60 more" in PAGE


@pytest.mark.parametrize("words", ["where_document", "Sparse vectors cannot be encrypted", "Embeddings give much away"])
def test_the_limits_are_on_the_page(words: str) -> None:
    assert words in PAGE

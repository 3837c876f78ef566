"""Every example runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> str:
    result = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_retrieval_finds_the_paragraph_that_answers_the_question() -> None:
    printed = run("examples/rag.py", "may a second process open the same directory?", "README.md", "chroma_async/format/FORMAT.md")
    assert int(printed.split()[0]) > 30
    assert re.search(r"second (one|process)", printed)


def test_hybrid_search_finds_the_error_code_that_dense_search_misses() -> None:
    dense, both = run("examples/hybrid.py", "our laser is jammed and says E4471").split("dense and BM25:")
    assert "E4471" not in dense
    assert both.split("\n")[1].startswith("  E4471: too hot")
    assert dense.split("\n")[1] in both, "what dense search finds first stays among the first"


def test_a_file_is_ingested_completely_and_again_without_change(tmp_path: Path) -> None:
    vectors = np.random.default_rng(5).normal(size=(1234, 8)).round(3).tolist()
    lines = [json.dumps({"id": f"n{number}", "embedding": vector, "document": f"text {number}"}) for number, vector in enumerate(vectors)]
    file = tmp_path / "articles.jsonl"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for _ in range(2):
        printed = run("examples/ingest.py", str(file), "--path", str(tmp_path / "store"), "--batch-size", "100")
        assert "1234 lines sent, the collection holds 1234" in printed


def test_the_fastapi_application_stores_and_finds_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTES_PATH", str(tmp_path / "notes"))
    monkeypatch.syspath_prepend(str(ROOT))
    from examples.fastapi_app import app

    with TestClient(app) as client:
        for number, embedding in enumerate([[1.0, 0.0], [0.0, 1.0], [0.7, 0.7]]):
            note = {"id": f"note{number}", "text": f"note {number}", "embedding": embedding, "tags": {"number": number}}
            assert client.put("/notes", json=note).json() == {"count": number + 1}
        found = client.post("/search", json={"embedding": [0.9, 0.1], "count": 2, "where": {"number": {"$ne": 2}}})
        assert [row["id"] for row in found.json()] == ["note0", "note1"]
        wrong = client.post("/search", json={"embedding": [1.0, 2.0, 3.0]})
        assert wrong.status_code == 400
        assert "dimension" in wrong.json()["detail"]
    with TestClient(app) as client:
        assert client.post("/search", json={"embedding": [0.0, 1.0], "count": 1}).json()[0]["id"] == "note1"

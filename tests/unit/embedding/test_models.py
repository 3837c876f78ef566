"""Models on this machine: pulled when somebody asks, verified, complete or not there; and what is computed with them."""

from __future__ import annotations

import hashlib
import io
import sys
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from aiohttp import web
from click.testing import CliRunner

from chroma_async.cli import main
from chroma_async.embedding import DefaultEmbeddingFunction, ONNXMiniLM_L6_V2, SentenceTransformerEmbeddingFunction
from chroma_async.embedding.models import MINI_LM, Model, missing_files, model_directory, pull
from chroma_async.embedding.registry import config_to_embedding_function
from chroma_async.errors import EmbeddingAnswerError, EmbeddingRefusedError, EmbeddingUnavailableError, ModelMissingError, ValidationError
from tests.fakes import tiny_onnx


def archive(files: dict[str, bytes], folder: str = "onnx", extra: list[tarfile.TarInfo] | None = None) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        for member in extra or []:
            tar.addfile(member)
        for name, content in files.items():
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return raw.getvalue()


@asynccontextmanager
async def published(body: bytes, status: int = 200) -> AsyncIterator[Model]:
    """MINI_LM as if ``body`` were what its server has."""
    asked = 0

    async def handle(request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.Response(body=body, status=status)

    app = web.Application()
    app.router.add_get("/onnx.tar.gz", handle)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/onnx.tar.gz"
        yield replace(MINI_LM, url=url, sha256=hashlib.sha256(body).hexdigest())
        assert asked <= 1
    finally:
        await runner.cleanup()


async def test_a_pulled_model_is_complete_and_is_not_pulled_again(tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    body = archive(tiny_onnx.files())
    async with published(body) as model:
        directory = await pull(model, tmp_path, progress=lambda got, of: seen.append((got, of)))
        assert await pull(model, tmp_path) == directory
    assert directory == model_directory(model, tmp_path) == tmp_path / "all-MiniLM-L6-v2" / "onnx"
    assert missing_files(model, tmp_path) == []
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == tiny_onnx.files()
    assert [path.name for path in directory.parent.iterdir()] == ["onnx"], "nothing temporary stays"
    assert seen[-1] == (len(body), len(body))
    assert ONNXMiniLM_L6_V2(model_dir=directory)(["cat"]).tolist() == [pytest.approx(tiny_onnx.embed("cat"))]


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def refused(model: Model, root: Path, kind: type[Exception], match: str) -> None:
    with pytest.raises(kind, match=match):
        await pull(model, root)
    place = root / model.name
    assert not place.exists() or list(place.iterdir()) == []


async def test_an_archive_with_another_checksum_is_not_unpacked(tmp_path: Path) -> None:
    async with published(archive(tiny_onnx.files())) as model:
        await refused(replace(model, sha256="0" * 64), tmp_path, EmbeddingAnswerError, "checksum .*, not 0000")


async def test_only_the_named_files_are_taken_from_an_archive(tmp_path: Path) -> None:
    link = tarfile.TarInfo("onnx/model.onnx")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    outside = tarfile.TarInfo("../../outside")
    body = archive({**tiny_onnx.files(), "more.txt": b"x", "../../above.txt": b"x"}, extra=[link, outside])
    async with published(body) as model:
        directory = await pull(model, tmp_path / "models")
    assert {path.name for path in directory.iterdir()} == set(MINI_LM.files)
    assert not any(path.is_symlink() for path in directory.iterdir())
    assert names(tmp_path) == ["models"]


async def test_an_archive_that_is_none_or_lacks_files_or_is_too_large_leaves_nothing(tmp_path: Path) -> None:
    async with published(b"not an archive") as model:
        await refused(model, tmp_path, EmbeddingAnswerError, "cannot be unpacked")
    async with published(archive({"model.onnx": b""})) as model:
        await refused(model, tmp_path, EmbeddingAnswerError, "does not hold config.json")
    async with published(archive(tiny_onnx.files())) as model:
        await refused(replace(model, archive_bytes=100), tmp_path, EmbeddingAnswerError, "larger than 100 bytes")
    async with published(archive(tiny_onnx.files())) as model:
        await refused(replace(model, file_bytes=10), tmp_path, EmbeddingAnswerError, "is larger than 10 bytes")


async def test_a_server_that_has_no_model_or_is_not_there_is_named(tmp_path: Path) -> None:
    async with published(b"", 404) as model:
        await refused(model, tmp_path, EmbeddingRefusedError, "status 404")
    await refused(model, tmp_path, EmbeddingUnavailableError, "could not be downloaded")


async def test_the_command_pulls_lists_and_says_what_is_wrong(tmp_path: Path) -> None:
    import asyncio

    def call(*arguments: str) -> Any:
        return CliRunner().invoke(main, ["models", *arguments, "--directory", str(tmp_path)])

    assert "all-MiniLM-L6-v2  not here" in call("list").output
    async with published(archive(tiny_onnx.files())) as model:
        wrong = await asyncio.to_thread(call, "pull", "--url", model.url)
        assert (wrong.exit_code, "checksum" in wrong.output) == (1, True)
    async with published(archive(tiny_onnx.files())) as model:
        pulled = await asyncio.to_thread(call, "pull", "--url", model.url, "--sha256", model.sha256.upper())
        assert (pulled.exit_code, pulled.output) == (0, f"all-MiniLM-L6-v2 is in {model_directory(model, tmp_path)}\n")
    assert "is here already" in call("pull").output
    assert str(model_directory(MINI_LM, tmp_path)) in call("list").output


def test_the_published_model_is_chromadbs() -> None:
    from chromadb.utils.embedding_functions import ONNXMiniLM_L6_V2 as Theirs

    assert (MINI_LM.url, MINI_LM.sha256, MINI_LM.name) == (Theirs.MODEL_DOWNLOAD_URL, Theirs._MODEL_SHA256, Theirs.MODEL_NAME)
    assert model_directory(MINI_LM) == Theirs.DOWNLOAD_PATH / Theirs.EXTRACTED_FOLDER_NAME


TEXTS = ["cat", "the cat and the dog", "dog tree", "tree " * 400, "Cat", "nothing known"] * 12


def test_vectors_are_means_over_the_tokens_of_length_one_whatever_the_batch(tmp_path: Path) -> None:
    function = ONNXMiniLM_L6_V2(model_dir=tiny_onnx.write(tmp_path))
    result = function(TEXTS)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, [tiny_onnx.embed(text) for text in TEXTS], atol=1e-6)
    assert function([]).shape == (0, 0)
    with pytest.raises(ValidationError, match="embeds texts"):
        function([None])  # type: ignore[list-item]


def test_vectors_are_chromadbs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from chromadb.utils.embedding_functions import ONNXMiniLM_L6_V2 as Theirs

    tiny_onnx.write(tmp_path / "onnx")
    monkeypatch.setattr(Theirs, "DOWNLOAD_PATH", tmp_path)
    np.testing.assert_allclose(ONNXMiniLM_L6_V2(model_dir=tmp_path / "onnx")(TEXTS), Theirs()(TEXTS), atol=1e-6)


def test_a_model_is_found_where_it_is_pulled_to_and_its_absence_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("default", "onnx_mini_lm_l6_v2"):
        function = config_to_embedding_function({"name": name, "config": {}})
        with pytest.raises(ModelMissingError, match=f"^{name}: .*`chroma-async models pull`") as caught:
            function(["cat"])
        assert caught.value.function == name
    assert list(tmp_path.iterdir()) == []
    tiny_onnx.write(model_directory(MINI_LM))
    assert function(["cat"]).shape == (1, 3), "a function that failed works once the model is there"
    assert DefaultEmbeddingFunction()(["cat"]).shape == (1, 3)


def test_providers_and_libraries_that_are_not_there_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tiny_onnx.write(tmp_path)
    with pytest.raises(ValidationError, match=r"CUDA12ExecutionProvider not available here; there are .*CPUExecutionProvider"):
        ONNXMiniLM_L6_V2(["CUDA12ExecutionProvider"], model_dir=directory)(["cat"])
    assert ONNXMiniLM_L6_V2(["CPUExecutionProvider"], model_dir=directory)(["cat"]).shape == (1, 3)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelMissingError, match=r"pip install 'chroma-async\[onnx\]'"):
        ONNXMiniLM_L6_V2(model_dir=directory)(["cat"])


def test_configurations_of_local_functions_are_chromadbs() -> None:
    from chromadb.utils.embedding_functions.schemas import validate_config_schema

    local = [
        ONNXMiniLM_L6_V2(["CPUExecutionProvider"]),
        ONNXMiniLM_L6_V2(),
        DefaultEmbeddingFunction(model_dir="/elsewhere"),
        SentenceTransformerEmbeddingFunction("m", "cuda", True, revision="main"),
    ]
    for function in local:
        config = function.get_config()
        validate_config_schema(config, function.name())
        assert config_to_embedding_function({"name": function.name(), "config": config}).get_config() == config
    assert (DefaultEmbeddingFunction().default_space(), ONNXMiniLM_L6_V2().default_space()) == ("l2", "cosine")
    assert ONNXMiniLM_L6_V2() != DefaultEmbeddingFunction()


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """sentence-transformers with the one class that is used: what it was made with."""
    made: list[Any] = []

    class SentenceTransformer:
        def __init__(self, name: str, **options: Any) -> None:
            if name == "not-here":
                raise OSError("no such model in the cache")
            made.append((name, options))

        def encode(self, texts: list[str], **options: Any) -> Any:
            made.append(options)
            return np.array([[len(text), 1] for text in texts], dtype=np.float64)

    module = ModuleType("sentence_transformers")
    module.SentenceTransformer = SentenceTransformer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)
    return made


def test_sentence_transformers_are_loaded_once_and_asked_for_arrays(library: list[Any]) -> None:
    function = SentenceTransformerEmbeddingFunction("m", "cuda", True, trust_remote_code=True)
    assert library == []
    assert (function(["one", "three"]).tolist(), function(["x"]).dtype) == ([[3.0, 1.0], [5.0, 1.0]], np.float32)
    asked = {"convert_to_numpy": True, "normalize_embeddings": True}
    assert library == [("m", {"device": "cuda", "trust_remote_code": True}), asked, asked]


def test_a_stored_configuration_downloads_no_model_and_runs_none_of_its_code(library: list[Any]) -> None:
    stored = {"model_name": "m", "device": "cpu", "normalize_embeddings": False, "kwargs": {"revision": "v2", "trust_remote_code": False}}
    config_to_embedding_function({"name": "sentence_transformer", "config": stored})(["one"])
    assert library[0] == ("m", {"device": "cpu", "revision": "v2", "local_files_only": True, "trust_remote_code": False})
    for kwargs in ({"trust_remote_code": True}, {"model_kwargs": {"trust_remote_code": True}}, {"backend": "openvino"}):
        with pytest.raises(ValidationError, match="only an application may"):
            config_to_embedding_function({"name": "sentence_transformer", "config": {**stored, "kwargs": kwargs}})
    absent = config_to_embedding_function({"name": "sentence_transformer", "config": {**stored, "model_name": "not-here"}})
    with pytest.raises(ModelMissingError, match="not downloaded because a collection names them"):
        absent(["one"])


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(ModelMissingError, match=r"chroma-async\[sentence-transformers\]"):
        SentenceTransformerEmbeddingFunction()(["one"])


def test_tokens_of_model_hubs_are_not_stored() -> None:
    function = SentenceTransformerEmbeddingFunction(token="hf_hidden")
    with pytest.raises(ValidationError, match="token would be stored") as caught:
        function.get_config()
    assert "hf_hidden" not in f"{caught.value}{function!r}"
    with pytest.raises(ValidationError, match="plain types"):
        SentenceTransformerEmbeddingFunction(modules=object())

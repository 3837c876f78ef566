"""Models on this machine: where they are, whether they are complete, and how they get there when somebody asks for it.

Nothing in this package downloads a model by itself. ``chroma-async models pull`` calls :func:`pull`; the files go where chromadb keeps
its own, so that one copy serves both.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

import aiohttp

from chroma_async.errors import EmbeddingAnswerError, EmbeddingRefusedError, EmbeddingUnavailableError, ModelMissingError
from chroma_async.threads import Lane

_CHUNK = 1 << 20

#: Called with the bytes received and the bytes expected, when the server said how many.
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Model:
    """A model as it is published: an archive (tar.gz) with ``files`` in the folder ``folder``.

    ``archive_bytes`` and ``file_bytes`` bound what is taken: the archive, and each file in it.
    """

    name: str
    url: str
    sha256: str
    files: tuple[str, ...]
    folder: str = "onnx"
    archive_bytes: int = 256 << 20
    file_bytes: int = 512 << 20


#: The model of chromadb's default function: 384 dimensions, ONNX.
MINI_LM = Model(
    name="all-MiniLM-L6-v2",
    url="https://chroma-onnx-models.s3.amazonaws.com/all-MiniLM-L6-v2/onnx.tar.gz",
    sha256="913d7300ceae3b2dbc2c50d1de4baacab4be7b9380491c27fab7418616a16ec3",
    files=("config.json", "model.onnx", "special_tokens_map.json", "tokenizer_config.json", "tokenizer.json", "vocab.txt"),
)

MODELS = {MINI_LM.name: MINI_LM}


def default_root() -> Path:
    """Where models are kept, a directory for each: ``~/.cache/chroma/onnx_models``."""
    return Path.home() / ".cache" / "chroma" / "onnx_models"


def model_directory(model: Model, root: Path | None = None) -> Path:
    """Where the files of ``model`` are, or would be."""
    return (root or default_root()) / model.name / model.folder


def missing_files(model: Model, root: Path | None = None) -> list[str]:
    """The files that are not there; none when the model can be used."""
    directory = model_directory(model, root)
    return [name for name in model.files if not (directory / name).is_file()]


async def pull(model: Model, root: Path | None = None, *, progress: Progress | None = None, timeout_s: float = 600.0) -> Path:
    """Download ``model`` unless it is complete; the directory with its files.

    The archive is compared with its checksum before anything of it is read, and the files appear together, once all are there.

    :param timeout_s: for the whole download.
    :raises EmbeddingUnavailableError: the server cannot be reached, or broke off. :raises EmbeddingRefusedError: it has no such file.
    :raises EmbeddingAnswerError: what came has another checksum, is too large, or is no archive of these files.
    """
    directory = model_directory(model, root)
    if not missing_files(model, root):
        return directory
    lane = Lane("models", 1)
    try:
        place = directory.parent
        await lane.run(place.mkdir, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".pull-", dir=place) as temporary:
            archive = Path(temporary) / "archive.tar.gz"
            digest = await _download(model, archive, lane, progress, timeout_s)
            if digest != model.sha256:
                raise EmbeddingAnswerError(f"{model.url} has the SHA-256 checksum {digest}, not {model.sha256}; it was not unpacked")
            await lane.run(_unpack, model, archive, Path(temporary) / "files", directory)
    finally:
        await lane.aclose()
    return directory


async def _download(model: Model, archive: Path, lane: Lane, progress: Progress | None, timeout_s: float) -> str:
    """Write the archive; its SHA-256 checksum."""
    digest = hashlib.sha256()
    timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=30.0)
    file: IO[bytes] = await lane.run(archive.open, "wb")
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(model.url) as response:
            if response.status != 200:
                raise EmbeddingRefusedError(f"{model.url} answers with status {response.status}")
            async for part in _received(model, response, progress):
                digest.update(part)
                await lane.run(file.write, part)
    except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError) as error:
        raise EmbeddingUnavailableError(f"{model.url} could not be downloaded: {error!r}") from error
    finally:
        await lane.run(file.close)
    return digest.hexdigest()


async def _received(model: Model, response: aiohttp.ClientResponse, progress: Progress | None) -> AsyncIterator[bytes]:
    """The archive in parts. :raises EmbeddingAnswerError: it is larger than it should be."""
    received = 0
    async for part in response.content.iter_chunked(_CHUNK):
        received += len(part)
        if received > model.archive_bytes:
            raise EmbeddingAnswerError(f"{model.url} is larger than {model.archive_bytes} bytes; the download was ended")
        yield part
        if progress is not None:
            progress(received, response.content_length)


def _unpack(model: Model, archive: Path, temporary: Path, directory: Path) -> None:
    """The named files of the archive and nothing else: what else it holds, links and paths that lead elsewhere, is passed over."""
    temporary.mkdir()
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member, name in _wanted(model, tar):
                _copy(tar, member, temporary / name)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise EmbeddingAnswerError(f"{model.url} cannot be unpacked: {error!r}") from error
    absent = [name for name in model.files if not (temporary / name).is_file()]
    if absent:
        raise EmbeddingAnswerError(f"{model.url} does not hold {', '.join(absent)}")
    directory.mkdir(parents=True, exist_ok=True)
    for name in model.files:
        os.replace(temporary / name, directory / name)


def _wanted(model: Model, tar: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, str]]:
    """Members that are files of the model, and their names there. :raises EmbeddingAnswerError: one is larger than it should be."""
    names = {str(PurePosixPath(model.folder, name)): name for name in model.files}
    for member in tar:
        name = names.get(str(PurePosixPath(member.name)))
        if name is None or not member.isreg():
            continue
        if member.size > model.file_bytes:
            raise EmbeddingAnswerError(f"{model.url}: {name} is larger than {model.file_bytes} bytes")
        yield member, name


def _copy(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    content = tar.extractfile(member)
    assert content is not None
    with path.open("wb") as target:
        shutil.copyfileobj(content, target, _CHUNK)


def missing(function: str, model: Model, directory: Path, absent: list[str]) -> ModelMissingError:
    """The error for a model that is not complete."""
    error = ModelMissingError(
        f"{function}: the model {model.name} is not on this machine ({', '.join(absent)} not found in {directory}) and is not downloaded "
        "unasked. Run `chroma-async models pull` once, copy its files there, or pass embeddings or another embedding_function"
    )
    error.function = function
    return error

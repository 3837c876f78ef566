"""Manifests and forks in the catalog's file, and which files and tails they name."""

from __future__ import annotations

from uuid import UUID

from chroma_async.errors import CorruptionError
from chroma_async.format.json_columns import dump
from chroma_async.storage import refusals
from chroma_async.storage.base.manifests import ForkCommit, ManifestCommit, ManifestRow, TailRow
from chroma_async.storage.sqlite.collection_rows import COLUMNS, insert_collection, resealed, verify_collection
from chroma_async.storage.sqlite.connection import CatalogPart, Statements
from chroma_async.storage.sqlite.row_checksums import row_checksum
from chroma_async.types import Seq


class SqliteManifests(CatalogPart):
    """:class:`~chroma_async.storage.base.manifests.Manifests` and :class:`~chroma_async.storage.base.catalog.Inventory` in SQLite."""

    async def load_manifest(self, collection: UUID) -> ManifestRow:
        sql = "SELECT version, body, crc32 FROM manifests WHERE collection = ?"
        for version, body, crc32 in await self._connection.read(sql, (collection.bytes,)):
            if row_checksum((collection.bytes, version), body) != crc32:
                raise CorruptionError(f"{self._file}: the manifest of collection [{collection}] fails its checksum", self._file)
            return ManifestRow(version, body)
        return ManifestRow(0, b"")

    async def commit_manifest(self, commit: ManifestCommit) -> None:
        key = commit.collection.bytes
        schema = dump(commit.schema)

        async def work(step: Statements) -> None:
            held = await step.row(f"SELECT {COLUMNS} FROM collections WHERE id = ?", (key,))
            if held is None:
                raise refusals.collection_id_missing(commit.collection)
            verify_collection(held, self._file)
            present = await step.row("SELECT version FROM manifests WHERE collection = ?", (key,)) or (0,)
            if present[0] != commit.expected_version:
                raise refusals.manifest_fenced(commit.collection, commit.expected_version, present[0])
            named = {file for (file,) in await step.rows("SELECT file FROM files WHERE collection = ?", (key,))}
            if named - commit.files:
                await step.many("DELETE FROM files WHERE collection = ? AND file = ?", [(key, file) for file in named - commit.files])
            if commit.files - named:
                await step.many("INSERT INTO files (collection, file) VALUES (?, ?)", [(key, file) for file in commit.files - named])
            assignments, values = resealed(held, {"dimension": commit.dimension, "schema": schema})
            await step.rows(f"UPDATE collections {assignments} WHERE id = ?", (*values, key))
            await _put_manifest(step, key, commit.expected_version + 1, commit.body, commit.seq)
            if not commit.keeps_tails:
                await step.rows("DELETE FROM tails WHERE collection = ?", (key,))

        await self._connection.write(work)

    async def fork_collection(self, commit: ForkCommit) -> None:
        row, key = commit.row, commit.row.id.bytes

        async def work(step: Statements) -> None:
            source = await step.row("SELECT ifnull(root, id) FROM collections WHERE id = ?", (commit.source.bytes,))
            if source is None:
                raise refusals.collection_id_missing(commit.source)
            ((forks,),) = await step.rows("SELECT count(*) FROM collections WHERE root = ?", source)
            if forks >= commit.max_forks:
                raise refusals.forks_full(commit.source, forks)
            await insert_collection(step, row)
            await step.rows("UPDATE collections SET root = ? WHERE id = ?", (source[0], key))
            await _put_manifest(step, key, 1, commit.body, row.seq)
            await step.many("INSERT INTO files (collection, file) VALUES (?, ?)", [(key, file) for file in commit.files])
            tails = [(key, tail.source.bytes, tail.after) for tail in commit.tails]
            await step.many("INSERT INTO tails (collection, source, after) VALUES (?, ?, ?)", tails)

        await self._connection.write(work)

    async def fork_count(self, collection: UUID) -> int:
        sql = "SELECT (SELECT count(*) FROM collections WHERE root = ifnull(held.root, held.id)) FROM collections held WHERE held.id = ?"
        (count,) = await self._one(sql, (collection.bytes,), refusals.collection_id_missing(collection))
        return int(count)

    async def collection_ids(self) -> list[UUID]:
        return [UUID(bytes=id) for (id,) in await self._connection.read("SELECT id FROM collections ORDER BY id")]

    async def tails(self) -> list[TailRow]:
        rows = await self._connection.read("SELECT collection, source, after FROM tails")
        return [TailRow(UUID(bytes=collection), UUID(bytes=source), after) for collection, source, after in rows]

    async def named_files(self) -> set[str]:
        return {file for (file,) in await self._connection.read("SELECT DISTINCT file FROM files")}


async def _put_manifest(step: Statements, collection: bytes, version: int, body: bytes, seq: Seq) -> None:
    """In place of the one that there is, if there is one."""
    await step.rows(
        "INSERT OR REPLACE INTO manifests (collection, version, body, crc32, seq) VALUES (?, ?, ?, ?, ?)",
        (collection, version, body, row_checksum((collection, version), body), seq),
    )

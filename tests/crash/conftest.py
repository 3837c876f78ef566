"""What all crash tests need."""

from __future__ import annotations

import pytest

from chroma_async.storage.sqlite.log import SqliteLog


@pytest.fixture(autouse=True)
def checkpoints_between_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images are taken between calls, so nothing may write meanwhile: checkpoints are made whole by the writer.

    Processes that are killed make theirs as ever.
    """

    async def nothing(log: SqliteLog) -> None:
        pass

    monkeypatch.setattr(SqliteLog, "_copy_beside", nothing)

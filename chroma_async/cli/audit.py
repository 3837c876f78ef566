"""The audit log of a server that is about to start."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import click

from chroma_async.config.settings import Settings
from chroma_async.server.audit_log import AuditFile, AuditLog
from chroma_async.threads import Lane


@asynccontextmanager
async def audit_log(settings: Settings) -> AsyncIterator[AuditLog | None]:
    """Open for the length of a block; ``None`` if the settings ask for none. :raises click.ClickException: its file cannot be written."""
    if not settings.audit_log:
        yield None
        return
    lane, path = Lane("audit", 1), Path(settings.audit_log)
    try:
        file = await lane.run(AuditFile, path, settings.audit_log_bytes, settings.audit_log_files)
    except OSError as error:
        await lane.aclose()
        raise click.ClickException(f"the audit log cannot be written to {path}: {error.strerror or error}") from error
    audit = AuditLog(file, lane.run)
    try:
        yield audit
    finally:
        await audit.aclose()
        await lane.aclose()

"""ChromaAPI straight on an engine in this process: what the embedded clients hold and what the server serves."""

from __future__ import annotations

from collections.abc import AsyncIterator

from chroma_async.config.settings import Settings
from chroma_async.engine.admin.check_store import Finding, check_store
from chroma_async.engine.admin.compact_store import Step, compact_store
from chroma_async.engine.inspection import inspect
from chroma_async.errors import ResetDisabledError, StoreError
from chroma_async.service.collections import CollectionVerbs
from chroma_async.service.functions import FunctionVerbs
from chroma_async.service.maintenance import MaintenanceVerbs
from chroma_async.service.observed import observed
from chroma_async.service.records import RecordVerbs
from chroma_async.service.searches import SearchVerbs
from chroma_async.service.sharing import share_engine
from chroma_async.service.tenancy import TenancyVerbs
from chroma_async.statistics import StoreStatistics
from chroma_async.types import DEFAULT_DATABASE, DEFAULT_TENANT, Health, Identity, Preflight

#: What Chroma's servers answer, whatever their release.
API_VERSION = "1.0.0"
#: What failed is in the log, with its path.
POISONED = "damaged: a write failed in doubt, and writes are refused until the store is reopened; the log says what failed"


@observed(
    "create_tenant", "get_tenant", "update_tenant", "create_database", "get_database", "delete_database", "list_databases",
    "create_collection", "get_collection", "get_collection_by_id", "get_collection_by_crn", "list_collections", "count_collections",
    "modify_collection", "fork_collection", "fork_count", "indexing_status", "delete_collection",
    "set_alias", "delete_alias", "list_aliases", "attach_function", "get_attached_function", "detach_function",
    "write", "delete", "get", "query", "search", "count", "conditional_get", "conditional_commit", "reset",
)  # fmt: skip
class LocalAPI(TenancyVerbs, CollectionVerbs, RecordVerbs, SearchVerbs, FunctionVerbs, MaintenanceVerbs):
    """See :class:`chroma_async.api.ChromaAPI`. Made by :func:`open_local`."""

    async def heartbeat(self) -> int:
        return self.engine.context.clock()

    async def health(self) -> Health:
        try:
            engine = self.engine
            engine.guard.check()
        except StoreError as error:  # closed, forked, or the lease was lost
            return Health(is_executor_ready=False, is_log_client_ready=False, reason=f"the store cannot be used ({type(error).__name__})")
        if engine.context.log_writer.poisoned is not None:
            return Health(is_executor_ready=True, is_log_client_ready=False, reason=POISONED)
        return Health(is_executor_ready=True, is_log_client_ready=True)

    async def version(self) -> str:
        return API_VERSION

    async def preflight(self) -> Preflight:
        return Preflight(max_batch_size=self.settings.max_batch_size, supports_base64_encoding=True)

    async def identity(self) -> Identity:
        return Identity(user_id="", tenant=DEFAULT_TENANT, databases=[DEFAULT_DATABASE])

    async def reset(self) -> bool:
        if not self.settings.allow_reset:
            raise ResetDisabledError("Reset is disabled by config")
        await self.engine.removal.reset()
        return True

    async def statistics(self) -> StoreStatistics:
        """See :meth:`chroma_async.api.Inspectable.statistics`."""
        return await inspect(self.engine)

    def check(self) -> AsyncIterator[Finding]:
        """Read every stored byte and say what is wrong: checksums, invariants, and each graph against exact search on a sample."""
        return check_store(self.engine)

    def compact(self) -> AsyncIterator[Step]:
        """Flush, merge, vacuum and index every collection now, saying how far it is."""
        return compact_store(self.engine)

    async def aclose(self) -> None:
        await self._lease.aclose()


async def open_local(path: str | None, settings: Settings | None = None, *, refuse_when_full: bool = False) -> LocalAPI:
    """Open the store at ``path``, or a new one in memory for ``None``. Clients of one path in one process share an engine.

    :param refuse_when_full: full queues raise RateLimitError; without it, writes wait.
    :raises LockedError: another process owns the directory; names it.
    :raises ForeignDirectoryError: the directory holds another program's files.
    :raises WrongLoopError: another running event loop of this process has it open.
    :raises ValidationError: it is open with other settings.
    """
    return LocalAPI(await share_engine(path, settings or Settings(), refuse_when_full=refuse_when_full))

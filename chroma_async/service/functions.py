"""Functions that are attached to a collection and keep their result in another."""

from __future__ import annotations

import json
from uuid import UUID

from chroma_async.schema.names import check_collection_name
from chroma_async.service.verbs import Verbs
from chroma_async.types import Attachment, FunctionInfo, Json, Scope


class FunctionVerbs(Verbs):
    """Attached functions."""

    async def attach_function(
        self, scope: Scope, id: UUID, name: str, function_id: str, output_collection: str, params: dict[str, Json] | None = None
    ) -> Attachment:
        check_collection_name(output_collection, "output_collection")
        self.engine.guard.check()
        row, created = await self.engine.functions.attach(scope, id, name, function_id, output_collection, params or {})
        return Attachment(row.id, row.name, row.function, created)

    async def get_attached_function(self, scope: Scope, id: UUID, name: str) -> FunctionInfo:
        database = await self._tenancy.get_database(scope)
        row, output = await self.engine.functions.get(scope, id, name)
        return FunctionInfo(
            id=row.id,
            name=row.name,
            function_name=row.function,
            input_collection_id=row.collection,
            output_collection=output.name,
            output_collection_id=row.output,
            params=json.dumps(row.params),
            tenant_id=scope.tenant,
            database_id=str(database.id),
            completion_offset=row.completed,
            min_records_for_invocation=row.min_records,
        )

    async def detach_function(self, scope: Scope, id: UUID, name: str, delete_output: bool = False) -> bool:
        self.engine.guard.check()
        row, output = await self.engine.functions.get(scope, id, name)
        if delete_output:
            # By its id: since it was looked at, its name may have become another collection's.
            await self.engine.removal.delete_collection(scope, output.id)
        else:
            await self.engine.functions.detach(row)
        return True

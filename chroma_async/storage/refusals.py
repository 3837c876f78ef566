"""What a catalog and a log say when they refuse; every backend says it in the same words.

The wording is Chroma's where clients are known to look into it (collection, tenant and database messages).
"""

from __future__ import annotations

from uuid import UUID

from chroma_async.errors import ClosedError, FencedError, InternalError, InvalidArgumentError, NotFoundError, UniqueConstraintError
from chroma_async.types import Seq


def tenant_missing(name: str) -> NotFoundError:
    """No tenant of that name."""
    return NotFoundError(f"Tenant [{name}] not found")


def tenant_taken(name: str) -> UniqueConstraintError:
    """The tenant exists."""
    return UniqueConstraintError(f"Tenant [{name}] already exists")


def resource_name_set(tenant: str) -> UniqueConstraintError:
    """The tenant has another resource name."""
    return UniqueConstraintError(f"Tenant [{tenant}] already has a resource name")


def resource_name_taken(resource_name: str) -> UniqueConstraintError:
    """Another tenant has the resource name."""
    return UniqueConstraintError(f"Resource name [{resource_name}] already exists")


def database_missing(name: str) -> NotFoundError:
    """No database of that name, when it is asked for."""
    return NotFoundError(f"Database [{name}] not found. Are you sure it exists?")


def database_missing_at_delete(name: str) -> NotFoundError:
    """No database of that name, when it is to be deleted."""
    return NotFoundError(f"Database [{name}] not found")


def database_missing_at_create(name: str) -> InvalidArgumentError:
    """No database of that name, when a collection is to be created in it."""
    return InvalidArgumentError(f"Database [{name}] does not exist")


def database_taken(name: str, tenant: str) -> UniqueConstraintError:
    """The tenant has a database of that name."""
    return UniqueConstraintError(f"Database [{name}] already exists for tenant [{tenant}]")


def collection_missing(name: str) -> NotFoundError:
    """No collection of that name in the scope."""
    return NotFoundError(f"Collection [{name}] does not exist")


def alias_missing(name: str) -> NotFoundError:
    """No alias of that name in the scope."""
    return NotFoundError(f"Alias [{name}] does not exist")


def alias_taken(name: str) -> UniqueConstraintError:
    """The name that a collection is to have is an alias."""
    return UniqueConstraintError(f"Alias [{name}] already exists; delete it, or choose another name for the collection")


def aliased(name: str, alias: str) -> UniqueConstraintError:
    """A collection that is to be deleted has an alias."""
    return UniqueConstraintError(f"Collection [{name}] is what alias [{alias}] stands for; move or delete the alias first")


def function_missing(name: str) -> NotFoundError:
    """No function of that name is attached to the collection."""
    return NotFoundError(f"Attached function [{name}] does not exist")


def function_taken(name: str, function: str, output: str) -> UniqueConstraintError:
    """The collection has an attached function, and may have one only."""
    return UniqueConstraintError(
        f"collection already has an attached function: name={name}, function={function}, output_collection={output}"
    )


def output_taken(name: str) -> UniqueConstraintError:
    """The collection that an attached function is to fill exists."""
    return UniqueConstraintError(f"Output collection [{name}] already exists")


def collection_id_missing(id: UUID) -> NotFoundError:
    """No collection of that id in the scope."""
    return NotFoundError(f"Collection [{id}] does not exist.")


def collection_taken(name: str) -> UniqueConstraintError:
    """The database has a collection of that name."""
    return UniqueConstraintError(f"Collection [{name}] already exists")


def collection_id_taken(id: UUID) -> UniqueConstraintError:
    """Some database has a collection of that id."""
    return UniqueConstraintError(f"Collection [{id}] already exists")


def manifest_fenced(collection: UUID, expected: int, stored: int) -> FencedError:
    """Someone else committed a manifest in between."""
    return FencedError(f"manifest of collection [{collection}] is at version {stored}, the commit expected {expected}")


def forks_full(source: UUID, forks: int) -> InvalidArgumentError:
    """The tree of forks takes no more."""
    return InvalidArgumentError(f"collection {source} has {forks} forks, as many as there may be")


def entry_taken(collection: UUID, first: Seq) -> InternalError:
    """The log holds an entry that begins at this seq."""
    return InternalError(f"the log already holds an entry of collection [{collection}] at seq {first}")


def closed(what: str) -> ClosedError:
    """It was closed."""
    return ClosedError(f"the {what} is closed")

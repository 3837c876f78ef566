"""Where this project answers otherwise than Chroma's server does, on purpose. Everything that is not named here must be the same."""

from __future__ import annotations

_NORM = "the squared norm of a vector must fit float32: no distance to it could be told otherwise"
_METADATA = "Chroma's handler crashes and drops the connection; here it is a bad request"
_SCOPE = "tenant and database are checked on every route: another tenant's collection is not found"
_KEYS = "a key that no record holds, as [] or a value taken back in the same batch, does not enter the schema"
_ID = "#id filters by id, as it does in Chroma's distributed service"
_PATTERN = "a pattern that would grow too large is the client's mistake, not an internal error"
_FRACTION = "a literal with a fraction is compared with integers mathematically, not cut off first"
_ALIAS = "documents and uris are not metadata: the keys under which Chroma stores them match nothing"
_JSON = "what no route reads must be JSON as well"

_MORE = "served here, though not by Chroma's single node"

#: Beginning of a probe's name -> why it differs.
DIFFERENCES: dict[str, str] = {
    "add: over 40 MiB": "every refusal of a large body is JSON",
    **{f"{route}: the pattern x{{1000000}}": _PATTERN for route in ("get", "query", "delete")},
    "query: query_embeddings beyond float32": "a query that overflows is refused, not answered with null distances",
    "query: an unknown id without where": "the client's mistake, not an internal error; the text is the same",
    "json: a vector of huge integers": _NORM,
    "json: an unread number beyond float64": _JSON,
    "json: an unread lone surrogate": _JSON,
    "tenants: a resource name": "kept and shown, as Chroma's distributed service does",
    "create: a list in metadata": _METADATA,
    "create: a sparse vector in metadata": _METADATA,
    "modify: metadata with a list": _METADATA,
    "modify: metadata with an empty list": _METADATA,
    "modify: a name that is taken": "a conflict, not an internal error",
    "collection: records in another": _SCOPE,
    "schema: keys are discovered": _KEYS,
    "update: a removed key": _KEYS,
    "upsert: a removed key": _KEYS,
    "update: keys removed from none": _KEYS,
    "upsert: keys removed from none": _KEYS,
    "update: one id twice": _KEYS,
    "upsert: one id twice": _KEYS,
    "add: a refused batch does not fix the dimension": "a refused batch leaves nothing behind",
    "where: chroma:": _ALIAS,
    **{f"{route}: a sparse vector": _MORE for route in ("add", "update", "upsert")},
    **{f"{route}: more than Chroma's grammar": _MORE for route in ("get", "query", "delete")},
    "schema: a sparse index": _MORE,
    "fraction": _FRACTION,
    "reserved key: #id": _ID,
}


def reason(name: str) -> str | None:
    """Why a probe's answers may differ, ``None`` when they may not."""
    return next((why for beginning, why in DIFFERENCES.items() if name.startswith(beginning)), None)

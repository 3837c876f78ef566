"""Routes of API keys, which Chroma's single node does not have."""

from __future__ import annotations

from aiohttp import web

from chroma_async.auth.caller import Caller
from chroma_async.auth.key_store import KeyStore
from chroma_async.auth.keys import Key
from chroma_async.errors import ChromaAuthError, UnimplementedError
from chroma_async.server.authentication import PERMISSION
from chroma_async.server.exchange import answer, empty_object, parsed
from chroma_async.server.route import ROOT, Route
from chroma_async.server.service import Service
from chroma_async.wire.keys import KeyInfo, encode_keys, encode_made_key, parse_create_key

_KEYS = ROOT + "/auth/keys"
_ACTION = "system:manage_keys"


async def create_key(service: Service, request: web.Request) -> web.Response:
    """The one time that it is shown."""
    wanted = await parsed(service, request, parse_create_key)
    keys = _store(service, request)
    key, text = await keys.create(Caller(wanted.user, wanted.role, wanted.tenant, wanted.databases), wanted.expires_at)
    return answer(encode_made_key(key_info(key), text))


async def list_keys(service: Service, request: web.Request) -> web.Response:
    """Without the keys themselves, which nobody knows."""
    return answer(encode_keys([key_info(key) for key in _store(service, request).listed()]))


async def revoke_key(service: Service, request: web.Request) -> web.Response:
    """At once."""
    await _store(service, request).revoke(request.match_info["key_id"])
    return empty_object()


def key_info(key: Key) -> KeyInfo:
    """What is told of a key."""
    who = key.caller
    return KeyInfo(key.id, who.user, who.role, who.tenant, who.databases, key.created_s, key.expires_s)


def _store(service: Service, request: web.Request) -> KeyStore:
    """The keys, for those who may do everything: whoever makes keys could make one for all else.

    :raises UnimplementedError: there are none. :raises ChromaAuthError: the caller may not.
    """
    permission = request.get(PERMISSION)
    if permission is not None and not permission.on_system(_ACTION):
        raise ChromaAuthError(f"{permission.caller.user!r:.200} may not do {_ACTION} here")
    if service.keys is None:
        raise UnimplementedError("there are no keys: this server asks for no credential, or keeps its data in memory")
    return service.keys


KEY_ROUTES = (
    Route(
        "POST",
        _KEYS,
        "create_key",
        "Make an API key",
        "System",
        create_key,
        "MadeKey",
        body="CreateKey",
        errors=(400, 422, 501, 503),
        actions=(_ACTION,),
    ),
    Route("GET", _KEYS, "list_keys", "List API keys", "System", list_keys, "Keys", errors=(501,), actions=(_ACTION,)),
    Route(
        "DELETE",
        _KEYS + "/{key_id}",
        "revoke_key",
        "Revoke an API key",
        "System",
        revoke_key,
        "Empty",
        errors=(404, 501, 503),
        actions=(_ACTION,),
    ),
)

"""Routes of tenants and databases."""

from __future__ import annotations

from aiohttp import web

from chroma_async.server.exchange import SUBJECT, answer, empty_object, page, parsed, scope
from chroma_async.server.route import DATABASE, ROOT, Route
from chroma_async.server.service import Service
from chroma_async.wire.collections import encode_database, encode_databases, encode_tenant, parse_text_field


async def create_tenant(service: Service, request: web.Request) -> web.Response:
    """By name."""
    request[SUBJECT] = name = await parsed(service, request, parse_text_field, "name")
    await service.api.create_tenant(name)
    return empty_object()


async def get_tenant(service: Service, request: web.Request) -> web.Response:
    """By name."""
    return answer(encode_tenant(await service.api.get_tenant(request.match_info["tenant"])))


async def update_tenant(service: Service, request: web.Request) -> web.Response:
    """Its resource name."""
    request[SUBJECT] = resource_name = await parsed(service, request, parse_text_field, "resource_name")
    await service.api.update_tenant(request.match_info["tenant"], resource_name)
    return empty_object()


async def create_database(service: Service, request: web.Request) -> web.Response:
    """In the path's tenant."""
    request[SUBJECT] = name = await parsed(service, request, parse_text_field, "name")
    await service.api.create_database(name, request.match_info["tenant"])
    return empty_object()


async def list_databases(service: Service, request: web.Request) -> web.Response:
    """By name."""
    limit, offset = page(request)
    return answer(encode_databases(await service.api.list_databases(request.match_info["tenant"], limit, offset)))


async def get_database(service: Service, request: web.Request) -> web.Response:
    """By name."""
    where = scope(request)
    return answer(encode_database(await service.api.get_database(where.database, where.tenant)))


async def delete_database(service: Service, request: web.Request) -> web.Response:
    """With its collections."""
    names = request.match_info
    await service.api.delete_database(names["database"], names["tenant"])
    return empty_object()


_TENANTS = ROOT + "/tenants"
_TENANT = _TENANTS + "/{tenant}"
_DATABASES = _TENANT + "/databases"

TENANT_ROUTES = (
    Route(
        "POST",
        _TENANTS,
        "create_tenant",
        "Create a tenant",
        "Tenants",
        create_tenant,
        "Empty",
        body="CreateTenant",
        errors=(400, 409, 422, 503),
        actions=("tenant:create_tenant",),
    ),
    Route(
        "GET",
        _TENANT,
        "get_tenant",
        "Read a tenant",
        "Tenants",
        get_tenant,
        "Tenant",
        errors=(400, 404),
        actions=("tenant:get_tenant",),
    ),
    Route(
        "PATCH",
        _TENANT,
        "update_tenant",
        "Set the resource name of a tenant",
        "Tenants",
        update_tenant,
        "Empty",
        body="UpdateTenant",
        errors=(400, 409, 422, 503),
        actions=("tenant:update_tenant",),
    ),
    Route(
        "POST",
        _DATABASES,
        "create_database",
        "Create a database",
        "Databases",
        create_database,
        "Empty",
        body="CreateDatabase",
        errors=(400, 409, 422, 503),
        actions=("db:create_database",),
    ),
    Route(
        "GET",
        _DATABASES,
        "list_databases",
        "List the databases of a tenant by name",
        "Databases",
        list_databases,
        "Databases",
        errors=(400,),
        query=("limit", "offset"),
        actions=("db:list_databases",),
    ),
    Route(
        "GET",
        DATABASE,
        "get_database",
        "Read a database",
        "Databases",
        get_database,
        "Database",
        errors=(400, 404),
        actions=("db:get_database",),
    ),
    Route(
        "DELETE",
        DATABASE,
        "delete_database",
        "Delete a database and its collections",
        "Databases",
        delete_database,
        "Empty",
        errors=(400, 404, 503),
        actions=("db:delete_database",),
    ),
)

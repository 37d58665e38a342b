"""The JSON routes of tenants, their API keys and their redirect key, and `GET /admin/me`."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Response

from setuplinks.core import wire
from setuplinks.core.db.unit import Unit
from setuplinks.core.problems import Forbidden
from setuplinks.tenants import service, store
from setuplinks.tenants.context import Deps
from setuplinks.tenants.idempotency import Answer
from setuplinks.tenants.keys import Scope
from setuplinks.tenants.models import SUSPENDED, ApiKey, Tenant, api_key_of, tenant_of
from setuplinks.tenants.openapi import Query
from setuplinks.tenants.routes import (
    ANY_KEY,
    Call,
    Routes,
    Rule,
    answer,
    listing,
    no_content,
    of_tenant,
    operator_only,
    reply,
)

Suspending = Callable[[Unit, int, str], Awaitable[None]]
OffBoarding = Callable[[int, str], Awaitable[None]]


class MeView(wire.View):
    """Who this key is."""

    role: Literal["operator", "tenant"]
    tenant_id: int | None
    tenant_name: str | None
    key_id: int | None
    scopes: list[str]


class RedirectsBody(wire.Body):
    """Where a customer goes when the link itself does not say."""

    success_redirect_url: str | msgspec.UnsetType | None = msgspec.UNSET
    failure_redirect_url: str | msgspec.UnsetType | None = msgspec.UNSET


class NewTenant(wire.Body):
    """A tenant to be made."""

    name: Annotated[str, msgspec.Meta(description="Shown to customers as the one who asks; 1 to 80 characters.")]
    theme: dict[str, Any] | None = None
    default_redirects: RedirectsBody | None = None
    allowed_redirect_hosts: list[str] | None = None
    language: str | None = None
    time_zone: str | None = None


class TenantPatch(wire.Body):
    """What may change of a tenant; `name` and `status` by the operator alone. Null clears a field."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    status: Literal["active", "suspended"] | msgspec.UnsetType = msgspec.UNSET
    theme: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET
    default_redirects: RedirectsBody | msgspec.UnsetType | None = msgspec.UNSET
    allowed_redirect_hosts: list[str] | msgspec.UnsetType | None = msgspec.UNSET
    language: str | msgspec.UnsetType | None = msgspec.UNSET
    time_zone: str | msgspec.UnsetType | None = msgspec.UNSET


class DefaultRedirectsView(wire.View):
    """Where a customer goes when the link itself does not say."""

    success_redirect_url: str | None
    failure_redirect_url: str | None


class TenantView(wire.View):
    """A tenant."""

    id: int
    name: str
    status: Literal["active", "suspended"]
    theme: dict[str, str]
    default_redirects: DefaultRedirectsView
    allowed_redirect_hosts: list[str]
    language: str | None
    time_zone: str
    created_at: wire.Moment
    updated_at: wire.Moment


class NewApiKey(wire.Body):
    """An API key to be made; `scopes` is `["admin"]` where it is left out."""

    name: str
    scopes: list[Scope] | None = None
    expires_at: wire.Instant | None = None


class ApiKeyView(wire.View):
    """An API key, without the key."""

    id: int
    tenant_id: int
    name: str
    prefix: str
    scopes: list[str]
    expires_at: wire.Moment | None
    created_at: wire.Moment
    last_used_at: wire.Moment | None


class CreatedApiKeyView(ApiKeyView):
    """A new API key; `key` is shown this once."""

    key: str


class RedirectKeyView(wire.View):
    """The key that signs redirects; for a day after a rotation also the former one."""

    key: str
    previous_key: str | None
    previous_key_expires_at: wire.Moment | None


def router(deps: Deps, *, suspending: Suspending | None = None, off_boarding: OffBoarding | None = None) -> APIRouter:
    """The routes. `suspending(tx, tenant_id, actor)` joins the unit that suspends a tenant; `off_boarding(tenant_id,
    actor)` takes all customers away (in its own units) before `DELETE …?cascade=true` deletes the tenant."""
    routes = Routes(deps, "Tenants")

    async def update_tenant(call: Call) -> Response:
        """Changes a tenant. A tenant's key may change theme, language, time zone, default and allowed redirects."""
        return await _update(call, suspending)

    async def delete_tenant(call: Call) -> Response:
        """Deletes a tenant: 409 while customers remain, unless `?cascade=true` off-boards them first."""
        return await _delete(call, off_boarding)

    one = "/admin/tenants/{tenantId}"
    cascade = Query("cascade", "`true` off-boards all customers first.", {"type": "string", "enum": ["true", "false"]})
    add = routes.add
    add("GET", "/admin/me", ANY_KEY, get_me, answers=MeView)
    add("POST", "/admin/tenants", operator_only(), create_tenant, takes=NewTenant, answers=TenantView, status=201)
    add("GET", "/admin/tenants", Rule("read"), list_tenants, answers=TenantView, pages=True)
    add("GET", one, of_tenant("read"), get_tenant, answers=TenantView)
    add("PATCH", one, of_tenant("admin"), update_tenant, takes=TenantPatch, answers=TenantView, conflicts=True)
    add(
        "DELETE", one, operator_only("tenant", "tenantId"), delete_tenant, status=204, query=[cascade], conflicts=True
    )  # fmt: skip
    keys = f"{one}/api-keys"
    add("POST", keys, of_tenant("admin"), create_api_key, takes=NewApiKey, answers=CreatedApiKeyView, status=201)
    add("GET", keys, of_tenant("admin"), list_api_keys, answers=ApiKeyView, pages=True)
    add("DELETE", f"{keys}/{{keyId}}", of_tenant("admin"), revoke_api_key, status=204)
    add("GET", f"{one}/redirect-key", of_tenant("admin"), get_redirect_key, answers=RedirectKeyView)
    add("POST", f"{one}/redirect-key/rotate", of_tenant("admin"), rotate_redirect_key, answers=RedirectKeyView)
    return routes.router


async def get_me(call: Call) -> Response:
    """Role, tenant and scopes of this key."""
    caller = call.caller
    tenant = None if caller.tenant_id is None else await service.read(call.deps.db, caller.tenant_id)
    return reply(
        MeView(
            role=caller.role,
            tenant_id=caller.tenant_id,
            tenant_name=None if tenant is None else tenant.name,
            key_id=caller.key_id,
            scopes=sorted(caller.scopes),
        )
    )


async def create_tenant(call: Call) -> Response:
    """Creates a tenant with its keys; the operator alone."""
    new = call.take(NewTenant)
    given = new.default_redirects or RedirectsBody()
    wish = service.Wish(
        name=new.name,
        theme=new.theme,
        default_success_url=given.success_redirect_url,
        default_failure_url=given.failure_redirect_url,
        allowed_redirect_hosts=new.allowed_redirect_hosts,
        language=new.language,
        time_zone=new.time_zone,
    )
    deps = call.deps

    async def verb(tx: Unit) -> Answer:
        tenant = await service.create(
            tx, deps.db, deps.vault, wish, now=call.now, actor=call.actor, loopback=deps.settings.on_loopback
        )
        return answer(show(tenant), 201)

    return await call.change(verb)


async def list_tenants(call: Call) -> Response:
    """All tenants for the operator; a tenant's key sees its own."""
    page = call.page()
    if call.caller.tenant_id is not None:
        tenant = await service.read(call.deps.db, call.caller.tenant_id)
        return reply({"data": [show(tenant)], "nextCursor": None})
    rows = await store.rows_before(call.deps.db, page.at, page.id, page.limit + 1)
    return listing(rows, page, lambda row: show(tenant_of(row)))


async def get_tenant(call: Call) -> Response:
    """One tenant."""
    return reply(show(await service.read(call.deps.db, call.tenant_id)))


async def _update(call: Call, suspending: Suspending | None) -> Response:
    patch = call.take(TenantPatch)
    if call.caller.role != "operator" and (patch.name is not msgspec.UNSET or patch.status is not msgspec.UNSET):
        raise Forbidden("Only the operator renames or suspends a tenant.")
    given: Any = patch.default_redirects
    if given is None:
        given = RedirectsBody(None, None)
    elif isinstance(given, msgspec.UnsetType):
        given = RedirectsBody()
    wish = service.Wish(
        patch.name, patch.status, patch.theme, given.success_redirect_url, given.failure_redirect_url,
        patch.allowed_redirect_hosts, patch.language, patch.time_zone,
    )  # fmt: skip

    async def verb(tx: Unit) -> Answer:
        before = await service.read(tx, call.tenant_id)
        loopback = call.deps.settings.on_loopback
        tenant = await service.update(tx, call.tenant_id, wish, now=call.now, actor=call.actor, loopback=loopback)
        if suspending is not None and tenant.status == SUSPENDED != before.status:
            await suspending(tx, call.tenant_id, call.actor)
        return answer(show(tenant))

    return await call.change(verb)


async def _delete(call: Call, off_boarding: OffBoarding | None) -> Response:
    cascade = call.query_word("cascade", ("true", "false")) == "true"
    if cascade and off_boarding is not None:
        await off_boarding(call.tenant_id, call.actor)

    async def verb(tx: Unit) -> Answer:
        await service.delete(tx, call.tenant_id, now=call.now, actor=call.actor)
        return no_content()

    return await call.change(verb)


async def create_api_key(call: Call) -> Response:
    """Creates an API key of the tenant. `key` is in this answer only."""
    new = call.take(NewApiKey)

    async def verb(tx: Unit) -> Answer:
        made, key = await service.create_key(
            tx, call.deps.db, call.tenant_id,
            name=new.name, scopes=new.scopes, expires_at=new.expires_at, now=call.now, actor=call.actor,
        )  # fmt: skip
        return answer(CreatedApiKeyView(**_key_fields(made), key=key), 201)

    return await call.change(verb)


async def list_api_keys(call: Call) -> Response:
    """The tenant's keys that still count, newest first."""
    page = call.page()
    rows = await store.key_rows_before(call.deps.db, call.tenant_id, page.at, page.id, page.limit + 1)
    return listing(rows, page, lambda row: ApiKeyView(**_key_fields(api_key_of(row))))


async def revoke_api_key(call: Call) -> Response:
    """Revokes a key; it stops at once."""
    key_id = call.path_id("keyId")

    async def verb(tx: Unit) -> Answer:
        await service.revoke_key(tx, call.tenant_id, key_id, now=call.now, actor=call.actor)
        return no_content()

    return await call.change(verb)


async def get_redirect_key(call: Call) -> Response:
    """The key with which `sig` of a redirect is checked."""
    sealer = await call.deps.vault.tenant(call.tenant_id)
    tenant = await service.read(call.deps.db, call.tenant_id)
    return reply(_show_redirect_key(tenant, *service.redirect_key_texts(tenant, sealer, call.now)))


async def rotate_redirect_key(call: Call) -> Response:
    """Makes a new redirect key; for 24 hours `sig` holds a value for each of the two."""
    sealer = await call.deps.vault.tenant(call.tenant_id)

    async def verb(tx: Unit) -> Answer:
        tenant = await service.rotate_redirect_key(tx, call.tenant_id, sealer, now=call.now, actor=call.actor)
        return answer(_show_redirect_key(tenant, *service.redirect_key_texts(tenant, sealer, call.now)))

    return await call.change(verb)


def show(tenant: Tenant) -> TenantView:
    """A tenant as the API answers it."""
    return TenantView(
        id=tenant.id,
        name=tenant.name,
        status="suspended" if tenant.status == SUSPENDED else "active",
        theme=tenant.theme,
        default_redirects=DefaultRedirectsView(tenant.default_success_url, tenant.default_failure_url),
        allowed_redirect_hosts=list(tenant.allowed_redirect_hosts),
        language=tenant.language,
        time_zone=tenant.time_zone,
        created_at=wire.instant(tenant.created_at),
        updated_at=wire.instant(tenant.updated_at),
    )


def _key_fields(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "tenant_id": key.tenant_id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": list(key.scopes),
        "expires_at": wire.instant_or_none(key.expires_at),
        "created_at": wire.instant(key.created_at),
        "last_used_at": wire.instant_or_none(key.last_used_at),
    }


def _show_redirect_key(tenant: Tenant, current: str, former: str | None) -> RedirectKeyView:
    until = tenant.redirect_key_previous_until if former is not None else None
    return RedirectKeyView(current, former, wire.instant_or_none(until))

"""What the verbs `tenants`, `api-keys` and `master-keys` do, through the same services as the API."""

from typing import TYPE_CHECKING, Any

import msgspec

from setuplinks.commands.desk import ACTOR, LATEST, done, said, show, show_all
from setuplinks.commands.faults import MISUSED, Refused
from setuplinks.core.db.unit import Unit
from setuplinks.core.wire import instant, instant_or_none, parse_instant
from setuplinks.provisioning.api import CrossingRoutes
from setuplinks.tenants import api, service, store
from setuplinks.tenants.models import ApiKey, Tenant, TenantHasCustomers, api_key_of, tenant_of

if TYPE_CHECKING:
    from setuplinks.app import Service

TENANT_COLUMNS = ("id", "name", "status", "language", "timeZone", "createdAt")
KEY_COLUMNS = ("id", "name", "prefix", "scopes", "expiresAt", "lastUsedAt", "createdAt")


def create_tenant(name: str, *, as_json: bool) -> None:
    """Makes a tenant. Raises Invalid."""

    async def act(desk: "Service") -> Tenant:
        return await desk.db.unit(
            service.create, desk.db, desk.vault, service.Wish(name=name), now=desk.clock.now(), actor=ACTOR,
            loopback=desk.settings.on_loopback,
        )  # fmt: skip

    show(api.show(done(act)), as_json=as_json)


def list_tenants(limit: int, *, as_json: bool) -> None:
    """The newest tenants."""

    async def act(desk: "Service") -> list[Tenant]:
        return [tenant_of(row) for row in await store.rows_before(desk.db, LATEST, LATEST, limit)]

    show_all([api.show(tenant) for tenant in done(act)], TENANT_COLUMNS, as_json=as_json, what="tenants")


def show_tenant(tenant_id: int, *, as_json: bool) -> None:
    """One tenant. Raises NotFound."""

    async def act(desk: "Service") -> Tenant:
        return await service.read(desk.db, tenant_id)

    show(api.show(done(act)), as_json=as_json)


def set_status(tenant_id: int, status: str, *, as_json: bool) -> None:
    """Suspends a tenant or lets it go on. Raises NotFound."""

    async def act(desk: "Service") -> Tenant:
        async def verb(tx: Unit) -> Tenant:
            if status == "suspended":
                await desk.provisionings.suspend(tx, tenant_id, ACTOR)
            return await service.update(
                tx, tenant_id, service.Wish(status=status), now=desk.clock.now(), actor=ACTOR,
                loopback=desk.settings.on_loopback,
            )  # fmt: skip

        return await desk.db.unit(verb)

    show(api.show(done(act)), as_json=as_json)


def delete_tenant(tenant_id: int, *, cascade: bool) -> None:
    """Deletes a tenant, with `cascade` after off-boarding its customers. Raises NotFound, TenantHasCustomers."""

    async def act(desk: "Service") -> None:
        await service.read(desk.db, tenant_id)
        if cascade:
            await CrossingRoutes(desk.deps, desk.provisionings, desk.offboarding).off_board_all(tenant_id, ACTOR)
        try:
            await desk.db.unit(service.delete, tenant_id, now=desk.clock.now(), actor=ACTOR)
        except TenantHasCustomers:
            raise Refused(f"Tenant {tenant_id} still has customers; --cascade off-boards them first.") from None

    done(act)
    said(f"Tenant {tenant_id} is deleted.")


def create_key(tenant_id: int, name: str, scopes: list[str] | None, expires_at: str | None, *, as_json: bool) -> None:
    """Makes an API key and shows it once. Raises Invalid, NotFound, Refused."""
    ends = None if expires_at is None else instant_of(expires_at)

    async def act(desk: "Service") -> tuple[ApiKey, str]:
        return await desk.db.unit(
            service.create_key, desk.db, tenant_id, name=name, scopes=scopes, expires_at=ends, now=desk.clock.now(),
            actor=ACTOR,
        )  # fmt: skip

    made, key = done(act)
    show({"key": key, **_shown(made)}, as_json=as_json)


def list_keys(tenant_id: int, limit: int, *, as_json: bool) -> None:
    """The tenant's living keys, newest first. Raises NotFound."""

    async def act(desk: "Service") -> list[ApiKey]:
        await service.read(desk.db, tenant_id)
        return [api_key_of(row) for row in await store.key_rows_before(desk.db, tenant_id, LATEST, LATEST, limit)]

    show_all([_shown(key) for key in done(act)], KEY_COLUMNS, as_json=as_json, what="keys")


def revoke_key(tenant_id: int, key_id: int) -> None:
    """Revokes a key. Raises NotFound."""

    async def act(desk: "Service") -> None:
        await desk.db.unit(service.revoke_key, tenant_id, key_id, now=desk.clock.now(), actor=ACTOR)

    done(act)
    said_revoked(key_id)


def rewrap() -> None:
    """Wraps every data key under the current master key. Raises VaultClosed where a former one is missing."""

    async def act(desk: "Service") -> int:
        total = 0
        while done_now := await desk.vault.rewrap():
            total += done_now
        return total

    count = done(act)
    said(f"{count} data keys were wrapped anew; all are under the current master key. Former ones may go.")


def _shown(key: ApiKey) -> dict[str, Any]:
    view = api.ApiKeyView(
        id=key.id, tenant_id=key.tenant_id, name=key.name, prefix=key.prefix, scopes=list(key.scopes),
        expires_at=instant_or_none(key.expires_at), created_at=instant(key.created_at),
        last_used_at=instant_or_none(key.last_used_at),
    )  # fmt: skip
    fields: dict[str, Any] = msgspec.to_builtins(view)
    return fields


def said_revoked(key_id: int) -> None:
    """What holds of every kind of key."""
    said(f"Key {key_id} is revoked; a service that runs takes it for 30 seconds at most.")


def instant_of(text: str) -> int:
    """µs since 1970 of RFC 3339 text. Raises Refused."""
    try:
        return parse_instant(text)
    except ValueError as error:
        raise Refused(f"{text!r}: {error}", MISUSED) from None

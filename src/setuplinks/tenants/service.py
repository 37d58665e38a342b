"""What can be done with a tenant, its API keys and its redirect key; every verb appends to the unit that it is given.

It does not suspend links or off-board customers: `provisioning` does, by the hooks that `api` takes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.structs import replace

from setuplinks.branding import images
from setuplinks.branding.theme import ThemeInvalid, validate_theme
from setuplinks.core import wire
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Unit
from setuplinks.core.problems import NotFound, RaceLost
from setuplinks.core.vault import Sealer, Vault
from setuplinks.tenants import audit, redirects, store
from setuplinks.tenants.key_memory import CHANNEL
from setuplinks.tenants.keys import REDIRECT_PREFIX, SCOPES, TENANT_PREFIX, hash_key, new_key, shown
from setuplinks.tenants.languages import check_time_zone, normal_language
from setuplinks.tenants.models import (
    ACTIVE,
    DELETED,
    ApiKey,
    Tenant,
    TenantHasCustomers,
    seal_redirect_key,
)

NAME_LIMIT = 80
KEY_NAME_LIMIT = 80
MOST_RULES = 100


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants a tenant to be, in wire values; UNSET is left as it is."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    status: str | msgspec.UnsetType = msgspec.UNSET
    theme: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET
    default_success_url: str | msgspec.UnsetType | None = msgspec.UNSET
    default_failure_url: str | msgspec.UnsetType | None = msgspec.UNSET
    allowed_redirect_hosts: Sequence[str] | msgspec.UnsetType | None = msgspec.UNSET
    language: str | msgspec.UnsetType | None = msgspec.UNSET
    time_zone: str | msgspec.UnsetType | None = msgspec.UNSET


async def read(reads: store.PointReads, tenant_id: int) -> Tenant:
    """The tenant. Raises NotFound."""
    found = await store.find(reads, tenant_id)
    if found is None:
        raise NotFound
    return found


async def create(tx: Unit, db: Database, vault: Vault, wish: Wish, *, now: int, actor: str, loopback: bool) -> Tenant:
    """A new tenant with its data key and its redirect key. Raises Invalid."""
    tenant_id = await db.next_id("tenant")
    if isinstance(wish.name, msgspec.UnsetType):
        raise wire.invalid("name", "this field is required")
    sealer = vault.create(tx, tenant_id)
    blank = Tenant(
        tenant_id, "", ACTIVE, {}, None, None, (), None, "UTC",
        seal_redirect_key(sealer, tenant_id, new_key(REDIRECT_PREFIX)), None, None, 0, now, now,
    )  # fmt: skip
    made = _as_wished(blank, wish, loopback)
    store.insert(tx, RaceLost(), made)
    images.want(tx, tenant_id, made.theme, now)
    audit.add(tx, now, tenant_id, actor, "tenant.created", "tenant", tenant_id, {"name": made.name})
    return made


async def update(tx: Unit, tenant_id: int, wish: Wish, *, now: int, actor: str, loopback: bool) -> Tenant:
    """The tenant as wished; nothing is written where nothing changes. Raises NotFound, Invalid."""
    old = await read(tx, tenant_id)
    new = _as_wished(old, wish, loopback)
    if new == old:
        return old
    changed = [name for name in Tenant.__struct_fields__ if getattr(old, name) != getattr(new, name)]
    new = replace(new, version=old.version + 1, updated_at=now)
    store.update(tx, RaceLost(), new, old.version)
    images.want(tx, tenant_id, new.theme, now)
    if new.status != old.status:
        tx.wake(CHANNEL)
    audit.add(tx, now, tenant_id, actor, "tenant.updated", "tenant", tenant_id, {"changed": changed})
    return new


async def delete(tx: Unit, tenant_id: int, *, now: int, actor: str) -> None:
    """Takes a tenant without customers away. Raises NotFound, TenantHasCustomers.

    Its row stays as `deleted`, its audit too. Its data key stays as well, so that the last events can still be signed.
    """
    tenant = await read(tx, tenant_id)
    refused = TenantHasCustomers("Off-board its customers first, or send ?cascade=true.")
    if await store.has_customers(tx, tenant_id):
        raise refused
    store.delete(tx, refused, tenant, now)
    images.forget(tx, tenant_id)
    tx.wake(CHANNEL)
    audit.add(tx, now, tenant_id, actor, "tenant.deleted", "tenant", tenant_id, {"status": DELETED})


async def create_key(
    tx: Unit,
    db: Database,
    tenant_id: int,
    *,
    name: str,
    scopes: Sequence[str] | None,
    expires_at: int | None,
    now: int,
    actor: str,
) -> tuple[ApiKey, str]:
    """A new API key and the key itself, which is shown once. Raises Invalid, NotFound."""
    await read(tx, tenant_id)
    wanted = tuple(dict.fromkeys(scopes)) if scopes is not None else ("admin",)
    if not wanted or not set(wanted) <= set(SCOPES):
        raise wire.invalid("scopes", f"expected some of {', '.join(SCOPES)}")
    if expires_at is not None and expires_at <= now:
        raise wire.invalid("expiresAt", "this time is past")
    key = new_key(TENANT_PREFIX)
    made = ApiKey(
        tenant_id, await db.next_id("api_key"), wire.plain_text("name", name, KEY_NAME_LIMIT), shown(key), wanted,
        expires_at, now, None,
    )  # fmt: skip
    store.insert_key(tx, made, hash_key(key))
    detail = {"name": made.name, "scopes": list(wanted), "prefix": made.prefix}
    audit.add(tx, now, tenant_id, actor, "api_key.created", "api_key", made.id, detail)
    return made, key


async def revoke_key(tx: Unit, tenant_id: int, key_id: int, *, now: int, actor: str) -> None:
    """The key stops at once, in every process. Raises NotFound."""
    found = await store.find_key(tx, tenant_id, key_id)
    if found is None:
        raise NotFound
    store.revoke_key(tx, NotFound(), tenant_id, key_id, now)
    tx.wake(CHANNEL)
    audit.add(tx, now, tenant_id, actor, "api_key.revoked", "api_key", key_id, {"name": found.name})


async def rotate_redirect_key(tx: Unit, tenant_id: int, sealer: Sealer, *, now: int, actor: str) -> Tenant:
    """A fresh redirect key; the former one signs beside it for 24 hours. Raises NotFound."""
    old = await read(tx, tenant_id)
    new = replace(
        old,
        redirect_key=seal_redirect_key(sealer, tenant_id, new_key(REDIRECT_PREFIX)),
        redirect_key_previous=old.redirect_key,
        redirect_key_previous_until=now + redirects.ROTATION,
        version=old.version + 1,
        updated_at=now,
    )
    store.update(tx, RaceLost(), new, old.version)
    audit.add(tx, now, tenant_id, actor, "redirect_key.rotated", "tenant", tenant_id)
    return new


def redirect_key_texts(tenant: Tenant, sealer: Sealer, now: int) -> tuple[str, str | None]:
    """The current redirect key and, while it still signs, the former one."""
    current, *former = tenant.redirect_keys(sealer, now)
    return current.decode(), former[0].decode() if former else None


def _as_wished(tenant: Tenant, wish: Wish, loopback: bool) -> Tenant:
    changes: dict[str, Any] = {}
    if not isinstance(wish.name, msgspec.UnsetType):
        changes["name"] = wire.plain_text("name", wish.name, NAME_LIMIT)
    if not isinstance(wish.status, msgspec.UnsetType):
        changes["status"] = wish.status
    if not isinstance(wish.theme, msgspec.UnsetType):
        changes["theme"] = checked_theme("theme", wish.theme or {})
    if not isinstance(wish.allowed_redirect_hosts, msgspec.UnsetType):
        changes["allowed_redirect_hosts"] = _checked_rules(wish.allowed_redirect_hosts or [])
    if not isinstance(wish.language, msgspec.UnsetType):
        changes["language"] = None if wish.language is None else checked_language("language", wish.language)
    if not isinstance(wish.time_zone, msgspec.UnsetType):
        changes["time_zone"] = _checked_zone(wish.time_zone or "UTC")
    if not isinstance(wish.default_success_url, msgspec.UnsetType):
        changes["default_success_url"] = wish.default_success_url
    if not isinstance(wish.default_failure_url, msgspec.UnsetType):
        changes["default_failure_url"] = wish.default_failure_url
    new = replace(tenant, **changes)
    if changes.keys() & {"allowed_redirect_hosts", "default_success_url", "default_failure_url"}:
        checked_redirect(new, "defaultRedirects.successRedirectUrl", new.default_success_url, loopback=loopback)
        checked_redirect(new, "defaultRedirects.failureRedirectUrl", new.default_failure_url, loopback=loopback)
    return new


def checked_redirect(tenant: Tenant, name: str, url: str | None, *, loopback: bool) -> str | None:
    """A redirect URL that this tenant may use; None stays None. Raises Invalid naming the field `name`."""
    if url is None:
        return None
    try:
        redirects.check_redirect(url, tenant.allowed_redirect_hosts, loopback=loopback)
    except redirects.RedirectRefused as refused:
        raise wire.invalid(name, str(refused)) from None
    return url


def checked_theme(name: str, config: dict[str, Any]) -> dict[str, str]:
    """A theme with camelCase keys and `#RRGGBB` colours. Raises Invalid naming the key under the field `name`."""
    try:
        return validate_theme(config)
    except ThemeInvalid as fault:
        raise wire.invalid(f"{name}.{fault.field}", fault.message) from None


def checked_language(name: str, tag: str) -> str:
    """A language tag in its usual spelling. Raises Invalid naming the field `name`."""
    try:
        return normal_language(tag)
    except ValueError as fault:
        raise wire.invalid(name, str(fault)) from None


def _checked_zone(name: str) -> str:
    try:
        return check_time_zone(name)
    except ValueError as fault:
        raise wire.invalid("timeZone", str(fault)) from None


def _checked_rules(rules: Sequence[str]) -> tuple[str, ...]:
    if len(rules) > MOST_RULES:
        raise wire.invalid("allowedRedirectHosts", f"at most {MOST_RULES} entries")
    checked: dict[str, None] = {}
    for index, rule in enumerate(rules):
        try:
            checked[redirects.check_rule(rule)] = None
        except redirects.RedirectRefused as refused:
            raise wire.invalid(f"allowedRedirectHosts[{index}]", str(refused)) from None
    return tuple(checked)

"""The SQL of `tenant` and `api_key`; nothing else touches these tables (the directory reads them)."""

from typing import Protocol

import msgspec

from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Row, Unit
from setuplinks.core.problems import Problem
from setuplinks.tenants.models import ApiKey, Tenant, api_key_of, tenant_of

_TENANT = (
    "id, name, status, theme, default_success_url, default_failure_url, allowed_redirect_hosts, language, time_zone, "
    "redirect_key, redirect_key_previous, redirect_key_previous_until, version, created_at, updated_at"
)
_API_KEY = "tenant_id, id, name, prefix, scopes, expires_at, created_at, last_used_at"

FIND = f"SELECT {_TENANT} FROM tenant WHERE id = $1 AND status <> 'deleted'"  # noqa: S608 (the columns are a constant)
LIST = (
    f"SELECT {_TENANT} FROM tenant WHERE status <> 'deleted' AND (created_at, id) < ($1, $2) "  # noqa: S608 (the columns are a constant)
    "ORDER BY created_at DESC, id DESC LIMIT $3"
)
INSERT = (
    f"INSERT INTO tenant ({_TENANT}) "  # noqa: S608 (the columns are a constant)
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT DO NOTHING"
)
UPDATE = (
    "UPDATE tenant SET name = $3, status = $4, theme = $5, default_success_url = $6, default_failure_url = $7, "
    "allowed_redirect_hosts = $8, language = $9, time_zone = $10, redirect_key = $11, redirect_key_previous = $12, "
    "redirect_key_previous_until = $13, updated_at = $14, version = version + 1 "
    "WHERE id = $1 AND version = $2 AND status <> 'deleted'"
)
DELETE = (
    "UPDATE tenant SET status = 'deleted', theme = '{}', default_success_url = NULL, default_failure_url = NULL, "
    "redirect_key = $4, redirect_key_previous = NULL, redirect_key_previous_until = NULL, updated_at = $3, "
    "version = version + 1 WHERE id = $1 AND version = $2 AND status <> 'deleted' "
    "AND NOT EXISTS (SELECT 1 FROM customer WHERE tenant_id = $1 AND deleted_at IS NULL)"
)
HAS_CUSTOMERS = "SELECT 1 AS found FROM customer WHERE tenant_id = $1 AND deleted_at IS NULL LIMIT 1"

LIST_KEYS = (
    f"SELECT {_API_KEY} FROM api_key WHERE tenant_id = $1 AND revoked_at IS NULL AND (created_at, id) < ($2, $3) "  # noqa: S608 (the columns are a constant)
    "ORDER BY created_at DESC, id DESC LIMIT $4"
)
FIND_KEY = f"SELECT {_API_KEY} FROM api_key WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL"  # noqa: S608 (the columns are a constant)
KEY_NAME = "SELECT name FROM api_key WHERE tenant_id = $1 AND id = $2"
INSERT_KEY = (
    "INSERT INTO api_key (tenant_id, id, name, prefix, hash, scopes, expires_at, created_at) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
)
REVOKE_KEY = "UPDATE api_key SET revoked_at = $3 WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL"
REVOKE_KEYS = "UPDATE api_key SET revoked_at = $2 WHERE tenant_id = $1 AND revoked_at IS NULL"
ERASE_ANSWERS = "DELETE FROM idempotency WHERE tenant_id = $1"


class PointReads(Protocol):
    """A unit or the database itself."""

    async def one(self, sql: str, *params: object) -> Row | None:
        """The first row, or None."""
        ...


async def find(reads: PointReads, tenant_id: int) -> Tenant | None:
    """The tenant, unless it was deleted."""
    row = await reads.one(FIND, tenant_id)
    return None if row is None else tenant_of(row)


async def rows_before(db: Database, at: int, last_id: int, limit: int) -> list[Row]:
    """Tenants of the installation, newest first."""
    return await db.read(LIST, at, last_id, limit)


def insert(tx: Unit, problem: Problem, tenant: Tenant) -> None:
    """A new tenant."""
    tx.must(
        problem, INSERT, tenant.id, tenant.name, tenant.status, *_settings(tenant), tenant.version, tenant.created_at,
        tenant.updated_at,
    )  # fmt: skip


def update(tx: Unit, problem: Problem, tenant: Tenant, read_version: int) -> None:
    """All that may change of a tenant, if it is still as it was read."""
    tx.must(problem, UPDATE, tenant.id, read_version, tenant.name, tenant.status, *_settings(tenant), tenant.updated_at)


def delete(tx: Unit, problem: Problem, tenant: Tenant, now: int) -> None:
    """The tenant is gone for every read; its keys are revoked and its redirect key erased."""
    tx.must(problem, DELETE, tenant.id, tenant.version, now, b"")
    tx.add(REVOKE_KEYS, tenant.id, now)
    tx.add(ERASE_ANSWERS, tenant.id)


async def has_customers(reads: PointReads, tenant_id: int) -> bool:
    """Whether a customer remains."""
    return await reads.one(HAS_CUSTOMERS, tenant_id) is not None


async def key_rows_before(db: Database, tenant_id: int, at: int, last_id: int, limit: int) -> list[Row]:
    """The tenant's living keys, newest first."""
    return await db.read(LIST_KEYS, tenant_id, at, last_id, limit)


async def find_key(reads: PointReads, tenant_id: int, key_id: int) -> ApiKey | None:
    """One living key."""
    row = await reads.one(FIND_KEY, tenant_id, key_id)
    return None if row is None else api_key_of(row)


async def key_name(reads: PointReads, tenant_id: int, key_id: int) -> str | None:
    """What a key is called, also one that was revoked."""
    row = await reads.one(KEY_NAME, tenant_id, key_id)
    return None if row is None else str(row["name"])


def insert_key(tx: Unit, key: ApiKey, hashed: bytes) -> None:
    """A new key."""
    scopes = " ".join(key.scopes)
    tx.add(
        INSERT_KEY, key.tenant_id, key.id, key.name, key.prefix, hashed, scopes, key.expires_at, key.created_at
    )  # fmt: skip


def revoke_key(tx: Unit, problem: Problem, tenant_id: int, key_id: int, now: int) -> None:
    """The key counts no more."""
    tx.must(problem, REVOKE_KEY, tenant_id, key_id, now)


def _settings(tenant: Tenant) -> tuple[object, ...]:
    return (
        msgspec.json.encode(tenant.theme).decode(),
        tenant.default_success_url,
        tenant.default_failure_url,
        msgspec.json.encode(tenant.allowed_redirect_hosts).decode(),
        tenant.language,
        tenant.time_zone,
        tenant.redirect_key,
        tenant.redirect_key_previous,
        tenant.redirect_key_previous_until,
    )

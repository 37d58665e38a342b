"""The SQL of `customer`; nothing else writes this table."""

from collections.abc import Iterable
from typing import Protocol

import msgspec

from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Row, Unit
from setuplinks.core.problems import Problem, RaceLost
from setuplinks.customers.models import Connection, Customer, customer_of

_CUSTOMER = (
    "tenant_id, id, name, external_id, email, phone, metadata, status, connection, version, created_at, updated_at"
)

FIND = (
    f"SELECT {_CUSTOMER} FROM customer "  # noqa: S608 (the columns are a constant)
    "WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL"
)
FIND_EXTERNAL = (
    f"SELECT {_CUSTOMER} FROM customer "  # noqa: S608 (the columns are a constant)
    "WHERE tenant_id = $1 AND external_id = $2 AND deleted_at IS NULL"
)
LIST = (
    f"SELECT {_CUSTOMER} FROM customer "  # noqa: S608 (the columns are a constant)
    "WHERE tenant_id = $1 AND deleted_at IS NULL AND (created_at, id) < ($2, $3) "
    "ORDER BY created_at DESC, id DESC LIMIT $4"
)
FIRST = "SELECT id FROM customer WHERE tenant_id = $1 AND deleted_at IS NULL ORDER BY id LIMIT 1"
INSERT = (
    f"INSERT INTO customer ({_CUSTOMER}) "  # noqa: S608 (the columns are a constant)
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING"
)
# An external id that another customer holds makes the guard miss, so that no unique violation reaches a shared commit.
UPDATE = (
    "UPDATE customer SET name = $4, external_id = $5, email = $6, phone = $7, metadata = $8, status = $9, "
    "updated_at = $10, version = version + 1 WHERE tenant_id = $1 AND id = $2 AND version = $3 AND deleted_at IS NULL "
    "AND NOT EXISTS (SELECT 1 FROM customer o WHERE o.tenant_id = $1 AND o.external_id = $5 AND o.id <> $2)"
)
SET_CONNECTION = (
    "UPDATE customer SET connection = $4, version = version + 1 "
    "WHERE tenant_id = $1 AND id = $2 AND version = $3 AND deleted_at IS NULL"
)
ERASE = (
    "UPDATE customer SET name = '', external_id = NULL, email = NULL, phone = NULL, metadata = '{}', "
    "status = 'inactive', connection = 'none', deleted_at = $4, updated_at = $4, version = version + 1 "
    "WHERE tenant_id = $1 AND id = $2 AND version = $3 AND deleted_at IS NULL"
)


class PointReads(Protocol):
    """A unit or the database itself."""

    async def one(self, sql: str, *params: object) -> Row | None:
        """The first row, or None."""
        ...


async def find(reads: PointReads, tenant_id: int, customer_id: int) -> Customer | None:
    """The tenant's customer, unless it was off-boarded."""
    row = await reads.one(FIND, tenant_id, customer_id)
    return None if row is None else customer_of(row)


async def find_external(reads: PointReads, tenant_id: int, external_id: str) -> Customer | None:
    """The tenant's customer with this external id."""
    row = await reads.one(FIND_EXTERNAL, tenant_id, external_id)
    return None if row is None else customer_of(row)


async def named(db: Database, tenant_id: int, ids: Iterable[int]) -> dict[int, Row]:
    """`name` and `external_id` of the tenant's customers with these ids; off-boarded ones are left out."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    places = ", ".join(f"${place}" for place in range(2, len(wanted) + 2))
    text = (
        f"SELECT id, name, external_id FROM customer WHERE tenant_id = $1 AND deleted_at IS NULL AND id IN ({places})"  # noqa: S608
    )
    return {row["id"]: row for row in await db.read(text, tenant_id, *wanted)}


async def rows_before(db: Database, tenant_id: int, at: int, last_id: int, limit: int) -> list[Row]:
    """The tenant's customers, newest first."""
    return await db.read(LIST, tenant_id, at, last_id, limit)


def insert(tx: Unit, problem: Problem, customer: Customer) -> None:
    """A new customer; `problem` where its external id was taken meanwhile."""
    tx.must(
        problem, INSERT, customer.tenant_id, customer.id, customer.name, customer.external_id, customer.email,
        customer.phone, _json(customer), customer.status, customer.connection, customer.version, customer.created_at,
        customer.updated_at,
    )  # fmt: skip


def update(tx: Unit, problem: Problem, customer: Customer, read_version: int) -> None:
    """All that a tenant may change, if the customer is still as it was read."""
    tx.must(
        problem, UPDATE, customer.tenant_id, customer.id, read_version, customer.name, customer.external_id,
        customer.email, customer.phone, _json(customer), customer.status, customer.updated_at,
    )  # fmt: skip


def set_connection(tx: Unit, customer: Customer, value: Connection) -> None:
    """Writes the derived column when the unit ends; the last value counts. The customer is read before its numbers:
    where two units change numbers of one customer, the later one then sees the other's (RaceLost, and once more)."""

    def make() -> list[Connection]:
        tx.at_commit(write)
        return []

    def write() -> None:
        tx.must(RaceLost(), SET_CONNECTION, customer.tenant_id, customer.id, customer.version, wanted[-1])

    wanted = tx.gather(("customers.connection", customer.tenant_id, customer.id), make)
    wanted.append(value)


def erase(tx: Unit, problem: Problem, tenant_id: int, customer_id: int, read_version: int, now: int) -> None:
    """The customer is gone for every read, and what it told of itself is erased; the row keeps others' references."""
    tx.must(problem, ERASE, tenant_id, customer_id, read_version, now)


def _json(customer: Customer) -> str:
    return msgspec.json.encode(customer.metadata).decode()

"""The SQL of the number pool; nothing else touches this table.

The pool is the installation's: a row names a tenant and a link only while that link holds the number.
"""

from typing import Any, Protocol

from setuplinks.core.clock import HOUR
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Row, Unit
from setuplinks.number_pool.models import LEAST_LEFT, PoolNumber, PoolNumberMoved

LOOK_EVERY = HOUR

FIND = "SELECT * FROM pool_number WHERE id = $1 AND status <> 'removed'"
FIND_ANY = "SELECT * FROM pool_number WHERE number = $1"
OF_LINK = "SELECT * FROM pool_number WHERE link_id = $1 AND status = 'verified'"
RESERVED = (
    "SELECT * FROM pool_number WHERE link_id IS NOT NULL AND status = 'verified' ORDER BY reserved_at, id LIMIT 500"
)
# $1 the least end, $2 countries between commas, empty for any.
FREE = (
    "SELECT * FROM pool_number WHERE status = 'verified' AND link_id IS NULL AND missing_since IS NULL "
    "AND expires_at > $1 AND (CAST($2 AS TEXT) = '' OR CAST($2 AS TEXT) LIKE '%,' || country || ',%') "
    "ORDER BY expires_at, id LIMIT 32"
)
PAGE = (
    "SELECT * FROM pool_number WHERE status <> 'removed' AND (created_at, id) < ($1, $2) "
    "ORDER BY created_at DESC, id DESC LIMIT $3"
)
ADD = (
    "INSERT INTO pool_number (id, preverified_id, number, country, status, verified_at, expires_at, created_at, "
    "updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) ON CONFLICT (number) DO NOTHING"
)
RESERVE = (
    "UPDATE pool_number SET tenant_id = $3, link_id = $4, reserved_at = $5, updated_at = $5, version = version + 1 "
    "WHERE id = $1 AND version = $2 AND link_id IS NULL AND status = 'verified'"
)
RELEASE = (
    "UPDATE pool_number SET tenant_id = NULL, link_id = NULL, reserved_at = NULL, updated_at = $2, "
    "version = version + 1 WHERE link_id = $1 AND status = 'verified'"
)
CLAIM = (
    "UPDATE pool_number SET status = 'claimed', claimed_at = $2, updated_at = $2, version = version + 1 "
    "WHERE link_id = $1 AND status = 'verified'"
)
# One process looks for all: whoever moves the rows' time has the look.
TAKE_LOOK = (
    "UPDATE pool_number SET looked_at = $1 WHERE status IN ('added', 'code_sent', 'verified') AND looked_at <= $2"
)
WATCHED = "SELECT * FROM pool_number WHERE status IN ('added', 'code_sent', 'verified') ORDER BY id"
_COLUMNS = frozenset(PoolNumber.__dataclass_fields__) - {"id", "number", "created_at", "version"}


class Finds(Protocol):
    """A database, or a unit of it."""

    async def one(self, sql: str, *params: object) -> Row | None:
        """The first row, or None."""
        ...


async def find(db: Finds, number_id: int) -> PoolNumber | None:
    """The number, unless it was removed."""
    row = await db.one(FIND, number_id)
    return PoolNumber.of(row) if row else None


async def find_number(db: Finds, number: str) -> PoolNumber | None:
    """The row of a number in E.164, also a removed one."""
    row = await db.one(FIND_ANY, number)
    return PoolNumber.of(row) if row else None


async def free(tx: Unit, countries: list[str], now: int) -> list[PoolNumber]:
    """Some that may be offered, those that end first before the others; `countries` empty for any."""
    told = f",{','.join(countries)}," if countries else ""
    return [PoolNumber.of(row) for row in await tx.all(FREE, now + LEAST_LEFT, told)]


async def watched(db: Database) -> list[PoolNumber]:
    """All that Meta should know as the pool's."""
    return [PoolNumber.of(row) for row in await db.read(WATCHED)]


def change(tx: Unit, number: PoolNumber, now: int, **values: Any) -> None:
    """Changes the number where it still is as it was read, else PoolNumberMoved and nothing of the unit is written."""
    if unknown := set(values) - _COLUMNS:
        raise ValueError(f"no such columns: {unknown}")
    sets = "".join(f", {name} = ${position}" for position, name in enumerate(values, 4))
    text = f"UPDATE pool_number SET version = version + 1, updated_at = $3{sets} WHERE id = $1 AND version = $2"  # noqa: S608
    tx.must(PoolNumberMoved(), text, number.id, number.version, now, *values.values())

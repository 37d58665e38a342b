"""Prunes what is older than the settings keep: messages' payloads, attempts, then other payloads, deliveries, events.

Owns how long each table is kept and the SQL that prunes row by row: everything on SQLite; on PostgreSQL deliveries and
what has no day of its own, since `days` drops the days whole. Ids are UUIDv7, so an age is a range of the primary key;
slices keep each commit short.
"""

from collections.abc import Mapping

from setuplinks.core.clock import DAY, HOUR, Clock
from setuplinks.core.db.database import Database

LOOK_EVERY = HOUR
SLICE = 1_000

KEYS = {
    "message_payload": "event_id",
    "attempt": "delivery_id",
    "event_payload": "event_id",
    "delivery": "id",
    "event": "id",
}
"""The tables that are pruned, in this order, each with the UUIDv7 that tells a row's age."""
DAILY = ("message_payload", "attempt", "event_payload", "event")
"""Those that PostgreSQL splits into days; the rest of each is its default partition."""

LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff"
"""No id sorts after it."""


def before(at: int) -> str:
    """The least UUIDv7 of the instant `at` (µs): every older id sorts before it."""
    digits = f"{max(at, 0) // 1_000:012x}"
    return f"{digits[:8]}-{digits[8:]}-7000-8000-000000000000"


def tenants(table: str, key: str) -> str:
    """SQL of the tenants that have something older than $1: from one to the next by the primary key."""
    return (
        f"WITH RECURSIVE t (tenant_id) AS (SELECT min(tenant_id) FROM {table} UNION ALL "  # noqa: S608 - KEYS' names
        f"SELECT (SELECT min(tenant_id) FROM {table} n WHERE n.tenant_id > t.tenant_id) FROM t "
        "WHERE t.tenant_id IS NOT NULL) "
        f"SELECT tenant_id FROM t WHERE EXISTS (SELECT 1 FROM {table} o WHERE o.tenant_id = t.tenant_id "
        f"AND o.{key} < $1)"
    )


def prune(table: str, key: str) -> str:
    """SQL that deletes the tenant's ($1) oldest rows before $2, at most $3 (deliveries of attempts)."""
    return (
        f"DELETE FROM {table} WHERE tenant_id = $1 AND {key} IN (SELECT DISTINCT {key} FROM {table} "  # noqa: S608
        f"WHERE tenant_id = $1 AND {key} < $2 ORDER BY {key} LIMIT $3)"
    )


def kept_days(*, message_days: int, event_days: int, attempt_days: int) -> dict[str, int]:
    """For how many days each table is kept; a message's payload never longer than its event."""
    return {
        "message_payload": min(message_days, event_days),
        "attempt": attempt_days,
        "event_payload": event_days,
        "delivery": event_days,
        "event": event_days,
    }


class Retention:
    """One of the worker's runners; it looks once an hour. `kept` from `kept_days`."""

    name = "retention"
    channel = "retention"

    def __init__(self, db: Database, clock: Clock, kept: Mapping[str, int]) -> None:
        self._db, self._clock, self._kept = db, clock, kept
        self._looked_at: int | None = None

    async def run_once(self) -> int:
        """One slice of each table and tenant; how many rows were pruned, 0 when nothing is over."""
        now = self._clock.now()
        if self._looked_at is not None and now - self._looked_at < LOOK_EVERY:
            return 0
        pruned = 0
        for table, key in KEYS.items():
            rest = f"{table}_default" if self._db.dialect == "postgres" and table in DAILY else table
            limit = before(now - self._kept[table] * DAY)
            for row in await self._db.read(tenants(rest, key), limit):
                pruned += await self._db.bulk(prune(rest, key), row["tenant_id"], limit, SLICE)
        if not pruned:
            self._looked_at = now
        return pruned

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

SENT_AGAIN = ("attempt",)
"""Those whose rows may be younger than their id tells; `started_at` tells it."""

LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff"
"""No id sorts after it."""


def before(at: int) -> str:
    """The least UUIDv7 of the instant `at` (µs): every older id sorts before it."""
    digits = f"{max(at, 0) // 1_000:012x}"
    return f"{digits[:8]}-{digits[8:]}-7000-8000-000000000000"


def aged(table: str, row: str, limit: int) -> str:
    """SQL that spares young tries of an old delivery that was sent again; $`limit` in µs. Empty for other tables."""
    return f" AND {row}.started_at < ${limit}" if table in SENT_AGAIN else ""


def tenants(table: str, rest: str, key: str) -> str:
    """SQL of the tenants that have something older than $1 ($2 in µs): from one to the next by the primary key.

    `rest` is where the table's rows stand that no day has.
    """
    return (
        f"WITH RECURSIVE t (tenant_id) AS (SELECT min(tenant_id) FROM {rest} UNION ALL "  # noqa: S608 - KEYS' names
        f"SELECT (SELECT min(tenant_id) FROM {rest} n WHERE n.tenant_id > t.tenant_id) FROM t "
        "WHERE t.tenant_id IS NOT NULL) "
        f"SELECT tenant_id FROM t WHERE EXISTS (SELECT 1 FROM {rest} o WHERE o.tenant_id = t.tenant_id "
        f"AND o.{key} < $1{aged(table, 'o', 2)})"
    )


def prune(table: str, rest: str, key: str) -> str:
    """SQL that deletes the tenant's ($1) oldest rows before $3 ($4 in µs), at most $2 (deliveries of attempts)."""
    return (
        f"DELETE FROM {rest} WHERE tenant_id = $1{aged(table, rest, 4)} AND {key} IN ("  # noqa: S608
        f"SELECT DISTINCT {key} FROM {rest} WHERE tenant_id = $1 AND {key} < $3{aged(table, rest, 4)} "
        f"ORDER BY {key} LIMIT $2)"
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
            at = now - self._kept[table] * DAY
            limits = (before(at), at) if table in SENT_AGAIN else (before(at),)
            for row in await self._db.read(tenants(table, rest, key), *limits):
                pruned += await self._db.bulk(prune(table, rest, key), row["tenant_id"], SLICE, *limits)
        if not pruned:
            self._looked_at = now
        return pruned

"""What PostgreSQL's days cost and spare: statements on tables of 90 days beside the same tables in one piece.

Run: `python -m benchmarks.days [--seconds 20] [--rows 1000000]`. Prints two tables: what runs with the traffic and what
is behind lists, asked of both in turn, without the wait for the disk; and a day dropped beside as many rows pruned,
with the slowest commit of somebody who writes meanwhile, fsync on.
"""

import argparse
import asyncio
import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg
import uvloop

from setuplinks.core.clock import DAY, SECOND, ManualClock, SystemClock
from setuplinks.core.db.database import Database
from setuplinks.core.db.open import open_database
from setuplinks.core.ids import uuid7
from setuplinks.migrations.apply import migrate
from setuplinks.webhooks import claims, store
from setuplinks.webhooks.days import Days
from setuplinks.webhooks.retention import DAILY, LAST_ID, Retention, before, kept_days
from tests.support.postgres import PostgresServer, running_postgres

TENANT, ENDPOINTS, BATCH = 1, 10, 10
LEASE = 30 * SECOND
KEPT = kept_days(message_days=90, attempt_days=90, event_days=90)
NOW = SystemClock().now() // DAY * DAY + DAY // 2
TYPE = "whatsapp.message.received"
OLD = 200_000
ADD_ENDPOINT = (
    "INSERT INTO webhook_endpoint (tenant_id, id, url, secret, created_at, updated_at) VALUES ($1, $2, '', '', 1, 1)"
)
TAKE = claims.TAKE.postgres
UNBOUND = re.sub(r" AND [mp]\.event_id BETWEEN [^\n]*? FOR 0\) AND [^\n]*? FOR 0\)", "", TAKE)
COLUMNS = {
    "event": ("tenant_id", "id", "type", "created_at"),
    "event_payload": ("tenant_id", "event_id", "body"),
    "message_payload": ("tenant_id", "event_id", "body"),
    "attempt": ("tenant_id", "delivery_id", "number", "started_at", "duration_us"),
    "delivery": ("tenant_id", "id", "endpoint_id", "event_id", "event_type", "status", "created_at"),
}


def row(table: str, at: int, number: int) -> tuple[Any, ...]:
    """A row of the instant `at`."""
    rest: dict[str, tuple[Any, ...]] = {
        "event": (TYPE, at),
        "attempt": (1, at, 100),
        "delivery": (1 + number % ENDPOINTS, uuid7(at), TYPE, "delivered", at),
    }
    return TENANT, uuid7(at), *rest.get(table, (b"x" * 300,))


async def fill(connection: Any, table: str, count: int, first: int, last: int) -> None:
    """So many rows, spread from the instant `first` to `last`, by COPY."""
    for begin in range(0, count, 50_000):
        numbers = range(begin, min(count, begin + 50_000))
        rows = [row(table, first + number * (last - first) // count, number) for number in numbers]
        await connection.copy_records_to_table(table, records=rows, columns=COLUMNS[table])


async def opened(server: PostgresServer, folder: Path) -> tuple[Database, Any]:
    """A fresh database, through the service's own pool and by a connection of its own."""
    url = server.create_database()
    await migrate(url, folder)
    return await open_database(url, folder), await asyncpg.connect(url)


async def scene(server: PostgresServer, folder: Path, *, days: bool) -> Any:
    """A connection to tables with 90 days' rows."""
    db, connection = await opened(server, folder)
    clock = ManualClock(NOW - 90 * DAY)
    while days and clock.now() <= NOW:
        await Days(db, clock, KEPT).run_once()
        clock.advance(2 * DAY)
    for table in () if days else DAILY:
        await connection.execute(f"CREATE TABLE x (LIKE {table} INCLUDING ALL)")
        await connection.execute(f"DROP TABLE {table} CASCADE; ALTER TABLE x RENAME TO {table}")
    for endpoint in range(1, ENDPOINTS + 1):
        await connection.execute(ADD_ENDPOINT, TENANT, endpoint)
        await connection.execute(store.ADD_STATE, TENANT, endpoint)
    for table in COLUMNS:
        await fill(connection, table, OLD, NOW - 90 * DAY, NOW)
    await connection.execute("VACUUM ANALYZE")
    await connection.execute("SET synchronous_commit = off")
    await db.close()
    return connection


class Side:
    """One of the two shapes; `times` by the statement's words."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.times: defaultdict[str, list[float]] = defaultdict(list)

    async def _timed(self, what: str, work: Awaitable[Any]) -> Any:
        begun = time.perf_counter()
        found = await work
        self.times[what].append(time.perf_counter() - begun)
        return found

    async def round(self, number: int) -> None:
        """Everything once, at an instant of its own."""
        at, run = NOW + number * 1_000, self._connection
        ids = [uuid7(at) for _ in range(BATCH)]
        events = [(TENANT, one, TYPE, at, None, None, None) for one in ids]
        await self._timed("ten events", run.executemany(store.ADD_EVENT, events))
        messages = [(TENANT, one, None, b"x" * 300) for one in ids]
        await self._timed("ten messages", run.executemany(store.ADD_MESSAGE, messages))
        tries = [(TENANT, one, 1, at, 100, 200, None, None, None, None) for one in ids]
        await self._timed("ten attempts", run.executemany(store.ADD_ATTEMPT, tries))
        await self._timed("a payload by its id", run.fetchrow(store.MESSAGE, TENANT, ids[0]))
        for what, take in (("a claim of ten", TAKE), ("the same without bounds", UNBOUND)):
            endpoint = 1 + number % ENDPOINTS
            waiting = [(TENANT, uuid7(at), endpoint, one, TYPE, at, at, None, None) for one in ids]
            await run.executemany(store.ADD_DELIVERY, waiting)
            taken = await self._timed(what, run.fetch(take, TENANT, endpoint, at, at + LEASE, LEASE, BATCH, BATCH))
            ended = [(TENANT, one["id"], one["attempts"], "delivered", None, at, 200, None) for one in taken]
            await run.executemany(store.RESULT, ended)
        for what, first in (("newest 50 of two days", before(at - 2 * DAY)), ("newest 50 of all days", "")):
            await self._timed(what, run.fetch(store.EVENTS, TENANT, first, None, None, 50, LAST_ID))
        since = before(at - SECOND)
        await self._timed("next 50 of a poller", run.fetch(store.EVENTS_AFTER, TENANT, since, None, None, 50, at))


async def statements(server: PostgresServer, folder: Path, seconds: float) -> None:
    """Prints the first table."""
    one, many = [Side(await scene(server, folder, days=days)) for days in (False, True)]
    end, number = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        number += 1
        await one.round(number)
        await many.round(number)
    print(f"| median of {number} | one table, µs | 90 days, µs |\n|---|---|---|")
    for what, times in one.times.items():
        print(f"| {what} | {median(times) * 1e6:,.0f} | {median(many.times[what]) * 1e6:,.0f} |")


async def beside_writes(db: Database, work: Awaitable[Any]) -> str:
    """How long the work took, and the slowest commit of who wrote meanwhile."""
    slowest, done = 0.0, asyncio.ensure_future(work)
    begun = time.perf_counter()
    while not done.done():
        started = time.perf_counter()
        async with db.transaction() as tx:
            tx.add(store.ADD_ATTEMPT, TENANT, uuid7(NOW), 1, NOW, 1, 200, None, None, None, None)
        slowest = max(slowest, time.perf_counter() - started)
    await done
    return f"{time.perf_counter() - begun:.2f} s | {slowest * 1e3:.0f} ms"


async def ends(server: PostgresServer, folder: Path, rows: int) -> None:
    """Prints the second table."""
    db, connection = await opened(server, folder)
    clock, old = ManualClock(NOW - 91 * DAY), (NOW - 91 * DAY) // DAY * DAY
    await Days(db, clock, KEPT).run_once()
    for table in ("attempt", "delivery"):
        await fill(connection, table, rows, old, old + DAY)
    for text in ("VACUUM ANALYZE", "CHECKPOINT"):
        await connection.execute(text)
    await Days(db, ManualClock(NOW - DAY), KEPT).run_once()
    clock.set(NOW)

    async def prune() -> None:
        retention = Retention(db, clock, KEPT)
        while await retention.run_once():
            continue

    print(f"\n| {rows:,} rows | took | slowest commit of others |\n|---|---|---|")
    print(f"| a day of attempts dropped | {await beside_writes(db, Days(db, clock, KEPT).run_once())} |")
    print(f"| as many deliveries pruned | {await beside_writes(db, prune())} |")
    await connection.close()
    await db.close()


def main() -> None:
    """Runs both."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rows", type=int, default=1_000_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_postgres(fsync=True) as server:
        uvloop.run(statements(server, Path(folder), asked.seconds))
        uvloop.run(ends(server, Path(folder), asked.rows))


if __name__ == "__main__":
    main()

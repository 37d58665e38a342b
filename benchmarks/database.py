"""How fast a unit of work is: two reads, then six writes, 32 at once, beside the same statements one hop at a time.

Run: `python -m benchmarks.database [--seconds 4] [--at-once 32]`. Prints a table; fsync is on for both databases. The
statements are those of creating a link; the CPU column counts this process and PostgreSQL's.
"""

import argparse
import asyncio
import itertools
import os
import resource
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import uvloop

from setuplinks.core.db.database import Database
from setuplinks.core.db.open import FILE_NAME, open_database
from setuplinks.core.db.sqlite import connect
from setuplinks.core.db.text import for_sqlite
from setuplinks.core.db.unit import Unit
from setuplinks.core.problems import Conflict
from setuplinks.migrations.apply import migrate
from tests.support.postgres import running_postgres

CUSTOMERS = 2_000
TENANT = 1

CUSTOMER = "SELECT * FROM customer WHERE tenant_id = $1 AND id = $2"
SLOT = "SELECT * FROM setup_link_slot WHERE tenant_id = $1 AND customer_id = $2 AND purpose = $3 AND waba_id = $4"
REMEMBER = """
INSERT INTO idempotency (tenant_id, actor, idempotency_key, request_hash, status, http_status, answer, created_at,
  expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING
"""
TAKE_SLOT = """
UPDATE setup_link_slot SET link_id = $5, version = version + 1
WHERE tenant_id = $1 AND customer_id = $2 AND purpose = $3 AND waba_id = $4 AND version = $6
"""
INSERT_LINK = """
INSERT INTO setup_link (tenant_id, id, customer_id, purpose, phase, secret_hash, url_secret, expires_at, lapses_at,
  due_at, created_at, updated_at, connection_types, success_url, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
"""
INSERT_EVENT = (
    "INSERT INTO event (tenant_id, id, type, created_at, customer_id, link_id) VALUES ($1, $2, $3, $4, $5, $6)"
)
INSERT_PAYLOAD = "INSERT INTO event_payload (tenant_id, event_id, customer_id, body) VALUES ($1, $2, $3, $4)"
INSERT_AUDIT = """
INSERT INTO audit (tenant_id, id, at, actor, action, object_kind, object_id) VALUES ($1, $2, $3, $4, $5, $6, $7)
"""

Read = Callable[..., Awaitable[Any]]
Write = tuple[str, tuple[object, ...], bool]
Work = Callable[[int], Awaitable[None]]


@dataclass
class Figures:
    """What one shape came to."""

    name: str
    rate: float
    median_ms: float
    p99_ms: float
    cpu_us: float


def writes_of(number: int, customer: int, version: int) -> list[Write]:
    """The six writes of one link; the guarded ones are marked."""
    link, now = f"{number:036d}", 1_780_000_000_000_000 + number
    body = b"x" * 300
    return [
        (REMEMBER, (TENANT, "key:1", link, body[:32], "done", 201, body, now, now + 86_400_000_000), True),
        (TAKE_SLOT, (TENANT, customer, "connect", 0, link, version), True),
        (
            INSERT_LINK,
            (
                TENANT,
                link,
                customer,
                "connect",
                "pending",
                link.encode(),
                body[:90],
                now,
                now,
                now,
                now,
                now,
                "[]",
                "u",
                "k",
            ),
            False,
        ),
        (INSERT_EVENT, (TENANT, link, "setup_link.created", now, customer, link), False),
        (INSERT_PAYLOAD, (TENANT, link, customer, body), False),
        (INSERT_AUDIT, (TENANT, link, now, "key:1", "setup_link.create", "setup_link", link), False),
    ]


async def create_by_unit(tx: Unit, number: int) -> None:
    """The verb, as the service has it."""
    customer = number % CUSTOMERS + 1
    await tx.one(CUSTOMER, TENANT, customer)
    slot = await tx.one(SLOT, TENANT, customer, "connect", 0)
    for sql, params, guarded in writes_of(number, customer, 0 if slot is None else slot["version"]):
        if guarded:
            tx.must(Conflict(), sql, *params)
        else:
            tx.add(sql, *params)


def hop_per_statement_postgres(pool: Any) -> Work:
    """The plain way: a transaction around one round trip for each statement."""

    async def work(number: int) -> None:
        customer = number % CUSTOMERS + 1
        async with pool.acquire() as connection, connection.transaction():
            await connection.fetchrow(CUSTOMER, TENANT, customer)
            slot = await connection.fetchrow(SLOT, TENANT, customer, "connect", 0)
            for sql, params, guarded in writes_of(number, customer, slot["version"]):
                status = await connection.execute(sql, *params)
                if guarded and not status.endswith(" 1"):
                    raise Conflict

    return work


def hop_per_statement_sqlite(connection: sqlite3.Connection, thread: ThreadPoolExecutor) -> Work:
    """The plain way: a lock around one thread hop for each statement."""
    turn = asyncio.Lock()
    loop = asyncio.get_running_loop()

    def execute(sql: str, params: tuple[object, ...] = ()) -> tuple[Any, int]:
        cursor = connection.execute(for_sqlite(sql), params)
        return cursor.fetchone(), cursor.rowcount

    async def run(sql: str, *params: object) -> tuple[Any, int]:
        return await loop.run_in_executor(thread, execute, sql, params)

    async def work(number: int) -> None:
        customer = number % CUSTOMERS + 1
        async with turn:
            await run("BEGIN IMMEDIATE")
            await run(CUSTOMER, TENANT, customer)
            slot, _ = await run(SLOT, TENANT, customer, "connect", 0)
            for sql, params, guarded in writes_of(number, customer, slot["version"]):
                _, touched = await run(sql, *params)
                if guarded and touched != 1:
                    raise Conflict
            await run("COMMIT")

    return work


async def seed(db: Database) -> None:
    """Customers with their slots."""
    for first in range(1, CUSTOMERS + 1, 200):
        async with db.transaction() as tx:
            for customer in range(first, first + 200):
                tx.add(
                    "INSERT INTO customer (tenant_id, id, name, created_at, updated_at) VALUES ($1, $2, $3, $4, $5)",
                    TENANT, customer, f"Customer {customer}", 1, 1,
                )  # fmt: skip
            tx.then()
            for customer in range(first, first + 200):
                tx.add(
                    "INSERT INTO setup_link_slot (tenant_id, customer_id, purpose, waba_id) VALUES ($1, $2, $3, $4)",
                    TENANT, customer, "connect", 0,
                )  # fmt: skip


def cpu_seconds(postmaster: int | None) -> float:
    """CPU of this process, and of PostgreSQL's processes where it runs."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    total = used.ru_utime + used.ru_stime
    if postmaster is None:
        return total
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(stat.parent.name) == postmaster:
            ticks += sum(int(field) for field in fields[11:15])
        elif int(fields[1]) == postmaster:
            ticks += sum(int(field) for field in fields[11:13])
    return total + ticks / os.sysconf("SC_CLK_TCK")


def postmaster_of(base: Path) -> int:
    """The process id of a server, from the file that it keeps beside its data."""
    return int((base / "data" / "postmaster.pid").read_text().split()[0])


async def measure(name: str, work: Work, options: argparse.Namespace, postmaster: int | None = None) -> Figures:
    """Runs the work at the given width for the given time, after a short warm-up."""
    times: list[float] = []
    deadline = time.perf_counter() + options.seconds / 4

    async def one_after_the_other() -> None:
        while time.perf_counter() < deadline:
            began = time.perf_counter()
            await work(next(options.numbers))
            times.append(time.perf_counter() - began)

    await asyncio.gather(*(one_after_the_other() for _ in range(options.at_once)))
    times.clear()
    began, cpu = time.perf_counter(), cpu_seconds(postmaster)
    deadline = began + options.seconds
    await asyncio.gather(*(one_after_the_other() for _ in range(options.at_once)))
    took, cpu = time.perf_counter() - began, cpu_seconds(postmaster) - cpu
    times.sort()
    count = len(times)
    return Figures(name, count / took, times[count // 2] * 1e3, times[int(count * 0.99)] * 1e3, cpu / count * 1e6)


async def on_sqlite(options: argparse.Namespace) -> list[Figures]:
    """Both shapes on one SQLite file each."""
    found = []
    with tempfile.TemporaryDirectory(prefix="setuplinks-bench-", ignore_cleanup_errors=True) as folder:
        await migrate(None, Path(folder))
        db = await open_database(None, Path(folder))
        await seed(db)
        found.append(await measure("SQLite, unit", lambda number: db.unit(create_by_unit, number), options))
        await db.close()
        connection = connect(Path(folder) / FILE_NAME)
        with ThreadPoolExecutor(1) as thread:
            work = hop_per_statement_sqlite(connection, thread)
            found.append(await measure("SQLite, hop per statement", work, options))
        connection.close()
    return found


async def on_postgres(options: argparse.Namespace) -> list[Figures]:
    """Both shapes on one PostgreSQL."""
    found = []
    with running_postgres(fsync=True) as server:
        url, postmaster = server.create_database(), postmaster_of(server.base)
        await migrate(url, Path())
        db = await open_database(url, Path())
        await seed(db)
        server.execute("ANALYZE", url.rpartition("/")[2])
        unit = await measure("PostgreSQL, unit", lambda number: db.unit(create_by_unit, number), options, postmaster)
        await db.close()
        async with asyncpg.create_pool(url, min_size=10, max_size=10, command_timeout=10) as pool:
            work = hop_per_statement_postgres(pool)
            found = [unit, await measure("PostgreSQL, hop per statement", work, options, postmaster)]
    return found


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--at-once", type=int, default=32)
    parser.add_argument("--only", choices=("sqlite", "postgres"))
    options = parser.parse_args()
    options.numbers = itertools.count()
    print(f"{'2 reads, 6 writes':<32}{'units/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'CPU µs':>9}")
    for name, run in (("sqlite", on_sqlite), ("postgres", on_postgres)):
        if options.only in (None, name):
            for figures in uvloop.run(run(options)):
                print(
                    f"{figures.name:<32}{figures.rate:>9,.0f}{figures.median_ms:>9.1f}{figures.p99_ms:>9.1f}"
                    f"{figures.cpu_us:>9,.0f}"
                )


if __name__ == "__main__":
    main()

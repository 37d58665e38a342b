"""Four weeks of attempts: rows that only stand in the way.

Owns their bulk: two attempts for each delivery, a delivery for each event, spread over the tenants and over the days
that are kept. On PostgreSQL the days are made first, by the service's own runner. Payloads are left out: retention
drops those of messages long before.
"""

import asyncio
from pathlib import Path

import asyncpg

from benchmarks.traffic.seeding import TYPE, Scene
from setuplinks.core.clock import DAY, ManualClock, SystemClock
from setuplinks.core.db.open import open_database
from setuplinks.core.db.sqlite import connect
from setuplinks.webhooks.days import Days
from setuplinks.webhooks.retention import kept_days

DAYS = 28
_ID = {
    "SQLite": "printf('%08x-%04x-7%03x-8%03x-%012x', ms >> 16, ms & 65535, n & 4095, tenant, n)",
    "PostgreSQL": (
        "lpad(to_hex(ms >> 16), 8, '0') || '-' || lpad(to_hex(ms & 65535), 4, '0') || '-7' || "
        "lpad(to_hex(n & 4095), 3, '0') || '-8' || lpad(to_hex(tenant), 3, '0') || '-' || lpad(to_hex(n), 12, '0')"
    ),
}
_NUMBERS = {
    "SQLite": "WITH RECURSIVE c(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c WHERE n < {count} - 1), ",
    "PostgreSQL": "WITH c(n) AS (SELECT generate_series(CAST(0 AS bigint), {count} - 1)), ",
}
_ROWS = (
    "t AS (SELECT n, {tenant} AS tenant, {begins} + n * {step} AS ms FROM c), "
    "named AS (SELECT {id} AS id, ms * 1000 AS at FROM t) "
)
_TEXTS = (
    "INSERT INTO event (tenant_id, id, type, created_at) {rows} SELECT {tenant}, id, '{type}', at FROM named",
    "INSERT INTO delivery (tenant_id, id, endpoint_id, event_id, event_type, status, attempts, created_at, ended_at, "
    "last_status) {rows} SELECT {tenant}, id, {endpoint}, id, '{type}', 'delivered', 2, at, at + 5000000, 204 "
    "FROM named",
    "INSERT INTO attempt (tenant_id, delivery_id, number, started_at, duration_us, http_status, error, address) {rows} "
    "SELECT {tenant}, id, number, at, 40000, CASE number WHEN 1 THEN 503 ELSE 204 END, "
    "CASE number WHEN 1 THEN 'answered 503' END, '192.0.2.10' "
    "FROM named CROSS JOIN (SELECT 1 AS number UNION ALL SELECT 2) AS tries",
)


async def attempts(scene: Scene, count: int) -> None:
    """So many of them."""
    each = count // 2 // len(scene.lines)
    begins = (SystemClock().now() - DAYS * DAY) // 1_000
    texts = []
    for text in _TEXTS:
        for line in scene.lines:
            step = DAYS * DAY // 1_000 // each
            named = _ROWS.format(tenant=line.tenant, begins=begins, step=step, id=_ID[scene.dialect])
            rows = _NUMBERS[scene.dialect].format(count=each) + named
            texts.append(text.format(rows=rows, tenant=line.tenant, endpoint=line.endpoint, type=TYPE))
    if scene.url is None:
        await asyncio.to_thread(_into_file, scene.file, texts)
        return
    await _days(scene)
    remote = await asyncpg.connect(scene.url)
    for text in texts:
        await remote.execute(text)
    await remote.close()


def _into_file(file: Path, texts: list[str]) -> None:
    connection = connect(file)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -500000")
    for text in texts:
        connection.execute(text)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


async def _days(scene: Scene) -> None:
    """Each day is made when it is the day."""
    clock = ManualClock(SystemClock().now() - (DAYS + 1) * DAY)
    db = await open_database(scene.url, scene.folder)
    days = Days(db, clock, kept_days(message_days=DAYS + 2, event_days=90, attempt_days=90))
    for _ in range(DAYS + 1):
        while await days.run_once():
            continue
        clock.advance(DAY)
    await db.close()

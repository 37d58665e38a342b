"""Tenants with connected numbers and endpoints that lead to the receiver, deliveries that are due, and old ones.

Owns the rows of these benchmarks. Tenants and endpoints are made by the service's own verbs, all else in bulk.
"""

import asyncio
import itertools
import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from setuplinks.core import ids
from setuplinks.core.clock import SystemClock
from setuplinks.core.db.database import Database
from setuplinks.core.db.open import FILE_NAME, open_database
from setuplinks.core.db.sqlite import connect
from setuplinks.core.outbound.client import Outbound
from setuplinks.core.vault import KeyRing, Vault
from setuplinks.migrations.apply import migrate
from setuplinks.settings import networks
from setuplinks.tenants import service as tenants
from setuplinks.tenants.service import Wish
from setuplinks.webhooks.endpoints import Endpoints, Wanted
from setuplinks.webhooks.service import CHANNEL, Events
from tests.support.postgres import PostgresServer
from tests.support.service import MASTER_KEYS

TENANTS = 16
PATIENCE, LOOK = 120.0, 0.05  # seconds
TYPE = "whatsapp.message.received"
BODY = (
    b'{"type":"whatsapp.message.received","timestamp":"2026-11-23T00:00:00.000Z","data":{"text":"' + b"x" * 600 + b'"}}'
)
BODY_BYTES = len(BODY)

CUSTOMER = ("tenant_id", "id", "name", "external_id", "created_at", "updated_at")
WABA = ("tenant_id", "id", "customer_id", "meta_waba_id", "connection_type", "created_at", "updated_at")
NUMBER = (
    "tenant_id", "id", "customer_id", "waba_id", "meta_waba_id", "meta_phone_number_id", "connection_type", "status",
    "created_at", "updated_at",
)  # fmt: skip
HELD = ("meta_phone_number_id", "tenant_id", "customer_id", "phone_id", "meta_waba_id")
EVENT = ("tenant_id", "id", "type", "created_at")
MESSAGE = ("tenant_id", "event_id", "body")
READ = ("id", "received_at", "body_hash", "body", "status", "handled_at")
ITEM = ("tenant_id", "hash", "event_id", "created_at")
DELIVERY = ("tenant_id", "id", "endpoint_id", "event_id", "event_type", "status", "due_at", "created_at")


@dataclass(frozen=True)
class Line:
    """A tenant with one number and the endpoint that hears of it."""

    tenant: int
    endpoint: int
    meta_waba_id: str
    meta_phone_number_id: str


@dataclass(frozen=True)
class Scene:
    """A database with its tenants; `url` None is SQLite in `folder`."""

    dialect: str
    url: str | None
    folder: Path
    server: PostgresServer | None
    lines: list[Line]

    @property
    def file(self) -> Path:
        """SQLite's file."""
        return self.folder / FILE_NAME


async def made(folder: Path, server: PostgresServer | None, hooks: Sequence[str]) -> Scene:
    """A migrated database with a tenant for each of the URLs."""
    url = None if server is None else server.create_database()
    _made(folder)
    await migrate(url, folder)
    db = await open_database(url, folder)
    endpoints = await _tenants(db, hooks)
    await db.close()
    now = SystemClock().now()
    lines = [
        Line(tenant, endpoint, f"90{number:010d}", f"70{number:010d}")
        for number, (tenant, endpoint) in enumerate(endpoints, 1)
    ]
    scene = Scene("SQLite" if url is None else "PostgreSQL", url, folder, server, lines)
    numbered = list(enumerate(lines, 1))
    await fill(scene, [
        ("customer", CUSTOMER, [(one.tenant, n, f"Clínica {n}", f"clinic_{n}", now, now) for n, one in numbered]),
        ("waba", WABA, [(one.tenant, n, n, one.meta_waba_id, "dedicated", now, now) for n, one in numbered]),
        ("phone_number", NUMBER, [
            (one.tenant, n, n, n, one.meta_waba_id, one.meta_phone_number_id, "dedicated", "active", now, now)
            for n, one in numbered
        ]),
        ("connected_number", HELD, [
            (one.meta_phone_number_id, one.tenant, n, n, one.meta_waba_id) for n, one in numbered
        ]),
    ])  # fmt: skip
    return scene


def _made(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)


async def _tenants(db: Database, hooks: Sequence[str]) -> list[tuple[int, int]]:
    clock, found = SystemClock(), []
    vault = Vault(db, KeyRing.parse(MASTER_KEYS), clock)
    outbound = Outbound(networks("127.0.0.0/8"))
    endpoints = Endpoints(db, vault, clock, outbound, Events(db, vault, clock))
    for number, url in enumerate(hooks):
        wish = Wish(name=f"Tenant {number}")
        one = await db.unit(tenants.create, db, vault, wish, now=clock.now(), actor="cli", loopback=True)
        hook = await db.unit(endpoints.create, one.id, Wanted(url=url), "cli")
        found.append((one.id, hook.id))
    await outbound.close()
    return found


async def fill(scene: Scene, tables: Iterable[tuple[str, tuple[str, ...], Sequence[tuple[Any, ...]]]]) -> None:
    """Rows in bulk, in one commit."""
    if scene.url is None:
        connection = connect(scene.file)
        connection.execute("BEGIN IMMEDIATE")
        for table, columns, rows in tables:
            marks = ", ".join("?" * len(columns))
            connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)  # noqa: S608
        connection.execute("COMMIT")
        connection.close()
        return
    remote = await asyncpg.connect(scene.url)
    async with remote.transaction():
        for table, columns, rows in tables:
            await remote.copy_records_to_table(table, records=rows, columns=columns)
    await remote.close()


async def deliveries(scene: Scene, count: int) -> str:
    """So many deliveries, spread over all endpoints, that nobody looks at yet; the least id of them."""
    now = SystemClock().now()
    first = ids.uuid7(now)
    events, bodies, parcels = [], [], []
    for _, line in zip(range(count), itertools.cycle(scene.lines), strict=False):
        event = ids.uuid7(now)
        events.append((line.tenant, event, TYPE, now))
        bodies.append((line.tenant, event, BODY))
        parcels.append((line.tenant, ids.uuid7(now), line.endpoint, event, TYPE, "pending", now, now))
    await fill(scene, [("event", EVENT, events), ("message_payload", MESSAGE, bodies), ("delivery", DELIVERY, parcels)])
    return first


async def handled(scene: Scene, count: int) -> None:
    """So many notifications that were read before: an empty table's plan walks through all that comes after."""
    now = SystemClock().now()
    named = [ids.uuid7(now) for _ in range(count)]
    tenants_ids = itertools.cycle([line.tenant for line in scene.lines])
    read = [(one, now, ids.digest(one), b"", "handled", now) for one in named]
    items = [(tenant, ids.digest(one), one, now) for tenant, one in zip(tenants_ids, named, strict=False)]
    await fill(scene, [("notification", READ, read), ("notification_item", ITEM, items)])


async def released(scene: Scene) -> None:
    """Says that all endpoints have something that is due."""
    now = SystemClock().now()
    if scene.url is None:
        connection = connect(scene.file)
        connection.execute("UPDATE endpoint_state SET next_due = ?", (now,))
        connection.close()
        return
    remote = await asyncpg.connect(scene.url)
    await remote.execute("UPDATE endpoint_state SET next_due = $1", now)
    await remote.execute(f"NOTIFY {CHANNEL}, 'benchmark'")
    await remote.close()


async def analysed(scene: Scene) -> None:
    """On fresh tables PostgreSQL keeps an empty table's plans: called before anybody connects."""
    if scene.url is None:
        connection = connect(scene.file)
        connection.execute("ANALYZE")
        connection.close()
        return
    remote = await asyncpg.connect(scene.url)
    await remote.execute("VACUUM ANALYZE")
    await remote.execute("CHECKPOINT")
    await remote.close()


async def became(scene: Scene, sql: str, wanted: tuple[int, ...], *params: object) -> None:
    """Asks until the only row of the answer is this one. Raises TimeoutError."""
    until = time.monotonic() + PATIENCE
    while tuple((await asked(scene, sql, *params))[0]) != wanted:
        if time.monotonic() > until:
            raise TimeoutError(f"{sql} never became {wanted}")
        await asyncio.sleep(LOOK)


async def asked(scene: Scene, sql: str, *params: object) -> list[Any]:
    """Rows of a query, `$n` style, beside the service."""
    if scene.url is None:
        connection = sqlite3.connect(scene.file, timeout=10)
        rows = connection.execute(sql.replace("$", "?"), params).fetchall()
        connection.close()
        return rows
    remote = await asyncpg.connect(scene.url)
    found = await remote.fetch(sql, *params)
    await remote.close()
    return list(found)

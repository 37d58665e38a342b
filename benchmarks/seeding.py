"""Fills a database as a year of use would: tenants with keys and endpoints, many customers, five links each.

Owns the rows. Tenants, keys and endpoints are made by the service's own verbs; customers, links and slots in bulk, with
ids from a fixed sequence. ANALYZE is the last act: on fresh tables PostgreSQL keeps an empty table's plans.
"""

import random
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg

from setuplinks.core import ids
from setuplinks.core.clock import DAY, SystemClock
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
from setuplinks.webhooks.service import Events
from tests.support.postgres import PostgresServer
from tests.support.service import MASTER_KEYS

TENANTS = 8
LINKS_EACH = 5
FLOW_CUSTOMERS = 5_000
SECRET = "0123456789abcdefghjkmnpqrs"
SLICE = 10_000

CUSTOMER = ("tenant_id", "id", "name", "external_id", "created_at", "updated_at")
SLOT = ("tenant_id", "customer_id", "purpose", "waba_id", "link_id", "version")
LINK = (
    "tenant_id", "id", "customer_id", "purpose", "phase", "secret_hash", "url_secret", "expires_at", "lapses_at",
    "due_at", "created_at", "updated_at", "ended_at", "ended_reason", "connection_types", "success_url", "failure_url",
    "metadata", "created_by",
)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A seeded database: where it is, who may call, and what can be asked for. `url` None is SQLite in `folder`."""

    dialect: str
    url: str | None
    folder: Path
    server: PostgresServer | None
    keys: dict[int, str]
    customers: list[tuple[int, int]]
    links: list[str]
    flow_tenant: int
    flow_customers: list[int]

    def copied(self, name: str) -> "Place":
        """The same rows in a database of their own; nobody may be connected to this one."""
        folder = self.folder.parent / f"{self.folder.name}-{name}"
        folder.mkdir()
        if self.url is None:
            shutil.copy(self.folder / FILE_NAME, folder / FILE_NAME)
            return replace(self, folder=folder)
        assert self.server is not None
        return replace(self, folder=folder, url=self.server.create_database(self.url.rpartition("/")[2]))


async def seeded(folder: Path, server: PostgresServer | None, links: int) -> Place:
    """A migrated, filled and analysed database; `server` None is SQLite."""
    url = None if server is None else server.create_database()
    await migrate(url, folder)
    db = await open_database(url, folder)
    keys = await _tenants(db)
    await db.close()
    flow_tenant = max(keys)
    customers = [(number % TENANTS + 1, number) for number in range(1, links // LINKS_EACH + 1)]
    flow_customers = list(range(len(customers) + 1, len(customers) + FLOW_CUSTOMERS + 1))
    last = flow_customers[-1]
    everybody = [*customers, *((flow_tenant, number) for number in flow_customers)]
    open_links: list[str] = []
    if url is None:
        _fill_sqlite(folder, everybody, customers, open_links, last)
    else:
        await _fill_postgres(url, everybody, customers, open_links, last)
    return Place(
        "SQLite" if url is None else "PostgreSQL", url, folder, server, keys, customers,
        [f"{link}-{SECRET}" for link in open_links], flow_tenant, flow_customers,
    )  # fmt: skip


async def _tenants(db: Database) -> dict[int, str]:
    """Eight tenants with an endpoint that hears everything, and one more for the whole flow; their keys."""
    clock, keys = SystemClock(), {}
    vault = Vault(db, KeyRing.parse(MASTER_KEYS), clock)
    outbound = Outbound(networks("127.0.0.0/8"))
    endpoints = Endpoints(db, vault, clock, outbound, Events(db, vault, clock))
    for number in range(TENANTS + 1):
        wish = Wish(name=f"Tenant {number}", theme={"primaryColor": "#0F766E", "companyName": "Acme SaaS"})
        made = await db.unit(tenants.create, db, vault, wish, now=clock.now(), actor="cli", loopback=True)
        _, key = await db.unit(
            tenants.create_key, db, made.id, name="bench", scopes=None, expires_at=None, now=clock.now(), actor="cli"
        )
        keys[made.id] = key
        if number < TENANTS:
            await db.unit(endpoints.create, made.id, Wanted(url="http://127.0.0.1:9/hooks"), "cli")
    await outbound.close()
    return keys


def _customer_rows(everybody: list[tuple[int, int]]) -> Iterator[tuple[Any, ...]]:
    now = SystemClock().now()
    for tenant, customer in everybody:
        yield tenant, customer, f"Clínica San Lucas {customer}", f"clinic_{customer:07d}", now - 300 * DAY, now


def _link_rows(customers: list[tuple[int, int]], open_links: list[str]) -> Iterator[tuple[Any, ...]]:
    """Four that ended and one that is open for each customer; the open ones' ids are appended."""
    now, chance = SystemClock().now(), random.Random(20)
    hashed, sealed = ids.digest(SECRET), bytes(59)
    for position in range(LINKS_EACH):
        last = position == LINKS_EACH - 1
        made = now - (300 - 60 * position) * DAY if not last else now - DAY
        for tenant, customer in customers:
            link = str(uuid.UUID(int=chance.getrandbits(128), version=4))
            if last:
                open_links.append(link)
            yield (
                tenant, link, customer, "connect", "pending" if last else "revoked", hashed, sealed if last else None,
                made + 60 * DAY, made + 60 * DAY, made + 60 * DAY if last else None, made + customer, made,
                None if last else made + DAY, None if last else "superseded", "dedicated",
                "https://your-app.com/onboarding/success", "https://your-app.com/onboarding/failed",
                '{"plan": "pro"}', "cli",
            )  # fmt: skip


def _slot_rows(customers: list[tuple[int, int]], open_links: list[str]) -> Iterator[tuple[Any, ...]]:
    for (tenant, customer), link in zip(customers, open_links, strict=True):
        yield tenant, customer, "connect", 0, link, LINKS_EACH


def _fill_sqlite(
    folder: Path, everybody: list[tuple[int, int]], customers: list[tuple[int, int]], open_links: list[str], last: int
) -> None:
    connection = connect(folder / FILE_NAME)
    connection.execute("PRAGMA synchronous = OFF")

    def copy(table: str, columns: tuple[str, ...], rows: Iterator[tuple[Any, ...]]) -> None:
        marks = ", ".join("?" * len(columns))
        connection.execute("BEGIN")
        connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)  # noqa: S608
        connection.execute("COMMIT")

    copy("customer", CUSTOMER, _customer_rows(everybody))
    copy("setup_link", LINK, _link_rows(customers, open_links))
    copy("setup_link_slot", SLOT, _slot_rows(customers, open_links))
    copy("id_counter", ("name", "next_id"), iter([("customer", last + 1)]))
    connection.execute("ANALYZE")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


async def _fill_postgres(
    url: str, everybody: list[tuple[int, int]], customers: list[tuple[int, int]], open_links: list[str], last: int
) -> None:
    connection = await asyncpg.connect(url)

    async def copy(table: str, columns: tuple[str, ...], rows: Iterator[tuple[Any, ...]]) -> None:
        await connection.copy_records_to_table(table, records=rows, columns=columns)

    await copy("customer", CUSTOMER, _customer_rows(everybody))
    await copy("setup_link", LINK, _link_rows(customers, open_links))
    await copy("setup_link_slot", SLOT, _slot_rows(customers, open_links))
    await copy("id_counter", ("name", "next_id"), iter([("customer", last + 1)]))
    # VACUUM sets the visibility map and hint bits, which otherwise the first measured reads would write.
    await connection.execute("VACUUM ANALYZE")
    await connection.execute("CHECKPOINT")
    await connection.close()

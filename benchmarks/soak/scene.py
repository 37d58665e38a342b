"""The stage of one soak: Meta's stand-in, the tenants' server, and the service as processes that are killed.

Owns start, sudden death, restart, and the passing of time while nobody serves. Who walks through stands in `people`.
"""

import asyncio
import contextlib
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from starlette.applications import Starlette

from benchmarks.soak.plan import RATES
from benchmarks.soak.tenant import Receiver
from setuplinks.core.clock import SECOND
from setuplinks.core.db.open import open_database
from setuplinks.migrations.apply import migrate
from setuplinks.sandbox.config import SandboxConfig
from setuplinks.sandbox.server import create_app, listening
from setuplinks.sandbox.world import World
from tests.support import sandbox as meta
from tests.support.api import Api
from tests.support.ports import reserved_port
from tests.support.postgres import PostgresServer
from tests.support.processes import Program, ProgramEnded
from tests.support.sandbox import Sandbox
from tests.support.service import OPERATOR_KEY, environment_of, settings_for

TENANTS = ("north", "south")
STALL_SECONDS = 12.0  # longer than any of the service's waits for Meta
QUIET_SECONDS = 20.0
SOON = 5.0  # what is due so soon is waited for
# What waits for a time, table by table: all of it comes nearer when time passes.
WAITING = {
    "provisioning": ("due_at", "lease_until"), "delivery": ("due_at", "lease_until"),
    "endpoint_state": ("next_due", "lease_until", "breaker_until"), "phone_number": ("due_at", "lease_until"),
    "offboarding": ("due_at", "lease_until"), "notification": ("due_at", "lease_until"),
}  # fmt: skip


@dataclass
class Tenant:
    """One tenant of the soak, with its customers' ids."""

    name: str
    id: int
    api: Api
    customers: list[int] = field(default_factory=list)


@dataclass
class Scene:
    """Everything that runs. `kills` counts sudden deaths."""

    folder: Path
    database_url: str | None
    url: str
    world: World
    sandbox: Sandbox
    receiver: Receiver
    operator: Api
    environ: dict[str, str]
    chance: random.Random
    programs: dict[str, Program] = field(default_factory=dict)
    tenants: list[Tenant] = field(default_factory=list)
    kills: int = 0
    written: list[str] = field(default_factory=list)  # Meta's ids of the messages that end users wrote

    @property
    def dialect(self) -> str:
        """As the table names it."""
        return "SQLite" if self.database_url is None else "PostgreSQL"

    def _commands(self) -> dict[str, list[str]]:
        serve = ["serve", "--port", self.url.rpartition(":")[2]]
        if self.database_url is None:
            return {"serve": serve}
        return {"serve": [*serve, "--no-workers"], "worker-1": ["worker"], "worker-2": ["worker"]}

    async def start(self, *names: str) -> None:
        """Starts these programs (all where none is named) and waits until the service answers."""
        for name, command in self._commands().items():
            if not names or name in names:
                log = self.folder / f"{name}.log"
                self.programs[name] = Program(command, self.folder, self.environ, log)
        await self.programs["serve"].until_answers(f"{self.url}/readyz")

    async def stop(self) -> None:
        """SIGTERM for all, as at a deployment."""
        await asyncio.gather(*(program.stop() for program in self.programs.values()))

    def kill_all(self) -> None:
        """Leaves nothing behind."""
        for program in self.programs.values():
            program.kill()

    async def sudden_death(self) -> None:
        """SIGKILL for one of the programs, which is started again a moment later."""
        name = self.chance.choice(sorted(self._commands()))
        self.programs[name].kill()
        self.kills += 1
        await self.start(name)

    async def time_passes(self, seconds: int) -> None:
        """All waits become shorter by so much, while nobody serves; Meta's clock moves too."""
        await self.stop()
        db = await open_database(self.database_url, self.folder / "data", flock=False, pool_size=1)
        try:
            for table, columns in WAITING.items():
                shifted = ", ".join(f"{column} = {column} - {seconds * SECOND}" for column in columns)
                await db.bulk(f"UPDATE {table} SET {shifted}")  # noqa: S608 - our own names and numbers
        finally:
            await db.close()
        await self.start()
        await self.sandbox.advance(seconds)  # afterwards: what Meta tries again then finds somebody

    async def rows(self, sql: str) -> list[dict[str, Any]]:
        """Rows as they stand in the database."""
        db = await open_database(self.database_url, self.folder / "data", flock=False, pool_size=1)
        try:
            return [dict(row) for row in await db.read(sql)]
        finally:
            await db.close()

    async def quiet(self, *, arrived: bool) -> bool:
        """Returns when nothing is due, or after a while; True where no run is open any more.

        `arrived`: what end users wrote is waited for as well, since Meta may be just telling it.
        """
        tables = ("delivery", "provisioning", "offboarding", "notification")
        end = time.monotonic() + QUIET_SECONDS
        while time.monotonic() < end:
            all_here = not arrived or all(self.receiver.messages.get(wamid) for wamid in self.written)
            now = int((time.time() + SOON) * SECOND)
            asked = (f"SELECT 1 AS one FROM {table} WHERE due_at <= {now}" for table in tables)  # noqa: S608 - our names
            if not await self.rows(" UNION ALL ".join(asked)) and all_here:
                break
            await asyncio.sleep(0.5)
        return not await self.rows("SELECT 1 AS one FROM provisioning WHERE status = 'running' LIMIT 1")

    async def storm(self, seed: int) -> None:
        """Meta begins to be bad."""
        rates = {"rates": RATES, "latencyMs": 3, "seed": seed, "stallSeconds": STALL_SECONDS}
        await self.sandbox.ask("POST", "/sandbox/faults", rates)
        await self.sandbox.change_settings(
            notificationDuplicates=0.1, notificationBatch=4, notificationOrder="reversed", notificationGatherMs=20
        )

    async def calm(self) -> dict[str, int]:
        """Meta and the tenants' server are well again; how often each of Meta's faults has struck."""
        struck: dict[str, int] = (await self.sandbox.ask("GET", "/sandbox/faults"))["struck"]
        await self.sandbox.no_more_faults()
        self.receiver.well = True
        return struck

    async def settle(self, people: int) -> None:
        """Makes the tenants, their endpoints and customers, before anything is bad."""
        for name in TENANTS:
            made = await self.operator.made("/admin/tenants", {"name": name})
            key = await self.operator.made(f"/admin/tenants/{made['id']}/api-keys", {"name": "soak"})
            tenant = Tenant(name, made["id"], self.operator.with_key(key["key"]))
            body = {"url": f"{self.receiver.url}/{name}"}
            endpoint = await tenant.api.made(f"/admin/tenants/{tenant.id}/webhook-endpoints", body)
            self.receiver.secrets[name] = endpoint["secret"]
            for number in range(people // len(TENANTS) + 1):
                body = {"name": f"{name} {number}"}
                customer = await tenant.api.made(f"/admin/tenants/{tenant.id}/customers", body)
                tenant.customers.append(customer["id"])
            self.tenants.append(tenant)


async def patiently(ask: Callable[[], Awaitable[Any]], seconds: float = 60.0) -> Any:
    """The answer, asked again while the service is dead. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                return await ask()
            except (aiohttp.ClientError, ConnectionError, AssertionError, ValueError):
                await asyncio.sleep(0.2)


@contextlib.asynccontextmanager
async def staged(folder: Path, server: PostgresServer | None, seed: int) -> AsyncIterator[Scene]:
    """A scene on an empty database, for the length of the block."""
    await asyncio.to_thread(folder.mkdir, parents=True)
    url = None if server is None else server.create_database()
    await migrate(url, folder / "data")
    own = f"http://127.0.0.1:{reserved_port()}"
    config = SandboxConfig(meta.APP_ID, meta.APP_SECRET, meta.CONFIG_ID, meta.VERIFY_TOKEN, public_url=own)
    box: Starlette = create_app(config)
    receiver = Receiver(seed)
    await receiver.start()
    async with listening(box, name="localhost") as running, _session() as session:
        settings = settings_for(own, running.url, folder / "data", url, log_format="json", log_level="debug")
        scene = Scene(
            folder, url, own, box.state.world, Sandbox(running.url, session), receiver,
            Api(own, OPERATOR_KEY, session), environment_of(settings) | _same_tree(), random.Random(seed),
        )  # fmt: skip
        try:
            await scene.start()
            yield scene
        finally:
            with contextlib.suppress(ProgramEnded):
                scene.kill_all()
            await receiver.stop()


def _same_tree() -> dict[str, str]:
    """The programs run the code that this one runs, also where that is a copy of the tree."""
    return {"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}


def _session() -> aiohttp.ClientSession:
    timeout = aiohttp.ClientTimeout(total=45)
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout)

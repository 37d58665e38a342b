"""The stage of one soak: Meta's stand-in, the tenants' server, and the service as processes that are killed.

Owns start, sudden death, restart, and the passing of time while nobody serves. Who walks through stands in `people`.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.soak.plan import RATES
from benchmarks.soak.tenant import Receiver
from benchmarks.trial import TENANTS, Ground, new_ground
from setuplinks.core.clock import SECOND
from tests.support.api import Api
from tests.support.postgres import PostgresServer
from tests.support.processes import Program, ProgramEnded

STALL_SECONDS = 12.0  # longer than any of the service's waits for Meta
QUIET_SECONDS = 90.0  # nobody waits so long on a machine that has nothing else to do
SOON = 5.0  # what is due so soon is waited for
# What waits for a time, table by table: all of it comes nearer when time passes.
WAITING = {
    "provisioning": ("due_at", "lease_until"), "delivery": ("due_at", "lease_until"),
    "endpoint_state": ("next_due", "breaker_until"), "phone_number": ("due_at", "lease_until"),
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

    ground: Ground
    receiver: Receiver
    chance: random.Random
    programs: dict[str, Program] = field(default_factory=dict)
    tenants: list[Tenant] = field(default_factory=list)
    kills: int = 0
    written: list[str] = field(default_factory=list)  # Meta's ids of the messages that end users wrote

    def _commands(self) -> dict[str, list[str]]:
        serve = ["serve", "--port", self.ground.url.rpartition(":")[2]]
        if self.ground.database_url is None:
            return {"serve": serve}
        return {"serve": [*serve, "--no-workers"], "worker-1": ["worker"], "worker-2": ["worker"]}

    async def start(self, *names: str) -> None:
        """Starts these programs (all where none is named) and waits until the service answers."""
        for name, command in self._commands().items():
            if not names or name in names:
                log = self.ground.folder / f"{name}.log"
                self.programs[name] = Program(command, self.ground.folder, self.ground.environ, log)
        await self.programs["serve"].until_answers(f"{self.ground.url}/readyz")

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
        async with self.ground.database() as db:
            for table, columns in WAITING.items():
                shifted = ", ".join(f"{column} = {column} - {seconds * SECOND}" for column in columns)
                await db.bulk(f"UPDATE {table} SET {shifted}")  # noqa: S608 - our own names and numbers
        await self.start()
        await self.ground.sandbox.advance(seconds)  # afterwards: what Meta tries again then finds somebody

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
            if not await self.ground.rows(" UNION ALL ".join(asked)) and all_here:
                break
            await asyncio.sleep(0.5)
        return not await self.ground.rows("SELECT 1 AS one FROM provisioning WHERE status = 'running' LIMIT 1")

    async def storm(self, seed: int) -> None:
        """Meta begins to be bad."""
        rates = {"rates": RATES, "latencyMs": 3, "seed": seed, "stallSeconds": STALL_SECONDS}
        await self.ground.sandbox.ask("POST", "/sandbox/faults", rates)
        await self.ground.sandbox.change_settings(
            notificationDuplicates=0.1, notificationBatch=4, notificationOrder="reversed", notificationGatherMs=20
        )

    async def calm(self) -> dict[str, int]:
        """Meta and the tenants' server are well again; how often each of Meta's faults has struck."""
        struck: dict[str, int] = (await self.ground.sandbox.ask("GET", "/sandbox/faults"))["struck"]
        await self.ground.sandbox.no_more_faults()
        self.receiver.well = True
        return struck

    async def settle(self, people: int) -> None:
        """Makes the tenants, their endpoints and customers, before anything is bad."""
        operator = self.ground.operator
        for name in TENANTS:
            made = await operator.made("/admin/tenants", {"name": name})
            key = await operator.made(f"/admin/tenants/{made['id']}/api-keys", {"name": "soak"})
            tenant = Tenant(name, made["id"], operator.with_key(key["key"]))
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
    receiver = Receiver(seed)
    async with receiver.listening(), new_ground(folder, server, log_level="debug") as ground:
        scene = Scene(ground, receiver, random.Random(seed))
        try:
            await scene.start()
            yield scene
        finally:
            with contextlib.suppress(ProgramEnded):
                scene.kill_all()

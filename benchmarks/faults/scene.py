"""The stage of one run: service and workers as processes, each on a way of its own to the database; Meta; receivers.

Owns start, restart, the ways between them (proxies that can be cut) and what a program uses of memory. What strikes
when stands in `strikes`.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.faults.meta import Line, Meta
from benchmarks.faults.receiver import Receiver
from setuplinks.core.db.open import open_database
from setuplinks.migrations.apply import migrate
from setuplinks.sandbox.config import SandboxConfig
from setuplinks.sandbox.server import create_app, listening
from tests.support import sandbox as meta
from tests.support.api import Api
from tests.support.customer import a_customer
from tests.support.ports import reserved_port
from tests.support.postgres import PostgresServer
from tests.support.processes import Program
from tests.support.sandbox import Sandbox
from tests.support.service import OPERATOR_KEY, environment_of, settings_for
from tests.support.tcp_proxy import TcpProxy

TENANTS = ("north", "south")
NUMBERS = 2  # of each tenant
CONNECT_SECONDS = 30.0
SAMPLE_SECONDS = 0.25


@dataclass
class Tenant:
    """A tenant with its one endpoint, which is reached through a proxy of its own."""

    name: str
    id: int
    api: Api
    endpoint: int
    way: TcpProxy


@dataclass
class Scene:
    """Everything that runs. `memory` has a program's largest resident size in MB since it was last cleared."""

    folder: Path
    server: PostgresServer | None
    url: str
    receiver: Receiver
    sandbox: Sandbox
    operator: Api
    environ: dict[str, str]
    database: str | None  # its own address, past all proxies
    ways: dict[str, TcpProxy]  # program → its way to the database
    programs: dict[str, Program] = field(default_factory=dict)
    tenants: list[Tenant] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    memory: dict[str, float] = field(default_factory=dict)
    meta: Meta | None = None
    started: int = 0

    @property
    def dialect(self) -> str:
        """As the table names it."""
        return "SQLite" if self.server is None else "PostgreSQL"

    @property
    def workers(self) -> list[str]:
        """The programs that send webhooks."""
        return ["serve"] if self.server is None else ["worker-1", "worker-2"]

    @property
    def telling(self) -> Meta:
        """Meta, once it tells."""
        assert self.meta is not None
        return self.meta

    async def start(self, *names: str) -> None:
        """Starts these programs (all where none is named) and waits until they are ready."""
        for name in names or ("serve", *(name for name in self.workers if name != "serve")):
            arguments = ["worker"]
            if name == "serve":
                arguments = ["serve", "--port", self.url.rpartition(":")[2]]
                arguments += [] if self.server is None else ["--no-workers"]
            self.started += 1
            log = self.folder / f"{self.started:03}-{name}.log"
            program = Program(arguments, self.folder, self._environ_of(name), log)
            self.programs[name] = program
            if name == "serve":
                await program.until_answers(f"{self.url}/readyz")
            else:
                await program.until_prints("worker.ready")

    async def stop(self, *names: str) -> list[int]:
        """SIGTERM, as at a deployment; the exit codes."""
        return list(await asyncio.gather(*(self.programs[name].stop() for name in names or self.programs)))

    def kill(self, *names: str) -> None:
        """SIGKILL."""
        for name in names:
            self.programs[name].kill()

    async def rows(self, sql: str) -> list[dict[str, Any]]:
        """Rows as they stand in the database, read past all proxies."""
        db = await open_database(self.database, self.folder / "data", flock=False, pool_size=1)
        try:
            return [dict(row) for row in await db.read(sql)]
        finally:
            await db.close()

    async def watch_memory(self) -> None:
        """Notes what the programs use, for ever."""
        while True:
            for name, program in self.programs.items():
                self.memory[name] = max(self.memory.get(name, 0.0), _megabytes(program.pid))
            await asyncio.sleep(SAMPLE_SECONDS)

    async def settle(self) -> None:
        """Makes tenants, endpoints and connected numbers, while all is well."""
        for name in TENANTS:
            made = await self.operator.made("/admin/tenants", {"name": name})
            key = await self.operator.made(f"/admin/tenants/{made['id']}/api-keys", {"name": "faults"})
            api, way = self.operator.with_key(key["key"]), TcpProxy(self.receiver.port)
            await way.start()
            body = {"url": f"http://127.0.0.1:{way.port}/{name}"}
            endpoint = await api.made(f"/admin/tenants/{made['id']}/webhook-endpoints", body)
            self.receiver.secrets[name] = endpoint["secret"]
            tenant = Tenant(name, made["id"], api, endpoint["id"], way)
            self.tenants.append(tenant)
            for number in range(NUMBERS):
                await self._connect(tenant, number)
        await self.sandbox.change_settings(notifications=False)

    async def _connect(self, tenant: Tenant, number: int) -> None:
        """One customer signs in at the sandbox; its number is a line for Meta."""
        customer = await tenant.api.made(f"/admin/tenants/{tenant.id}/customers", {"name": f"{tenant.name} {number}"})
        link = await tenant.api.made(f"/admin/customers/{customer['id']}/setup-links", {})
        async with a_customer(self.url) as browser:
            await browser.walk(link["url"], self.sandbox)
        async with asyncio.timeout(CONNECT_SECONDS):
            while True:
                reply = await tenant.api.get(f"/admin/customers/{customer['id']}/phone-numbers")
                if connected := reply.json["data"]:
                    break
                await asyncio.sleep(0.1)
        rows = await self.rows("SELECT meta_waba_id, meta_phone_number_id FROM connected_number")
        wabas = {row["meta_phone_number_id"]: row["meta_waba_id"] for row in rows}
        [one] = connected
        phone = one["metaPhoneNumberId"]
        self.lines.append(Line(tenant.name, wabas[phone], phone, one["displayPhoneNumber"]))

    def _environ_of(self, name: str) -> dict[str, str]:
        if self.database is None:
            return self.environ
        own = self.database.rpartition("/")[2]
        return {**self.environ, "SETUPLINKS_DATABASE_URL": f"postgresql://test@127.0.0.1:{self.ways[name].port}/{own}"}


@contextlib.asynccontextmanager
async def staged(folder: Path, server: PostgresServer | None, seed: int) -> AsyncIterator[Scene]:
    """A scene on an empty database, for the length of the block."""
    await asyncio.to_thread(folder.mkdir, parents=True)
    database = None if server is None else server.create_database()
    await migrate(database, folder / "data")
    own = f"http://127.0.0.1:{reserved_port()}"
    config = SandboxConfig(meta.APP_ID, meta.APP_SECRET, meta.CONFIG_ID, meta.VERIFY_TOKEN, public_url=own)
    receiver = Receiver(seed)
    await receiver.start()
    async with listening(create_app(config), name="localhost") as box, _session() as session:
        settings = settings_for(own, box.url, folder / "data", database, log_format="json")
        ways = {} if server is None else {name: TcpProxy(server.port) for name in ("serve", "worker-1", "worker-2")}
        scene = Scene(
            folder, server, own, receiver, Sandbox(box.url, session), Api(own, OPERATOR_KEY, session),
            environment_of(settings) | _same_tree(), database, ways,
        )  # fmt: skip
        for way in ways.values():
            await way.start()
        watching = asyncio.create_task(scene.watch_memory())
        try:
            await scene.start()
            await scene.settle()
            scene.memory.clear()
            yield scene
        finally:
            watching.cancel()
            if scene.meta is not None:
                await scene.meta.close()
            scene.kill(*scene.programs)
            await receiver.stop()
            for way in (*ways.values(), *(tenant.way for tenant in scene.tenants)):
                await way.stop()


def _megabytes(pid: int) -> float:
    """Resident memory of a process now; 0 where it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024
    except (OSError, IndexError):
        return 0.0


def _same_tree() -> dict[str, str]:
    """The programs run the code that this one runs, also where that is a copy of the tree."""
    return {"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close=True), timeout=aiohttp.ClientTimeout(total=30)
    )

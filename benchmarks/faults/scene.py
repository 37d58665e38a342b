"""The stage of one run: service and workers as processes, each on a way of its own to the database; Meta; receivers.

Owns start, restart, the ways between them (proxies that can be cut) and what a program uses of memory. What strikes
when stands in `strikes`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.faults.meta import Line, Meta
from benchmarks.faults.receiver import Receiver
from benchmarks.trial import TENANTS, Ground, new_ground
from tests.support.api import Api
from tests.support.customer import a_customer
from tests.support.postgres import PostgresServer
from tests.support.processes import Program
from tests.support.tcp_proxy import TcpProxy

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

    ground: Ground
    receiver: Receiver
    ways: dict[str, TcpProxy]  # program → its way to the database
    programs: dict[str, Program] = field(default_factory=dict)
    tenants: list[Tenant] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    memory: dict[str, float] = field(default_factory=dict)
    meta: Meta | None = None
    started: int = 0

    @property
    def workers(self) -> list[str]:
        """The programs that send webhooks."""
        return ["serve"] if self.ground.server is None else ["worker-1", "worker-2"]

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
                arguments = ["serve", "--port", self.ground.url.rpartition(":")[2]]
                arguments += [] if self.ground.server is None else ["--no-workers"]
            self.started += 1
            log = self.ground.folder / f"{self.started:03}-{name}.log"
            program = Program(arguments, self.ground.folder, self._environ_of(name), log)
            self.programs[name] = program
            if name == "serve":
                await program.until_answers(f"{self.ground.url}/readyz")
            else:
                await program.until_prints("worker.ready")

    async def stop(self, *names: str) -> list[int]:
        """SIGTERM, as at a deployment; the exit codes."""
        return list(await asyncio.gather(*(self.programs[name].stop() for name in names or self.programs)))

    def kill(self, *names: str) -> None:
        """SIGKILL."""
        for name in names:
            self.programs[name].kill()

    async def watch_memory(self) -> None:
        """Notes what the programs use, for ever."""
        while True:
            for name, program in self.programs.items():
                self.memory[name] = max(self.memory.get(name, 0.0), _megabytes(program.pid))
            await asyncio.sleep(SAMPLE_SECONDS)

    async def settle(self) -> None:
        """Makes tenants, endpoints and connected numbers, while all is well."""
        operator = self.ground.operator
        for name in TENANTS:
            made = await operator.made("/admin/tenants", {"name": name})
            key = await operator.made(f"/admin/tenants/{made['id']}/api-keys", {"name": "faults"})
            api, way = operator.with_key(key["key"]), TcpProxy(self.receiver.port)
            await way.start()
            body = {"url": f"http://127.0.0.1:{way.port}/hooks/{name}"}
            endpoint = await api.made(f"/admin/tenants/{made['id']}/webhook-endpoints", body)
            self.receiver.secrets[name] = endpoint["secret"]
            tenant = Tenant(name, made["id"], api, endpoint["id"], way)
            self.tenants.append(tenant)
            for number in range(NUMBERS):
                await self._connect(tenant, number)
        await self.ground.sandbox.change_settings(notifications=False)

    async def _connect(self, tenant: Tenant, number: int) -> None:
        """One customer signs in at the sandbox; its number is a line for Meta."""
        customer = await tenant.api.made(f"/admin/tenants/{tenant.id}/customers", {"name": f"{tenant.name} {number}"})
        link = await tenant.api.made(f"/admin/customers/{customer['id']}/setup-links", {})
        async with a_customer(self.ground.url) as browser:
            await browser.walk(link["url"], self.ground.sandbox)
        async with asyncio.timeout(CONNECT_SECONDS):
            while True:
                reply = await tenant.api.get(f"/admin/customers/{customer['id']}/phone-numbers")
                if connected := reply.json["data"]:
                    break
                await asyncio.sleep(0.1)
        rows = await self.ground.rows("SELECT meta_waba_id, meta_phone_number_id FROM connected_number")
        wabas = {row["meta_phone_number_id"]: row["meta_waba_id"] for row in rows}
        [one] = connected
        phone = one["metaPhoneNumberId"]
        self.lines.append(Line(tenant.name, wabas[phone], phone, one["displayPhoneNumber"]))

    def _environ_of(self, name: str) -> dict[str, str]:
        if self.ground.database_url is None:
            return self.ground.environ
        own, port = self.ground.database_url.rpartition("/")[2], self.ways[name].port
        return {**self.ground.environ, "SETUPLINKS_DATABASE_URL": f"postgresql://test@127.0.0.1:{port}/{own}"}


@contextlib.asynccontextmanager
async def staged(folder: Path, server: PostgresServer | None, seed: int) -> AsyncIterator[Scene]:
    """A scene on an empty database, for the length of the block."""
    receiver = Receiver(seed)
    async with receiver.listening(), new_ground(folder, server) as ground:
        ways = {} if server is None else {name: TcpProxy(server.port) for name in ("serve", "worker-1", "worker-2")}
        scene = Scene(ground, receiver, ways)
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
            for way in (*ways.values(), *(tenant.way for tenant in scene.tenants)):
                await way.stop()


def _megabytes(pid: int) -> float:
    """Resident memory of a process now; 0 where it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024
    except (OSError, IndexError):
        return 0.0

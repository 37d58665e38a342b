"""The service as a process of its own that a test kills like a power cut and starts again; Meta lives on.

Owns the processes, their common settings, and short words for what a test looks at. Time is the machine's here.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from setuplinks.core.db.open import open_database
from setuplinks.sandbox.config import SandboxConfig
from setuplinks.sandbox.server import create_app, listening
from tests.support import sandbox as meta
from tests.support.api import Api
from tests.support.customer import Customer, a_customer
from tests.support.ports import reserved_port
from tests.support.processes import Program, running_program
from tests.support.sandbox import Sandbox
from tests.support.service import OPERATOR_KEY, environment_of, settings_for

PATIENCE = 100.0  # seconds: a lease of 40, on a machine that others use too


@dataclass
class Mortal:
    """A service that may die. `api` is a tenant's view of it."""

    folder: Path
    environ: dict[str, str]
    url: str
    sandbox: Sandbox
    database_url: str | None
    operator: Api
    stack: contextlib.AsyncExitStack
    program: Program | None = None
    tenant: int = 0
    clinic: int = 0
    api: Api | None = None

    async def start(self) -> None:
        """Starts the process and waits until it answers."""
        port = self.url.rpartition(":")[2]
        self.program = await self.stack.enter_async_context(
            running_program("serve", "--port", port, folder=self.folder, environ=self.environ)
        )
        await self.program.until_answers(f"{self.url}/readyz")

    async def people(self) -> None:
        """The tenant and its customer."""
        tenant = await self.operator.made("/admin/tenants", {"name": "Acme SaaS"})
        self.tenant = tenant["id"]
        key = await self.operator.made(f"/admin/tenants/{self.tenant}/api-keys", {"name": "test"})
        self.api = self.operator.with_key(key["key"])
        made = await self.api.made(f"/admin/tenants/{self.tenant}/customers", {"name": "Clínica San Lucas"})
        self.clinic = made["id"]

    async def link(self, **fields: Any) -> dict[str, Any]:
        """A link for the clinic, dedicated only unless said."""
        assert self.api is not None
        body = {"allowedConnectionTypes": ["dedicated"], "successRedirectUrl": "https://your-app.com/x", **fields}
        return await self.api.made(f"/admin/customers/{self.clinic}/setup-links", body)

    async def of(self, link: dict[str, Any]) -> dict[str, Any]:
        """The link as the API shows it now."""
        assert self.api is not None
        found: dict[str, Any] = (await self.api.get(f"/admin/setup-links/{link['id']}")).json
        return found

    async def events(self) -> list[str]:
        """The types of all events."""
        assert self.api is not None
        reply = await self.api.get(f"/admin/tenants/{self.tenant}/events?limit=100")
        return [row["type"] for row in reply.json["data"]]

    def kill(self) -> None:
        """SIGKILL."""
        assert self.program is not None
        self.program.kill()

    async def rows(self, sql: str) -> list[dict[str, Any]]:
        """Rows as they stand in the database, read beside whatever serves it."""
        db = await open_database(self.database_url, self.folder / "data", flock=False, pool_size=1)
        try:
            return [dict(row) for row in await db.read(sql)]
        finally:
            await db.close()

    async def until(self, holds: Callable[[], Awaitable[bool]], seconds: float = PATIENCE) -> None:
        """Returns once `holds` is true. Raises TimeoutError with what the process printed."""
        end = time.monotonic() + seconds
        while not await holds():
            if time.monotonic() > end:
                printed = self.program.output()[-3000:] if self.program else ""
                raise TimeoutError(f"it did not come about within {seconds} s; the process printed: {printed}")
            await asyncio.sleep(0.05)

    async def until_phase(self, link: dict[str, Any], phase: str) -> None:
        """Returns once the link is in that phase."""

        async def holds() -> bool:
            return bool((await self.of(link))["phase"] == phase)

        await self.until(holds)

    async def hold(self, call: str, *, passing: int = 0) -> None:
        """Makes Meta keep the next such call waiting, after letting some pass; what it held before is let go."""
        await self.sandbox.no_more_faults()
        for _ in range(passing):
            await self.sandbox.fault(call, times=1)
        await self.sandbox.hold(call)

    async def until_held(self) -> None:
        """Returns once the call to be held has arrived at Meta."""

        async def holds() -> bool:
            return not (await self.sandbox.ask("GET", "/sandbox/faults"))["data"]

        await self.until(holds)

    async def let_leases_end(self) -> None:
        """On PostgreSQL the next one waits 30 s for a dead one's lease: those pass here. SQLite frees them itself."""
        if self.database_url is not None:
            await self.write("UPDATE provisioning SET lease_until = 0 WHERE lease_until IS NOT NULL")

    async def write(self, sql: str) -> None:
        """Changes rows while nobody serves."""
        db = await open_database(self.database_url, self.folder / "data", flock=False, pool_size=1)
        try:
            await db.bulk(sql)
        finally:
            await db.close()

    async def customer(self) -> Customer:
        """A fresh browser, for the length of the test."""
        return await self.stack.enter_async_context(a_customer(self.url))


@contextlib.asynccontextmanager
async def running_mortal(data_dir: Path, database_url: str | None, **environment: str) -> AsyncIterator[Mortal]:
    """The service as a process and a sandbox in this one, for the length of the block; `environment` wins."""
    url = f"http://127.0.0.1:{reserved_port()}"
    config = SandboxConfig(meta.APP_ID, meta.APP_SECRET, meta.CONFIG_ID, meta.VERIFY_TOKEN, public_url=None)
    async with (
        listening(create_app(config), "127.0.0.1", 0, name="localhost") as running,
        aiohttp.ClientSession() as session,
        contextlib.AsyncExitStack() as stack,
    ):
        settings = settings_for(url, running.url, data_dir, database_url)
        environ = {**environment_of(settings), **environment}
        mortal = Mortal(
            data_dir.parent, environ, url, Sandbox(running.url, session), database_url,
            Api(url, OPERATOR_KEY, session), stack,
        )  # fmt: skip
        await mortal.start()
        await mortal.people()
        try:
            yield mortal
        finally:
            await mortal.sandbox.no_more_faults()

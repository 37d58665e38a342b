"""The scene of a browser test: the service at work, Meta's stand-in, and Acme SaaS with its customer, the clinic.

Three hosts, so that browsers keep their cookies apart as in life: the service on `127.0.0.1`, Meta on `localhost`, the
company's website and webhooks on `acme.localhost`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from setuplinks.core.clock import SECOND, ManualClock
from setuplinks.core.db.open import open_database
from setuplinks.meta.transport import Timeouts
from setuplinks.sandbox.inbox import Inbox
from setuplinks.sandbox.server import listening
from tests.support.loopback import Certificate
from tests.support.sandbox import PATIENCE_SECONDS, Sandbox
from tests.support.service import RunningService, Tenant, running_service

CUSTOMER = "Clínica San Lucas"
PATIENT = Timeouts(connect=60, exchange=120, read=120, write=120, send=120)


@dataclass(frozen=True)
class Scene:
    """Everybody but the customer. `site` is the company's website, whose pages say whether a redirect was signed."""

    service: RunningService
    company: Inbox
    site: str
    acme: Tenant
    clinic: int

    @property
    def sandbox(self) -> Sandbox:
        """Meta."""
        return self.service.sandbox

    async def link(self, **fields: Any) -> dict[str, Any]:
        """A link for the clinic; both redirects lead to the company's website."""
        wanted = {
            "successRedirectUrl": f"{self.site}/onboarding/success",
            "failureRedirectUrl": f"{self.site}/onboarding/failed",
            **fields,
        }
        return await self.acme.api.made(f"/admin/customers/{self.clinic}/setup-links", wanted)

    async def of(self, link: dict[str, Any]) -> dict[str, Any]:
        """The link as the API shows it now."""
        return await self.seen(f"/admin/setup-links/{link['id']}")

    async def numbers(self) -> list[dict[str, Any]]:
        """The clinic's numbers, newest first."""
        found: list[dict[str, Any]] = (await self.seen(f"/admin/customers/{self.clinic}/phone-numbers"))["data"]
        return found

    async def steps(self, link: dict[str, Any]) -> list[str]:
        """What the link's timeline says happened, in order."""
        return [step["kind"] for step in (await self.seen(f"/admin/setup-links/{link['id']}/timeline"))["data"]]

    async def seen(self, path: str) -> dict[str, Any]:
        """A GET as the company, which must succeed."""
        reply = await self.acme.api.get(path)
        assert reply.status == 200, reply.body
        found: dict[str, Any] = reply.json
        return found

    async def told(self, event: str) -> dict[str, Any]:
        """The data of the event that the company was told, its signature verified; waits until it comes."""
        got = await self.company.wait_for(lambda one: one.type == event, PATIENCE_SECONDS)
        assert got.verdict == "verified"
        found: dict[str, Any] = got.envelope["data"]
        return found

    async def asked_of_meta(self, call: str, method: str) -> dict[str, Any]:
        """The first such call to Graph; waits until it is made. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                for one in await self.sandbox.calls(call):
                    if one["method"] == method:
                        return one
                await asyncio.sleep(0.05)

    async def events(self, event: str) -> list[dict[str, Any]]:
        """The data of all events of one type, once nothing that was told is still on its way."""
        await self.at_rest()
        return [one.envelope["data"] for one in self.company.received if one.type == event]

    async def at_rest(self) -> None:
        """Returns once no webhook is on its way, each with its result recorded. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await self.service.db.read("SELECT 1 FROM delivery WHERE status = 'pending'"):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def until_work_waits(self) -> None:
        """Returns once a connection's work waits for a later time, in nobody's hand. Raises TimeoutError."""
        waiting = "SELECT 1 FROM provisioning WHERE lease_until IS NULL AND due_at > $1"
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await self.service.db.read(waiting, self.service.clock.now()):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def let_pass(self, microseconds: int) -> None:
        """Moves every clock; the workers see it by themselves."""
        self.service.clock.advance(microseconds)
        await self.sandbox.move_clock_to(self.service.clock.now() // SECOND * SECOND)


@contextlib.asynccontextmanager
async def staged(
    clock: ManualClock, data_dir: Path, database_url: str | None = None, tls: Certificate | None = None, **settings: Any
) -> AsyncIterator[Scene]:
    """The scene for the length of the block, on a migrated database; `settings` are the service's."""
    company = Inbox(name="Acme SaaS", now=lambda: clock.now() / SECOND)
    db = await open_database(database_url, data_dir)
    try:
        async with (
            running_service(db, clock, data_dir, database_url, workers=True, tls=tls, **settings) as service,
            listening(company.app(), name="acme.localhost") as website,
        ):
            # What a test holds at Meta is not given up meanwhile, however long the browser takes.
            service.parts.graph.timeouts = PATIENT
            acme = await service.new_tenant("Acme SaaS", allowedRedirectHosts=[website.url])
            hooks = f"http://127.0.0.1:{website.port}/hooks"
            endpoint = await acme.api.made(f"/admin/tenants/{acme.id}/webhook-endpoints", {"url": hooks})
            company.secrets.append(endpoint["secret"])
            company.redirect_keys.append((await acme.api.get(f"/admin/tenants/{acme.id}/redirect-key")).json["key"])
            clinic = await acme.api.made(
                f"/admin/tenants/{acme.id}/customers", {"name": CUSTOMER, "external_id": "clinic_001"}
            )
            yield Scene(service, company, website.url, acme, clinic["id"])
    finally:
        await db.close()

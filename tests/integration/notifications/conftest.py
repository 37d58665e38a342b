"""A clinic that is connected, and the tenant's inbox that hears of everything."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from setuplinks.core.clock import SECOND
from tests.integration.setup_links.desk import Desk
from tests.support import notices
from tests.support.customer import Customer
from tests.support.inbox import Inbox, Received
from tests.support.sandbox import Sandbox
from tests.support.service import RunningService, Tenant

WAIT_SECONDS = 60


@dataclass
class Connected:
    """The clinic's connection, by Meta's ids, and what Meta may tell of it."""

    service: RunningService
    tenant: Tenant
    customer_id: int
    inbox: Inbox
    waba: str
    number: str
    display: str
    phone_id: int

    def sample(self, name: str, **ids: str) -> dict[str, Any]:
        """A sample about this connection, told now."""
        found = notices.sample(name, **{"waba": self.waba, "number": self.number, "display": self.display, **ids})
        for entry in found["entry"]:
            if "time" in entry:
                entry["time"] = self.service.clock.now() // SECOND
        return found

    async def tell(self, *notifications: str | dict[str, Any]) -> list[Received]:
        """Meta tells this, in this order; the events that reach the tenant by it."""
        seen = len(self.inbox.received)
        for one in notifications:
            body = notices.body_of(self.sample(one) if isinstance(one, str) else one)
            assert await notices.post(self.service.url, body) == 200
        await self.service.drain()
        return self.inbox.received[seen:]

    async def of_number(self, phone_id: int | None = None) -> dict[str, Any]:
        """The number as the API shows it."""
        found: dict[str, Any] = (await self.tenant.api.get(f"/admin/phone-numbers/{phone_id or self.phone_id}")).json
        return found

    async def connection(self) -> str:
        """The customer's connection."""
        return str((await self.tenant.api.get(f"/admin/customers/{self.customer_id}")).json["connection"])

    async def states(self) -> list[tuple[str, int]]:
        """Status and tries of all raw notifications that were stored, the oldest first."""
        rows = await self.service.db.read("SELECT status, tries FROM notification ORDER BY id")
        return [(row["status"], row["tries"]) for row in rows]


async def connect(
    service: RunningService, tenant: Tenant, customer_id: int, person: Customer, **walk: Any
) -> dict[str, Any]:
    """One more signup from its link to its end; what the sandbox says of it."""
    link = await tenant.api.made(f"/admin/customers/{customer_id}/setup-links", {})
    played = await person.walk(link["url"], service.sandbox, **walk)
    await service.drain()
    return played


async def settled(sandbox: Sandbox) -> None:
    """Returns once the sandbox has told all that it had to tell."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            told = (await sandbox.ask("GET", "/sandbox/notifications"))["data"]
            if all(row["state"] != "waiting" for row in told):
                return
            await asyncio.sleep(0.01)


@pytest.fixture
async def connected(service: RunningService, acme: Tenant, clinic: int, customer: Customer, inbox: Inbox) -> Connected:
    """Connected a moment ago; the sandbox tells nothing by itself, the test does."""
    await service.sandbox.change_settings(notifications=False)
    played = await connect(service, acme, clinic, customer)
    numbers = (await acme.api.get(f"/admin/customers/{clinic}/phone-numbers")).json["data"]
    await acme.api.made(f"/admin/tenants/{acme.id}/webhook-endpoints", {"url": inbox.url})
    [number] = numbers
    return Connected(
        service, acme, clinic, inbox, played["wabaIds"][0], number["metaPhoneNumberId"],
        number["displayPhoneNumber"], number["id"],
    )  # fmt: skip


@pytest.fixture
async def desk(service: RunningService, acme: Tenant, clinic: int) -> Desk:
    """Acme SaaS and its customer, the clinic, at the service."""
    return Desk(service, acme, clinic)

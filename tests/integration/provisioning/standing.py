"""A connection that stands: the number, what the tenant hears of it, and what Meta is made to say of it."""

from dataclasses import dataclass
from typing import Any

from setuplinks.core.clock import HOUR
from tests.support.customer import Customer
from tests.support.inbox import Inbox, Received
from tests.support.service import RunningService, Tenant

UPDATED, READY = "whatsapp.phone_number.updated", "whatsapp.phone_number.ready"
DISCONNECTED, RECONNECTED = "whatsapp.phone_number.disconnected", "whatsapp.phone_number.reconnected"
EXPIRING = "whatsapp.phone_number.token_expiring"
A_DAY_OF_LOOKS = 14 * HOUR  # twelve hours and their jitter are over, whatever it is


@dataclass
class Standing:
    """The clinic's connection, by our ids and Meta's."""

    service: RunningService
    tenant: Tenant
    customer_id: int
    inbox: Inbox
    waba: str
    number: str
    phone_id: int

    async def pass_time(self, microseconds: int) -> list[Received]:
        """What the tenant hears while so much time passes."""
        seen = len(self.inbox.received)
        await self.service.advance(microseconds)
        return self.inbox.received[seen:]

    async def shown(self) -> dict[str, Any]:
        """The number as the API shows it."""
        found: dict[str, Any] = (await self.tenant.api.get(f"/admin/phone-numbers/{self.phone_id}")).json
        return found

    async def failing(self) -> list[str]:
        """The checks that do not pass, as the API shows them."""
        return [row["check"] for row in (await self.shown())["readiness"] if not row["passed"]]

    async def health(self) -> dict[str, Any]:
        """The live answer; always a 200."""
        reply = await self.tenant.api.get(f"/admin/phone-numbers/{self.phone_id}/health")
        assert reply.status == 200, reply.body
        found: dict[str, Any] = reply.json
        return found

    async def at_meta(self, **fields: Any) -> None:
        """The number changes at Meta, and Meta tells nobody."""
        await self.service.sandbox.ask("PATCH", f"/sandbox/phone-numbers/{self.number}", fields)

    async def calls(self) -> int:
        """How many calls Meta has had since they were last forgotten."""
        return len(await self.service.sandbox.calls())


async def connected(
    service: RunningService, tenant: Tenant, customer_id: int, person: Customer, inbox: Inbox, **walk: Any
) -> Standing:
    """One signup from its link to its end; Meta tells nothing by itself, so that what is found was looked for."""
    await service.sandbox.change_settings(notifications=False)
    link = await tenant.api.made(f"/admin/customers/{customer_id}/setup-links", {})
    played = await person.walk(link["url"], service.sandbox, **walk)
    await service.drain()
    rows = (await tenant.api.get(f"/admin/customers/{customer_id}/phone-numbers")).json["data"]
    [number] = [row for row in rows if row["metaWabaId"] == played["wabaIds"][0] and row["status"] != "available"]
    await tenant.api.made(f"/admin/tenants/{tenant.id}/webhook-endpoints", {"url": inbox.url})
    await service.sandbox.forget_calls()
    return Standing(
        service, tenant, customer_id, inbox, played["wabaIds"][0], number["metaPhoneNumberId"], number["id"]
    )

"""The tenant's desk in tests: makes links for the clinic, looks at them, reads what was told.

Owns short words for calls of the API that many tests make. It decides nothing.
"""

from dataclasses import dataclass
from typing import Any

from tests.support.customer import Customer
from tests.support.service import RunningService, Tenant

SUCCESS = "https://your-app.com/onboarding/success"
FAILED = "https://your-app.com/onboarding/failed"
BOTH = {"successRedirectUrl": SUCCESS, "failureRedirectUrl": FAILED}


@dataclass(frozen=True)
class Desk:
    """Tenant `acme` and its customer, the clinic."""

    service: RunningService
    acme: Tenant
    clinic: int

    async def link(self, **fields: Any) -> dict[str, Any]:
        """A link for the clinic; dedicated alone unless said, so that one press leads to Meta."""
        wanted = {**BOTH, "allowedConnectionTypes": ["dedicated"], **fields}
        return await self.acme.api.made(f"/admin/customers/{self.clinic}/setup-links", wanted)

    async def of(self, link: dict[str, Any]) -> dict[str, Any]:
        """The link as the API shows it now."""
        found: dict[str, Any] = (await self.acme.api.get(f"/admin/setup-links/{link['id']}")).json
        return found

    async def phase(self, link: dict[str, Any]) -> str:
        """The link's phase now."""
        return str((await self.of(link))["phase"])

    async def steps(self, link: dict[str, Any]) -> list[str]:
        """What the timeline says happened, in order."""
        reply = await self.acme.api.get(f"/admin/setup-links/{link['id']}/timeline")
        return [step["kind"] for step in reply.json["data"]]

    async def told(self, event_type: str | None = None) -> list[dict[str, Any]]:
        """The data of the tenant's events, oldest first; of one type, or all with their `type`."""
        reply = await self.acme.api.get(f"/admin/tenants/{self.acme.id}/events?limit=100")
        rows = reply.json["data"][::-1]
        if event_type is None:
            return [{"type": row["type"], **row["data"]} for row in rows]
        return [row["data"] for row in rows if row["type"] == event_type]

    async def types(self) -> list[str]:
        """The types of all events so far, oldest first."""
        return [row["type"] for row in await self.told()]

    async def numbers(self, query: str = "") -> list[dict[str, Any]]:
        """The clinic's numbers, newest first."""
        reply = await self.acme.api.get(f"/admin/customers/{self.clinic}/phone-numbers{query}")
        found: list[dict[str, Any]] = reply.json["data"]
        return found

    async def row(self, link: dict[str, Any]) -> dict[str, Any]:
        """The link's row as it stands in the database."""
        [found] = await self.service.db.read("SELECT * FROM setup_link WHERE id = $1", link["id"])
        return dict(found)

    async def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table."""
        return [dict(row) for row in await self.service.db.read(f"SELECT * FROM {table}")]  # noqa: S608 - a test's own word

    async def connected(self, customer: Customer, **fields: Any) -> dict[str, Any]:
        """A link that the customer has walked to its end."""
        link = await self.link(**fields)
        await customer.walk(link["url"], self.service.sandbox)
        await self.service.drain()
        return await self.of(link)

    async def again(self, customer: Customer, **how: Any) -> dict[str, Any]:
        """From the page of a visit that stopped: starts anew, this time to a good end; what the sandbox says."""
        await customer.press("/start")
        if customer.left_to is None:
            await customer.press("/page")
        played = await self.service.sandbox.play(customer.left_to or "", **how)
        await customer.open(played["redirectUrl"].partition("#")[0])
        await self.service.drain()
        return played

    async def another_customer(self, name: str = "Other clinic") -> int:
        """A second customer of the same tenant."""
        made = await self.acme.api.made(f"/admin/tenants/{self.acme.id}/customers", {"name": name})
        return int(made["id"])

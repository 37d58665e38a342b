"""The webhooks room around an open database: a tenant, its API, a runner in the test's hand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from setuplinks.core.addresses import parse_networks
from setuplinks.core.clock import ManualClock
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Row
from setuplinks.core.outbound.client import Outbound
from setuplinks.webhooks import api as webhooks_api
from setuplinks.webhooks.claims import PARK
from setuplinks.webhooks.models import EVENT_TYPES
from setuplinks.webhooks.places import LEASE
from setuplinks.webhooks.plain_claims import TAKE_PLAIN
from setuplinks.webhooks.runner import DeliveryRunner
from setuplinks.webhooks.service import Events
from tests.integration.tenants.json_api import JsonApi, running_api

LINK_ID = "8f2b0f0e-5a80-4d9c-9a5c-3f1c6b3f0a11"
LINK = {"setup_link_id": LINK_ID, "state": None}


@dataclass
class Room:
    """Everything that a test of webhooks touches."""

    api: JsonApi
    db: Database
    clock: ManualClock
    outbound: Outbound
    events: Events
    runner: DeliveryRunner
    tenant_id: int
    key: str

    async def call(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """A request with the tenant's key."""
        return await self.api.call(method, path, body, **{"key": self.key, **more})

    async def endpoint(self, url: str, **fields: Any) -> dict[str, Any]:
        """A new endpoint as answered."""
        made = await self.call("POST", f"/admin/tenants/{self.tenant_id}/webhook-endpoints", {"url": url, **fields})
        assert made.status_code == 201, made.text
        answer: dict[str, Any] = made.json()
        return answer

    async def emit(self, event_type: str = "setup_link.created", **fields: Any) -> str:
        """An event of the tenant in a unit of its own; its id."""
        assert event_type in EVENT_TYPES
        async with self.db.transaction() as tx:
            audience = await self.events.load(tx, self.tenant_id)
            return self.events.emit(tx, audience, event_type, LINK, **fields)

    def another_runner(self, **options: Any) -> DeliveryRunner:
        """What another process would run."""
        return DeliveryRunner(
            self.db, self.api.deps.vault, self.clock, self.events, self.outbound, **{"chance": _middle, **options}
        )

    async def drain(self, runner: DeliveryRunner | None = None) -> int:
        """Runs until nothing is due now; how many tries were made."""
        total = 0
        while done := await (runner or self.runner).run_once():
            total += done
        return total

    async def deliveries(self, endpoint: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
        """The endpoint's deliveries as listed."""
        answer = await self.call("GET", f"/admin/webhook-endpoints/{endpoint['id']}/deliveries{query}")
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["data"]
        return found

    async def delivery(self, delivery_id: str) -> dict[str, Any]:
        """A delivery with its attempts."""
        answer = await self.call("GET", f"/admin/deliveries/{delivery_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def the_delivery(self, endpoint: dict[str, Any]) -> dict[str, Any]:
        """The endpoint's one delivery, with its attempts."""
        [one] = await self.deliveries(endpoint)
        return await self.delivery(one["id"])

    async def state(self, endpoint: dict[str, Any]) -> dict[str, Any]:
        """The endpoint's row of `endpoint_state`."""
        [row] = await self.db.read("SELECT * FROM endpoint_state WHERE endpoint_id = $1", endpoint["id"])
        return dict(row)

    async def park(self) -> list[Row]:
        """Sets aside what is due, as a process does that has place for everybody."""
        now = self.clock.now()
        return await self.db.claim(PARK, now, now + LEASE, 10, 0, "[]", "[]")

    async def take(self, endpoint: dict[str, Any], most: int = 100) -> list[Row]:
        """Leases what waits for a parked endpoint, as a process that sends nothing of it."""
        return await self.take_of_all({endpoint["id"]: most})

    async def take_of_all(self, most: dict[int, int]) -> list[Row]:
        """The same for several endpoints by one claim: their ids, with the room for each."""
        now = self.clock.now()
        tenants, endpoints, rooms = [self.tenant_id] * len(most), list(most), list(most.values())
        lists = (self.db.listed(tenants), self.db.listed(endpoints), now, now + LEASE, LEASE, self.db.listed(rooms))
        return await self.db.claim(TAKE_PLAIN, *lists)

    async def end_leases(self) -> None:
        """What time does to the leases of a killed process; the database's clock is not in the test's hand."""
        await self.db.bulk("UPDATE delivery SET lease_until = 1 WHERE lease_until IS NOT NULL")


def _middle() -> float:
    return 0.5


@asynccontextmanager
async def running_room(db: Database, clock: ManualClock, *, allow: str = "127.0.0.0/8") -> AsyncIterator[Room]:
    """The room with a tenant of its own; loopback is opened unless `allow` says otherwise."""
    outbound = Outbound(parse_networks(allow))
    async with running_api(db, clock) as api:
        events = Events(db, api.deps.vault, clock)
        api.app.include_router(webhooks_api.router(api.deps, outbound, events))
        tenant = await api.tenant()
        key = await api.key_of(tenant["id"])
        runner = DeliveryRunner(db, api.deps.vault, clock, events, outbound, chance=_middle)
        try:
            yield Room(api, db, clock, outbound, events, runner, tenant["id"], key["key"])
        finally:
            await runner.finish()
            await outbound.close()

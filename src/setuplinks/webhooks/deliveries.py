"""What a tenant may do with its deliveries and events: read the log, send again, recover, poll.

Owns sending again by hand. It does not own automatic retries (`retry`, `runner`).
"""

from dataclasses import dataclass

from setuplinks.core import wire
from setuplinks.core.clock import SECOND, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Row, Unit
from setuplinks.core.problems import NotFound, RaceLost
from setuplinks.core.vault import Vault
from setuplinks.tenants import audit
from setuplinks.webhooks import store
from setuplinks.webhooks.endpoints import Endpoints
from setuplinks.webhooks.models import WEBHOOK_TEST, Endpoint, EndpointDisabled, Listener, PayloadErased
from setuplinks.webhooks.service import CHANNEL, Events, opened

SLICE = 500
SETTLED_AFTER = 5 * SECOND
"""Ids are made before the commit, so an event may become visible after a younger one: a poller gets what is older."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event as a poller gets it; `body` is the envelope's bytes, None once its payload is erased."""

    id: str
    type: str
    created_at: int
    customer_id: int | None
    phone_id: int | None
    link_id: str | None
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Recovered:
    """`again` failed deliveries that go again, `missed` events that had no delivery because it was disabled."""

    again: int
    missed: int


class Deliveries:
    """Built once by the composition root."""

    def __init__(self, db: Database, vault: Vault, clock: Clock, events: Events, endpoints: Endpoints) -> None:
        self._db, self._vault, self._clock = db, vault, clock
        self._events, self._endpoints = events, endpoints

    async def get(self, reads: Unit | Database, tenant_id: int, delivery_id: str) -> Row:
        """The delivery's row. Raises NotFound."""
        row = await reads.one(store.DELIVERY, tenant_id, delivery_id)
        if row is None:
            raise NotFound("There is no such delivery.")
        return row

    async def attempts(self, tenant_id: int, delivery_id: str) -> list[Row]:
        """The log of a delivery, first try first."""
        return await self._db.read(store.ATTEMPTS, tenant_id, delivery_id)

    async def page(
        self, tenant_id: int, endpoint_id: int, at: int, key: str, limit: int, *,
        status: str | None = None, event_type: str | None = None,
    ) -> list[Row]:  # fmt: skip
        """Rows of an endpoint's deliveries before (at, key), newest first. Raises NotFound for the endpoint."""
        await self._endpoints.get(self._db, tenant_id, endpoint_id)
        return await self._db.read(store.DELIVERIES, tenant_id, endpoint_id, at, key, status, event_type, limit)

    async def send_again(self, tx: Unit, tenant_id: int, delivery_id: str, actor: str) -> Row:
        """Makes the delivery due now, with a new ladder and the same `webhook-id`; one that is under way stays so.

        Raises NotFound, EndpointDisabled, PayloadErased.
        """
        row = await self.get(tx, tenant_id, delivery_id)
        endpoint = await self._endpoints.get(tx, tenant_id, row["endpoint_id"])
        if endpoint.status != "enabled":
            raise EndpointDisabled("Enable the endpoint first.")
        if await tx.one(store.PAYLOAD, tenant_id, row["event_id"]) is None:
            raise PayloadErased("Its retention is over, or its customer was off-boarded.")
        if row["lease_until"] is not None:
            return row
        now = self._clock.now()
        tx.add(store.EARLIER_DUE, tenant_id, endpoint.id, now)  # the endpoint first, in the order in which TAKE locks
        tx.must(RaceLost(), store.SEND_AGAIN, tenant_id, delivery_id, now, row["attempts"], row["status"])
        tx.wake(CHANNEL)
        audit.add(tx, now, tenant_id, actor, "delivery.redelivered", "delivery", delivery_id)
        return {**dict(row), "status": "pending", "due_at": now, "ended_at": None}

    async def recover(self, tenant_id: int, endpoint_id: int, since: int, actor: str) -> Recovered:
        """Sends again all that failed since, and what was never sent because the endpoint was disabled.

        Opens its own units, in slices; cut off half-way it goes on when it is asked again. Raises NotFound, Invalid,
        EndpointDisabled.
        """
        endpoint = await self._endpoints.get(self._db, tenant_id, endpoint_id)
        now = self._clock.now()
        if since > now:
            raise wire.invalid("since", "expected a time that has passed")
        if endpoint.status != "enabled":
            raise EndpointDisabled("Enable the endpoint first.")
        since = max(since, endpoint.created_at)
        again = await self._db.bulk(store.RECOVER, tenant_id, endpoint_id, since, now)
        missed = await self._deliver_missed(endpoint, since)
        async with self._db.transaction() as tx:
            tx.add(store.EARLIER_DUE, tenant_id, endpoint_id, now)
            tx.wake(CHANNEL)
            detail = {"since": wire.instant(since), "again": again, "missed": missed}
            audit.add(tx, now, tenant_id, actor, "webhook_endpoint.recovered", "webhook_endpoint", endpoint_id, detail)
        return Recovered(again, missed)

    async def _deliver_missed(self, endpoint: Endpoint, since: int) -> int:
        listener = Listener(endpoint.id, endpoint.event_types, endpoint.customer_id, endpoint.phone_id)
        rows = await self._db.read(store.DELIVERED_EVENTS, endpoint.tenant_id, endpoint.id, since)
        known = {row["event_id"] for row in rows}
        at, key, count = since, "", 0
        while page := await self._db.read(store.EVENTS_SINCE, endpoint.tenant_id, at, key, SLICE):
            at, key = page[-1]["created_at"], page[-1]["id"]
            async with self._db.transaction() as tx:
                for row in page:
                    if row["id"] in known or row["type"] == WEBHOOK_TEST:
                        continue  # a test is for the endpoint that was tested
                    if listener.hears(row["type"], row["customer_id"], row["phone_id"]):
                        self._events.deliver(tx, endpoint.tenant_id, row["id"], row["type"], [endpoint.id])
                        count += 1
        return count

    async def events(
        self, tenant_id: int, at: int, key: str, limit: int, *,
        event_type: str | None = None, customer_id: int | None = None, oldest_first: bool = False,
    ) -> list[Told]:  # fmt: skip
        """The tenant's events before (at, key), newest first; or after it, oldest first, for a poller."""
        if oldest_first:
            settled = self._clock.now() - SETTLED_AFTER
            rows = await self._db.read(store.EVENTS_AFTER, tenant_id, at, key, event_type, customer_id, limit, settled)
        else:
            rows = await self._db.read(store.EVENTS, tenant_id, at, key, event_type, customer_id, limit)
        sealer = await self._vault.tenant(tenant_id)
        return [
            Told(
                row["id"], row["type"], row["created_at"], row["customer_id"], row["phone_id"], row["link_id"],
                None if row["body"] is None else opened(row["body"], bool(row["sealed"]), sealer, row["id"]),
            )
            for row in rows
        ]  # fmt: skip

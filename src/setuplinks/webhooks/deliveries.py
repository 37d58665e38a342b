"""What a tenant may do with its deliveries and events: read the log, send again, recover, poll.

Owns sending again by hand. It does not own automatic retries (`retry`, `runner`).
"""

from dataclasses import dataclass

from setuplinks.core import wire
from setuplinks.core.clock import DAY, MINUTE, SECOND, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Row, Unit
from setuplinks.core.ids import instant_of
from setuplinks.core.problems import NotFound, RaceLost
from setuplinks.core.vault import Vault
from setuplinks.tenants import audit
from setuplinks.webhooks import store
from setuplinks.webhooks.endpoints import Endpoints, listener_of
from setuplinks.webhooks.models import WEBHOOK_TEST, Endpoint, EndpointBusy, EndpointDisabled, PayloadErased, listens
from setuplinks.webhooks.retention import before
from setuplinks.webhooks.service import CHANNEL, Events, opened, payload

SLICE = 500
RECENT = 2 * DAY
LATEST_COMMIT = MINUTE
"""After its id was made an event is committed within this time, or never."""
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
class Only:
    """What a list of deliveries is narrowed to; times in µs, `until` not included. None: all."""

    endpoint_id: int | None = None
    status: str | None = None
    event_type: str | None = None
    customer_id: int | None = None
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Range:
    """Events from `since` to before `until` (µs), of these types or prefixes; None: of all."""

    since: int
    until: int
    event_types: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Recovered:
    """`again` deliveries that go again, `missed` events that had no delivery because it was disabled."""

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

    async def page(self, tenant_id: int, key: str, limit: int, only: Only) -> list[Row]:
        """Rows of the tenant's deliveries with ids before `key`, newest first. Raises NotFound for the endpoint."""
        if only.endpoint_id is not None:
            await self._endpoints.get(self._db, tenant_id, only.endpoint_id)
        first = "" if only.since is None else before(only.since)
        key = key if only.until is None else min(key, before(only.until))
        return await self._db.read(
            store.DELIVERIES, tenant_id, key, first, only.endpoint_id, only.status, only.event_type, only.customer_id,
            limit,
        )  # fmt: skip

    async def send_again(self, tx: Unit, tenant_id: int, delivery_id: str, actor: str) -> Row:
        """Makes the delivery due now, with a new ladder and the same `webhook-id`; one that is under way stays so.

        Raises NotFound, EndpointDisabled, PayloadErased.
        """
        row = await self.get(tx, tenant_id, delivery_id)
        endpoint = await self._endpoints.get(tx, tenant_id, row["endpoint_id"])
        if endpoint.status != "enabled":
            raise EndpointDisabled("Enable the endpoint first.")
        if await payload(tx, tenant_id, row["event_id"], row["event_type"]) is None:
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
        EndpointDisabled, EndpointBusy.
        """
        endpoint, now = await self._open(tenant_id, endpoint_id, since), self._clock.now()
        since = max(since, endpoint.created_at)
        again = await self._db.bulk(store.RECOVER, tenant_id, endpoint_id, since, now, before(since))
        _, missed = await self._play(endpoint, Range(since, now + SECOND), again=False)
        detail = {"since": wire.instant(since), "again": again, "missed": missed}
        await self._told(tenant_id, endpoint_id, actor, "webhook_endpoint.recovered", detail)
        return Recovered(again, missed)

    async def replay(self, tenant_id: int, endpoint_id: int, asked: Range, actor: str) -> Recovered:
        """Sends all events of a range that the endpoint listens to, in their order, whatever became of them before.

        Opens its own units, in slices; cut off half-way it begins anew when it is asked again. What is under way or
        waits stays as it is. Raises NotFound, Invalid, EndpointDisabled, EndpointBusy.
        """
        endpoint = await self._open(tenant_id, endpoint_id, asked.since)
        if asked.until <= asked.since:
            raise wire.invalid("until", "expected a time after since")
        again, missed = await self._play(endpoint, asked, again=True)
        types = None if asked.event_types is None else list(asked.event_types)
        detail: dict[str, object] = {
            "since": wire.instant(asked.since), "until": wire.instant(asked.until), "event_types": types,
            "again": again, "missed": missed,
        }  # fmt: skip
        await self._told(tenant_id, endpoint_id, actor, "webhook_endpoint.replayed", detail)
        return Recovered(again, missed)

    async def _open(self, tenant_id: int, endpoint_id: int, since: int) -> Endpoint:
        endpoint = await self._endpoints.get(self._db, tenant_id, endpoint_id)
        if since > self._clock.now():
            raise wire.invalid("since", "expected a time that has passed")
        if endpoint.status != "enabled":
            raise EndpointDisabled("Enable the endpoint first.")
        return endpoint

    async def _told(self, tenant_id: int, endpoint_id: int, actor: str, action: str, detail: dict[str, object]) -> None:
        now = self._clock.now()
        async with self._db.transaction() as tx:
            self._wake(tx, tenant_id, endpoint_id, now)
            audit.add(tx, now, tenant_id, actor, action, "webhook_endpoint", endpoint_id, detail)

    def _wake(self, tx: Unit, tenant_id: int, endpoint_id: int, now: int) -> None:
        tx.add(store.EARLIER_DUE, tenant_id, endpoint_id, now)
        tx.wake(CHANNEL)

    async def _play(self, endpoint: Endpoint, asked: Range, *, again: bool) -> tuple[int, int]:
        """As `_play_all`; what is due already goes out also where that is broken off."""
        try:
            return await self._play_all(endpoint, asked, again=again)
        except EndpointBusy:
            async with self._db.transaction() as tx:
                self._wake(tx, endpoint.tenant_id, endpoint.id, self._clock.now())
            raise

    async def _play_all(self, endpoint: Endpoint, asked: Range, *, again: bool) -> tuple[int, int]:
        """Delivers what was never delivered of the range, and with `again` what was; how many of each."""
        listener, tenant_id, now = listener_of(endpoint), endpoint.tenant_id, self._clock.now()
        key, end = before(asked.since), before(asked.until)
        known = await self._known(endpoint, key, end)
        fresh = before(now - LATEST_COMMIT)
        played = missed = 0
        version = endpoint.version
        busy = EndpointBusy("Ask again when it has ended. Nothing is lost: what was not sent yet is sent then.")
        while page := await self._db.read(store.EVENTS_BETWEEN, tenant_id, key, end, endpoint.format, SLICE):
            if page[-1]["id"] > fresh:  # told while this runs: who sees the event sees the delivery made with it
                known |= await self._known(endpoint, max(key, fresh), end)
            key = page[-1]["id"]
            async with self._db.transaction() as tx:
                # Two at once would each find the same events missed: the second one stops here.
                tx.must(busy, store.PLAYING, tenant_id, endpoint.id, version)
                version += 1
                for row in page:
                    delivery = known.get(row["id"])
                    wanted = listener.hears(row["type"], row["customer_id"], row["phone_id"])
                    if row["type"] == WEBHOOK_TEST or not wanted or not listens(asked.event_types, row["type"]):
                        continue  # a test is for the endpoint that was tested
                    if delivery is None:
                        to = [listener]
                        self._events.deliver(tx, tenant_id, row["id"], row["type"], to, row["phone_id"])
                        missed += 1
                    elif again and delivery["status"] != "pending":
                        tx.add(store.PLAY_AGAIN, tenant_id, delivery["id"], now)
                        played += 1
        return played, missed

    async def _known(self, endpoint: Endpoint, key: str, end: str) -> dict[str, Row]:
        """The endpoint's deliveries of events between two ids, by event."""
        rows = await self._db.read(store.DELIVERIES_OF, endpoint.tenant_id, endpoint.id, key, end)
        return {row["event_id"]: row for row in rows}

    async def events(
        self, tenant_id: int, key: str, limit: int, *,
        event_type: str | None = None, customer_id: int | None = None, oldest_first: bool = False,
    ) -> list[Told]:  # fmt: skip
        """The tenant's events with ids before `key`, newest first; or after it, oldest first, for a poller."""
        if oldest_first:
            settled = self._clock.now() - SETTLED_AFTER
            rows = await self._db.read(store.EVENTS_AFTER, tenant_id, key, event_type, customer_id, limit, settled)
        else:
            rows = await self._newest(tenant_id, key, limit, event_type, customer_id)
        sealer = await self._vault.tenant(tenant_id)
        return [
            Told(
                row["id"], row["type"], row["created_at"], row["customer_id"], row["phone_id"], row["link_id"],
                None if row["body"] is None else opened(row["body"], bool(row["sealed"]), sealer, row["id"]),
            )
            for row in rows
        ]  # fmt: skip

    async def _newest(
        self, tenant_id: int, key: str, limit: int, event_type: str | None, customer_id: int | None
    ) -> list[Row]:
        """Most lists are full with the last days' events, so the others are looked into only where they are not."""
        try:
            at = min(instant_of(key), self._clock.now())
        except ValueError:  # a list that begins at the newest has no event's id
            at = self._clock.now()
        rows: list[Row] = []
        for first in (before(at - RECENT), ""):
            rows = await self._db.read(store.EVENTS, tenant_id, first, event_type, customer_id, limit, key)
            if len(rows) == limit:
                break
        return rows

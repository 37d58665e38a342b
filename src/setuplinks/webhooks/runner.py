"""Sends what is due, by any number of processes at once: takes, sends concurrently, records.

Owns the order of a round and how much is under way. A killed process loses nothing: its leases end and another one
sends again, with the same `webhook-id`. It does not own the loop between rounds (`worker`).
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial

from setuplinks.core.bursts import unhurried
from setuplinks.core.clock import SECOND, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.db.errors import DatabaseBusy
from setuplinks.core.db.unit import Row
from setuplinks.core.logs import act
from setuplinks.core.outbound.client import Outbound
from setuplinks.core.problems import Problem
from setuplinks.core.vault import Vault
from setuplinks.webhooks import store
from setuplinks.webhooks.claims import DELETED, METERED, ORDERED, PARK, PLAIN, TAKE, TAKE_IN_ORDER
from setuplinks.webhooks.first_tries import FirstTries, FirstTry
from setuplinks.webhooks.ledger import Ledger, locking_order
from setuplinks.webhooks.models import Parcel, Payload
from setuplinks.webhooks.places import LEASE, Candidate, Place, Places
from setuplinks.webhooks.plain_claims import TAKE_PLAIN
from setuplinks.webhooks.sender import Destination, Sender
from setuplinks.webhooks.service import CHANNEL, Events

SLOTS = 1024
"""Tries under way in one process: sixteen times what one endpoint may take of them."""
ENDPOINTS_AT_ONCE = 64
PACE = 0.005
"""Seconds between two looks for work while tries are about to end: a claim of many costs hardly more than a claim of
one. The first look never waits."""
SLICE = 1_000
"""Deliveries of a deleted endpoint that are ended by one statement."""
TRIES = 3
LOOK_AGAIN = 0.5
"""Seconds after which a round that waits for a slow receiver looks for other work."""

log = logging.getLogger("setuplinks.webhooks")

Take = Callable[[], Awaitable[list[Row]]]


class DeliveryRunner:
    """One for each process. `chance` gives the jitter of retries, uniform in [0, 1)."""

    name = "deliveries"
    channel = CHANNEL

    def __init__(
        self,
        db: Database,
        vault: Vault,
        clock: Clock,
        events: Events,
        outbound: Outbound,
        *,
        slots: int = SLOTS,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._db, self._clock = db, clock
        self._sender = Sender(db, vault, clock, outbound)
        self._ledger = Ledger(db, clock, events, chance=chance)
        self._places = Places(slots, time.monotonic)
        self._running: set[asyncio.Task[None]] = set()
        self._done = 0
        self._listening = False
        self._stirred = asyncio.Event()
        self._looked_at = 0.0

    async def run_once(self) -> int:
        """Takes what is due and returns how many deliveries were handled, as soon as some were; 0 when nothing is left.

        A slow receiver does not hold up the others: while one is waited for, each wake-up and every half second more
        is taken, and a round returns with whatever has ended.
        """
        if not self._listening:
            self._listening = True
            await self._db.listen(self.channel, self._stirred.set)
        while True:
            await self._keep_pace()
            self._stirred.clear()
            await self._take_what_is_due()
            if self._done:
                done, self._done = self._done, 0
                return done
            if not self._running:
                return 0
            await self._wait()

    def first_tries(self) -> FirstTries:
        """For one unit that tells."""
        return FirstTries(self._clock, self._places, self._begin_first)

    async def next_due(self) -> int | None:
        """When something is due next (µs); None when nothing waits."""
        row = await self._db.one(store.NEXT_DUE)
        return None if row is None else row["due"]

    async def poll_after(self) -> float | None:
        """Seconds until something is due; None when nothing waits."""
        due = await self.next_due()
        return None if due is None else max(0.0, (due - self._clock.now()) / SECOND)

    async def finish(self) -> None:
        """Takes no more, and returns when what is under way has ended and is recorded."""
        while self._running:
            await asyncio.wait(self._running)

    async def _wait(self) -> None:
        """Until there is something new, or a try has ended."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_AGAIN):
                await self._stirred.wait()

    async def _keep_pace(self) -> None:
        """Lets some tries end before more are taken."""
        left = self._looked_at + PACE - time.monotonic()
        if left > 0 and self._places.fresh:
            await asyncio.sleep(left)
        self._looked_at = time.monotonic()

    async def _take_what_is_due(self) -> None:
        while (free := self._places.free) > 0:
            most = min(free, ENDPOINTS_AT_ONCE)
            now, barred = self._clock.now(), self._places.barred()
            parked = await self._db.claim(
                PARK, now, now + LEASE, most, barred.least_at_once, barred.tenants, barred.endpoints
            )
            if not parked:
                return
            await self._end([(row["tenant_id"], row["endpoint_id"]) for row in parked if row["kind"] == DELETED], now)
            due = [
                Candidate(row["tenant_id"], row["endpoint_id"], row["at_once"], row["kind"])
                for row in parked
                if row["kind"] != DELETED
            ]
            if due:
                await self._take(due, now)
            if len(parked) < most:
                return

    async def _end(self, deleted: list[tuple[int, int]], now: int) -> None:
        """Ends a slice of what waits for endpoints that are gone. One that is left parked by a fault is due again."""
        for key in deleted:
            with suppress(DatabaseBusy):
                dropped = await self._db.bulk(store.DROP_WAITING, *key, now, SLICE)
                self._done += dropped
                if dropped < SLICE:
                    await self._db.bulk(store.NOTHING_DUE, *key, now + LEASE)
                else:
                    await self._db.bulk(store.EARLIER_DUE, *key, now)

    async def _take(self, due: list[Candidate], now: int) -> None:
        # Rows are locked in one order, the ledger's too: two processes that take and record do not deadlock.
        due.sort(key=lambda one: locking_order(one.key))
        rooms = self._places.rooms(due)
        of = {one.key: one for one in due}
        for claim in self._claims(list(zip(due, rooms, strict=True)), now):
            async for row in unhurried(await _unless_busy(claim)):
                await self._begin(row, of[row["tenant_id"], row["endpoint_id"]])

    def _claims(self, due: list[tuple[Candidate, int]], now: int) -> Iterator[Take]:
        """One for all plain endpoints, and one for those with an order or a limit; each when its turn comes."""
        plain = [(*one.key, room) for one, room in due if one.kind == PLAIN]
        if plain:
            tenants, endpoints, rooms = map(self._db.listed, zip(*plain, strict=True))
            yield partial(self._db.claim, TAKE_PLAIN, tenants, endpoints, now, now + LEASE, LEASE, rooms)
        for kind, claim in ((METERED, TAKE), (ORDERED, TAKE_IN_ORDER)):
            sets = [(*one.key, now, now + LEASE, LEASE, room) for one, room in due if one.kind == kind]
            if sets:
                yield partial(self._db.claim_each, claim, sets)

    async def _begin(self, row: Row, whom: Candidate) -> None:
        parcel = Parcel(
            row["tenant_id"], row["endpoint_id"], row["id"], row["event_id"], row["event_type"], row["attempts"],
            row["manual"], row["lane"] or None,
        )  # fmt: skip
        destination = await self._sender.destination(*parcel.key, row["version"])
        payload = None if row["body"] is None else Payload(bool(row["sealed"]), row["body"])
        self._start(self._places.take(whom), parcel, payload, destination)

    async def _begin_first(self, first: FirstTry) -> None:
        try:
            destination = await self._sender.destination(*first.parcel.key, first.version)
        except BaseException as error:
            self._places.leave(first.place)
            if not isinstance(error, Problem):
                raise
            # It is claimed when its lease ends.
            act(log, "delivery.put_off", logging.WARNING, delivery_id=first.parcel.delivery_id, why=error.code)
            return
        self._start(first.place, first.parcel, Payload(False, first.body), destination)

    def _start(self, place: Place, parcel: Parcel, payload: Payload | None, destination: Destination | None) -> None:
        task = asyncio.create_task(self._deliver(place, parcel, payload, destination))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _deliver(
        self, place: Place, parcel: Parcel, payload: Payload | None, destination: Destination | None
    ) -> None:
        try:
            result = await self._sender.send(parcel, payload, destination)
            if await self._ledger.record(result):
                self._done += 1
        finally:
            self._places.leave(place)
            self._stirred.set()


async def _unless_busy(claim: Take) -> list[Row]:
    """Again, a few times: a unit that tells of an endpoint locks in an order of its own."""
    for _ in range(TRIES - 1):
        with suppress(DatabaseBusy):
            return await claim()
    return await claim()

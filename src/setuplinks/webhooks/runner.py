"""Sends what is due, by any number of processes at once: takes, sends concurrently, records.

Owns the order of a round and how much is under way. A killed process loses nothing: its leases end and another one
sends again, with the same `webhook-id`. It does not own the loop between rounds (`worker`).
"""

import asyncio
import random
from collections.abc import Callable

from setuplinks.core.clock import SECOND, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.outbound import Outbound
from setuplinks.core.vault import Vault
from setuplinks.webhooks import store
from setuplinks.webhooks.claims import PARK, TAKE
from setuplinks.webhooks.ledger import PER_ENDPOINT, Ledger
from setuplinks.webhooks.models import Parcel
from setuplinks.webhooks.sender import Destination, Sender
from setuplinks.webhooks.service import CHANNEL, Events

LEASE = 30 * SECOND
"""Twice the time that one try may take."""
SLOTS = 100
"""Tries under way in one process."""
ENDPOINTS_AT_ONCE = 50
LOOK_AGAIN = 0.5
"""Seconds after which a round that waits for a slow receiver looks for other work."""


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
        self._db, self._clock, self._slots = db, clock, slots
        self._sender = Sender(db, vault, clock, outbound)
        self._ledger = Ledger(db, clock, events, chance=chance)
        self._running: set[asyncio.Task[None]] = set()
        self._done = 0
        self._woken = asyncio.Event()
        self._listening = False

    async def run_once(self) -> int:
        """Takes what is due and returns how many tries have ended, as soon as some have; 0 when nothing is left to do.

        A slow receiver does not hold up the others: while one is waited for, each wake-up and every half second more
        is taken, and a round returns with whatever has ended.
        """
        if not self._listening:
            self._listening = True
            await self._db.listen(self.channel, self._woken.set)
        while True:
            self._woken.clear()
            await self._take_what_is_due()
            if self._done:
                done, self._done = self._done, 0
                return done
            if not self._running:
                return 0
            await self._wait()

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
        woken = asyncio.create_task(self._woken.wait())
        try:
            await asyncio.wait({*self._running, woken}, timeout=LOOK_AGAIN, return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()

    async def _take_what_is_due(self) -> None:
        while (free := self._slots - len(self._running)) > 0:
            most = min(free, ENDPOINTS_AT_ONCE)
            now = self._clock.now()
            parked = await self._db.claim(PARK, now, now + LEASE, most)
            if not parked:
                return
            each = max(1, free // len(parked))
            await asyncio.gather(*(self._take(row["tenant_id"], row["endpoint_id"], now, each) for row in parked))
            if len(parked) < most:
                return

    async def _take(self, tenant_id: int, endpoint_id: int, now: int, most: int) -> None:
        rows = await self._db.claim(TAKE, tenant_id, endpoint_id, now, now + LEASE, LEASE, PER_ENDPOINT, most)
        if not rows:
            return
        destination = await self._sender.destination(tenant_id, endpoint_id)
        for row in rows:
            parcel = Parcel(
                tenant_id, endpoint_id, row["id"], row["event_id"], row["event_type"], row["attempts"], row["manual"],
                row["lane"],
            )  # fmt: skip
            task = asyncio.create_task(self._deliver(parcel, destination), name=f"delivery {parcel.delivery_id}")
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _deliver(self, parcel: Parcel, destination: Destination | None) -> None:
        result = await self._sender.send(parcel, destination)
        if await self._ledger.record(result):
            self._done += 1

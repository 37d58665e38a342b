"""What a try's result changes: the delivery, its log, the endpoint's health; and an endpoint that is given up.

Owns the units that record results: what ends while a write is under way goes with the next one. Successes of all
endpoints stand in one unit, which reads nothing; an endpoint with anything else has a unit of its own, since its health
is weighed. It does not own sending.
"""

import asyncio
import logging
import random
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from setuplinks.core import wire
from setuplinks.core.clock import Clock
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Row, Unit
from setuplinks.core.logs import act
from setuplinks.core.problems import Problem, RaceLost, Unavailable
from setuplinks.tenants import audit
from setuplinks.webhooks import retry, store, successes
from setuplinks.webhooks.models import ENDPOINT_DISABLED
from setuplinks.webhooks.places import DRAGS, MOST_AT_ONCE, PROVEN
from setuplinks.webhooks.retry import Health, Verdict
from setuplinks.webhooks.sender import Result
from setuplinks.webhooks.service import Events

log = logging.getLogger("setuplinks.webhooks")

TOGETHER = 256
"""Results of one unit."""
PACE = 0.01
"""Seconds from one record of successes to the next, where nobody waits for it: the receivers have what was sent."""
RECORD_TRIES = 20
RECORD_PAUSE = 1.0
"""Seconds between tries to record while the database is away; what is not recorded is sent again."""


Verb = Callable[[Unit, list[Result]], Awaitable[None]]


@dataclass(slots=True)
class _Entry:
    result: Result
    written: asyncio.Future[bool]


class Ledger:
    """Records results; built once for each runner. `chance` gives the jitter, uniform in [0, 1)."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        events: Events,
        *,
        chance: Callable[[], float] = random.random,
        pause: float = RECORD_PAUSE,
    ) -> None:
        self._db, self._clock, self._events, self._chance, self._pause = db, clock, events, chance, pause
        self._smooth: list[_Entry] = []
        self._storing, self._stored_at = False, 0.0
        self._urgent = asyncio.Event()
        self._waiting: dict[tuple[int, int], list[_Entry]] = {}
        self._writing: set[tuple[int, int]] = set()

    async def record(self, result: Result) -> bool:
        """Returns once the result is committed. False: the database stayed away, and its lease will end the try."""
        entry = _Entry(result, asyncio.get_running_loop().create_future())
        if result.verdict is Verdict.DELIVERED:
            self._smooth.append(entry)
            if result.parcel.lane is not None or len(self._smooth) >= TOGETHER:
                self._urgent.set()
            await self._store_successes()
        else:
            await self._weigh(result.parcel.key, [entry])
        return await entry.written

    async def _store_successes(self) -> None:
        if self._storing:
            return
        self._storing = True
        try:
            while self._smooth:
                await self._keep_pace()
                batch = self._smooth[:TOGETHER]
                del self._smooth[:TOGETHER]
                await self._settle(batch, self._record_successes)
        finally:
            self._storing = False

    async def _keep_pace(self) -> None:
        """Whoever ends meanwhile comes along; the first record waits for the turn of the loop only, and so does one
        that others wait for: the next of an order."""
        await asyncio.sleep(0)
        left = self._stored_at + PACE - time.monotonic()
        if left > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._urgent.wait()
        self._urgent.clear()
        self._stored_at = time.monotonic()

    async def _weigh(self, key: tuple[int, int], entries: list[_Entry]) -> None:
        self._waiting.setdefault(key, []).extend(entries)
        if key not in self._writing:
            self._writing.add(key)
            try:
                while batch := self._waiting.pop(key, []):
                    await self._settle(batch, self._record)
            finally:
                self._writing.discard(key)

    async def _settle(self, batch: list[_Entry], verb: Verb) -> None:
        written: bool | None = False
        try:
            written = await self._write([one.result for one in batch], verb)
            if written is None and len(parts := _by_endpoint(batch)) > 1:
                # Whatever one of them is refused for, those of other endpoints are not.
                await asyncio.gather(*(self._settle(part, verb) for part in parts))
        finally:
            _tell(batch, bool(written))  # whatever happened here, nobody may be left waiting

    async def _write(self, results: list[Result], verb: Verb) -> bool | None:
        """True: committed. None: refused. False: the database stayed away."""
        for _ in range(RECORD_TRIES):
            try:
                await self._db.unit(verb, results)
            except RaceLost:
                continue  # another process recorded for the same endpoint at the same moment
            except Unavailable as away:
                act(log, "delivery.record_waits", logging.WARNING, detail=away.detail)
                await asyncio.sleep(self._pause)
            except Problem as problem:
                act(log, "delivery.not_recorded", logging.ERROR, code=problem.code, detail=problem.detail)
                return None
            else:
                return True
        return False

    async def _record_successes(self, tx: Unit, results: list[Result]) -> None:
        """Of any endpoints. The endpoints' rows first, in the order of all: see `_record`."""
        now = self._clock.now()
        ordered = {one.parcel.key for one in results if one.parcel.lane is not None}
        counts = Counter(one.parcel.key for one in results)
        endpoints = [(*key, int(key in ordered), count) for key, count in counts.items()]
        tx.add(successes.WELL_BY_DIALECT[self._db.dialect], *self._lists(endpoints), now, PROVEN, MOST_AT_ONCE)
        alike: defaultdict[tuple[int, int | None], list[tuple[int, str]]] = defaultdict(list)
        for one in results:
            alike[one.parcel.attempt, one.http_status].append((one.parcel.tenant_id, one.parcel.delivery_id))
        for which, deliveries in alike.items():
            tx.add(successes.DELIVERED_BY_DIALECT[self._db.dialect], *which, now, *self._lists(sorted(deliveries)))
        for result in results:
            tx.add(*_logged(result))

    def _lists(self, rows: Sequence[tuple[Any, ...]]) -> list[object]:
        """Each column as one parameter."""
        return [self._db.listed(column) for column in zip(*rows, strict=True)]

    async def _record(self, tx: Unit, results: list[Result]) -> None:
        tenant_id, endpoint_id = results[0].parcel.key
        now = self._clock.now()
        state = await tx.one(store.STATE, tenant_id, endpoint_id)
        before = health_of(state)
        counted = [one.verdict for one in results if one.counts]
        after = retry.weigh(before, counted, now)
        dues = [self._due(one, now) for one in results]
        # The endpoint's row first: TAKE locks it before it touches deliveries, and one order for all has no deadlocks.
        # Where an order is kept, each end sets the next one free, however many are under way.
        frees = int(any(one.parcel.lane is not None for one in results))
        waits = [due for due in dues if due is not None]
        dragged = int(any(one.duration >= DRAGS for one in results))
        self._move(tx, (tenant_id, endpoint_id), before, after, now, waits, frees, dragged)
        for result, due in zip(results, dues, strict=True):
            tx.add(*_ended(result, due, now))
            tx.add(*_logged(result))
        if Verdict.GONE in counted:
            await self._disable(tx, tenant_id, endpoint_id, "gone", after, now)
        elif counted and retry.given_up(after, now):
            await self._disable(tx, tenant_id, endpoint_id, "failing", after, now)

    def _due(self, result: Result, now: int) -> int | None:
        if result.verdict is not Verdict.RETRY:
            return None
        tries = result.parcel.attempt - result.parcel.base
        return retry.next_due(tries, now, self._chance(), result.retry_after)

    def _move(
        self,
        tx: Unit,
        key: tuple[int, int],
        before: Health,
        after: Health,
        now: int,
        dues: list[int],
        frees: int,
        dragged: int,
    ) -> None:
        """Writes the endpoint's health where it changed, and pulls `next_due` to what these results make possible."""
        retried = min(dues, default=None)
        room = max(now, after.breaker_until or now)
        free = room if retried is None else min(room, retried)
        if before == after:
            tx.add(store.STATE_SAME, *key, frees, free, retried)
            return
        tx.must(
            RaceLost(), store.STATE_MOVED, *key, frees, free, retried,
            after.failures, after.failing_since, after.breaker_until, after.breaker_step,
            before.failures, before.breaker_step, before.breaker_until or 0, dragged,
        )  # fmt: skip

    async def _disable(self, tx: Unit, tenant_id: int, endpoint_id: int, reason: str, health: Health, now: int) -> None:
        row = await tx.one(store.ENDPOINT, tenant_id, endpoint_id)
        if row is None or row["status"] != "enabled":
            return
        tx.must(RaceLost(), store.DISABLE, tenant_id, endpoint_id, reason, now, row["version"])
        audience = await self._events.load(tx, tenant_id)
        data: dict[str, Any] = {
            "endpoint_id": endpoint_id,
            "url": row["url"],
            "reason": reason,
            "failing_since": wire.instant_or_none(health.failing_since),
        }
        self._events.emit(tx, audience.without(endpoint_id), ENDPOINT_DISABLED, data)
        audit.add(tx, now, tenant_id, "system", ENDPOINT_DISABLED, "webhook_endpoint", endpoint_id, {"reason": reason})
        act(log, ENDPOINT_DISABLED, logging.WARNING, tenant_id=tenant_id, endpoint_id=endpoint_id, reason=reason)


def health_of(state: Row | None) -> Health:
    """A row of `endpoint_state` as Health."""
    if state is None:
        return Health()
    return Health(state["failures"], state["failing_since"], state["breaker_until"], state["breaker_step"])


def locking_order(key: tuple[int, int]) -> tuple[str, ...]:
    """In which order endpoints' rows are locked, by everybody who locks several: as shared commits sort them."""
    return tuple(map(repr, key))


def _tell(batch: list[_Entry], written: bool) -> None:
    for one in batch:
        if not one.written.done():
            one.written.set_result(written)


def _by_endpoint(batch: list[_Entry]) -> list[list[_Entry]]:
    found: dict[tuple[int, int], list[_Entry]] = {}
    for one in batch:
        found.setdefault(one.result.parcel.key, []).append(one)
    return list(found.values())


def _ended(result: Result, due: int | None, now: int) -> tuple[Any, ...]:
    """The delivery's new status, fenced by the claim's number."""
    parcel = result.parcel
    ended = "delivered" if result.verdict is Verdict.DELIVERED else "failed"
    status = ended if due is None else "pending"
    return (
        store.RESULT, parcel.tenant_id, parcel.delivery_id, parcel.attempt, status, due,
        now if due is None else None, result.http_status, result.words,
    )  # fmt: skip


def _logged(result: Result) -> tuple[Any, ...]:
    """The log row, which stands whoever holds the delivery now."""
    parcel = result.parcel
    return (
        store.ADD_ATTEMPT, parcel.tenant_id, parcel.delivery_id, parcel.attempt, result.started_at, result.duration,
        result.http_status, result.words, result.detail, result.address, result.response_start,
    )  # fmt: skip

"""Messages, statuses and echoes of many notifications, told together: one look at whose they are, one unit.

Owns what is plain: of connected numbers, for the first time, to listeners of our own format. Whatever is odd in any way
is left to `routing`, one notification after the other, and so is everything where the unit is refused: a bad one costs
the others a moment.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from setuplinks.core.bursts import unhurried
from setuplinks.core.clock import Clock
from setuplinks.core.db.database import Database
from setuplinks.core.db.errors import DatabaseBusy
from setuplinks.core.db.unit import Row, Unit
from setuplinks.core.logs import act
from setuplinks.core.problems import Problem, Unavailable
from setuplinks.meta.notices import Change, NotificationUnreadable, changes
from setuplinks.notifications import store
from setuplinks.notifications.news import AlreadyTold, News, news_of
from setuplinks.notifications.owners import Holder, Owners
from setuplinks.webhooks.first_tries import FirstTries
from setuplinks.webhooks.service import Audience, Events, Told

FIELDS = frozenset({"messages", "smb_message_echoes"})
LARGEST = 20_000  # bytes
MOST_ITEMS = 32
TOGETHER = 64
"""Notifications that share a unit: their rows are made without a pause, and others wait for the loop."""

AT_ONCE = 2
"""Units under way; more would wait for each other at the endpoints' rows."""

log = logging.getLogger("setuplinks.notifications")


@dataclass(slots=True)
class _Ready:
    """A notification whose events can be written as they are."""

    row: Row
    told: list[tuple[bytes, Told]]


class Messages:
    """The verb for one round of the runner."""

    def __init__(self, db: Database, clock: Clock, events: Events, first_tries: Callable[[], FirstTries]) -> None:
        self._db, self._clock, self._events, self._owners = db, clock, events, Owners(db)
        self._first_tries = first_tries

    async def tell(self, rows: Sequence[Row]) -> list[Row]:
        """Tells and ends what is plain; gives the others, in their order. Raises Unavailable; some may be told."""
        begun = self._clock.now()
        plain = [(row, found) async for row in unhurried(rows) if (found := _plain(row)) is not None]
        if not plain:
            return list(rows)
        holders = await self._owners.holders({number for _, found in plain for number, _ in found})
        audiences = await self._events.load_each({one.tenant_id for one in holders.values()})
        ready = [
            one
            async for row, found in unhurried(plain)
            if (one := self._ready(row, found, holders, audiences)) is not None
        ]
        # Where an order is kept they are recorded in Meta's order; else nobody waits for another's commit.
        at_once = 1 if any(one.keeps_order for one in audiences.values()) else AT_ONCE
        done = await self._written_all(ready, begun, at_once)
        return [row for row in rows if row["id"] not in done]

    async def _written_all(self, ready: list[_Ready], begun: int, at_once: int) -> set[str]:
        """The ids of the notifications that are ended. Raises Unavailable once none is under way any more."""
        done: set[str] = set()
        gate = asyncio.Semaphore(at_once)

        async def write(together: list[_Ready]) -> None:
            async with gate:
                if await self._written(together, begun):
                    done.update(one.row["id"] for one in together)

        for end in await asyncio.gather(*(write(one) for one in _slices(ready)), return_exceptions=True):
            if isinstance(end, BaseException):
                raise end
        return done

    def _ready(
        self, row: Row, found: list[tuple[str, Change]], holders: dict[str, Holder], audiences: dict[int, Audience]
    ) -> _Ready | None:
        try:
            told: list[tuple[bytes, Told]] = []
            for number, change in found:
                holder = holders.get(number)
                audience = None if holder is None else audiences.get(holder.tenant_id)
                if holder is None or audience is None or audience.takes_changes:
                    return None
                told += [(one.digest, self._told(audience, one)) for one in news_of(change, [holder])]
        except Exception:  # whatever is wrong with it is found out, and told, where it is taken alone
            return None
        return _Ready(row, told) if 0 < len(told) <= MOST_ITEMS else None

    def _told(self, audience: Audience, news: News[Holder]) -> Told:
        who = news.owner
        return self._events.told(
            audience, news.event_type, news.data, customer_id=who.customer_id, phone_id=who.phone_id
        )

    async def _written(self, together: list[_Ready], begun: int) -> bool:
        """False where it was refused, and nothing is written."""
        known: set[tuple[int, bytes]] = set()
        for _ in range(2):
            try:
                async with self._first_tries() as firsts, self._db.transaction() as tx:
                    told = self._append(tx, together, known, firsts)
            except AlreadyTold:  # Meta repeats itself, but seldom
                known = await self._known(together)
            except Problem as problem:
                # Somebody holds a row of one of them for long: the others need not wait for it again.
                held = isinstance(problem, DatabaseBusy) and len(together) > 1
                if isinstance(problem, Unavailable) and not held:
                    raise
                act(
                    log, "notification.refused_together", logging.WARNING, why=problem.code, notifications=len(together)
                )
                return False
            else:
                self._say(together, told, begun)
                return True
        return False

    def _append(self, tx: Unit, together: list[_Ready], known: set[tuple[int, bytes]], firsts: FirstTries) -> int:
        """The rows of what is new, and the end of all; how many events."""
        new: dict[tuple[int, bytes], Told] = {}
        for one in together:
            for digest, told in one.told:
                new.setdefault((told.tenant_id, digest), told)
        news = [(name, told) for name, told in new.items() if name not in known]
        now = self._clock.now()
        ids = self._events.emit_each(tx, [told for _, told in news], firsts)
        tx.must_each(
            AlreadyTold(),
            store.ADD_ITEM,
            [(*name, event_id, now) for (name, _), event_id in zip(news, ids, strict=True)],
        )
        ended = self._db.listed([one.row["id"] for one in together])
        tx.add(store.END_TOLD_BY_DIALECT[self._db.dialect], ended, now, b"")
        return len(news)

    async def _known(self, together: list[_Ready]) -> set[tuple[int, bytes]]:
        names = {(told.tenant_id, digest) for one in together for digest, told in one.told}
        return {name for name in names if await self._db.one(store.FIND_ITEM, *name) is not None}

    def _say(self, together: list[_Ready], told: int, begun: int) -> None:
        repeated = sum(len(one.told) for one in together) - told
        act(
            log, "notification.handled", notifications=[one.row["id"] for one in together], told=told,
            repeated=repeated, tries=1, duration_ms=(self._clock.now() - begun) / 1000,
        )  # fmt: skip


def _plain(row: Row) -> list[tuple[str, Change]] | None:
    """The changes with the number that each names; None where it is not to be taken together with others."""
    body = row["body"]
    if row["tries"] != 1 or len(body) > LARGEST:
        return None
    try:
        found = [(change.meta_phone_number_id, change) for change in changes(bytes(body), raw_values=False)]
    except NotificationUnreadable:
        return None
    named = [(number, change) for number, change in found if number is not None and change.field in FIELDS]
    return named if found and len(named) == len(found) else None


def _slices(ready: list[_Ready]) -> Iterator[list[_Ready]]:
    for begin in range(0, len(ready), TOGETHER):
        yield ready[begin : begin + TOGETHER]

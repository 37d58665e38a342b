"""Handles stored notifications: parse, route, mark; and drops what is older than it is kept.

Owns tries, leases and the end of a notification. A worker that dies leaves its lease; another takes the row up, and
what was told before is not told again. What cannot be handled ends as `failed` after a few tries and holds up nothing.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from setuplinks.core.clock import DAY, HOUR, MINUTE, SECOND, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Row, Unit
from setuplinks.core.logs import act
from setuplinks.core.problems import Problem, Unavailable
from setuplinks.meta.notices import Change, NotificationUnreadable, body_of, changes
from setuplinks.notifications import store
from setuplinks.notifications.handover import LARGE, Handover
from setuplinks.notifications.messages import Messages
from setuplinks.notifications.owners import Round
from setuplinks.notifications.routing import Handled, Router
from setuplinks.webhooks.retention import before

CHANNEL = "notifications"
LEASE = 30 * SECOND
AT_ONCE, MOST_AT_ONCE = 32, 256
MUCH = 1_000_000
"""Bytes of a full round after which the next one takes few again; while rounds are full and smaller, each takes twice
as many as the one before."""
RETRY_AFTER = (1 * SECOND, 5 * SECOND, 30 * SECOND, 2 * MINUTE)
MOST_TRIES = 20  # of one that never comes back from being handled: it may be what ends the process
ITEMS_KEPT = 8 * DAY  # a day longer than Meta sends an item again
LOOK_AFTER = SECOND // 2
AWAY_PAUSE = SECOND  # before what the database's absence has interrupted is taken up again
SOONEST_LOOK, LATEST_LOOK = 2 * SECOND, 10 * MINUTE
LOOK_EVERY = HOUR
SLICE = 1_000
MOST_LINES = 5  # of the log, for one notification's changes that are nobody's

log = logging.getLogger("setuplinks.notifications")


class NotificationRunner:
    """One of the worker's runners. `days`: how long raw notifications are kept."""

    name = "notifications"
    channel = CHANNEL

    def __init__(self, db: Database, clock: Clock, router: Router, messages: Messages, *, days: int) -> None:
        self._db, self._clock, self._router, self._messages, self._days = db, clock, router, messages, days
        self.handover = Handover(router.changes_something)
        self._listening, self._handed_last = False, False
        self._look, self._looked_at = True, 0
        self._large = asyncio.Semaphore(2)
        self._at_once = AT_ONCE
        self._dropped_at: int | None = None
        self._interrupted: list[Row] = []

    async def run_once(self) -> int:
        """Handles what is in hand, and takes what is due, more at a time while more waits; how many were handled, or
        dropped.

        After what was handed over it looks for others only when it is woken, or has not looked for half a second.
        """
        if not self._listening:
            self._listening = True
            await self._db.listen(self.channel, self._woken)
        await self._let_go()
        now = self._clock.now()
        handed = self.handover.take(MOST_AT_ONCE)
        await self._together(handed, Round(), handed=True)
        follows, self._handed_last = bool(handed) or self._handed_last, bool(handed)
        if follows and not self._look and now - self._looked_at < LOOK_AFTER:
            return len(handed)
        return len(handed) + await self._take_what_is_due(now)

    def _woken(self) -> None:
        self._look = True

    def attach(self, wake: Callable[[], None]) -> None:
        """Rounds follow one another from now on, and `wake` begins the next: what is stored here is handed over."""
        self.handover.open(wake)

    async def finish(self) -> None:
        """Handles what is in hand, and nothing else."""
        self.handover.close()
        while handed := self.handover.take(MOST_AT_ONCE):
            await self._together(handed, Round(), handed=True)

    async def _take_what_is_due(self, now: int) -> int:
        self._look, self._looked_at = False, now
        rows = await self._db.claim(store.CLAIM, now, now + LEASE, self._at_once)
        self._look |= len(rows) == self._at_once
        more = len(rows) == self._at_once and sum(len(row["body"]) for row in rows) < MUCH
        self._at_once = min(2 * self._at_once, MOST_AT_ONCE) if more else AT_ONCE
        rows = sorted(rows, key=lambda row: str(row["id"]))
        # What changes an account is taken in the order of its arrival; messages need none, and are many.
        in_order = [row for row in rows if self._router.changes_something(row["body"])]
        ids = {row["id"] for row in in_order}
        others = [row for row in rows if row["id"] not in ids]
        shared = None if in_order else Round()
        await asyncio.gather(self._one_by_one(in_order), self._together(others, shared, handed=False))
        return len(rows) + await self._drop(now)

    async def _together(self, rows: list[Row], shared: Round | None, *, handed: bool) -> None:
        """What is plain in one go, the rest each for itself. What was handed over may be a repeat that has no row."""
        if not rows:
            return
        try:
            left = await self._messages.tell(rows)
            if handed and left:
                found = await self._db.few(store.STORED_BY_DIALECT[self._db.dialect], self._db.listed(_ids(left)))
                stored = {row["id"] for row in found}
                left = [row for row in left if row["id"] in stored]
        except Unavailable as error:
            act(log, "notification.put_off", logging.WARNING, notifications=len(rows), why=error.code)
            self._interrupted.extend(rows)
            return
        except Exception:  # a fault of ours in what is done for all of them may not hold up each of them
            log.exception("notification.together_failed")
            left = rows
        await asyncio.gather(*(self._handle(row, shared) for row in left))

    async def _one_by_one(self, rows: list[Row]) -> None:
        for row in rows:
            await self._handle(row, None)

    async def _handle(self, row: Row, shared: Round | None) -> None:
        try:
            if len(row["body"]) > LARGE:
                async with self._large:
                    await self._take(row, shared)
            else:
                await self._take(row, shared)
        except Problem as error:
            act(log, "notification.put_off", logging.WARNING, notification=row["id"], why=error.code)
            if isinstance(error, Unavailable):  # anything else waits for the end of its lease
                self._interrupted.append(row)

    async def _let_go(self) -> None:
        """Gives back what the database's absence has interrupted, once it answers again; its lease would be longer."""
        while self._interrupted:
            row = self._interrupted[-1]
            async with self._db.transaction() as tx:
                tx.add(store.LET_GO, row["id"], row["tries"], self._clock.now() + AWAY_PAUSE)
            self._interrupted.pop()

    async def _take(self, row: Row, shared: Round | None) -> None:
        started = self._clock.now()
        if row["tries"] > MOST_TRIES:
            await self._end(row, "failed", "never came to an end")
            return
        try:
            handled = await self._router.take(changes(bytes(row["body"])), shared)
        except NotificationUnreadable as error:
            await self._end(row, "failed", str(error))
            return
        act(
            log, "notification.handled", notification=row["id"], told=handled.told, repeated=handled.repeated,
            noticed=handled.noticed or None, unrouted=len(handled.unrouted) or None, gone=handled.gone or None,
            failures=len(handled.failures) or None, tries=row["tries"],
            duration_ms=(self._clock.now() - started) / 1000,
        )  # fmt: skip
        for change in handled.unrouted[:MOST_LINES]:
            act(
                log, "notification.unrouted", notification=row["id"], field=change.field, event=change.event,
                waba=change.meta_waba_id, number=change.meta_phone_number_id,
            )  # fmt: skip
        if handled.failures:
            await self._failed(row, handled)
        elif handled.waits:
            now = self._clock.now()
            wait = max(SOONEST_LOOK, min((now - row["received_at"]) // 4, LATEST_LOOK))
            again = (row["id"], row["tries"], now + wait, "waits for a signup", 0, body_of(handled.unrouted))
            async with self._db.transaction() as tx:
                tx.add(store.AGAIN_WITH, *again)
                _mention(tx, row, handled.unrouted)
        else:
            rest = body_of(handled.unrouted) if handled.unrouted else b""
            ended = (row["id"], row["tries"], "unrouted" if rest else "handled", self._clock.now(), None, rest)
            async with self._db.transaction() as tx:
                tx.add(store.END_WITH, *ended)
                _mention(tx, row, handled.unrouted)

    async def _failed(self, row: Row, handled: Handled) -> None:
        """Tried again with growing waits; the database's absence is nobody's fault and does not count."""
        first, tries = handled.failures[0], row["tries"]
        if isinstance(first, Unavailable):
            raise first
        told = _named(first)
        if tries > len(RETRY_AFTER):
            await self._end(row, "failed", told)
            return
        act(log, "notification.failing", logging.WARNING, notification=row["id"], error=told, tries=tries)
        async with self._db.transaction() as tx:
            tx.add(store.AGAIN, row["id"], tries, self._clock.now() + RETRY_AFTER[tries - 1], told, tries)

    async def _end(self, row: Row, status: str, error: str | None) -> None:
        if error is not None:
            act(log, "notification.failed", logging.ERROR, notification=row["id"], error=error, bytes=len(row["body"]))
        async with self._db.transaction() as tx:
            tx.add(store.END, row["id"], row["tries"], status, self._clock.now(), error)
            with suppress(NotificationUnreadable):
                _mention(tx, row, changes(bytes(row["body"])))

    async def _drop(self, now: int) -> int:
        if self._dropped_at is not None and now - self._dropped_at < LOOK_EVERY:
            return 0
        dropped = await self._db.bulk(store.DROP, before(now - self._days * DAY), SLICE)
        dropped += await self._db.bulk(store.DROP_MENTIONS, before(now - self._days * DAY), SLICE)
        dropped += await self._db.bulk(store.DROP_ITEMS, now - ITEMS_KEPT, SLICE)
        if not dropped:
            self._dropped_at = now
        return dropped


def _ids(rows: list[Row]) -> list[str]:
    return [row["id"] for row in rows]


def _mention(tx: Unit, row: Row, kept: list[Change]) -> None:
    """Notes whom the kept part names: when they leave, it goes with them."""
    named = {meta_id for change in kept for meta_id in (change.meta_waba_id, change.meta_phone_number_id) if meta_id}
    for meta_id in sorted(named):
        tx.add(store.ADD_MENTION, row["id"], meta_id)


def _named(error: Exception) -> str:
    """The error without its words, which may hold a piece of the body: its kind, and where it was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" in {trace.tb_frame.f_code.co_name}:{trace.tb_lineno}" if trace is not None else ""
    return type(error).__name__ + where

"""Everything that time does to a link which waits for its customer: silence ends visits, dates end links.

Owns rows 5 (silence), 14 (a suspended tenant), 15, the 60-second limit of an exchange, and `setup_link.abandoned`. One
of the worker's runners; every change is guarded, so several workers may sweep at once.
"""

import logging
from dataclasses import replace
from typing import Any

from setuplinks.core.clock import HOUR, MINUTE, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Row, Unit
from setuplinks.core.logs import act
from setuplinks.core.problems import Conflict, Unavailable
from setuplinks.setup_links import store
from setuplinks.setup_links.announce import announce
from setuplinks.setup_links.machine import WAITING, Phase, VisitStatus
from setuplinks.setup_links.models import Visit
from setuplinks.setup_links.visits import VisitMoved, ended_visit, fail_waiting, visit_data
from setuplinks.tenants import store as tenants
from setuplinks.webhooks.service import Events

CHANNEL = "links"
AT_ONCE = 100
FORGET_EVERY = HOUR
AGAIN_AFTER = 10 * MINUTE
MOST_PUT_OFF = 10_000

log = logging.getLogger("setuplinks.sweeper")


class LinkSweeper:
    """Looks at links whose time has come."""

    name = "link-sweeper"
    channel = CHANNEL

    def __init__(self, db: Database, clock: Clock, events: Events) -> None:
        self._db, self._clock, self._events = db, clock, events
        self._forgot_at = 0
        self._put_off: dict[str, int] = {}  # links that failed here, and when they are looked at again (µs)

    async def run_once(self) -> int:
        """Sweeps at most `AT_ONCE` links; how many were changed."""
        now = self._clock.now()
        if now - self._forgot_at >= FORGET_EVERY:
            self._forgot_at = now
            await self._db.bulk(store.FORGET_STATES, now)
        changed, after = 0, (-1, "")
        # On to the next window while one brings nothing: links that cannot be swept must not hide those behind them.
        while not changed and (rows := await self._db.read(store.FIND_DUE, now, AT_ONCE, *after)):
            after = (rows[-1]["due_at"], rows[-1]["id"])
            for row in rows:
                changed += await self._swept(row, now)
        return changed

    async def _swept(self, row: Row, now: int) -> int:
        if now < self._put_off.get(row["id"], now):
            return 0
        try:
            return await self._db.unit(self.sweep, row["tenant_id"], row["id"])
        except (Unavailable, Conflict) as error:  # the database is away, or somebody else moved it
            act(log, "link.sweep_put_off", logging.WARNING, link=row["id"], why=error.code)
        except Exception:  # a row that cannot be read, a tenant's key that does not open: tried again in a while
            log.exception("link.sweep_failed", extra={"fields": {"link": row["id"]}})
            if len(self._put_off) >= MOST_PUT_OFF:
                self._put_off.clear()
            self._put_off[row["id"]] = now + AGAIN_AFTER
        return 0

    async def sweep(self, tx: Unit, tenant_id: int, link_id: str) -> int:
        """One link, in one unit; 1 where something was written."""
        now = self._clock.now()
        link = await store.find(tx, tenant_id, link_id)
        if link is None or link.due_at is None or link.due_at > now:
            return 0
        if link.phase not in WAITING:
            store.change(tx, link, now, due_at=None)
            return 1
        tenant = await tenants.find(tx, tenant_id)
        if (tenant is None or not tenant.active) and now < link.lapses_at:
            await fail_waiting(tx, self._events, link, await store.visits(tx, link), "tenant_suspended", now)
            return 1
        link_visits = [self._aged(tx, visit, now) for visit in await store.visits(tx, link)]
        audience = await self._events.load(tx, tenant_id)
        values: dict[str, Any] = store.settled(link, [visit for visit, _, _ in link_visits])
        settled = replace(link, **values)
        for visit, ended, abandoned in link_visits:
            if ended:
                store.add_step(tx, link, now, "visit_ended", code=visit.end_code)
                await announce(self._events, tx, audience, "setup_link.visit_ended", settled, now, **visit_data(visit))
            if abandoned:
                store.add_step(tx, link, now, "abandoned", metaStep=visit.meta_step)
                await announce(self._events, tx, audience, "setup_link.abandoned", settled, now, **visit_data(visit))
        if now >= values["lapses_at"]:
            values |= {"phase": Phase.EXPIRED, "due_at": None, "ended_at": now, "url_secret": None}
            store.add_step(tx, link, now, "expired")
            moved = replace(link, **values)
            await announce(self._events, tx, audience, "setup_link.expired", moved, now)
        store.change(tx, link, now, **values)
        return 1

    def _aged(self, tx: Unit, visit: Visit, now: int) -> tuple[Visit, bool, bool]:
        """The visit as time has made it, whether it ended, and whether it counts as abandoned from now on."""
        aged = visit
        ends_at = visit.times.ends_at
        ended = ends_at is not None and ends_at <= now
        if ended:
            exchanging = visit.status is VisitStatus.EXCHANGING
            aged = ended_visit(visit, "code_exchange_failed" if exchanging else "timed_out", now, visit.meta_step)
        abandoned = aged.abandon_at is not None and aged.abandon_at <= now
        if abandoned:
            aged = replace(aged, abandon_at=None, abandoned_at=now)
        if aged is not visit:
            names = ("status", "ended_at", "end_code", "abandon_at", "abandoned_at")
            store.change_visit(tx, visit, VisitMoved(), **{name: getattr(aged, name) for name in names})
        return aged, ended, abandoned

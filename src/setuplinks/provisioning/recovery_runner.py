"""Looks at authorisations that are due, and drops what has been closed for long.

Owns the runner's leases and pace; what is done about a row stands in `recovery`.
"""

import asyncio
import logging

from setuplinks.core.clock import DAY, HOUR, MINUTE, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Row
from setuplinks.core.logs import act
from setuplinks.core.problems import Conflict, Unavailable
from setuplinks.provisioning import orphans
from setuplinks.provisioning.orphans import Orphan
from setuplinks.provisioning.recovery import Recovery

LEASE = MINUTE
AT_ONCE = 16
LOOK_EVERY = HOUR

log = logging.getLogger("setuplinks.recovery")


class RecoveryRunner:
    """One of the worker's runners. `days`: how long closed rows are kept."""

    name = "recovery"
    channel = orphans.CHANNEL

    def __init__(self, db: Database, clock: Clock, recovery: Recovery, *, days: int) -> None:
        self._db, self._clock, self._recovery, self._days = db, clock, recovery, days
        self._dropped_at: int | None = None

    async def run_once(self) -> int:
        """Takes what is due, at most `AT_ONCE`; how many were taken, or dropped."""
        now = self._clock.now()
        rows = await self._db.claim(orphans.CLAIM, now, now + LEASE, AT_ONCE)
        await asyncio.gather(*(self._look(row) for row in rows))
        return len(rows) + await self._drop(now)

    async def _look(self, row: Row) -> None:
        try:
            await self._recovery.look(Orphan.of(row))
        except Conflict as error:  # a notice, the operator or a browser was first: its lease or its new time ends this
            act(log, "recovery.overtaken", orphan=row["id"], why=error.code)
        except Unavailable as error:  # the database is away: the lease ends by itself
            act(log, "recovery.put_off", logging.WARNING, orphan=row["id"], why=error.code)
        except Exception:  # a fault of ours, a key that does not open: the lease ends, and it is tried again
            log.exception("recovery.crashed", extra={"fields": {"orphan": row["id"]}})

    async def _drop(self, now: int) -> int:
        if self._dropped_at is not None and now - self._dropped_at < LOOK_EVERY:
            return 0
        self._dropped_at = now
        return await self._db.bulk(orphans.DROP_CLOSED, now - self._days * DAY)

"""Looks once an hour at what Meta has of the pool: dates, and numbers that are gone.

A number that is gone was taken by a customer whose signup we did not finish, or removed in Meta's dashboard. Its list
may also be incomplete for a moment: a number counts as gone only at the second look, and is offered to nobody until
then.
"""

import logging
from typing import Any

from setuplinks.core.clock import DAY, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Unit
from setuplinks.core.logs import act
from setuplinks.meta.errors import GraphError
from setuplinks.meta.partner import Partner, PreverifiedNumber
from setuplinks.number_pool import store
from setuplinks.number_pool.models import PoolNumber, PoolNumberMoved

log = logging.getLogger("setuplinks.number_pool")


class PoolRunner:
    """One of the worker's runners; without the partner's settings there is nothing to look at."""

    name = "number-pool"
    channel = "number_pool"

    def __init__(self, db: Database, clock: Clock, partner: Partner | None) -> None:
        self._db, self._clock, self._partner = db, clock, partner
        self._next = 0

    async def run_once(self) -> int:
        """The hour's look, where no other process has had it; how many numbers were changed."""
        now = self._clock.now()
        if self._partner is None or now < self._next:
            return 0
        self._next = now + store.LOOK_EVERY
        if not await self._db.bulk(store.TAKE_LOOK, now, now - store.LOOK_EVERY):
            return 0
        try:
            rows = await self._partner.preverified_numbers()
        except GraphError as error:
            act(log, "number_pool.not_looked", logging.WARNING, why=error.kind.value, code=error.code)
            return 0
        return await self._compare({row.e164: row for row in rows}, now)

    async def _compare(self, at_meta: dict[str | None, PreverifiedNumber], now: int) -> int:
        changed = 0
        for number in await store.watched(self._db):
            values = seen(number, at_meta.get(number.number), now)
            if values:
                changed += await self._write(number, values, now)
            if number.ends_soon(now) and _new_day(number, now):
                act(log, "number_pool.ends_soon", logging.WARNING, number_id=number.id, state=number.state(now))
        return changed

    async def _write(self, number: PoolNumber, values: dict[str, Any], now: int) -> int:
        async def verb(tx: Unit) -> int:
            store.change(tx, number, now, **values)
            return 1

        try:
            return await self._db.unit(verb)
        except PoolNumberMoved:  # a link or the operator was at it; the next look sees it again
            return 0


def _new_day(number: PoolNumber, now: int) -> bool:
    """True at one look of each day, so that the log warns and does not drum."""
    left = (number.expires_at or 0) - now
    return left // DAY != (left + store.LOOK_EVERY) // DAY


def seen(number: PoolNumber, row: PreverifiedNumber | None, now: int) -> dict[str, Any]:
    """What a look changes of a number; `row` is Meta's, None where its list does not hold the number."""
    if row is None:
        if number.missing_since is None:
            return {"missing_since": now}
        if number.link_id is not None:  # its link's own end says what became of it
            return {}
        return {"status": "claimed", "claimed_at": number.missing_since}
    values: dict[str, Any] = {} if number.missing_since is None else {"missing_since": None}
    if row.id != number.preverified_id:
        values["preverified_id"] = row.id
    if number.status == "verified" and row.expires_at not in {None, number.expires_at}:
        values |= {"expires_at": row.expires_at, "verified_at": row.verified_at or number.verified_at}
    return values

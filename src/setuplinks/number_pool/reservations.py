"""Which link holds which number of the pool.

A link takes one when its customer is about to go to Meta, keeps it over all visits, and gives it back when it ends
otherwise than by connecting it. Each verb appends to its caller's unit; one conditional update decides who gets a
number, over all processes.
"""

import zlib
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Unit
from setuplinks.number_pool import store
from setuplinks.number_pool.models import PoolNumber, PoolNumberMoved

T = TypeVar("T")
TRIES = 4  # each unit runs twice; many links that want the last numbers settle well before


async def while_others_take(attempt: Callable[[bool], Awaitable[T]]) -> T:
    """Runs `attempt(True)`, a unit that reserves, again where other links were faster; at last `attempt(False)`, which
    goes on without a number."""
    for _ in range(TRIES):
        try:
            return await attempt(True)
        except PoolNumberMoved:
            continue
    return await attempt(False)


async def reserved_for(db: store.Finds, link_id: str) -> PoolNumber | None:
    """The number that the link holds and nobody has connected yet."""
    row = await db.one(store.OF_LINK, link_id)
    return PoolNumber.of(row) if row else None


async def reserved(db: Database) -> list[PoolNumber]:
    """The numbers that links hold now, the longest held first; at most 500."""
    return [PoolNumber.of(row) for row in await db.read(store.RESERVED)]


async def reserve(tx: Unit, tenant_id: int, link_id: str, countries: Iterable[str], now: int) -> PoolNumber | None:
    """The number that the link holds, else a free one of these ISO countries (none named: of any), taken for it.

    None where none is free. PoolNumberMoved at the commit where another link was faster: run the unit again.
    """
    held = await reserved_for(tx, link_id)
    if held is not None and held.lasts(now):
        return held
    if held is not None:  # its 90 days end: a customer would have to confirm a number that is not hers
        release(tx, link_id, now)
    free = await store.free(tx, list(countries), now)
    if not free:
        return None
    # Spread by the link's id, so that links which start at once seldom want the same one.
    taken = free[zlib.crc32(link_id.encode()) % len(free)]
    tx.must(PoolNumberMoved(), store.RESERVE, taken.id, taken.version, tenant_id, link_id, now)
    return taken


def release(tx: Unit, link_id: str, now: int) -> None:
    """Gives the link's number back; nothing where it holds none, or where it was connected."""
    tx.add(store.RELEASE, link_id, now)


def claimed(tx: Unit, link_id: str, now: int) -> None:
    """The link's number was connected: at Meta it is the customer's from now on, and leaves the pool."""
    tx.add(store.CLAIM, link_id, now)


async def settle(tx: Unit, link_id: str, connected: Iterable[str | None], now: int) -> None:
    """A link completes with these numbers (E.164): its own is claimed where it is among them, else given back.

    Meta gives a claimed number a new id, so that only its digits tell it.
    """
    held = await reserved_for(tx, link_id)
    if held is None:
        return
    if held.number in set(connected):
        claimed(tx, link_id, now)
    else:
        release(tx, link_id, now)

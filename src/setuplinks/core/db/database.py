"""The database as the features see it: units of work, reads, claims, bulk statements, ids and wake-ups.

Owns what both engines share: how a unit ends, when a verb runs again, blocks of ids, in-process wake-ups. The engines
(`sqlite`, `postgres`) own how writes reach the disk.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Concatenate, Literal, ParamSpec, TypeVar

from setuplinks.core.db.errors import MissedGuard
from setuplinks.core.db.unit import Row, Unit, Write

P = ParamSpec("P")
T = TypeVar("T")

BLOCK = 100


@dataclass(frozen=True)
class Claim:
    """Takes due rows under a lease, as each engine does it best.

    PostgreSQL: one statement (`FOR UPDATE SKIP LOCKED … RETURNING`). SQLite: a short list in one savepoint; the rows of
    the last statement that returns any columns are the answer. All statements get the same parameters.
    """

    sqlite: tuple[str, ...]
    postgres: str


_TAKE_BLOCK = """
INSERT INTO id_counter (name, next_id) VALUES ($1, CAST($2 AS BIGINT) + 1)
ON CONFLICT (name) DO UPDATE SET next_id = id_counter.next_id + $2
RETURNING next_id - CAST($2 AS BIGINT) AS first
"""
TAKE_BLOCK = Claim(sqlite=(_TAKE_BLOCK,), postgres=_TAKE_BLOCK)


class Database(ABC):
    """One database, opened by `core.db.open.open_database`; lives as long as the process."""

    dialect: Literal["sqlite", "postgres"]

    def __init__(self) -> None:
        self._wakes: defaultdict[str, list[Callable[[], None]]] = defaultdict(list)
        self._listen_lost: list[Callable[[], None]] = []
        self._ids: dict[str, tuple[int, int]] = {}
        self._id_locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Unit]:
        """A unit that cannot race; leaving it commits and returns only when the commit is on disk.

        Raises the Problem of a missed guard, DatabaseAway, DatabaseBusy. An exception in the body writes nothing.
        """
        tx = Unit(self)
        yield tx
        try:
            await self._finish(tx)
        except MissedGuard as missed:
            raise missed.problem from None

    async def unit(self, verb: Callable[Concatenate[Unit, P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Opens a unit, runs `verb(tx, …)` and commits.

        On a missed guard the whole verb runs once more on fresh reads; after that the guard's Problem stands. Writes
        that lost a deadlock are sent again by the engine: guards decide, so that is the same unit, later.
        """
        tx = Unit(self)
        answer = await verb(tx, *args, **kwargs)
        try:
            await self._finish(tx)
        except MissedGuard:
            tx = Unit(self)
            answer = await verb(tx, *args, **kwargs)
            try:
                await self._finish(tx)
            except MissedGuard as missed:
                raise missed.problem from None
        return answer

    async def next_id(self, name: str) -> int:
        """The next id of this name: from 1, unique over all processes, gaps are fine; < 2^53."""
        following, end = self._ids.get(name, (0, 0))
        if following < end:
            self._ids[name] = (following + 1, end)
            return following
        async with self._id_locks[name]:
            following, end = self._ids.get(name, (0, 0))
            if following >= end:
                [row] = await self.claim(TAKE_BLOCK, name, BLOCK)
                following = int(row["first"])
                end = following + BLOCK
            self._ids[name] = (following + 1, end)
            return following

    async def listen(self, channel: str, wake: Callable[[], None]) -> None:
        """`wake` runs in the event loop after each commit that woke the channel; polling stays the guarantee."""
        self._wakes[channel].append(wake)

    def on_listen_lost(self, callback: Callable[[], None]) -> None:
        """`callback` runs when wake-ups of other processes may have been missed: caches must be cleared."""
        self._listen_lost.append(callback)

    async def _finish(self, tx: Unit) -> None:
        writes = tx.close()
        if writes:
            await self._commit(writes)
        if tx.channels:
            self._ring(list(tx.channels))

    def _ring(self, channels: list[str]) -> None:
        for channel in channels:
            for wake in self._wakes.get(channel, ()):
                wake()

    @abstractmethod
    def listed(self, values: Sequence[int] | Sequence[str]) -> object:
        """Values as one parameter: for `json_each` on SQLite, an array on PostgreSQL."""

    @abstractmethod
    async def one(self, sql: str, *params: object) -> Row | None:
        """A point read outside of a unit: the first row of committed state, or None."""

    @abstractmethod
    async def few(self, sql: str, *params: object) -> list[Row]:
        """A short list of committed state; `Unit.all` reads by it."""

    @abstractmethod
    async def read(self, sql: str, *params: object) -> list[Row]:
        """All rows, for lists and dashboards."""

    @abstractmethod
    async def claim(self, statement: Claim, *params: object) -> list[Row]:
        """Runs a claim, commits it and gives its rows."""

    @abstractmethod
    async def claim_each(self, statement: Claim, sets: Sequence[Sequence[object]]) -> list[Row]:
        """Runs a claim for each set of parameters, in their order, in one commit; the rows of all of them."""

    @abstractmethod
    async def bulk(self, sql: str, *params: object) -> int:
        """One statement over many rows, in a commit of its own; the number of rows touched. Call it in slices."""

    @abstractmethod
    async def close(self) -> None:
        """Finishes what is under way and lets go of everything."""

    @abstractmethod
    async def _commit(self, writes: list[Write]) -> None:
        """Writes all or nothing; returns after the commit. Raises MissedGuard or a Problem."""

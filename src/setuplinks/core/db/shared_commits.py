"""PostgreSQL's way to commit: units of the same shape that wait at the same time share one transaction.

Owns how gathered writes are sent. A unit's shape is its list of texts. While one group is under way the units that
arrive wait; they then go together, each text once, its parameters pipelined: no timer, no delay when nothing waits.
When a shared transaction fails, its units run again without the one at fault, or each alone.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

import asyncpg

from setuplinks.core.db.errors import DatabaseAway, DatabaseBusy, MissedGuard, OutcomeUnknown
from setuplinks.core.db.text import columns, numbered, of_lists, takes_many
from setuplinks.core.db.unit import Write
from setuplinks.core.problems import Problem, Unavailable

SHARE = 64
LANES = 4
FEW = 4
"""From so many rows on they are added by one statement."""
MUCH = 4_000_000
"""Bytes that one statement may carry: its parameters are in memory whole, here and at the server."""
SLOW_SECONDS = 0.05
TRIES = 3
SILENT_SECONDS = 0.3
"""A group that found the database away after so long was not answered; a refusal comes at once."""
# LOCAL, so that it ends with the transaction and a pooler may lend the session to anybody. A row that somebody holds
# for long costs its own unit, not the group.
BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '2s'"

Shape = tuple[tuple[str, bool], ...]
Acquire = Callable[[], AbstractAsyncContextManager[Any]]


_FIRST_TWO = itemgetter(slice(2))


class _Missed(Exception):
    """Guards of these units, by index, did not touch exactly one row."""

    def __init__(self, units: dict[int, Problem]) -> None:
        super().__init__()
        self.units = units


@dataclass(eq=False)
class _Waiting:
    writes: list[Write]
    future: asyncio.Future[None]

    def end(self, failure: BaseException | None = None) -> None:
        if self.future.done():
            return
        if failure is None:
            self.future.set_result(None)
        else:
            self.future.set_exception(failure)

    def found_it_away(self) -> bool:
        """True where it ended because the database was away."""
        ended = self.future.done() and not self.future.cancelled()
        return ended and isinstance(self.future.exception(), DatabaseAway)


@dataclass
class _Line:
    """The units of one shape that wait, how many groups of it are under way, and how many of those are slow."""

    waiting: list[_Waiting] = field(default_factory=list)
    running: int = 0
    slow: int = 0

    def may_start(self) -> bool:
        # One group at a time shares best (252 µs of CPU a unit, 320 with two); but one that waits for a row that
        # another process holds may not hold up the rest.
        return bool(self.waiting) and self.running == self.slow < LANES


class SharedCommits:
    """Commits units; `acquire` lends a connection, `problem_of` words an engine's error."""

    def __init__(self, acquire: Acquire, problem_of: Callable[[Exception], Problem]) -> None:
        self._acquire = acquire
        self._problem_of = problem_of
        self._lines: dict[Shape, _Line] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._types: dict[str, tuple[str, ...]] = {}

    async def commit(self, writes: list[Write]) -> None:
        """Returns after the commit. A caller that goes away does not undo it."""
        shape = tuple((write.sql, write.problem is not None) for write in writes)
        line = self._lines.setdefault(shape, _Line())
        unit = _Waiting(writes, asyncio.get_running_loop().create_future())
        line.waiting.append(unit)
        self._start(shape, line)
        await unit.future

    async def finish(self) -> None:
        """Waits until nothing is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _start(self, shape: Shape, line: _Line) -> None:
        if not line.may_start():
            return
        line.running += 1
        task = asyncio.create_task(self._run(shape, line))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, shape: Shape, line: _Line) -> None:
        while line.waiting:
            group, line.waiting = line.waiting[:SHARE], line.waiting[SHARE:]
            with self._watched(shape, line):
                began = time.monotonic()
                try:
                    await self._settle(shape, group)
                except Exception as error:
                    # Nobody foresaw it: the waiting are told, and the line goes on.
                    unknown = OutcomeUnknown("The change was interrupted.")
                    unknown.__cause__ = error
                    _end_all(group, unknown)
                if time.monotonic() - began > SILENT_SECONDS and any(unit.found_it_away() for unit in group):
                    # A silent network costs each group the time of a command: those behind it would wait for ever
                    # longer, and be ever more. They are told now, and whoever comes next asks anew.
                    behind, line.waiting = line.waiting, []
                    _end_all(behind, DatabaseAway("The database did not answer in time."))
        line.running -= 1
        if not line.running and self._lines.get(shape) is line:
            del self._lines[shape]

    @contextmanager
    def _watched(self, shape: Shape, line: _Line) -> Iterator[None]:
        """While a group is under way for long, others of its shape may start beside it."""
        slow = False

        def mark() -> None:
            nonlocal slow
            slow = True
            line.slow += 1
            self._start(shape, line)

        timer = asyncio.get_running_loop().call_later(SLOW_SECONDS, mark)
        try:
            yield
        finally:
            timer.cancel()
            line.slow -= slow

    async def _settle(self, shape: Shape, group: list[_Waiting], tried: int = 1) -> None:
        """Ends every unit of the group, one way or the other."""
        try:
            await self._send(shape, group)
        except _Missed as missed:
            if len(group) == 1:
                group[0].end(MissedGuard(missed.units[0]))
                return
            # The others first: a unit that missed may have lost to one of them, and only a committed one has won.
            rest = [unit for index, unit in enumerate(group) if index not in missed.units]
            if rest:
                await self._settle(shape, rest)
            for index in missed.units:
                await self._settle(shape, [group[index]])
        except Unavailable as problem:
            _end_all(group, problem)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            await self._settle_failed(shape, group, tried, error)
        else:
            _end_all(group)

    async def _settle_failed(self, shape: Shape, group: list[_Waiting], tried: int, error: Exception) -> None:
        problem = self._problem_of(error)
        problem.__cause__ = error
        if isinstance(problem, DatabaseAway):
            _end_all(group, problem)
        elif len(group) > 1:
            for unit in group:
                await self._settle(shape, [unit])
        elif isinstance(problem, DatabaseBusy) and tried < TRIES:
            # A lost deadlock: writes are data and guards decide, so sending them again is the same unit, later.
            await self._settle(shape, group, tried + 1)
        else:
            _end_all(group, problem)

    async def _send(self, shape: Shape, group: list[_Waiting]) -> None:
        """One transaction. Raises _Missed, or the driver's errors; a COMMIT without an answer is OutcomeUnknown."""
        async with self._acquire() as connection:
            await connection.execute(BEGIN)
            try:
                await self._write(connection, shape, group)
                await self._commit(connection)
            except (asyncpg.PostgresError, ValueError, _Missed):
                # A connection that is gone has rolled back by itself.
                with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
                    await connection.execute("ROLLBACK")
                raise
            except BaseException:
                connection.terminate()
                raise

    async def _write(self, connection: Any, shape: Shape, group: list[_Waiting]) -> None:
        for (sql, guarded), run in groupby(range(len(shape)), key=shape.__getitem__):
            writes = [(index, unit.writes[position]) for position in run for index, unit in enumerate(group)]
            if not guarded:
                # One order of rows for all groups, so that two of them do not deadlock; the same row keeps its order.
                rows = _in_order(sql, [write.params for _, write in writes])
                if await self._added(connection, sql, rows) is None:
                    await connection.executemany(sql, rows)
                continue
            added = await self._added(connection, sql, [write.params for _, write in writes])
            if added is not None:
                if added != len(writes):
                    # One of them at least: which one is found when each unit runs alone.
                    raise _Missed({index: write.problem for index, write in writes if write.problem is not None})
                continue
            touched = [0] * len(writes)
            for row in await connection.fetchmany(
                numbered(sql), [(*write.params, number) for number, (_, write) in enumerate(writes)]
            ):
                touched[row[0]] += 1
            missed: dict[int, Problem] = {}
            for count, (index, write) in zip(touched, writes, strict=True):
                if count != 1 and write.problem is not None:
                    missed.setdefault(index, write.problem)
            if missed:
                raise _Missed(missed)

    async def _added(self, connection: Any, sql: str, rows: list[tuple[object, ...]]) -> int | None:
        """Adds many rows by one statement; how many it added. None where it is not done so: few, large, another text.

        Each statement, though pipelined, costs its start at both ends, and more where the table has partitions.
        """
        if len(rows) < FEW or not takes_many(sql) or _size(rows) > MUCH:
            return None
        if (types := self._types.get(sql)) is None:
            statement = await connection.prepare(sql)
            types = self._types[sql] = tuple(one.name for one in statement.get_parameters())
        text, lists = of_lists(sql, types), columns(types, rows)
        if text is None or lists is None:
            return None
        status: str = await connection.execute(text, *lists)
        return int(status.rpartition(" ")[2])

    async def _commit(self, connection: Any) -> None:
        try:
            status = await connection.execute("COMMIT")
        except asyncpg.PostgresError as error:
            if isinstance(self._problem_of(error), DatabaseAway):
                raise OutcomeUnknown("The database went away while it committed the change.") from error
            raise
        except (asyncpg.InterfaceError, OSError, TimeoutError) as error:
            raise OutcomeUnknown("The database did not answer the commit.") from error
        if status != "COMMIT":
            # PostgreSQL answers the COMMIT of a failed transaction with a cheerful ROLLBACK.
            raise asyncpg.InFailedSQLTransactionError("the transaction was rolled back")


def _in_order(sql: str, rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    if takes_many(sql):  # rows that nobody has yet: any order will do that is everybody's
        with suppress(TypeError):
            return sorted(rows, key=_FIRST_TWO)
    return sorted(rows, key=_row_key)


def _row_key(params: tuple[object, ...]) -> tuple[str, ...]:
    """Rows are named by their text's first two parameters: tenant and id."""
    return tuple(repr(value) for value in params[:2])


def _size(rows: list[tuple[object, ...]]) -> int:
    """Of the bytes among the values, which alone may be large."""
    return sum(len(value) for params in rows for value in params if isinstance(value, bytes))


def _end_all(group: list[_Waiting], failure: BaseException | None = None) -> None:
    for unit in group:
        unit.end(failure)

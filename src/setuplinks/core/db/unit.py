"""A unit of work: reads at once, writes gathered as data and sent in one go when the unit ends.

Owns what a verb may do inside a unit. It knows no engine: the database that opened it sends the writes.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Any, NamedTuple, Protocol, TypeVar

from setuplinks.core.db.text import check
from setuplinks.core.problems import Problem

T = TypeVar("T")


class Row(Protocol):
    """One row of an answer: `row["column"]`, `dict(row)`; iterating gives the values."""

    def __getitem__(self, key: Any, /) -> Any:
        """The value of a column, by name or position."""
        ...

    def keys(self) -> Any:
        """The column names, in order."""
        ...


class Write(NamedTuple):
    """One gathered statement; `problem` is set where it must touch exactly one row."""

    sql: str
    params: tuple[object, ...]
    problem: Problem | None


class Reads(Protocol):
    """What a unit needs of its database while it is open."""

    async def one(self, sql: str, *params: object) -> Row | None:
        """The first row, or None."""
        ...

    async def few(self, sql: str, *params: object) -> list[Row]:
        """All rows of a short list."""
        ...


class Unit:
    """Opened by `Database.transaction()` or `Database.unit()`; services append to it and never commit.

    A unit touches a row once and does not depend on the order of its writes, except across `then()`.
    """

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._writes: list[Write] = []
        self._scratch: dict[Hashable, Any] = {}
        self._hooks: list[Callable[[], None]] = []
        self._closed = False
        self.channels: dict[str, None] = {}

    async def one(self, sql: str, *params: object) -> Row | None:
        """The first row of committed state, or None; nothing of this unit's own writes is seen."""
        return await self._reads.one(sql, *params)

    async def all(self, sql: str, *params: object) -> list[Row]:
        """All rows of committed state; for short lists, long ones go through `Database.read`."""
        return await self._reads.few(sql, *params)

    def must(self, problem: Problem, sql: str, *params: object) -> None:
        """A guarded write: it touches exactly one row, else nothing of the unit is written and `problem` is raised."""
        self._append(sql, params, problem)

    def add(self, sql: str, *params: object) -> None:
        """A plain write; how many rows it touches is not looked at."""
        self._append(sql, params, None)

    def must_each(self, problem: Problem, sql: str, rows: Iterable[tuple[object, ...]]) -> None:
        """A guarded write for each row, with one problem for all of them."""
        for params in rows:
            self._append(sql, params, problem)

    def add_each(self, sql: str, rows: Iterable[tuple[object, ...]]) -> None:
        """A plain write for each row; an `INSERT … VALUES` of many rows takes few statements."""
        for params in rows:
            self._append(sql, params, None)

    def then(self) -> None:
        """Says that what follows needs what precedes.

        Both engines send a unit's writes in the order in which they were appended, so this is a word to the reader,
        and the place where an engine that reorders would have to look.
        """

    def wake(self, channel: str) -> None:
        """After the commit the listeners of the channel run, in this process and in others."""
        self.channels[channel] = None

    def gather(self, key: Hashable, make: Callable[[], T]) -> T:
        """The unit's own object under this key, made on first use."""
        if key not in self._scratch:
            self._scratch[key] = make()
        found: T = self._scratch[key]
        return found

    def at_commit(self, hook: Callable[[], None]) -> None:
        """Runs just before the writes are sent; a hook may still append writes."""
        self._hooks.append(hook)

    def close(self) -> list[Write]:
        """Runs the hooks and gives the gathered writes; the unit takes no more. For the database only."""
        while self._hooks:
            self._hooks.pop(0)()
        self._closed = True
        return self._writes

    def _append(self, sql: str, params: tuple[object, ...], problem: Problem | None) -> None:
        if self._closed:
            raise RuntimeError("this unit of work has ended")
        check(params)
        self._writes.append(Write(sql, params, problem))

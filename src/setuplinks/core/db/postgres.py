"""The database at scale: PostgreSQL through asyncpg, plain SQL.

Owns reads, claims and the wording of the server's errors. Commits are `shared_commits`, the pool is `connections`,
wake-ups between processes are `notices`.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

import asyncpg

from setuplinks.core.db.connections import Connections
from setuplinks.core.db.database import Claim, Database
from setuplinks.core.db.errors import (
    ConstraintBroken,
    DatabaseAway,
    DatabaseBusy,
    StatementFailed,
)
from setuplinks.core.db.notices import Notices
from setuplinks.core.db.shared_commits import SharedCommits
from setuplinks.core.db.text import check
from setuplinks.core.db.unit import Row, Write
from setuplinks.core.problems import Problem

CONNECT_SECONDS = 5.0
BULK_SECONDS = 120.0
PLANS_KEPT_SECONDS = 60
"""A plan is kept with its statement, and one that was made for an empty table walks through all that comes after."""

_BUSY = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    asyncpg.InvalidCachedStatementError,
    asyncpg.InFailedSQLTransactionError,
)
_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)
DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


def problem_of(error: Exception) -> Problem:
    """What a caller is told of an error of the server's or the driver's."""
    if isinstance(error, _BUSY) or _moved(error):
        return DatabaseBusy("The database was busy with a change to the same rows.")
    if isinstance(error, TimeoutError):
        return DatabaseAway("The database did not answer in time.")
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        return ConstraintBroken(f"The database refused a row: {_first_line(error)}.")
    # The driver's own errors tell of a closed connection, or of a parameter that it refuses, or the number of them.
    refused = isinstance(error, asyncpg.InterfaceError) and "clos" not in str(error)
    if refused or (isinstance(error, asyncpg.PostgresError) and not isinstance(error, _AWAY)):
        return StatementFailed(f"The database refused a statement: {_first_line(error)}.")
    return DatabaseAway(f"The database is away: {_first_line(error)}.")


def _moved(error: Exception) -> bool:
    """True where a row was on its way to one partition while another was made for it: the same write finds that one."""
    return isinstance(error, asyncpg.CheckViolationError) and error.constraint_name is None


def where(url: str) -> str:
    """A database URL without its password, for messages."""
    parts = urlsplit(url)
    return f"{parts.hostname or 'localhost'}:{parts.port or 5432}{parts.path}"


async def connect(url: str, **options: Any) -> Any:
    """A single connection outside of the pool. Raises DatabaseAway."""
    try:
        return await asyncpg.connect(url, timeout=CONNECT_SECONDS, **options)
    except (*DRIVER_ERRORS, ValueError) as error:
        raise DatabaseAway(f"The database {where(url)} cannot be reached: {_first_line(error)}.") from error


class PostgresDatabase(Database):
    """Made by `open`; used from one event loop, by any number of processes."""

    dialect: Literal["sqlite", "postgres"] = "postgres"

    def __init__(self, connections: Connections, notices: Notices) -> None:
        super().__init__()
        self._connections = connections
        self._notices = notices
        self._shared = SharedCommits(connections.lend, problem_of)

    @classmethod
    async def open(
        cls, url: str, *, pool_size: int, command_timeout: float, statement_cache_size: int, listen_url: str | None
    ) -> "PostgresDatabase":
        """Connects. `command_timeout` in seconds bounds every statement: a silently cut connection hangs without it.

        Behind a transaction pooler that cannot keep prepared statements, `statement_cache_size` is 0; and `listen_url`
        goes past it, since LISTEN needs a session.
        """
        connections = Connections(
            lambda: connect(
                url,
                command_timeout=command_timeout,
                statement_cache_size=statement_cache_size,
                max_cached_statement_lifetime=PLANS_KEPT_SECONDS,
            ),
            pool_size,
        )
        # One at once: a wrong address is told at the start.
        async with connections.lend():
            pass
        return cls(connections, Notices(url, listen_url or url))

    def listed(self, values: Sequence[int] | Sequence[str]) -> object:
        """As they are."""
        return values

    async def one(self, sql: str, *params: object) -> Row | None:
        """A point read on any free connection."""
        check(params)
        row: Row | None = await self._reading(lambda connection: connection.fetchrow(sql, *params))
        return row

    async def few(self, sql: str, *params: object) -> list[Row]:
        """A short list."""
        return await self.read(sql, *params)

    async def read(self, sql: str, *params: object) -> list[Row]:
        """A list of any length."""
        check(params)
        rows: list[Row] = await self._reading(lambda connection: connection.fetch(sql, *params))
        return rows

    async def claim(self, statement: Claim, *params: object) -> list[Row]:
        """One statement with RETURNING, committed by itself."""
        check(params)
        rows: list[Row] = await self._once(lambda connection: connection.fetch(statement.postgres, *params))
        return rows

    async def claim_each(self, statement: Claim, sets: Sequence[Sequence[object]]) -> list[Row]:
        """All of them pipelined: each sees what was committed before it began, and they commit together."""
        for params in sets:
            check(params)
        rows: list[Row] = await self._once(lambda connection: connection.fetchmany(statement.postgres, sets))
        return rows

    async def bulk(self, sql: str, *params: object) -> int:
        """One statement in a commit of its own, with a longer time-out."""
        check(params)
        status: str = await self._once(lambda connection: connection.execute(sql, *params, timeout=BULK_SECONDS))
        count = status.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def listen(self, channel: str, wake: Callable[[], None]) -> None:
        """In this process at once, and by LISTEN for commits of others."""
        await super().listen(channel, wake)
        await self._notices.listen(channel, lambda: self._ring_here([channel]), self._lost)

    async def close(self) -> None:
        """Finishes the commits under way and closes every connection."""
        await self._shared.finish()
        await self._notices.close()
        await self._connections.close()

    async def _commit(self, writes: list[Write]) -> None:
        await self._shared.commit(writes)

    def _ring(self, channels: list[str]) -> None:
        self._ring_here(channels)
        self._notices.tell(channels)

    def _ring_here(self, channels: list[str]) -> None:
        super()._ring(channels)

    def _lost(self) -> None:
        for callback in self._listen_lost:
            callback()

    async def _reading(self, run: Callable[[Any], Awaitable[Any]]) -> Any:
        """A read may be sent twice: a connection that the server closed meanwhile is noticed only by using it."""
        try:
            async with self._connections.lend() as connection:
                return await run(connection)
        except DRIVER_ERRORS as error:
            problem = problem_of(error)
            if not isinstance(problem, DatabaseAway) or isinstance(error, TimeoutError):
                raise problem from error
        return await self._once(run)

    async def _once(self, run: Callable[[Any], Awaitable[Any]]) -> Any:
        try:
            async with self._connections.lend() as connection:
                return await run(connection)
        except DRIVER_ERRORS as error:
            raise problem_of(error) from error


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")

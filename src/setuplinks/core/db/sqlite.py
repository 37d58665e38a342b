"""The embedded database: one SQLite file, one serving process.

Owns its connections: the writer's (`writer`), one for point reads in the event loop, and one for each reader thread.
"""

import asyncio
import fcntl
import json
import os
import sqlite3
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

from setuplinks.core.db.database import Claim, Database
from setuplinks.core.db.errors import DatabaseAway, DatabaseInUse
from setuplinks.core.db.text import check, for_sqlite, placeholders
from setuplinks.core.db.unit import Row, Write
from setuplinks.core.db.writer import Writer, problem_of

LOCK_WAIT_SECONDS = 5.0
READERS = 2


def _use_wal(connection: sqlite3.Connection) -> None:
    """Two that open a fresh file at once: the switch to WAL says "locked" at once, whatever the time-out."""
    for _ in range(100):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            time.sleep(0.02)
        else:
            return
    connection.execute("PRAGMA journal_mode = WAL")


def connect(path: Path, *, query_only: bool = False) -> sqlite3.Connection:
    """A connection with every pragma that durability and the schema rely on; commits are the caller's."""
    try:
        connection = sqlite3.connect(
            path, timeout=LOCK_WAIT_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=512
        )
    except sqlite3.Error as error:
        raise DatabaseAway(f"The database file {path} cannot be opened: {error}.") from error
    try:
        connection.row_factory = sqlite3.Row
        # WAL: readers never wait for the writer. FULL: what was acknowledged survives a power cut, NORMAL may lose it.
        _use_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        if query_only:
            connection.execute("PRAGMA query_only = ON")
    except sqlite3.Error as error:
        connection.close()
        raise DatabaseAway(f"The database file {path} cannot be opened: {error}.") from error
    return connection


class SqliteDatabase(Database):
    """Made by `open`; used from one event loop."""

    dialect: Literal["sqlite", "postgres"] = "sqlite"

    def __init__(self, path: Path, lock: int | None) -> None:
        super().__init__()
        self._path = path
        self._lock = lock
        self._write_connection = connect(path)
        try:
            self._point = connect(path, query_only=True)
        except DatabaseAway:
            self._write_connection.close()
            raise
        self._writer = Writer(self._write_connection, asyncio.get_running_loop())
        self._writer.start()
        self._local = threading.local()
        self._reader_connections: list[sqlite3.Connection] = []
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="sqlite-reader")
        self._closed = False

    @classmethod
    def open(cls, path: Path, *, flock: bool = True) -> "SqliteDatabase":
        """Opens or makes the file. `flock` is for the serving process: a second one is refused with DatabaseInUse."""
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = _take_lock(path) if flock else None
        except OSError as error:
            raise DatabaseAway(f"The folder {path.parent} cannot be used: {error.strerror}.") from error
        try:
            return cls(path, lock)
        except BaseException:
            if lock is not None:
                os.close(lock)
            raise

    def listed(self, values: Sequence[int] | Sequence[str]) -> object:
        """As JSON."""
        return json.dumps(values)

    async def one(self, sql: str, *params: object) -> Row | None:
        """A point read, in the event loop: 3 µs there, 31 µs by way of a thread (measured)."""
        rows = self._here(sql, params, first=True)
        return rows[0] if rows else None

    async def few(self, sql: str, *params: object) -> list[Row]:
        """A short list, in the event loop like `one`."""
        return self._here(sql, params)

    async def read(self, sql: str, *params: object) -> list[Row]:
        """A list of any length, in a reader thread."""
        check(params)
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._in_thread, sql, params)

    async def claim(self, statement: Claim, *params: object) -> list[Row]:
        """Runs the claim's statements in one savepoint of the shared commit."""
        check(params)
        rows: list[Row] = await self._writer.submit(
            lambda connection: _run_claim(connection, statement, params), certain=True
        )
        return rows

    async def claim_each(self, statement: Claim, sets: Sequence[Sequence[object]]) -> list[Row]:
        """All of them in one savepoint of the shared commit."""
        for params in sets:
            check(params)
        rows: list[Row] = await self._writer.submit(
            lambda connection: [row for params in sets for row in _run_claim(connection, statement, params)],
            certain=True,
        )
        return rows

    async def bulk(self, sql: str, *params: object) -> int:
        """One statement in a commit of its own."""
        check(params)
        touched: int = await self._writer.submit(
            lambda connection: connection.execute(for_sqlite(sql), params).rowcount, alone=True
        )
        return max(touched, 0)

    async def close(self) -> None:
        """Commits what is queued, then closes every connection."""
        if self._closed:
            return
        self._closed = True
        self._writer.stop()
        await asyncio.to_thread(self._writer.join)
        await asyncio.to_thread(self._readers.shutdown)
        for connection in (self._point, *self._reader_connections, self._write_connection):
            connection.close()
        if self._lock is not None:
            os.close(self._lock)

    async def _commit(self, writes: list[Write]) -> None:
        certain = all(write.problem is None for write in writes)
        await self._writer.submit(writes, certain=certain)

    def _here(self, sql: str, params: Sequence[Any], *, first: bool = False) -> list[Row]:
        check(params)
        try:
            return _rows(self._point, sql, params, first=first)
        except sqlite3.Error as error:
            raise problem_of(error) from error

    def _in_thread(self, sql: str, params: Sequence[Any]) -> list[Row]:
        try:
            connection = self._local.connection
        except AttributeError:
            connection = self._local.connection = connect(self._path, query_only=True)
            self._reader_connections.append(connection)
        try:
            return _rows(connection, sql, params)
        except sqlite3.Error as error:
            raise problem_of(error) from error


def _rows(connection: sqlite3.Connection, sql: str, params: Sequence[Any], *, first: bool = False) -> list[Row]:
    cursor = connection.execute(for_sqlite(sql), params)
    try:
        return cursor.fetchmany(1) if first else cursor.fetchall()
    finally:
        # A statement that is not reset keeps its old snapshot, and with it the WAL from being checkpointed.
        cursor.close()


def _run_claim(connection: sqlite3.Connection, claim: Claim, params: Sequence[Any]) -> list[Row]:
    answer: list[Row] = []
    for sql in claim.sqlite:
        cursor = connection.execute(for_sqlite(sql), params[: placeholders(sql)])
        if cursor.description is not None:
            answer = cursor.fetchall()
        cursor.close()
    return answer


def _take_lock(path: Path) -> int:
    # Its own file: closing any other descriptor of the database file would drop SQLite's own locks on it.
    lock = os.open(path.with_name(path.name + "-serving"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise DatabaseInUse(f"Another process already serves the database file {path}.") from None
    return lock

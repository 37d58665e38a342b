"""SQLite's one writer: a thread that commits whatever queued meanwhile in one transaction.

Owns the write connection. One COMMIT (one fsync) is shared by all; nobody hears of success before it. A unit with
guards has a savepoint, so that it rolls back alone; where another one fails, all run again with a savepoint each. It
does not own reads.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Any, cast

from setuplinks.core.db.errors import (
    ConstraintBroken,
    DatabaseAway,
    DatabaseBusy,
    MissedGuard,
    OutcomeUnknown,
    StatementFailed,
)
from setuplinks.core.db.text import TOGETHER, for_sqlite, in_few
from setuplinks.core.db.unit import Write
from setuplinks.core.problems import Problem

SHARE = 256

_AWAY = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
}


def problem_of(error: sqlite3.Error) -> Problem:
    """What a caller is told of an error of SQLite's."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return DatabaseBusy("Another process holds the database file's write lock.")
    if code in _AWAY:
        return DatabaseAway(f"The database file cannot be used: {error}.")
    if isinstance(error, sqlite3.IntegrityError):
        return ConstraintBroken(f"The database refused a row: {error}.")
    return StatementFailed(f"The database refused a statement: {error}.")


@dataclass(eq=False)
class Job:
    """Writes, or something to run on the write connection, and whom to tell.

    `run` may run twice, the first time undone. What is `certain` only fails where the database does.
    """

    run: Callable[[sqlite3.Connection], Any] | list[Write]
    future: asyncio.Future[Any]
    alone: bool = False
    certain: bool = False
    answer: Any = None
    failure: BaseException | None = None

    def act(self, connection: sqlite3.Connection) -> None:
        """Does it, and keeps the answer."""
        if isinstance(self.run, list):
            run_writes(connection, self.run)
        else:
            self.answer = self.run(connection)


def run_writes(connection: sqlite3.Connection, writes: list[Write]) -> None:
    """Sends a unit's writes in order; stops at the first missed guard.

    Rows for one table that follow one another go together: a statement is run without the interpreter's lock, and
    between two of them this thread waits for the event loop to let go of it.
    """
    for sql, params, count, problem in _statements(writes):
        touched = connection.execute(for_sqlite(sql), params).rowcount
        if problem is not None and touched != count:
            raise MissedGuard(problem)


def _statements(writes: list[Write]) -> Iterator[tuple[str, tuple[object, ...], int, Problem | None]]:
    if len(writes) < TOGETHER[-1]:
        yield from ((write.sql, write.params, 1, write.problem) for write in writes)
        return
    for (sql, problem), run in groupby(writes, key=_kind):
        for text, params, count in in_few(sql, [write.params for write in run]):
            yield text, params, count, problem


def _kind(write: Write) -> tuple[str, Problem | None]:
    return write.sql, write.problem


class Writer(threading.Thread):
    """The thread. `connection` is used by nobody else while it runs."""

    def __init__(self, connection: sqlite3.Connection, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(name="sqlite-writer", daemon=True)
        self._connection = connection
        self._loop = loop
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()

    async def submit(
        self, run: Callable[[sqlite3.Connection], Any] | list[Write], *, alone: bool = False, certain: bool = False
    ) -> Any:
        """Runs on the write connection and returns after the commit. A caller that goes away does not undo it."""
        job = Job(run, self._loop.create_future(), alone, certain)
        self._queue.put(job)
        return await job.future

    def stop(self) -> None:
        """What is queued is still committed; then the thread ends."""
        self._queue.put(None)

    def run(self) -> None:
        """Takes what waits, commits it, tells everybody; until stopped."""
        while (job := self._queue.get()) is not None:
            jobs, following = self._gather(job)
            self._commit(jobs)
            if isinstance(following, Job):
                self._commit([following])
            if following is STOP:
                return

    def _gather(self, first: Job) -> tuple[list[Job], "Job | object | None"]:
        """The jobs that share one commit, and what follows them: a job that runs alone, the stop mark, or None."""
        jobs = [first]
        if first.alone:
            return jobs, None
        with suppress(queue.Empty):
            while len(jobs) < SHARE:
                job = self._queue.get_nowait()
                if job is None:
                    return jobs, STOP
                if job.alone:
                    return jobs, job
                jobs.append(job)
        return jobs, None

    def _commit(self, jobs: list[Job]) -> None:
        connection = self._connection
        begun = committing = False
        try:
            connection.execute("BEGIN IMMEDIATE")
            begun = True
            if not self._run_together(jobs):
                connection.execute("BEGIN IMMEDIATE")
                for job in jobs:
                    self._run_in_savepoint(job)
            committing = True
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            problem = problem_of(error)
            if committing and isinstance(problem, DatabaseAway):
                problem = OutcomeUnknown(f"The database file did not take the change: {error}.")
            if not begun:
                # Somebody holds the file: those behind would each wait as long again, and be ever more.
                jobs = jobs + self._behind()
            for job in jobs:
                job.failure = job.failure or problem
            if connection.in_transaction:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
        # The loop is closed when the process stops with units still under way: nobody is left to be told.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(_tell, jobs)

    def _behind(self) -> list[Job]:
        """All jobs that wait now; the stop mark stays."""
        found: list[Job] = []
        with suppress(queue.Empty):
            while True:
                job = self._queue.get_nowait()
                if job is None:
                    self._queue.put(None)
                    return found
                found.append(job)
        return found

    def _run_together(self, jobs: list[Job]) -> bool:
        """Without a savepoint for what is certain, or alone; False where it failed, and all is undone."""
        connection = self._connection
        try:
            for simple, run in groupby(jobs, key=_is_simple):
                if simple:  # as if one unit had written them
                    run_writes(connection, [write for job in run for write in cast(list[Write], job.run)])
                    continue
                for job in run:
                    if job.certain or len(jobs) == 1:
                        job.act(connection)
                    else:
                        self._run_in_savepoint(job)
        except Exception:
            for job in jobs:
                job.answer = job.failure = None
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            return False
        return True

    def _run_in_savepoint(self, job: Job) -> None:
        connection = self._connection
        connection.execute("SAVEPOINT unit")
        try:
            job.act(connection)
        except Exception as error:
            job.failure = problem_of(error) if isinstance(error, sqlite3.Error) else error
            if not connection.in_transaction:
                # A full disk or a read error makes SQLite roll back the whole transaction: all of its units are lost.
                raise sqlite3.OperationalError("the transaction was rolled back") from error
            connection.execute("ROLLBACK TO unit")
        connection.execute("RELEASE unit")


STOP = object()


def _is_simple(job: Job) -> bool:
    return job.certain and isinstance(job.run, list)


def _tell(jobs: list[Job]) -> None:
    for job in jobs:
        if job.future.done():
            continue
        if job.failure is None:
            job.future.set_result(job.answer)
        else:
            job.future.set_exception(job.failure)

"""Runs all runners: wakes them when there is work, lets them rest when there is none, stops them gracefully.

Owns the loop, not the work. The database is the queue: a wake-up only shortens the wait, polling is the guarantee.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from setuplinks.core import metrics
from setuplinks.core.db.database import Database
from setuplinks.core.logs import act
from setuplinks.core.problems import Problem

POLL = 0.5  # seconds between looks without a wake-up
REST = 2.0  # seconds after a failed round
DRAIN_ROUNDS = 1_000

log = logging.getLogger("setuplinks.worker")


class Runner(Protocol):
    """Somebody with due rows to handle."""

    @property
    def name(self) -> str:
        """For logs and metrics."""
        ...

    @property
    def channel(self) -> str:
        """The wake-up channel that says that there may be work."""
        ...

    async def run_once(self) -> int:
        """Handles what is due now; how many items were handled, 0 when there is nothing left to do."""
        ...


class Workers:
    """All runners of one process."""

    def __init__(self, db: Database, runners: Sequence[Runner]) -> None:
        self._db, self.runners = db, tuple(runners)
        self._wakes = {runner.name: asyncio.Event() for runner in runners}
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begins to run; returns at once."""
        for runner in self.runners:
            await self._db.listen(runner.channel, self._wakes[runner.name].set)
            attach = getattr(runner, "attach", None)
            if attach is not None:
                attach(self._wakes[runner.name].set)
            self._tasks.append(asyncio.create_task(self._loop(runner), name=runner.name))

    async def stop(self) -> None:
        """Lets every runner finish its round, then returns: what was claimed is done, not dropped."""
        self._stopping.set()
        for wake in self._wakes.values():
            wake.set()
        await asyncio.gather(*self._tasks)
        for runner in self.runners:
            finish = getattr(runner, "finish", None)
            if finish is not None:
                try:
                    await finish()
                except Exception:  # the others' work is finished all the same; this one's is left to its leases
                    log.exception("worker.finish_failed", extra={"fields": {"runner": runner.name}})

    async def drain(self) -> int:
        """Runs all runners until none has anything due; for tests and for programs that end. How many were handled."""
        total = 0
        for _ in range(DRAIN_ROUNDS):
            done = sum([await runner.run_once() for runner in self.runners])
            total += done
            if not done:
                return total
        raise RuntimeError("the runners never come to rest")

    async def _loop(self, runner: Runner) -> None:
        wake = self._wakes[runner.name]
        while not self._stopping.is_set():
            wake.clear()
            rest = POLL
            try:
                done = await runner.run_once()
                metrics.runs.labels(runner.name).inc(done)
                if done:
                    continue
            except Problem as error:  # the database is away: it says so once a round, and goes on by itself
                act(log, "worker.waits", logging.WARNING, runner=runner.name, why=error.code, detail=error.detail)
                metrics.crashes.labels(runner.name).inc()
                rest = REST
            except Exception:
                log.exception("worker.round_failed", extra={"fields": {"runner": runner.name}})
                metrics.crashes.labels(runner.name).inc()
                rest = REST
            if not self._stopping.is_set():
                await self._wait(wake, rest)

    async def _wait(self, wake: asyncio.Event, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await wake.wait()
        except TimeoutError:
            return

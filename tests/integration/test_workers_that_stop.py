"""A process that ends lets each of its runners end, whatever becomes of another."""

import logging

import pytest

from setuplinks.core.db.database import Database
from setuplinks.worker import Workers


class Runner:
    """One that finishes, or fails at it."""

    def __init__(self, name: str, fault: Exception | None = None) -> None:
        self.name, self.channel = name, name
        self.fault, self.finished = fault, False

    async def run_once(self) -> int:
        """Nothing is due."""
        return 0

    async def finish(self) -> None:
        """What is left."""
        if self.fault is not None:
            raise self.fault
        self.finished = True


async def test_a_runner_that_fails_to_finish_keeps_no_other_from_it(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, "setuplinks")
    broken, other = Runner("broken", RuntimeError("nobody foresaw this")), Runner("other")
    workers = Workers(db, [broken, other])
    await workers.start()
    await workers.stop()
    assert other.finished
    assert [record.message for record in caplog.records] == ["worker.finish_failed"]

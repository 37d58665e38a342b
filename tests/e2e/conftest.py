"""What browser tests ask for beyond the rest: a service that works by itself, as a person would meet it."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from setuplinks.core.clock import ManualClock
from setuplinks.core.db.open import FILE_NAME, open_database
from tests.support.service import RunningService, running_service


@pytest.fixture
async def live_service(clock: ManualClock, data_dir: Path, sqlite_template: Path) -> AsyncIterator[RunningService]:
    """The service on SQLite with its workers running; the databases are told apart by the integration tests."""
    shutil.copy(sqlite_template / FILE_NAME, data_dir / FILE_NAME)
    db = await open_database(None, data_dir)
    try:
        async with running_service(db, clock, data_dir, workers=True) as running:
            yield running
    finally:
        await db.close()

"""A real `serve` process that is killed, beside Meta's stand-in, which lives on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.recovery.mortal import Mortal, running_mortal


@pytest.fixture
async def mortal(data_dir: Path, database_url: str | None) -> AsyncIterator[Mortal]:
    """The service as a process that a test may kill and start again."""
    async with running_mortal(data_dir, database_url) as running:
        yield running

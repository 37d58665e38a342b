"""The JSON routes in process, on each database."""

from collections.abc import AsyncIterator

import pytest

from setuplinks.core.clock import ManualClock
from setuplinks.core.db.database import Database
from tests.integration.tenants.json_api import JsonApi, running_api


@pytest.fixture
async def api(db: Database, clock: ManualClock) -> AsyncIterator[JsonApi]:
    """The routes of tenants and customers."""
    async with running_api(db, clock) as running:
        yield running

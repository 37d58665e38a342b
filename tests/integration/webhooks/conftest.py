"""The webhooks room on each database."""

from collections.abc import AsyncIterator

import pytest

from setuplinks.core.clock import ManualClock
from setuplinks.core.db.database import Database
from tests.integration.webhooks.room import Room, running_room


@pytest.fixture
async def room(db: Database, clock: ManualClock) -> AsyncIterator[Room]:
    """The room, loopback opened for its deliveries."""
    async with running_room(db, clock) as running:
        yield running

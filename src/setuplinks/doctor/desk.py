"""Examinations for a process that serves: those who ask at the same time get the same one.

Each calls Meta half a dozen times; a page that is reloaded in haste, or by several people, must not multiply that.
"""

import asyncio

from setuplinks.core.clock import Clock
from setuplinks.core.db.database import Database
from setuplinks.doctor.examine import examine
from setuplinks.doctor.models import Report
from setuplinks.settings import Settings


class Desk:
    """One for each process."""

    def __init__(self, settings: Settings, clock: Clock, db: Database) -> None:
        self._settings, self._clock, self._db = settings, clock, db
        self._running: asyncio.Task[Report] | None = None

    async def look(self) -> Report:
        """The examination that is under way, or a new one. Who goes away meanwhile does not end it for the others."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(examine(self._settings, self._clock, self._db))
        return await asyncio.shield(self._running)

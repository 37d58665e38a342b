"""What was read of keys: kept for half a minute at most, forgotten in every process at once, their last use noted.

Owns the cache and the note. What makes a key good is its reader's to say: `auth` for tenants' keys, the gateway for
those of an account.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from setuplinks.core.clock import MINUTE, SECOND, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.problems import Problem

CACHE_FOR = 30 * SECOND
NOTE_USE_EVERY = MINUTE
CACHED = 10_000
CHANNEL = "keys"

log = logging.getLogger("setuplinks.auth")

P = TypeVar("P", bound=Hashable)
V = TypeVar("V")


@dataclass(slots=True)
class Known(Generic[V]):
    """One key as it was read. Instants in µs; `noted_at`: when its last use was written, as far as is known here."""

    value: V
    noted_at: int
    read_at: int = 0


class KeyMemory(Generic[P, V]):
    """Keys by their proof. `note_use` is SQL with tenant, key and instant; `start` has to run before the first look."""

    def __init__(self, db: Database, clock: Clock, note_use: str) -> None:
        self._db, self._clock, self._note_use = db, clock, note_use
        self._known: dict[P, Known[V]] = {}
        self._era = 0
        self._notes: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begins to listen for revoked keys and suspended owners."""
        await self._db.listen(CHANNEL, self.forget)
        self._db.on_listen_lost(self.forget)

    def forget(self) -> None:
        """Drops every cached key; one that is being read right now is not kept either."""
        self._era += 1
        self._known.clear()

    async def settle(self) -> None:
        """Waits until every note of a key's last use is written."""
        while self._notes:
            # Tasks that are done already are gathered without yielding, so the set is emptied here.
            notes = tuple(self._notes)
            await asyncio.gather(*notes, return_exceptions=True)
            self._notes.difference_update(notes)

    def fresh(self, proof: P) -> Known[V] | None:
        """The key as it was read less than half a minute ago."""
        known = self._known.get(proof)
        return known if known is not None and 0 <= self._clock.now() - known.read_at < CACHE_FOR else None

    async def read(self, proof: P, find: Callable[[], Awaitable[Known[V] | None]]) -> Known[V] | None:
        """The key as `find` reads it now, kept; None where there is none."""
        era, now = self._era, self._clock.now()
        known = await find()
        if known is None:
            self._known.pop(proof, None)
            return None
        known.read_at = now
        if era == self._era:
            if len(self._known) >= CACHED:
                self._known.clear()
            self._known[proof] = known
        return known

    def used(self, known: Known[V], tenant_id: int | None, key_id: int | None) -> None:
        """Notes the use, once a minute; the note is written beside the request."""
        now = self._clock.now()
        if now - known.noted_at < NOTE_USE_EVERY:
            return
        known.noted_at = now
        task = asyncio.get_running_loop().create_task(self._write_use(tenant_id, key_id, now))
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)

    async def _write_use(self, tenant_id: int | None, key_id: int | None, now: int) -> None:
        try:
            async with self._db.transaction() as tx:
                tx.add(self._note_use, tenant_id, key_id, now)
        except Problem as error:  # the note is a courtesy; the request that it tells of was answered
            log.warning("auth.last_use_not_noted: %s", error.code)

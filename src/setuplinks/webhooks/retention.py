"""Drops what is older than the settings keep: attempts, messages' payloads, then other payloads, deliveries, events.

Owns the SQL of dropping. Ids are UUIDv7, so an age is a range of the primary key; slices keep each commit short.
"""

from setuplinks.core.clock import DAY, HOUR, Clock
from setuplinks.core.db.database import Database

LOOK_EVERY = HOUR
SLICE = 1_000

TENANTS = "SELECT DISTINCT tenant_id FROM event WHERE id < $1"
DROP_ATTEMPTS = (
    "DELETE FROM attempt WHERE tenant_id = $1 AND delivery_id IN (SELECT DISTINCT delivery_id FROM attempt "
    "WHERE tenant_id = $1 AND delivery_id < $2 ORDER BY delivery_id LIMIT $3)"
)
DROP_PAYLOADS = (
    "DELETE FROM event_payload WHERE tenant_id = $1 AND event_id IN (SELECT event_id FROM event_payload "
    "WHERE tenant_id = $1 AND event_id < $2 ORDER BY event_id LIMIT $3)"
)
DROP_MESSAGES = (
    "DELETE FROM message_payload WHERE tenant_id = $1 AND event_id IN (SELECT event_id FROM message_payload "
    "WHERE tenant_id = $1 AND event_id < $2 ORDER BY event_id LIMIT $3)"
)
DROP_DELIVERIES = (
    "DELETE FROM delivery WHERE tenant_id = $1 AND id IN (SELECT id FROM delivery "
    "WHERE tenant_id = $1 AND id < $2 ORDER BY id LIMIT $3)"
)
DROP_EVENTS = (
    "DELETE FROM event WHERE tenant_id = $1 AND id IN (SELECT id FROM event "
    "WHERE tenant_id = $1 AND id < $2 ORDER BY id LIMIT $3)"
)


LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff"
"""No id sorts after it."""


def before(at: int) -> str:
    """The least UUIDv7 of the instant `at` (µs): every older id sorts before it."""
    digits = f"{max(at, 0) // 1_000:012x}"
    return f"{digits[:8]}-{digits[8:]}-7000-8000-000000000000"


class Retention:
    """One of the worker's runners; it looks once an hour. Days as the settings have them."""

    name = "retention"
    channel = "retention"

    def __init__(self, db: Database, clock: Clock, *, message_days: int, event_days: int, attempt_days: int) -> None:
        self._db, self._clock = db, clock
        self._message_days, self._event_days, self._attempt_days = message_days, event_days, attempt_days
        self._looked_at: int | None = None

    async def run_once(self) -> int:
        """One slice of each kind and tenant; how many rows were dropped, 0 when nothing is over."""
        now = self._clock.now()
        if self._looked_at is not None and now - self._looked_at < LOOK_EVERY:
            return 0
        attempts, events = before(now - self._attempt_days * DAY), before(now - self._event_days * DAY)
        messages = before(now - min(self._message_days, self._event_days) * DAY)
        dropped = 0
        for row in await self._db.read(TENANTS, max(attempts, events, messages)):
            tenant_id = row["tenant_id"]
            dropped += await self._db.bulk(DROP_MESSAGES, tenant_id, messages, SLICE)
            dropped += await self._db.bulk(DROP_ATTEMPTS, tenant_id, attempts, SLICE)
            for text in (DROP_PAYLOADS, DROP_DELIVERIES, DROP_EVENTS):
                dropped += await self._db.bulk(text, tenant_id, events, SLICE)
        if not dropped:
            self._looked_at = now
        return dropped

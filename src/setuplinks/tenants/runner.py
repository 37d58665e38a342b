"""Erases stored answers when their 24 hours are over."""

from setuplinks.core.clock import MINUTE, Clock
from setuplinks.tenants.idempotency import Idempotency

LOOK_EVERY = MINUTE


class AnswerEraser:
    """One for each process that runs workers; it looks once a minute."""

    name = "idempotency"
    channel = "idempotency"

    def __init__(self, idempotency: Idempotency, clock: Clock) -> None:
        self._idempotency, self._clock = idempotency, clock
        self._looked_at: int | None = None

    async def run_once(self) -> int:
        """Erases a slice of what is over; 0 when there is nothing left, or it is not yet time to look."""
        now = self._clock.now()
        if self._looked_at is not None and now - self._looked_at < LOOK_EVERY:
            return 0
        erased = await self._idempotency.erase()
        if not erased:
            self._looked_at = now
        return erased

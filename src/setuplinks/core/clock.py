"""Time as a value that is passed in.

Owns the clock object and the two spellings of an instant: microseconds since 1970 (UTC) in code and rows,
RFC 3339 on the wire (`core/wire`). It does not own the database's clock, by which leases live.
"""

import time
from typing import Protocol

MILLISECOND = 1_000
SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> int:
        """Microseconds since 1970-01-01T00:00:00Z."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """Microseconds since 1970-01-01T00:00:00Z."""
        return time.time_ns() // 1_000


class ManualClock:
    """A clock that moves only when it is told to."""

    def __init__(self, start: int) -> None:
        self._now = start

    def now(self) -> int:
        """Microseconds since 1970-01-01T00:00:00Z."""
        return self._now

    def advance(self, microseconds: int) -> int:
        """Moves forward and returns the new time; time never goes back."""
        if microseconds < 0:
            raise ValueError("time never goes back")
        self._now += microseconds
        return self._now

    def set(self, now: int) -> None:
        """Moves to an instant, forward or back: tests pin the guide's own dates with it."""
        self._now = now

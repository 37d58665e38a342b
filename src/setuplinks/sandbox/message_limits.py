"""Meta's limits of speed, counted where the settings ask for it: a number's throughput, one pair's pace, an account's
calls. All by the sandbox's clock (contract 5).
"""

from collections import deque

from setuplinks.sandbox.clock import Clock
from setuplinks.sandbox.config import Settings
from setuplinks.sandbox.graph_errors import error_of

HOUR = 3600.0
PAIRS_KEPT = 50_000


class Meter:
    """What was sent and called lately."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sent: dict[str, deque[float]] = {}  # number id → moments within the last second
        self._pairs: dict[tuple[str, str], tuple[float, float]] = {}  # number and person → tokens left, as of
        self._calls: dict[str, deque[float]] = {}  # account id → moments within the last hour

    def message(self, settings: Settings, number_id: str, person: str, *, coexistence: bool) -> None:
        """Counts a message, or raises 130429 or 131056."""
        if not settings.limits:
            return
        most = settings.coexistence_messages_per_second if coexistence else settings.messages_per_second
        now, lately = self._clock.now(), self._sent.setdefault(number_id, deque())
        _forget(lately, now - 1.0)
        if len(lately) >= most:
            raise error_of(130429, details="Message failed to send because there were too many messages in a second.")
        self._pair(settings, number_id, person, now)
        lately.append(now)

    def _pair(self, settings: Settings, number_id: str, person: str, now: float) -> None:
        left, as_of = self._pairs.pop((number_id, person), (float(settings.pair_burst), now))
        left = min(float(settings.pair_burst), left + (now - as_of) / max(settings.pair_seconds, 0.001))
        self._pairs[number_id, person] = (left - 1 if left >= 1 else left, now)
        while len(self._pairs) > PAIRS_KEPT:
            del self._pairs[next(iter(self._pairs))]
        if left < 1:
            raise error_of(131056, details="Too many messages to this phone number in a short time.")

    def call(self, settings: Settings, waba_id: str) -> None:
        """Counts a call of management, or raises 80007."""
        if not settings.limits:
            return
        now, lately = self._clock.now(), self._calls.setdefault(waba_id, deque())
        _forget(lately, now - HOUR)
        if len(lately) >= settings.calls_per_hour:
            raise error_of(80007)
        lately.append(now)


def _forget(moments: deque[float], before: float) -> None:
    while moments and moments[0] <= before:
        moments.popleft()

"""Faults by rate: which of Graph's calls go wrong and how, the same ones for the same seed. Answers nothing itself.

A kind's fate is drawn for the n-th call of a name, so that two runs with one seed agree however their calls interleave.
"""

import random
from collections import Counter
from dataclasses import dataclass, field

BROKEN = ("cut", "empty", "html", "lost", "reset", "stall", "throttle")
"""Kinds beside the HTTP statuses 500 to 599. `lost` and `cut` happen after the call was carried out."""


@dataclass(slots=True)
class Weather:
    """What `POST /sandbox/faults` sets as `rates`. Shares are of 1 and add up to 1 at most; empty `calls` means all."""

    rates: dict[str, float] = field(default_factory=dict)
    latency_ms: int = 0  # every call waits this long, and up to as much again by chance
    stall_seconds: float = 30.0
    seed: int = 1
    calls: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one call: seconds that it waits first, and its fault, if it has one."""

    delay: float
    kind: str | None


def refusal(weather: Weather) -> str | None:
    """Why these rates cannot be, or None."""
    unknown = sorted(kind for kind in weather.rates if kind not in BROKEN and kind not in map(str, range(500, 600)))
    if unknown:
        return f"unknown: {', '.join(unknown)}; known: {', '.join(BROKEN)}, and 500 to 599"
    if any(not 0 <= rate <= 1 for rate in weather.rates.values()) or sum(weather.rates.values()) > 1:
        return "rates are shares from 0 to 1, and together at most 1"
    if not 0 <= weather.latency_ms <= 60_000 or not 0 <= weather.stall_seconds <= 600:
        return "latencyMs goes up to 60000, stallSeconds up to 600"
    return None


class Forecast:
    """The weather and how often it has struck."""

    def __init__(self) -> None:
        self.weather: Weather | None = None
        self.struck: Counter[str] = Counter()
        self._seen: Counter[str] = Counter()

    def set(self, weather: Weather | None) -> None:
        """Begins anew: the first call after this is the first of its name."""
        self.weather = weather
        self.struck.clear()
        self._seen.clear()

    def next(self, call: str) -> Fate:
        """The fate of the next call of this name."""
        weather = self.weather
        if weather is None or (weather.calls and call not in weather.calls):
            return Fate(0.0, None)
        self._seen[call] += 1
        chance = random.Random(f"{weather.seed}:{call}:{self._seen[call]}")
        delay, drawn = weather.latency_ms / 1000 * (1 + chance.random()), chance.random()
        for kind, rate in sorted(weather.rates.items()):
            if drawn < rate:
                self.struck[kind] += 1
                return Fate(delay, kind)
            drawn -= rate
        return Fate(delay, None)

"""When a delivery is tried again, when an endpoint is left alone, when it is given up: values in, values out.

Owns the ladder, `Retry-After`, the breaker and automatic disabling. It does not own what counts as which failure
(`core/outbound` names it, `sender` judges it) nor any row.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum

from setuplinks.core.clock import DAY, HOUR, MINUTE, SECOND

LADDER = (0, 5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
"""The wait before each try, in µs; the first follows the event at once."""
JITTER = 0.2
RETRY_AFTER_MOST = 24 * HOUR
BREAKER_OPENS_AFTER = 5
BREAKER_FIRST = 5 * SECOND
BREAKER_MOST = 5 * MINUTE
DISABLE_AFTER = 5 * DAY


class Verdict(StrEnum):
    """What one try means for its delivery."""

    DELIVERED = "delivered"
    RETRY = "retry"
    FINAL = "final"
    """No later try can be better: a refused address, a certificate of another name, a URL that cannot be called."""
    GONE = "gone"
    """The receiver answered 410: it wants no more of anything."""


def next_due(tries: int, now: int, chance: float, retry_after: int | None = None) -> int | None:
    """When to try again after `tries` failures of this delivery; None when the ladder has ended.

    `chance` is uniform in [0, 1) and spreads the wait by ±20 %. `retry_after` (µs from now) is the earliest that the
    receiver wants; it lengthens a wait and never shortens one.
    """
    if tries >= len(LADDER):
        return None
    wait = round(LADDER[tries] * (1 - JITTER + 2 * JITTER * chance))
    return now + max(wait, min(retry_after or 0, RETRY_AFTER_MOST))


def retry_after(header: str | None, now: int) -> int | None:
    """A `Retry-After` header (seconds or an HTTP date) as µs from now, at most a day; None when it says nothing."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return RETRY_AFTER_MOST if len(text) > 9 else min(int(text) * SECOND, RETRY_AFTER_MOST)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, IndexError, TypeError):
        return None
    at = round((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() * SECOND)
    return min(max(at - now, 0), RETRY_AFTER_MOST)


@dataclass(frozen=True, slots=True)
class Health:
    """How an endpoint has been doing.

    `failures` counts straight failures, `failing_since` is the first of them. While `breaker_until` lies ahead nothing
    is sent; once it has passed one probe may go. `breaker_step` counts how often the breaker has opened in a row.
    """

    failures: int = 0
    failing_since: int | None = None
    breaker_until: int | None = None
    breaker_step: int = 0


def weigh(health: Health, verdicts: Iterable[Verdict], now: int) -> Health:
    """The endpoint's health after some tries, in the order in which they ended."""
    for verdict in verdicts:
        health = Health() if verdict is Verdict.DELIVERED else _after_failure(health, now)
    return health


def _after_failure(health: Health, now: int) -> Health:
    since = now if health.failing_since is None else health.failing_since
    failed = replace(health, failures=health.failures + 1, failing_since=since)
    if health.breaker_until is None:
        return _open(failed, now, 0) if failed.failures >= BREAKER_OPENS_AFTER else failed
    if health.breaker_until <= now:  # this was the probe
        return _open(failed, now, health.breaker_step)
    return failed  # a try that was under way when the breaker opened: it tells nothing new


def _open(health: Health, now: int, step: int) -> Health:
    wait = min(BREAKER_FIRST << min(step, 16), BREAKER_MOST)
    return replace(health, breaker_until=now + wait, breaker_step=step + 1)


def given_up(health: Health, now: int) -> bool:
    """True when the endpoint has done nothing but fail for five days."""
    return health.failing_since is not None and now - health.failing_since >= DISABLE_AFTER

"""Meta's hosts as anybody may ask them: the sign-in script, and the time by their answer."""

import asyncio
from email.utils import parsedate_to_datetime

from setuplinks.core.clock import SECOND, Clock
from setuplinks.core.outbound.client import Answer, Outbound
from setuplinks.doctor.models import Check
from setuplinks.settings import PREFIX, Settings

MOST_BYTES = 2_000_000
SKEW_SEEN, SKEW_BAD = 10, 120  # seconds; receivers refuse webhooks that are five minutes off


async def of_hosts(settings: Settings, outbound: Outbound, clock: Clock) -> list[Check]:
    """The script, and our clock against Graph's `Date`."""
    script, home = await asyncio.gather(
        outbound.fetch(settings.meta_sdk_url, MOST_BYTES), _dated(settings, outbound, clock)
    )
    answer, now = home
    return [sdk(settings, script), clock_against(None if answer.failure else answer.headers.get("date"), now)]


async def _dated(settings: Settings, outbound: Outbound, clock: Clock) -> tuple[Answer, float]:
    """An answer of Graph's host, whatever it says, and our time (unix seconds) when it came."""
    answer = await outbound.fetch(f"{settings.meta_graph_url}/", MOST_BYTES)
    return answer, clock.now() / SECOND


def sdk(settings: Settings, script: Answer) -> Check:
    """Whether the sign-in script is where browsers will look for it."""
    name, url, fix = "JavaScript SDK", settings.meta_sdk_url, f"{PREFIX}META_SDK_URL"
    if script.failure is not None:
        said = f"{url} cannot be reached from here ({script.failure.words}); customers' browsers must reach it"
        return Check(name, "warn", said, fix)
    if script.status != 200:
        return Check(name, "fail", f"{url} answers {script.status}", fix)
    return Check(name, "pass", url)


def clock_against(date: str | None, now: float) -> Check:
    """This machine's clock (unix seconds) against the `Date` of an answer that came just now."""
    try:
        off = now - parsedate_to_datetime(date or "").timestamp()
    except (TypeError, ValueError):
        return Check("Clock", "warn", "not looked at: no answer of Meta's to compare it with")
    if abs(off) <= SKEW_SEEN:
        return Check("Clock", "pass", f"it is right within {SKEW_SEEN} seconds")
    way = "ahead" if off > 0 else "behind"
    return Check(
        "Clock", "fail" if abs(off) > SKEW_BAD else "warn",
        f"it is {_long(abs(off))} {way}: signatures carry the time, and receivers refuse what is 5 minutes off",
        "time synchronisation (NTP) of this machine",
    )  # fmt: skip


def _long(seconds: float) -> str:
    """A length of time as people say it."""
    for size, name in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} seconds"

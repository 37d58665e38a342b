"""How the dashboard tells and reads times: in the tenant's time zone, by the service's clock.

Owns formats only. Instants are µs since 1970 as everywhere.
"""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from setuplinks.core import wire
from setuplinks.core.clock import DAY, HOUR, MILLISECOND, MINUTE, SECOND

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
UNITS = ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s"))
FIELD = "%Y-%m-%dT%H:%M"


@dataclass(frozen=True)
class Clockface:
    """One page's clock: `now` and the zone in which it tells times."""

    now: int
    zone: ZoneInfo

    @property
    def name(self) -> str:
        """The zone's name as people know it."""
        return self.zone.key.replace("_", " ")

    def brief(self, at: int, *, seconds: bool = False) -> str:
        """ "14:03" today, "17 May, 14:03" on other days, with the year in other years."""
        local, today = self._local(at), self._local(self.now)
        clock = f"{local:%H:%M:%S}" if seconds else f"{local:%H:%M}"
        if local.date() == today.date():
            return clock
        year = "" if local.year == today.year else f" {local.year}"
        return f"{local.day} {MONTHS[local.month - 1]}{year}, {clock}"

    def exact(self, at: int) -> str:
        """The whole of it, for whoever points at a time: "18 May 2026, 14:03:02, Europe/Berlin"."""
        local = self._local(at)
        return f"{local.day} {MONTHS[local.month - 1]} {local.year}, {local:%H:%M:%S}, {self.name}"

    def iso(self, at: int) -> str:
        """For machines: RFC 3339 in UTC."""
        return wire.instant(at)

    def field(self, at: int) -> str:
        """As a date field of a form holds it."""
        return self._local(at).strftime(FIELD)

    def read(self, text: str) -> int:
        """What a date field gave, or an instant as in the API. Raises ValueError in plain words."""
        try:
            local = datetime.strptime(text, FIELD).replace(tzinfo=self.zone)
            return round(local.timestamp()) * SECOND
        except (ValueError, OverflowError):
            return wire.parse_instant(text)

    def _local(self, at: int) -> datetime:
        return datetime.fromtimestamp(at // SECOND, self.zone)


def span(microseconds: int) -> str:
    """How long: "214 ms", "15.0 s", "5 min", "2 h", "3 d"."""
    if microseconds < SECOND:
        return f"{microseconds // MILLISECOND} ms"
    if microseconds < MINUTE:
        seconds = microseconds / SECOND
        return f"{seconds:.1f} s" if microseconds % SECOND or microseconds < 20 * SECOND else f"{seconds:.0f} s"
    return long_span(microseconds)


def long_span(microseconds: int) -> str:
    """How long in at most two units: "5 s", "4 min 10 s", "2 h", "3 d 4 h"."""
    left, said = max(microseconds, 0), []
    for unit, name in UNITS:
        count, left = divmod(left, unit)
        if count:
            said.append(f"{count} {name}")
        if said and (len(said) == 2 or not count):
            break
    return " ".join(said[:2]) or "0 s"

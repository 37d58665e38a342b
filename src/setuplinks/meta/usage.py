"""How much of Meta's rate limits is used up, as its answers' headers tell.

Owns the reading of the two headers and the newest value of each. It does not own the decision to wait: runners ask.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from setuplinks.core.clock import MINUTE
from setuplinks.meta.lenient import as_int, as_object, as_rows, as_text

APP_HEADER = "X-App-Usage"
BUSINESS_HEADER = "X-Business-Use-Case-Usage"
_LONGEST_HEADER = 65_536
_MOST_OBJECTS = 10_000


@dataclass(frozen=True, slots=True)
class Load:
    """Percent of a limit; at 100 Meta throttles. `type` is the business use case, empty for the app as a whole.

    `regain_minutes`: how long Meta says that access stays closed, 0 while it is open. `at`: µs when it was told.
    """

    call_count: int = 0
    total_time: int = 0
    total_cputime: int = 0
    type: str = ""
    regain_minutes: int = 0
    at: int = 0

    @property
    def percent(self) -> int:
        """The highest of the three: whichever reaches 100 first closes the door."""
        return max(self.call_count, self.total_time, self.total_cputime)

    @property
    def closed_until(self) -> int | None:
        """µs since 1970 until when Meta keeps access closed; None while it is open."""
        return self.at + self.regain_minutes * MINUTE if self.regain_minutes else None


class Usage:
    """The newest loads: of the app, and of each WABA or business that answers told of.

    https://developers.facebook.com/docs/graph-api/overview/rate-limiting
    """

    def __init__(self) -> None:
        self.app = Load()
        self._objects: OrderedDict[str, tuple[Load, ...]] = OrderedDict()

    def of(self, meta_id: str) -> tuple[Load, ...]:
        """What was last told of this WABA or business; empty where nothing was."""
        return self._objects.get(meta_id, ())

    def percent(self, meta_id: str) -> int:
        """The fullest limit that a call for this object would meet, the app's own included."""
        return max((load.percent for load in (self.app, *self.of(meta_id))), default=0)

    def closed_until(self, meta_id: str) -> int | None:
        """µs since 1970 until when Meta refuses calls for this object; None where it does not."""
        return max((until for load in self.of(meta_id) if (until := load.closed_until) is not None), default=None)

    def note(self, headers: Mapping[str, str], now: int) -> None:
        """Takes what an answer's headers say; odd or missing ones change nothing. `now` is µs since 1970."""
        app = _json(headers.get(APP_HEADER))
        if app:
            self.app = _load(app, now)
        for meta_id, rows in _json(headers.get(BUSINESS_HEADER)).items():
            self._objects[meta_id] = tuple(_load(row, now) for row in as_rows(rows))
            self._objects.move_to_end(meta_id)
        while len(self._objects) > _MOST_OBJECTS:
            self._objects.popitem(last=False)


def _load(raw: Mapping[str, object], now: int) -> Load:
    def number(name: str) -> int:
        return as_int(raw.get(name)) or 0

    return Load(
        number("call_count"),
        number("total_time"),
        number("total_cputime"),
        as_text(raw.get("type")) or "",
        number("estimated_time_to_regain_access"),
        now,
    )


def _json(header: str | None) -> Mapping[str, object]:
    if not header or len(header) > _LONGEST_HEADER:
        return {}
    try:
        return as_object(msgspec.json.decode(header))
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return {}

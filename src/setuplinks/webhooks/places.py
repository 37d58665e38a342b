"""Who may have how many of the tries that a process has under way: so that whoever hangs never takes all places.

Owns the shares, all in memory, and the bounds of what one endpoint may have (`at_once` in its row: what all processes
keep to, which `ledger` moves). It does not own taking (`claims`) nor sending.

A place is kept for as long as the other side likes, 15 seconds at most. Whoever may be one that hangs is *doubtful*: an
endpoint that has not proven itself by successes, and a try that has been under way for a second. All of those together
get half of the places; a tenant gets a quarter, or more while half of all are free. What is left over is for endpoints
that answer, and those need a place for milliseconds.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from setuplinks.core.clock import SECOND

FIRST_AT_ONCE, PROVEN, MOST_AT_ONCE = 4, 8, 64
"""Tries under way at one endpoint, over all processes: at first; from where on it is trusted; at most. Each success
adds one where half of them are in use, failures that drag on halve it, much as TCP does."""
LEASE = 30 * SECOND
"""Of a delivery that is under way: twice the time that one try may take."""
DRAGS = SECOND
"""A try that took so long (µs) kept a place from others."""


@dataclass(slots=True, eq=False)
class Place:
    """Held by one try from `since` (seconds of the loop's clock) until its result is recorded."""

    tenant_id: int
    endpoint_id: int
    since: float
    doubtful: bool
    drags: bool = False


@dataclass(frozen=True, slots=True)
class Barred:
    """Whom there is no place for now: tenants and endpoints as JSON lists, and whoever may have less at once."""

    least_at_once: int
    tenants: str
    endpoints: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """An endpoint that has something due, how many it may have at once, and PARK's word for its kind."""

    tenant_id: int
    endpoint_id: int
    at_once: int
    kind: int = 0

    @property
    def key(self) -> tuple[int, int]:
        """The endpoint."""
        return self.tenant_id, self.endpoint_id


class Places:
    """One for each process; `clock` in seconds."""

    def __init__(self, count: int, clock: Callable[[], float]) -> None:
        self._count, self._clock = count, clock
        self._fresh: dict[Place, None] = {}  # in the order in which they were taken
        self._tenants: Counter[int] = Counter()
        self._endpoints: Counter[int] = Counter()
        self._dragging: Counter[int] = Counter()
        self._taken = self._doubtful = self._trusted = 0

    @property
    def free(self) -> int:
        """How many are free."""
        return self._count - self._taken

    @property
    def fresh(self) -> int:
        """How many are held by tries that may end any moment; nobody waits for the doubtful."""
        self._look()
        return self._trusted

    def take(self, whom: Candidate) -> Place:
        """A place for a try that begins now."""
        place = Place(whom.tenant_id, whom.endpoint_id, self._clock(), whom.at_once < PROVEN)
        self._fresh[place] = None
        self._tenants[place.tenant_id] += 1
        self._endpoints[place.endpoint_id] += 1
        self._taken += 1
        self._doubtful += place.doubtful
        self._trusted += not place.doubtful
        return place

    def leave(self, place: Place) -> None:
        """It is free again."""
        self._taken -= 1
        self._doubtful -= place.doubtful
        self._trusted -= not place.doubtful
        _less(self._tenants, place.tenant_id)
        _less(self._endpoints, place.endpoint_id)
        if place.drags:
            _less(self._dragging, place.endpoint_id)
        else:
            del self._fresh[place]

    def barred(self) -> Barred:
        """Whom to pass over at the next look."""
        self._look()
        tenants = [one for one in self._tenants if self._left_of(one) <= 0]
        if self._left_of_doubtful() > 0:
            return Barred(0, _json(tenants), "[]")
        return Barred(PROVEN, _json(tenants), _json(list(self._dragging)))

    def has_room(self, whom: Candidate) -> bool:
        """Whether a trusted endpoint may have one more try in this process."""
        self._look()
        return (
            whom.at_once >= PROVEN
            and self.free > 0
            and self._endpoints[whom.endpoint_id] < whom.at_once
            and whom.endpoint_id not in self._dragging
            and self._left_of(whom.tenant_id) > 0
        )

    def rooms(self, due: Sequence[Candidate]) -> list[int]:
        """How many tries each may begin now, so that all of them together stay within what there is."""
        self._look()
        each = max(1, self.free // len(due))
        left, doubtful = {one.tenant_id: self._left_of(one.tenant_id) for one in due}, self._left_of_doubtful()
        found = []
        for one in due:
            room = max(0, min(each, one.at_once, left[one.tenant_id]))
            if one.at_once < PROVEN or one.endpoint_id in self._dragging:
                room = max(0, min(room, doubtful))
                doubtful -= room
            left[one.tenant_id] -= room
            found.append(room)
        return found

    def _left_of(self, tenant_id: int) -> int:
        return max(self._count // 4 - self._tenants[tenant_id], self._count // 2 - self._taken)

    def _left_of_doubtful(self) -> int:
        return self._count // 2 - self._doubtful

    def _look(self) -> None:
        """Finds what has been under way for too long."""
        late = self._clock() - DRAGS / SECOND
        while self._fresh and (oldest := next(iter(self._fresh))).since <= late:
            del self._fresh[oldest]
            self._doubtful += not oldest.doubtful
            self._trusted -= not oldest.doubtful
            oldest.doubtful = oldest.drags = True
            self._dragging[oldest.endpoint_id] += 1


def _less(counts: Counter[int], key: int) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]


def _json(ids: list[int]) -> str:
    return msgspec.json.encode(ids).decode()

"""First tries that are begun by whoever tells: deliveries that are born taken, as if they had been claimed at once.

Owns which deliveries are: those of endpoints that are proven, keep neither order nor rate and have nothing else due,
while there is a place for them in this process. All others are born due. One that is born taken has a lease, so where
its process dies, or nobody learns of its commit, it is claimed when that ends. It does not own places (`places`), nor
sending (`runner`).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType

from setuplinks.core.bursts import unhurried
from setuplinks.core.clock import SECOND, Clock
from setuplinks.webhooks.models import Listener, Parcel
from setuplinks.webhooks.places import LEASE, Candidate, Place, Places

FRESH = 5 * SECOND
"""So old may be what was read of an endpoint: a lease counts from there, by the database's own time."""


@dataclass(frozen=True, slots=True)
class FirstTry:
    """A place, and what is sent there once it is written: to an endpoint whose row had this version."""

    place: Place
    parcel: Parcel
    body: bytes
    version: int


@dataclass(slots=True)
class FirstTries:
    """Those of one unit: entered before it and left after it. They are begun where it was committed, else dropped."""

    _clock: Clock
    _places: Places
    _begin: Callable[[FirstTry], Awaitable[None]]
    _held: list[FirstTry] = field(default_factory=list)

    def take(self, endpoint: Listener, parcel: Parcel, body: bytes) -> tuple[int, int] | None:
        """When it is due again, by this process's time, and the end of its lease by the database's (µs). None where
        the delivery is to be born due."""
        standing, now = endpoint.standing, self._clock.now()
        if standing is None or now - standing.seen_at > FRESH:
            return None
        whom = Candidate(*parcel.key, standing.at_once)
        if not self._places.has_room(whom):
            return None
        self._held.append(FirstTry(self._places.take(whom), parcel, body, standing.version))
        return now + LEASE, standing.now + LEASE

    async def __aenter__(self) -> "FirstTries":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        begun = 0
        try:
            async for one in unhurried(self._held if error is None else ()):
                begun += 1  # its place is with the try from here on
                await self._begin(one)
        finally:
            for one in self._held[begun:]:
                self._places.leave(one.place)

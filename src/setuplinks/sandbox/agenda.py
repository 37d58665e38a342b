"""What happens later by the sandbox's clock: a delivery, a review that ends. Moving the clock moves it along."""

import asyncio
import heapq
import itertools
from collections.abc import Callable

from setuplinks.sandbox.clock import Clock


class Agenda:
    """Things to do, each at its moment. `run` belongs to the server; without it only what is due at once happens."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._moved = asyncio.Event()
        clock.watchers.append(self._moved.set)

    def after(self, seconds: float, deed: Callable[[], None]) -> None:
        """Does it now where nothing is to be waited for."""
        if seconds <= 0:
            deed()
            return
        heapq.heappush(self._due, (self._clock.now() + seconds, next(self._numbers), deed))
        self._moved.set()

    def clear(self) -> None:
        self._due.clear()

    async def run(self) -> None:
        """Does what is due, for ever; a clock that was moved makes it look anew."""
        while True:
            self._moved.clear()
            now = self._clock.now()
            while self._due and self._due[0][0] <= now:
                heapq.heappop(self._due)[2]()
            standing = not self._due or self._clock.frozen
            try:
                async with asyncio.timeout(None if standing else self._due[0][0] - now):
                    await self._moved.wait()
            except TimeoutError:
                continue

"""Long lists without long bursts: the event loop turns to others every few items.

Whoever waits for a database or a socket is served between two items, not after the last one: a commit asks several
times, and each answer would wait for the end of a burst.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

T = TypeVar("T")

AT_A_TIME = 16


async def unhurried(items: Iterable[T]) -> AsyncIterator[T]:
    """The same items, with a turn for others after every 16."""
    for number, item in enumerate(items, 1):
        yield item
        if not number % AT_A_TIME:
            await asyncio.sleep(0)

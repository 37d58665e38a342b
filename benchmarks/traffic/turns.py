"""Two sides that are compared take turns: both of a pair meet the same weather on the machine."""

from collections.abc import Awaitable, Callable

from benchmarks.table import Round

WARM = 0.25

Turn = Callable[[float], Awaitable[Round]]
"""One round of one side; the argument is its share of a whole one."""


async def in_turn(first: Turn, second: Turn, rounds: int) -> tuple[list[Round], list[Round]]:
    """A B A B; a short round of each goes first and is not counted: it fills caches of statements and pages."""
    found: tuple[list[Round], list[Round]] = ([], [])
    for side in (first, second):
        await side(WARM)
    for _ in range(rounds):
        for side, one in zip((first, second), found, strict=True):
            one.append(await side(1.0))
    return found

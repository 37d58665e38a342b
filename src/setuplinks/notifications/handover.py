"""Notifications that this process has just stored, handed to its runner in memory: born taken, as if they were claimed.

Owns which are, and how much is in hand. What changes an account goes by the order of its arrival over all processes,
what is large is read by few at a time, and what finds no room here waits its turn: all of those are stored as due, and
claimed. One that is born taken has a lease, so where its process dies it is claimed when that ends. It does not own
storing (`api`), nor handling (`runner`).
"""

from collections import deque
from collections.abc import Callable

from setuplinks.core.db.unit import Row

MOST = 512
"""In hand; from there on other processes help, where there are any."""
MOST_BYTES = 8_000_000
LARGE = 100_000
"""Bytes; of larger ones only two are in memory as objects at a time."""


class Handover:
    """Between what stores and what handles in one process. Closed until somebody handles.

    `changes_something`: whether a raw body may hold what changes an account.
    """

    def __init__(self, changes_something: Callable[[bytes], bool]) -> None:
        self._changes_something = changes_something
        self._rows: deque[Row] = deque()
        self._count = self._bytes = 0
        self._stir: Callable[[], None] | None = None

    @property
    def in_hand(self) -> int:
        """How many have a room here."""
        return self._count

    def open(self, stir: Callable[[], None]) -> None:
        """From now on it takes; `stir` runs for each."""
        self._stir = stir

    def close(self) -> None:
        """Takes no more. What has a room may still be put."""
        self._stir = None

    def reserve(self, body: bytes) -> bool:
        """Keeps room for it until it was put and taken, or is released. False: it is to be claimed."""
        size = len(body)
        if self._stir is None or self._count >= MOST or self._bytes + size > MOST_BYTES or size > LARGE:
            return False
        if self._changes_something(body):
            return False
        self._count += 1
        self._bytes += size
        return True

    def release(self, body: bytes) -> None:
        """Gives its room back: it was not stored."""
        self._count -= 1
        self._bytes -= len(body)

    def put(self, notification_id: str, received_at: int, body: bytes) -> None:
        """It is committed."""
        self._rows.append({"id": notification_id, "received_at": received_at, "tries": 1, "body": body})
        if self._stir is not None:
            self._stir()

    def take(self, most: int) -> list[Row]:
        """The eldest: they are the runner's from now on."""
        rows = [self._rows.popleft() for _ in range(min(most, len(self._rows)))]
        for row in rows:
            self.release(row["body"])
        return rows

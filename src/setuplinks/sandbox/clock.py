"""The sandbox's own clock: runs with the machine's, can be moved and stopped over HTTP. Ages codes and tokens."""

import time
from collections.abc import Callable
from datetime import UTC, datetime


class Clock:
    def __init__(self) -> None:
        self._offset = 0.0
        self._frozen: float | None = None
        self.watchers: list[Callable[[], None]] = []  # who waits for a time, and looks anew when it was moved

    def now(self) -> float:
        """Unix seconds."""
        return self._frozen if self._frozen is not None else time.time() + self._offset

    def advance(self, seconds: float) -> None:
        if self._frozen is not None:
            self._frozen += seconds
        else:
            self._offset += seconds
        self._tell()

    def set(self, moment: float) -> None:
        if self._frozen is not None:
            self._frozen = moment
        else:
            self._offset = moment - time.time()
        self._tell()

    def freeze(self, frozen: bool) -> None:
        """Stops the clock where it is, or lets it run on from there."""
        moment = self.now()
        self._frozen = moment if frozen else None
        self._offset = moment - time.time()
        self._tell()

    def reset(self) -> None:
        self._offset, self._frozen = 0.0, None
        self._tell()

    def _tell(self) -> None:
        for watcher in self.watchers:
            watcher()

    @property
    def frozen(self) -> bool:
        return self._frozen is not None


def rfc3339(moment: float) -> str:
    """`2026-09-01T10:00:00Z`, as the control API writes times."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def graph_time(moment: float) -> str:
    """`2026-09-01T10:00:00+0000`, as Graph writes times."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def parse_time(text: str) -> float:
    """Unix seconds of an RFC 3339 time; ValueError where it is none or has no offset."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("the time needs an offset, such as Z")
    return moment.timestamp()

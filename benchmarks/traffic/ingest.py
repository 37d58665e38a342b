"""Notifications committed and answered with 200, beside a bare handler, an empty ASGI app and a single-row commit.

Owns the rounds. The bare handler has a database of its own with the same rows; the three take turns.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from benchmarks import servers
from benchmarks.load import drive
from benchmarks.rates import Length
from benchmarks.servers import Server
from benchmarks.table import Round
from benchmarks.traffic import notifications, processes
from benchmarks.traffic.seeding import Scene
from setuplinks.core.clock import SystemClock
from setuplinks.core.db.open import open_database
from setuplinks.core.ids import uuid7
from setuplinks.notifications.store import ADD_BY_DIALECT

WARM_SECONDS = 0.4
COMMITS_SECONDS = 1.0


@dataclass(frozen=True)
class Taken:
    """Rounds of the three, and single-row commits a second, one after the other."""

    ours: list[Round]
    bare: list[Round]
    empty: list[Round]
    commits: float


@dataclass(frozen=True)
class _Side:
    server: Server
    scene: Scene
    empty: bool = False

    async def round(self, seconds: float) -> Round:
        cpu = processes.cpu_seconds(self.scene, [self.server])
        found = await drive(self.server.port, seconds, notifications.OK, self._requests())
        return replace(found, cpu=processes.cpu_seconds(self.scene, [self.server]) - cpu)

    def _requests(self) -> list[Iterator[bytes]]:
        if self.empty:
            return [iter(lambda: notifications.EMPTY, b"") for _ in range(notifications.AT_ONCE)]
        return notifications.stream(self.scene.lines)


async def measured(scene: Scene, other: Scene, length: Length) -> Taken:
    """The service without its workers on one scene, the yardsticks on the other."""
    commits = await _commits(other)  # first: one process has SQLite's file
    ours, bare = processes.service(scene, workers=False), processes.bare(other)
    async with servers.running(ours), servers.running(bare, "/empty"):
        sides = [_Side(ours, scene), _Side(bare, other), _Side(bare, other, empty=True)]
        found: list[list[Round]] = [[], [], []]
        for side in sides:
            await side.round(WARM_SECONDS)
        for _ in range(length.rounds):
            for side, rounds in zip(sides, found, strict=True):
                rounds.append(await side.round(length.seconds))
    return Taken(found[0], found[1], found[2], commits)


async def _commits(scene: Scene) -> float:
    """The same row, one commit after the other."""
    db = await open_database(scene.url, scene.folder)
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < COMMITS_SECONDS:
        now = SystemClock().now()
        async with db.transaction() as tx:
            tx.add(ADD_BY_DIALECT[db.dialect], uuid7(now), now, uuid7(now).encode(), b"x" * 500, now, None)
        count += 1
    took = time.perf_counter() - began
    # What was written only to be measured is no notification, and nobody shall try to read it.
    await db.bulk("DELETE FROM notification WHERE id > $1", "")
    await db.close()
    return count / took

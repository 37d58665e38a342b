"""What strikes, in which order, and what may be seen of it: values, and the few lines that do it.

Owns the list for each database. What a strike came to is `rounds`'s.
"""

import asyncio
import random
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from benchmarks.faults.scene import Scene
from setuplinks.core.db.open import FILE_NAME
from tests.support.tcp_proxy import TcpProxy

Do = Callable[[Scene], Awaitable[None]]

SOON = 20.0  # seconds until a new message is delivered again after most strikes
# What a worker had taken when it was killed or cut off keeps its places at the endpoint until its lease of 30 s ends; a
# breaker's probe waits for that, too.
LEASE = 50.0
ONLY_200 = frozenset({200})
AWAY = frozenset({503})
SHORTLY_AWAY = frozenset({200, 503})  # it goes or comes back within the window
DEAD = frozenset({200, 503, None})  # the service itself is killed: nobody answers


@dataclass(frozen=True)
class Strike:
    """One fault. `answers` is what Meta may hear while it lasts, `limit` when a new message has to arrive again.

    `drains` names the programs that are asked to end by SIGTERM and have to record all that they sent.
    """

    what: str
    strike: Do
    heal: Do
    seconds: float
    answers: frozenset[int | None] = ONLY_200
    limit: float = SOON
    drains: tuple[str, ...] = field(default=())


def planned(scene: Scene, rounds: int, seed: int) -> list[Strike]:
    """So many rounds of the database's list, each in an order of its own."""
    chance = random.Random(f"{seed}:strikes")
    found: list[Strike] = []
    for _ in range(rounds):
        strikes = [*_of_receivers(), *(_of_sqlite() if scene.ground.server is None else _of_postgres())]
        chance.shuffle(strikes)
        found += strikes
    return found


def _killed(what: str, *names: str, seconds: float, answers: frozenset[int | None], limit: float) -> Strike:
    async def strike(scene: Scene) -> None:
        scene.kill(*names)

    async def heal(scene: Scene) -> None:
        await scene.start(*names)

    return Strike(what, strike, heal, seconds, answers, limit)


def _drained(what: str, *names: str, answers: frozenset[int | None], workers: tuple[str, ...]) -> Strike:
    async def strike(scene: Scene) -> None:
        codes = await scene.stop(*names)
        if any(codes):
            raise RuntimeError(f"{what}: exit codes {codes}")

    async def heal(scene: Scene) -> None:
        await scene.start(*names)

    return Strike(what, strike, heal, 0.5, answers, SOON, workers)


def _on_ways(
    what: str, ways: Callable[[Scene], list[TcpProxy]], how: str, seconds: float,
    answers: frozenset[int | None] = ONLY_200, limit: float = SOON,
) -> Strike:  # fmt: skip
    async def strike(scene: Scene) -> None:
        for way in ways(scene):
            getattr(way, how)()

    async def heal(scene: Scene) -> None:
        for way in ways(scene):
            way.pass_on()

    return Strike(what, strike, heal, seconds, answers, limit)


async def _nothing(_: Scene) -> None:
    """It heals by itself."""


def _of_receivers() -> list[Strike]:
    def one(scene: Scene) -> list[TcpProxy]:
        return [scene.tenants[0].way]

    return [
        _on_ways("worker to receiver: reset for 3 s", one, "cut", 3, limit=LEASE),
        _on_ways("worker to receiver: silent for 8 s", one, "go_silent", 8, limit=LEASE),
        _on_ways("worker to receiver: half-open", one, "forget", 1, limit=LEASE),
    ]


def _of_postgres() -> list[Strike]:
    def service(scene: Scene) -> list[TcpProxy]:
        return [scene.ways["serve"]]

    def worker(scene: Scene) -> list[TcpProxy]:
        return [scene.ways["worker-1"]]

    both = ("worker-1", "worker-2")
    return [
        _killed("kill -9 of one worker", "worker-1", seconds=2, answers=ONLY_200, limit=LEASE),
        _killed("kill -9 of both workers", *both, seconds=2, answers=ONLY_200, limit=LEASE),
        _killed("kill -9 of the service", "serve", seconds=1, answers=DEAD, limit=SOON),
        _drained("SIGTERM of both workers", *both, answers=ONLY_200, workers=both),
        _drained("SIGTERM of the service", "serve", answers=DEAD, workers=()),
        Strike("kill -9 of one of PostgreSQL's processes", _a_backend_dies, _nothing, 2, SHORTLY_AWAY),
        _postgres_dies("kill -9 of PostgreSQL, all of it", 2, SHORTLY_AWAY),
        _postgres_dies("the database away for a minute", 60, AWAY),
        _on_ways("service to database: reset for 3 s", service, "cut", 3, AWAY),
        _on_ways("service to database: silent for 15 s", service, "go_silent", 15, AWAY),
        _on_ways("service to database: half-open", service, "forget", 1, SHORTLY_AWAY),
        _on_ways("worker to database: reset for 3 s", worker, "cut", 3),
        _on_ways("worker to database: silent for 35 s", worker, "go_silent", 35, limit=LEASE),
        _on_ways("worker to database: half-open", worker, "forget", 1, limit=LEASE),
    ]


def _of_sqlite() -> list[Strike]:
    return [
        _killed("kill -9 of the service", "serve", seconds=1, answers=DEAD, limit=SOON),
        _drained("SIGTERM of the service", "serve", answers=DEAD, workers=("serve",)),
        _file_is_held(15),
    ]


async def _a_backend_dies(scene: Scene) -> None:
    assert scene.ground.server is not None
    scene.ground.server.kill_a_backend()


def _postgres_dies(what: str, seconds: float, answers: frozenset[int | None]) -> Strike:
    async def strike(scene: Scene) -> None:
        assert scene.ground.server is not None
        await asyncio.to_thread(scene.ground.server.kill)

    async def heal(scene: Scene) -> None:
        assert scene.ground.server is not None
        await asyncio.to_thread(scene.ground.server.start)

    return Strike(what, strike, heal, seconds, answers, LEASE)


def _file_is_held(seconds: float) -> Strike:
    """SQLite's own way to be away: another program holds the file's write lock."""
    held: list[sqlite3.Connection] = []

    async def strike(scene: Scene) -> None:
        connection = sqlite3.connect(scene.ground.folder / "data" / FILE_NAME, isolation_level=None, timeout=5)
        connection.execute("BEGIN IMMEDIATE")
        held.append(connection)

    async def heal(_: Scene) -> None:
        connection = held.pop()
        connection.execute("ROLLBACK")
        connection.close()

    return Strike(f"the file's write lock held for {seconds:g} s", strike, heal, seconds, SHORTLY_AWAY)

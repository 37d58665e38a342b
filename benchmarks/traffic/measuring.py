"""All of it on one database, row by row.

Owns the order and the sizes. Each part has a database of its own, so that none measures what another has left behind.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import servers
from benchmarks.rates import Length
from benchmarks.table import Round, Row
from benchmarks.traffic import deliver, fairness, ingest, old, processes, rows, seeding
from benchmarks.traffic.deliver import RawLoop, Sending
from benchmarks.traffic.seeding import Scene
from benchmarks.traffic.turns import Turn, in_turn
from benchmarks.traffic.whole_way import Way
from tests.support.ports import reserved_port
from tests.support.postgres import PostgresServer


@dataclass(frozen=True)
class Size:
    """How long a run is; `attempts` 0 leaves the large tables out."""

    ingest: Length
    rounds: int
    deliveries: int
    way_seconds: float
    unloaded: int
    fair_seconds: float
    many: tuple[int, ...]
    attempts: int


FULL = Size(Length(10, 1.0), 8, 8_000, 2.0, 200, 20.0, (2, 4), 10_000_000)
QUICK = Size(Length(5, 0.5), 4, 3_000, 0.7, 60, 12.0, (), 0)

SEEDED = 2_000


class Bench:
    """One database, the receiver and the raw loop beside it."""

    def __init__(
        self, folder: Path, server: PostgresServer | None, size: Size, receiver_port: int, raw: RawLoop
    ) -> None:
        self._folder, self._server, self._size = folder, server, size
        self._port, self._raw = receiver_port, raw
        self._dialect = "SQLite" if server is None else "PostgreSQL"

    async def rows(self) -> list[Row]:
        """All of them."""
        found = await self._ingest()
        for count in self._processes():
            found += await self._deliver(count)
        for count in self._processes():
            found += await self._way(count)
        found.append(await self._fair())
        if self._size.attempts:
            found += await self._on_large_tables()
        return found

    def _processes(self) -> tuple[int, ...]:
        return (1,) if self._server is None else (1, *self._size.many)

    async def _scene(self, name: str) -> Scene:
        hooks = [f"http://127.0.0.1:{self._port}/hooks"] * seeding.TENANTS
        scene = await seeding.made(self._folder / name, self._server, hooks)
        await seeding.deliveries(scene, SEEDED)
        await seeding.handled(scene, SEEDED)
        await seeding.analysed(scene)
        return scene

    async def _ingest(self) -> list[Row]:
        found = await ingest.measured(await self._scene("in"), await self._scene("in-bare"), self._size.ingest)
        return rows.taken(self._dialect, found)

    async def _deliver(self, count: int) -> list[Row]:
        async with self._sending(await self._scene(f"out-{count}"), count) as ours:
            pairs = await in_turn(self._share(ours.round), self._share(self._raw.round), self._size.rounds)
        return rows.beside_raw(rows.DELIVER, self._dialect, *pairs, at_least=0.8, processes=count)

    async def _way(self, count: int) -> list[Row]:
        async with self._through(await self._scene(f"way-{count}"), count) as way:
            late = await way.unloaded(self._size.unloaded) if count == 1 else []
            pairs = await in_turn(self._moment(way), self._share(self._raw.round), self._size.rounds)
        found = rows.beside_raw(rows.WAY, self._dialect, *pairs, at_least=0.5, processes=count)
        return [*found, rows.unloaded(self._dialect, late)] if late else found

    async def _fair(self) -> Row:
        hostile = processes.receiver(self._folder)
        hooks = fairness.hooks(self._port, hostile.port, reserved_port())
        scene = await seeding.made(self._folder / "fair", self._server, hooks)
        await seeding.deliveries(replace(scene, lines=scene.lines[: fairness.HEALTHY]), SEEDED)
        await seeding.handled(scene, SEEDED)
        await seeding.analysed(scene)
        async with servers.running(hostile, "/told"), self._through(scene, 1) as way:
            return rows.fair(self._dialect, await fairness.measured(way, self._size.fair_seconds))

    async def _on_large_tables(self) -> list[Row]:
        """The service beside itself: small tables, large ones."""
        small, large = await self._scene("small"), await self._scene("large")
        await old.attempts(large, self._size.attempts)
        await seeding.analysed(large)
        rounds, attempts = self._size.rounds, self._size.attempts
        async with self._sending(large, 1) as one, self._sending(small, 1) as two:
            sent = await in_turn(self._share(one.round), self._share(two.round), rounds)
        async with self._through(large, 1) as on, self._through(small, 1) as off:
            through = await in_turn(self._moment(on), self._moment(off), rounds)
        return [
            rows.kept(rows.DELIVER, self._dialect, *sent, attempts),
            rows.kept(rows.WAY, self._dialect, *through, attempts),
        ]

    def _share(self, turn: Callable[[int], Awaitable[Round]]) -> Turn:
        return lambda share: turn(int(self._size.deliveries * share))

    def _moment(self, way: Way) -> Turn:
        return lambda share: way.round(self._size.way_seconds * share)

    @asynccontextmanager
    async def _sending(self, scene: Scene, count: int) -> AsyncIterator[Sending]:
        async with processes.working(scene, count, serving=False) as started:
            ours = Sending(scene, started, self._port)
            await ours.left_over()
            yield ours

    @asynccontextmanager
    async def _through(self, scene: Scene, count: int) -> AsyncIterator[Way]:
        async with processes.working(scene, count, serving=True) as started:
            await Sending(scene, started, self._port).left_over()
            yield Way(scene, started[0].port, started, self._port)


def _made(folder: Path) -> None:
    folder.mkdir(parents=True)


async def measured(folder: Path, server: PostgresServer | None, size: Size) -> list[Row]:
    """The rows of one database."""
    _made(folder)
    hears = processes.receiver(folder)
    async with servers.running(hears, "/told"), deliver.raw_loop(hears.port) as raw:
        return await Bench(folder, server, size, hears.port, raw).rows()

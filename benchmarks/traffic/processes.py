"""The processes of these benchmarks: the service as one process or as several, the yardsticks, the receiver.

Owns how they are started and told apart; each is ended by whoever started it.
"""

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from benchmarks import servers
from benchmarks.servers import CLI, Server
from benchmarks.traffic.seeding import Scene
from tests.support.ports import reserved_port
from tests.support.service import environment_of, settings_for


def receiver(folder: Path) -> Server:
    """The tenants' server."""
    port = reserved_port()
    return Server(["benchmarks.traffic.receiver", str(port)], port, {}, folder)


def bare(scene: Scene) -> Server:
    """The yardsticks of what comes in."""
    port = reserved_port()
    environ = {"SETUPLINKS_DATA_DIR": str(scene.folder)}
    if scene.url is not None:
        environ["SETUPLINKS_DATABASE_URL"] = scene.url
    return Server(["benchmarks.traffic.bare", str(port)], port, environ, scene.folder)


def service(scene: Scene, *, workers: bool) -> Server:
    """`setuplinks serve` on this database."""
    port = reserved_port()
    command = [CLI, "serve", "--host", "127.0.0.1", "--port", str(port)]
    return Server(command + ([] if workers else ["--no-workers"]), port, _environ(scene, port), scene.folder)


def worker(scene: Scene) -> Server:
    """`setuplinks worker`; its port is only its name."""
    port = reserved_port()
    return Server([CLI, "worker"], port, _environ(scene, port), scene.folder)


def _environ(scene: Scene, port: int) -> dict[str, str]:
    settings = settings_for(f"http://127.0.0.1:{port}", "http://localhost:9", scene.folder, scene.url)
    return environment_of(settings)


@contextlib.asynccontextmanager
async def working(scene: Scene, processes: int, *, serving: bool) -> AsyncIterator[Sequence[Server]]:
    """The service in so many processes, the first of them the one that serves where `serving`.

    One alone does all there is to do; beside others the serving one only serves.
    """
    started: list[Server] = []
    try:
        if serving or scene.url is None:
            started.append(service(scene, workers=processes == 1))
            await started[0].ready()
        while len(started) < processes:
            started.append(worker(scene))
            await started[-1].said("worker.ready")
        yield started
    finally:
        for one in started:
            await one.stop()


def cpu_seconds(scene: Scene, processes: Sequence[Server]) -> float:
    """CPU of the service's processes and of PostgreSQL, so far."""
    used = sum(one.cpu_seconds for one in processes)
    return used + (0.0 if scene.server is None else servers.postgres_cpu_seconds(scene.server))

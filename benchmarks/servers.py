"""The servers that are measured, each a process of its own: the service, the bare handlers, the sandbox.

Owns how they are started, their settings, their memory and their end. The service runs with its settings as they are
(its log goes to a file), but for rate limits, which are off.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

from benchmarks.seeding import Place
from tests.support import sandbox as meta
from tests.support.ports import reserved_port
from tests.support.postgres import PostgresServer
from tests.support.service import environment_of, settings_for

READY_SECONDS = 20.0
END_SECONDS = 20.0
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
CLI = "setuplinks.cli"


class NotReady(RuntimeError):
    """A server ended or did not answer; the message holds the end of its log."""


class Server:
    """A started process that listens on a port of 127.0.0.1."""

    def __init__(self, command: list[str], port: int, environ: dict[str, str], folder: Path) -> None:
        self.port = port
        self.log = folder / f"server-{port}.log"
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        self.began = time.perf_counter()
        with self.log.open("ab") as sink:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *command], env={**kept, **environ}, stdin=subprocess.DEVNULL, stdout=sink,
                stderr=sink,
            )  # fmt: skip

    async def ready(self, path: str = "/healthz") -> float:
        """Asks until there is an answer; seconds since the start. Raises NotReady."""
        request = f"GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode()
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.write(request)
                answer = await reader.read()
                writer.close()
                if answer:
                    return time.perf_counter() - self.began
            if self._process.poll() is not None or time.perf_counter() - self.began > READY_SECONDS:
                raise NotReady(self.log.read_text(errors="replace")[-3000:])
            await asyncio.sleep(0.005)

    async def said(self, word: str) -> None:
        """Waits until its log holds the word. Raises NotReady."""
        while word not in (log := self.log.read_text(errors="replace")):
            if self._process.poll() is not None or time.perf_counter() - self.began > READY_SECONDS:
                raise NotReady(log[-3000:])
            await asyncio.sleep(0.02)

    @property
    def megabytes(self) -> float:
        """Resident memory now."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    @property
    def cpu_seconds(self) -> float:
        """CPU used so far, by all its threads."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL where that does not help."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(self._process.wait, END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def postgres_cpu_seconds(server: PostgresServer) -> float:
    """CPU of PostgreSQL's processes; those of the other side's connections stand still meanwhile."""
    postmaster = int((server.base / "data" / "postmaster.pid").read_text().split()[0])
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if postmaster in (int(stat.parent.name), int(fields[1])):
                ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


@contextlib.asynccontextmanager
async def running(server: Server, path: str = "/healthz") -> AsyncIterator[Server]:
    """The server once it answers, for the length of the block."""
    try:
        await server.ready(path)
        yield server
    finally:
        await server.stop()


def service(place: Place, *, sandbox_port: int = 9, workers: bool = False, **more: str) -> Server:
    """`setuplinks serve` on this database."""
    port = reserved_port()
    settings = settings_for(
        f"http://127.0.0.1:{port}", f"http://localhost:{sandbox_port}", place.folder, place.url, **more
    )
    command = [CLI, "serve", "--host", "127.0.0.1", "--port", str(port)]
    return Server(command + ([] if workers else ["--no-workers"]), port, environment_of(settings), place.folder)


def bare(place: Place) -> Server:
    """The bare handlers on this database."""
    port = reserved_port()
    keys = ",".join(f"{tenant}:{key}" for tenant, key in place.keys.items())
    environ = {"SETUPLINKS_DATA_DIR": str(place.folder)}
    if place.url is not None:
        environ["SETUPLINKS_DATABASE_URL"] = place.url
    return Server(["benchmarks.bare", str(port), keys], port, environ, place.folder)


def sandbox(folder: Path) -> Server:
    """`setuplinks sandbox` with the service's app."""
    port = reserved_port()
    environ = {
        "SETUPLINKS_META_APP_ID": meta.APP_ID,
        "SETUPLINKS_META_APP_SECRET": meta.APP_SECRET,
        "SETUPLINKS_META_CONFIG_ID": meta.CONFIG_ID,
        "SETUPLINKS_META_VERIFY_TOKEN": meta.VERIFY_TOKEN,
    }
    return Server([CLI, "sandbox", "--host", "127.0.0.1", "--port", str(port)], port, environ, folder)

"""A real PostgreSQL of the test's own: its cluster, its port, its databases.

Owns the server's life and the making and dropping of databases. It does not know the project's schema
(`tests/support/databases.py` fills the template).
"""

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from tests.support.ports import reserved_port

T = TypeVar("T")

START_SECONDS = 90.0
CRASH_SECONDS = 8.0
DEBIAN_PROGRAMS = "/usr/lib/postgresql"


class PostgresMissing(RuntimeError):
    """PostgreSQL's programs are not on this machine."""


def program(name: str) -> str:
    """The path of one of PostgreSQL's programs. Debian keeps them off PATH, one folder a version."""
    found = shutil.which(name)
    if found and name != "postgres":
        return found
    versions = sorted(Path(DEBIAN_PROGRAMS).glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    if versions:
        return str(versions[-1])
    if found:
        return found
    raise PostgresMissing(f"PostgreSQL's {name} is not here; `make test` installs it or says what to install.")


def run_aside(work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine to its end in a thread with a loop of its own, from sync and async callers alike."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


class PostgresServer:
    """One cluster in a folder of its own, listening on 127.0.0.1 with trust authentication.

    `fsync` is for recovery tests and benchmarks; without it a test's database lives in memory for all it knows.
    """

    def __init__(self, base: Path, *, fsync: bool = False) -> None:
        self.base = base
        self.port = reserved_port()
        self.fsync = fsync
        self._process: subprocess.Popen[bytes] | None = None
        self._names = count(1)

    def url(self, database: str = "postgres") -> str:
        """The address of one of its databases, as `SETUPLINKS_DATABASE_URL` takes it."""
        return f"postgresql://test@127.0.0.1:{self.port}/{database}"

    def initialise(self) -> None:
        """Makes the cluster's files."""
        command = [program("initdb"), "-D", str(self.base / "data"), "-U", "test", "--auth=trust", "-E", "UTF8"]
        made = subprocess.run(
            [*command, "--locale=C.UTF-8", "--no-sync"], capture_output=True, text=True, check=False, **self._owner()
        )
        if made.returncode != 0:
            raise RuntimeError(f"initdb failed: {made.stderr}")

    def start(self) -> None:
        """Starts the server and returns when it takes connections."""
        settings = {
            "fsync": "on" if self.fsync else "off",
            "full_page_writes": "on" if self.fsync else "off",
            "listen_addresses": "127.0.0.1",
            "max_connections": "200",
            "shared_buffers": "64MB",
            "timezone": "UTC",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [program("postgres"), "-D", str(self.base / "data"), "-p", str(self.port), "-k", str(self.base)]
        with (self.base / "postgres.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self._owner()
            )
        run_aside(self._wait_until_ready(self._process))

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """Ends the server; SIGQUIT is the crash that recovery tests want, SIGINT the clean end.

        Up to PostgreSQL 15 a signal that meets the server in the handler of another one may leave it hanging. What is
        to crash is killed then.
        """
        process = self._process
        if process is None or process.poll() is not None:
            self._process = None
            return
        process.send_signal(how)
        try:
            process.wait(CRASH_SECONDS if how == signal.SIGQUIT else START_SECONDS)
        except subprocess.TimeoutExpired:
            if how != signal.SIGQUIT:
                raise
            self.kill()
        self._process = None

    def kill(self) -> None:
        """Ends the server and each of its processes as a power cut would; `start` recovers what was committed."""
        process, self._process = self._process, None
        if process is None:
            return
        processes = [process.pid, *self._children(process.pid)]
        process.send_signal(signal.SIGSTOP)  # or it starts new ones while they are killed one by one
        for pid in reversed(processes):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait(START_SECONDS)
        end = time.monotonic() + START_SECONDS
        # The next server refuses to start while one of them still holds the shared memory.
        while any(_lives(pid) for pid in processes[1:]):
            if time.monotonic() > end:
                raise TimeoutError("PostgreSQL's processes do not end")
            time.sleep(0.01)

    def kill_a_backend(self) -> bool:
        """Kills one process that serves a client; the server then throws out everybody and recovers by itself.

        False where none serves anybody.
        """
        if self._process is None:
            return False
        for pid in self._children(self._process.pid):
            with contextlib.suppress(OSError):  # it has ended by itself meanwhile
                if b" 127.0.0.1(" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGKILL)
                    return True
        return False

    def _children(self, parent: int) -> list[int]:
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:
                    found.append(int(stat.parent.name))
        return found

    def create_database(self, template: str = "template0") -> str:
        """Makes a database under a new name and returns its address."""
        name = f"t{os.getpid()}_{next(self._names)}"
        self._execute_alone(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Removes a database that `create_database` made, whoever is still connected."""
        self._execute_alone(f'DROP DATABASE IF EXISTS "{url.rpartition("/")[2]}" WITH (FORCE)')

    def _execute_alone(self, sql: str) -> None:
        """Runs what needs a database that nobody uses: who has left it may need longer to end than the server waits."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.execute(sql)
            except asyncpg.ObjectInUseError:
                if time.monotonic() > deadline:
                    raise
            else:
                return

    def execute(self, sql: str, database: str = "postgres") -> None:
        """Runs one statement on a connection of its own."""
        run_aside(self._execute(sql, database))

    async def _execute(self, sql: str, database: str) -> None:
        connection = await asyncpg.connect(self.url(database))
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    async def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                connection = await asyncpg.connect(self.url())
            except (OSError, asyncpg.PostgresError) as refused:
                if process.poll() is not None or time.monotonic() > deadline:
                    log = (self.base / "postgres.log").read_text(errors="replace")
                    raise RuntimeError(f"PostgreSQL does not start: {log[-2000:]}") from refused
                await asyncio.sleep(0.02)
            else:
                await connection.close()
                return

    def _owner(self) -> dict[str, Any]:
        """How its programs are run: PostgreSQL refuses to be root, so root runs them as the package's own user."""
        if os.geteuid() != 0:
            return {"cwd": self.base}
        owner = pwd.getpwnam("postgres")
        return {"cwd": self.base, "user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}


def _lives(pid: int) -> bool:
    """False for one that has ended and that nobody has buried yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextlib.contextmanager
def running_postgres(*, fsync: bool = False) -> Iterator[PostgresServer]:
    """A server for the length of the block, in a folder that its own user can reach."""
    # pytest's tmp_path is closed to other users, and the server may run as one.
    base = Path(tempfile.mkdtemp(prefix="setuplinks-pg-", dir="/tmp"))
    try:
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(base, owner.pw_uid, owner.pw_gid)
        server = PostgresServer(base, fsync=fsync)
        server.initialise()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(base, ignore_errors=True)

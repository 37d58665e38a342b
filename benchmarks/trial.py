"""What the programs share in which the service runs as processes and suffers: `soak` and `faults`.

Owns the options and the folder of a run, both databases one after the other, the ground that a scene stands on, and
what a verdict is. What goes wrong when, and what must hold afterwards, is each program's own.
"""

import argparse
import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

from setuplinks.core.db.database import Database
from setuplinks.core.db.open import open_database
from setuplinks.migrations.apply import migrate
from setuplinks.sandbox.config import SandboxConfig
from setuplinks.sandbox.server import create_app, listening
from setuplinks.sandbox.world import World
from tests.support import sandbox as meta
from tests.support.api import Api
from tests.support.ports import reserved_port
from tests.support.postgres import PostgresServer, running_postgres
from tests.support.sandbox import Sandbox
from tests.support.service import OPERATOR_KEY, environment_of, settings_for

TENANTS = ("north", "south")
ANSWER_SECONDS = 45.0  # longer than any of the service's waits for Meta

Measured = Callable[[Path, PostgresServer | None, argparse.Namespace], Coroutine[Any, Any, bool]]


@dataclass(frozen=True)
class Verdict:
    """One line of the table. `wrong` has an example for each violation."""

    what: str
    seen: str
    wrong: list[str]


@dataclass(frozen=True)
class Ground:
    """A database that was empty, Meta's stand-in, and how the service's programs are started: `url`, `environ`.

    `database_url` is the database's own address, past all proxies; None for SQLite.
    """

    folder: Path
    server: PostgresServer | None
    database_url: str | None
    url: str
    world: World
    sandbox: Sandbox
    operator: Api
    environ: dict[str, str]

    @property
    def dialect(self) -> str:
        """As the table names it."""
        return "SQLite" if self.server is None else "PostgreSQL"

    @contextlib.asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        """The programs' database, beside them."""
        db = await open_database(self.database_url, self.folder / "data", flock=False, pool_size=1)
        try:
            yield db
        finally:
            await db.close()

    async def rows(self, sql: str) -> list[dict[str, Any]]:
        """Rows as they stand in the database."""
        async with self.database() as db:
            return [dict(row) for row in await db.read(sql)]

    def logs(self) -> list[Path]:
        """What the programs have printed, a file each."""
        return sorted(self.folder.glob("*.log"))


@contextlib.asynccontextmanager
async def new_ground(folder: Path, server: PostgresServer | None, *, log_level: str = "info") -> AsyncIterator[Ground]:
    """The ground for the length of the block; no program runs on it yet."""
    await asyncio.to_thread(folder.mkdir, parents=True)
    database_url = None if server is None else server.create_database()
    await migrate(database_url, folder / "data")
    url = f"http://127.0.0.1:{reserved_port()}"
    box = create_app(SandboxConfig(meta.APP_ID, meta.APP_SECRET, meta.CONFIG_ID, meta.VERIFY_TOKEN, public_url=url))
    # No connection is kept: the program at its other end is killed at any moment.
    connector, timeout = aiohttp.TCPConnector(limit=0, force_close=True), aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    async with (
        listening(box, name="localhost") as running,
        aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
    ):
        settings = settings_for(url, running.url, folder / "data", database_url, log_format="json", log_level=log_level)
        yield Ground(
            folder, server, database_url, url, box.state.world, Sandbox(running.url, session),
            Api(url, OPERATOR_KEY, session), environment_of(settings) | _same_tree(),
        )  # fmt: skip


def _same_tree() -> dict[str, str]:
    """The programs run the code that this one runs, also where that is a copy of the tree."""
    return {"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}


def parser_for(program: str, words: str | None) -> argparse.ArgumentParser:
    """The options that each program has; `measured_on_each` reads them."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{program}", description=words)
    parser.add_argument("--only", choices=("sqlite", "postgres"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="keeps databases and logs in this folder")
    return parser


def measured_on_each(measured: Measured, options: argparse.Namespace, *, fsync: bool = False) -> int:
    """Both databases, or the one that was asked for; 0 where nothing was wrong on any, else 1."""
    base = options.keep or Path(tempfile.mkdtemp(prefix="setuplinks-trial-"))
    good = True
    try:
        if options.only != "postgres":
            good &= uvloop.run(measured(base / "sqlite", None, options))
        if options.only != "sqlite":
            with running_postgres(fsync=fsync) as server:
                good &= uvloop.run(measured(base / "postgres", server, options))
    finally:
        if options.keep is None:
            shutil.rmtree(base, ignore_errors=True)
    return 0 if good else 1

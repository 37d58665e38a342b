"""Runs the service in this process: opens the database, listens, and stops gracefully on SIGTERM or SIGINT.

Owns the order of start and end. What is served stands in `app`; nothing is decided here.
"""

import asyncio
import contextlib
import gc
import logging
import resource
import signal
import socket
import sys
from collections.abc import AsyncIterator, Coroutine
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import uvicorn

from setuplinks.commands.faults import Refused, cannot_listen
from setuplinks.core import logs
from setuplinks.core.clock import SystemClock
from setuplinks.core.db.open import FILE_NAME, open_database
from setuplinks.core.embedded_server import EmbeddedServer
from setuplinks.core.logs import act
from setuplinks.migrations.apply import check_revision, migrate
from setuplinks.settings import Settings, is_loopback

if TYPE_CHECKING:
    from fastapi import FastAPI

    from setuplinks.app import Service

BACKLOG = 2048
FINISH_SECONDS = 30  # for requests that are under way; a code's exchange with Meta is the longest of them
LOOK_FOR_CYCLES_EVERY = (10_000, 20, 20)  # new objects; of the young, of the old
THREADS_WAIT_SECONDS = 0.000_05
KEEP_ALIVE_SECONDS = 75  # longer than a balancer's usual 60, so that the balancer closes first

log = logging.getLogger("setuplinks.serve")


def run(work: Coroutine[Any, Any, None]) -> None:
    """Runs `work` to its end on uvloop, with as many open files as the system allows: each connection is one.

    Many systems begin a process with 1,024, and as many deliveries alone may be under way.
    """
    import uvloop  # noqa: PLC0415 - the other commands do not need it

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # a limit that may not be named, as `unlimited` on some systems
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


def listening_place(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one. Raises Refused."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named: on a socket without it asyncio leaves Nagle's algorithm on, and each answer waits 40 ms.
    place = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind((host, port))
        place.listen(BACKLOG)
    except OSError as error:
        place.close()
        raise cannot_listen(error, host, port) from None
    return place


@contextlib.asynccontextmanager
async def until_asked() -> AsyncIterator[asyncio.Event]:
    """An event that is set by the first SIGTERM or SIGINT; the second one ends the process at once."""
    asked, loop = asyncio.Event(), asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)

    def stop() -> None:
        asked.set()
        for one in signals:
            loop.remove_signal_handler(one)

    for one in signals:
        loop.add_signal_handler(one, stop)
    try:
        yield asked
    finally:
        for one in signals:
            loop.remove_signal_handler(one)


@contextlib.asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator["Service"]:
    """The service around its database, which is closed at the end. SQLite is brought to this program's schema.

    Raises DatabaseAway, DatabaseInUse, SchemaBehind, SchemaAhead.
    """
    from setuplinks import app  # noqa: PLC0415 - the heaviest import; a port that is taken is told before

    url = None if settings.database_url is None else settings.database_url.get_secret_value()
    listen = settings.database_listen_url
    db = await open_database(
        url, settings.data_dir, pool_size=settings.database_pool_size,
        statement_cache_size=settings.database_statement_cache,
        listen_url=None if listen is None else listen.get_secret_value(),
    )  # fmt: skip
    try:
        if url is None:
            await migrate(None, settings.data_dir)
        await check_revision(db)
        yield app.build(settings, db, SystemClock())
    finally:
        await db.close()


@contextlib.asynccontextmanager
async def answering(app: "FastAPI", place: socket.socket) -> AsyncIterator[None]:
    """Serves `app` for the length of the block. At its end requests are finished first, then the workers' rounds."""
    config = uvicorn.Config(
        app, http="httptools", ws="none", lifespan="off", log_config=None, access_log=False, proxy_headers=False,
        server_header=False, backlog=BACKLOG, timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=FINISH_SECONDS,
    )  # fmt: skip
    # The lifespan is run here and not by uvicorn, which would log a traceback where one line says it.
    async with app.router.lifespan_context(app), EmbeddedServer(config).running(place):
        yield


async def serve(settings: Settings, host: str, port: int, *, workers: bool) -> None:
    """`setuplinks serve`. Raises Refused, SchemaBehind, DatabaseAway, DatabaseInUse, VaultClosed."""
    configure_logs(settings)
    with listening_place(host, port) as place:
        async with opened(settings) as service, until_asked() as asked:
            from setuplinks.app import create_app  # noqa: PLC0415 - see above

            async with answering(create_app(service, workers=workers), place):
                address = address_of(place)
                _warn_of_other_port(settings, place)
                _look_for_cycles_rarely()
                _let_threads_in_soon()
                act(
                    log, "serve.ready", address=address, public_url=settings.public_url, database=database_of(settings),
                    workers=workers,
                )  # fmt: skip
                await asked.wait()
                act(log, "serve.stopping")
    act(log, "serve.stopped")


async def work(settings: Settings) -> None:
    """`setuplinks worker`. Raises Refused on SQLite, SchemaBehind, DatabaseAway, VaultClosed."""
    if settings.database_url is None:
        raise Refused(
            "`worker` is for PostgreSQL: a SQLite file is served by one process, and `setuplinks serve` runs the "
            "workers inside. Set SETUPLINKS_DATABASE_URL to run workers apart."
        )
    configure_logs(settings)
    async with opened(settings) as service, until_asked() as asked:
        await service.start(workers=True)
        _look_for_cycles_rarely()
        act(log, "worker.ready", database=database_of(settings))
        await asked.wait()
        act(log, "worker.stopping")
        await service.stop(workers=True)
    act(log, "worker.stopped")


def _look_for_cycles_rarely() -> None:
    """For a process that answers for months: by Python's own rule looking for cycles takes a fifth of a call's CPU.

    A call makes hundreds of objects and hardly a cycle among them, and what was made until here stays in any case.
    """
    gc.freeze()
    gc.set_threshold(*LOOK_FOR_CYCLES_EVERY)


def _let_threads_in_soon() -> None:
    """SQLite's writer gives up the interpreter for each statement, and waited up to 5 ms to have it back."""
    sys.setswitchinterval(THREADS_WAIT_SECONDS)


def configure_logs(settings: Settings) -> None:
    """Our own log by the settings; what libraries say only where it is a warning, in the same shape."""
    logs.configure(settings.log_level, settings.log_format)
    root = logging.getLogger()
    root.handlers[:] = logging.getLogger("setuplinks").handlers
    root.setLevel(logging.WARNING)


def address_of(place: socket.socket) -> str:
    """`http://127.0.0.1:8080` of a socket that listens."""
    host, port = place.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def database_of(settings: Settings) -> str:
    """Which database, for people: without its password."""
    if settings.database_url is None:
        return str(settings.data_dir / FILE_NAME)
    parts = urlsplit(settings.database_url.get_secret_value())
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"


def _warn_of_other_port(settings: Settings, place: socket.socket) -> None:
    public = urlsplit(settings.public_url)
    port = public.port or (443 if public.scheme == "https" else 80)
    if public.scheme == "http" and is_loopback(public.hostname) and port != place.getsockname()[1]:
        act(
            log, "serve.other_port", logging.WARNING, address=address_of(place), public_url=settings.public_url,
            detail="links lead to SETUPLINKS_PUBLIC_URL, and nothing answers there unless something stands between",
        )  # fmt: skip

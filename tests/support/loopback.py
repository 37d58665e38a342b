"""An ASGI application on a real loopback port, in the event loop of the test.

Owns the server's start and end. The test and the application share one loop, so a test can move the clock or drain the
workers and look at the answer without waiting for luck.
"""

import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from setuplinks.core.embedded_server import EmbeddedServer

KEEP_ALIVE_SECONDS = 75  # longer than any client keeps a connection, or a POST meets one that is just being closed


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


@contextlib.contextmanager
def bound_socket() -> Iterator[socket.socket]:
    """A listening place on 127.0.0.1: its port is known, and nobody else's, before the application is built."""
    # The protocol is named: asyncio sets TCP_NODELAY only then, and without it each answer waits 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as place:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind(("127.0.0.1", 0))
        yield place


@contextlib.asynccontextmanager
async def serving(app: Any, place: socket.socket, tls: Certificate | None = None) -> AsyncIterator[None]:
    """Serves the application on that socket for the length of the block, its lifespan included; by https with `tls`.

    Raises RuntimeError where the application does not start.
    """
    config = uvicorn.Config(
        app, lifespan="auto", ws="none", log_config=None, access_log=False, timeout_graceful_shutdown=2,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        ssl_certfile=str(tls.certificate) if tls else None, ssl_keyfile=str(tls.key) if tls else None,
    )  # fmt: skip
    async with EmbeddedServer(config).running(place):
        yield


def port_of(place: socket.socket) -> int:
    """The port of a bound socket."""
    port: int = place.getsockname()[1]
    return port

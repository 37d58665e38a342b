"""Puts the sandbox together and runs it: `create_app` for tests, `serve` for the command line, `running` for both."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from setuplinks.core.embedded_server import EmbeddedServer
from setuplinks.sandbox import (
    chats,
    control,
    control_app,
    control_chats,
    control_telling,
    desk,
    dialog,
    home,
    oauth,
    sdk,
)
from setuplinks.sandbox.broken_connection import Protocol
from setuplinks.sandbox.config import SandboxConfig
from setuplinks.sandbox.graph_batch import any_call, is_root_call, root_call
from setuplinks.sandbox.graph_call import Handler, respond
from setuplinks.sandbox.graph_media import ATTACHMENTS, download
from setuplinks.sandbox.pages import static_file
from setuplinks.sandbox.sender import Sender
from setuplinks.sandbox.telling import Teller
from setuplinks.sandbox.world import World

GRAPH_METHODS = ["GET", "POST", "DELETE"]
KEEP_ALIVE_SECONDS = 75  # longer than any client keeps a connection, or a POST meets one that is just being closed


def create_app(config: SandboxConfig) -> Starlette:
    """The whole stand-in as one ASGI app. Tests in the same process reach `app.state.world` and `app.state.sender`."""
    world = World(config)
    sender = Sender(world)
    world.notify = sender.notify
    world.tell_of_number = Teller(world, sender).of_number

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await sender.start()
        agenda = asyncio.create_task(world.agenda.run())
        try:
            yield
        finally:
            agenda.cancel()
            await asyncio.gather(agenda, return_exceptions=True)
            await sender.stop()
            world.spool.clear()

    def graph(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            return await respond(request, world, handler)

        return endpoint

    async def first(request: Request) -> Response:
        if is_root_call(request):
            return await respond(request, world, root_call)
        return RedirectResponse("/sandbox", 303)

    app = Starlette(
        routes=[
            *dialog.routes(world),
            *sdk.routes(world),
            Route("/", first, methods=["GET", "POST"]),
            Route("/sandbox", home.page(world, sender)),
            Route("/sandbox/static/{name}", static_file),
            *control.routes(world, sender),
            *desk.routes(world),
            *chats.routes(world),
            *control_telling.routes(world),
            *control_chats.routes(world),
            *control_app.routes(world),
            Route(ATTACHMENTS, graph(download), methods=["GET"]),
            Route("/{version}/oauth/access_token", graph(oauth.access_token), methods=["GET", "POST"]),
            Route("/{version}/debug_token", graph(oauth.debug_token), methods=["GET"]),
            Route("/{version}", graph(root_call), methods=["GET", "POST"]),
            Route("/{version}/", graph(root_call), methods=["GET", "POST"]),
            Route("/{version}/{path:path}", graph(any_call), methods=GRAPH_METHODS),
        ],
        lifespan=lifespan,
    )
    app.state.world, app.state.sender = world, sender
    return app


@dataclass(frozen=True, slots=True)
class Running:
    """An app that listens. `url` has no slash at its end."""

    url: str
    port: int


def bound(host: str, port: int) -> socket.socket:
    """A listening place; OSError where the port is taken, before anything has been built.

    The protocol is named: asyncio sets TCP_NODELAY only then, and without it each answer waits 40 ms.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    place = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind((host, port))
        place.listen(2048)
    except OSError:
        place.close()
        raise
    return place


def _config(app: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=Protocol,
        lifespan="on",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )


@asynccontextmanager
async def listening(
    app: Starlette, host: str = "127.0.0.1", port: int = 0, name: str | None = None
) -> AsyncIterator[Running]:
    """Serves `app` in this event loop until the block ends; port 0 takes a free one. `name` is the host in `url`."""
    with bound(host, port) as place:
        taken: int = place.getsockname()[1]
        async with EmbeddedServer(_config(app)).running(place):
            yield Running(f"http://{name or host}:{taken}", taken)


async def serve(config: SandboxConfig, host: str, port: int) -> None:
    """Runs until SIGINT or SIGTERM. OSError where the port is taken."""
    with bound(host, port) as place:
        await uvicorn.Server(_config(create_app(config))).serve(sockets=[place])

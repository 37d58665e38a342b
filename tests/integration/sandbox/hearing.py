"""A service that hears what the sandbox tells and answers as a test says, and a sandbox that knows its address."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from setuplinks.sandbox.server import listening
from tests.integration.sandbox.calls import Meta, running_meta


class Heard:
    """What came. `statuses` are answered one after the other, then 200 with `body`."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.body = "{}"
        self.posts: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self._changes: list[tuple[str, str, dict[str, Any]]] = []  # path, field, value

    async def take(self, request: Request) -> Response:
        if request.method == "GET":
            return PlainTextResponse(request.query_params["hub.challenge"])
        self.posts.put_nowait((request.url.path, await request.body()))
        return Response(self.body, self.statuses.pop(0) if self.statuses else 200)

    async def post(self) -> tuple[str, bytes]:
        """The path and body of the next POST."""
        return await asyncio.wait_for(self.posts.get(), 60)

    async def entries(self) -> list[dict[str, Any]]:
        """The entries of the next POST."""
        found: list[dict[str, Any]] = json.loads((await self.post())[1])["entry"]
        return found

    async def form(self) -> tuple[str, dict[str, str]]:
        """The path and fields of the next POST, which is a form."""
        path, body = await self.post()
        return path, {name: values[0] for name, values in parse_qs(body.decode()).items()}

    async def next_value(self, field: str) -> dict[str, Any]:
        """The value of the next change of this field; others are passed over."""
        return (await self.next_change(field))[1]

    async def next_change(self, field: str) -> tuple[str, dict[str, Any]]:
        """As `next_value`, with the path that it came to."""
        while True:
            for position, (path, name, value) in enumerate(self._changes):
                if name == field:
                    del self._changes[position]
                    return path, value
            path, body = await self.post()
            for entry in json.loads(body)["entry"]:
                self._changes += [(path, change["field"], change["value"]) for change in entry["changes"]]


@contextlib.asynccontextmanager
async def hearing() -> AsyncIterator[tuple[Heard, Meta]]:
    """Both, for the length of the block."""
    heard = Heard()
    app = Starlette(routes=[Route("/{path:path}", heard.take, methods=["GET", "POST"])])
    async with listening(app) as running, running_meta(running.url) as meta:
        yield heard, meta

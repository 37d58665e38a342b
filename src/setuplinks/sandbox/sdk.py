"""Serves the stand-in for Meta's JavaScript SDK and what it touches: second script, hidden frame, status address."""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from setuplinks.sandbox.pages import STATIC
from setuplinks.sandbox.world import World

ANYWHERE = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Cache-Control": "no-store",
}
FRAME = (
    "<!doctype html><title>Sandbox SDK</title><script>"
    "parent.postMessage('sandbox-frame-ready', new URLSearchParams(location.search).get('origin'))</script>"
)


def routes(world: World) -> list[Route]:
    return [
        Route("/{locale}/sdk.js", _script(world)),
        Route("/x/connect/frame", _frame),
        Route("/x/oauth/status", _status),
        Route("/x/connect/xd_arbiter/", _arbiter),
    ]


def _script(world: World) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        """Without `hash` the loader, with it the SDK itself; both may be slow or missing by setting."""
        if world.settings.sdk != "on":
            return Response("not found", 404)
        if world.settings.sdk_delay_ms:
            await asyncio.sleep(world.settings.sdk_delay_ms / 1000)
        name = "sdk.js" if "hash" in request.query_params else "loader.js"
        return Response(STATIC[name], headers=ANYWHERE, media_type="text/javascript; charset=utf-8")

    return endpoint


async def _frame(_request: Request) -> Response:
    """The frame tells the page that put it there, and no other, that it could load."""
    return HTMLResponse(FRAME, headers={"Cache-Control": "no-store"})


async def _status(_request: Request) -> Response:
    return JSONResponse({"status": "unknown"}, headers=ANYWHERE)


async def _arbiter(_request: Request) -> Response:
    return HTMLResponse("<!doctype html><title>Sandbox</title>")

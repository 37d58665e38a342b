"""The signup routes in one table.

An address with the secret and one without differ by their length only, so one route serves both and asks which it is.
"""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from setuplinks.signup.callback import Callback
from setuplinks.signup.link_pages import LinkPages
from setuplinks.signup.rendering import STATIC_DIRECTORY
from setuplinks.signup.room import Room
from setuplinks.signup.starting import Starting
from setuplinks.signup.visit_pages import VisitPages

STATIC_URL = "/static/signup"
ID_LENGTH = 36
FOR_EVER = "public, max-age=31536000, immutable"


class _Files(StaticFiles):
    """Our own files; an address with the file's hash may be kept for ever."""

    def file_response(
        self, full_path: Path | str, stat_result: object, scope: Scope, status_code: int = 200
    ) -> Response:  # type: ignore[override]
        """As Starlette's, with the headers of a static file."""
        response = super().file_response(full_path, stat_result, scope, status_code)  # type: ignore[arg-type]
        hashed = b"v=" in scope.get("query_string", b"") or str(full_path).endswith(".woff2")
        response.headers["Cache-Control"] = FOR_EVER if hashed else "public, max-age=300"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


def routes(room: Room) -> list[BaseRoute]:
    """Every route of the signup pages, Meta's callback among them."""
    starting = Starting(room)
    links, visits, callback = LinkPages(room, starting), VisitPages(room, starting), Callback(room, starting)

    async def show(request: Request) -> Response:
        long = len(request.path_params["link"]) > ID_LENGTH
        return await (links.show(request) if long else visits.show(request))

    async def leave(request: Request) -> Response:
        long = len(request.path_params["link"]) > ID_LENGTH
        return await (links.leave(request) if long else visits.leave(request))

    return [
        Mount(STATIC_URL, _Files(directory=STATIC_DIRECTORY)),
        Route("/meta/callback", callback.page, methods=["GET"]),
        Route("/signup/{link}", show, methods=["GET"]),
        Route("/signup/{link}/leave", leave, methods=["GET"]),
        *(_below(route) for route in [*links.routes(), *visits.routes(), *callback.routes()]),
    ]


def _below(route: Route) -> Route:
    return Route("/signup" + route.path, route.endpoint, methods=list(route.methods or ()))

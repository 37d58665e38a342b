"""The signup routes in one table.

An address with the secret and one without differ by their length only, so one route serves both and asks which it is.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from setuplinks.core.logs import act
from setuplinks.core.problems import Problem
from setuplinks.signup.callback import Callback
from setuplinks.signup.images import Images
from setuplinks.signup.link_pages import LinkPages
from setuplinks.signup.question_pages import QuestionPages
from setuplinks.signup.rendering import STATIC_DIRECTORY
from setuplinks.signup.room import Room
from setuplinks.signup.starting import Starting
from setuplinks.signup.views import Trouble
from setuplinks.signup.visit_pages import VisitPages
from setuplinks.signup.visitor import Visitors

STATIC_URL = "/static/signup"
ID_LENGTH = 36
FOR_EVER = "public, max-age=31536000, immutable"

Endpoint = Callable[[Request], Awaitable[Response]]

log = logging.getLogger("setuplinks.signup")


class _Files(StaticFiles):
    """Our own files; an address with the file's hash may be kept for ever."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """As Starlette's, with the headers of a static file."""
        response = await super().get_response(path, scope)
        hashed = b"v=" in scope.get("query_string", b"") or path.endswith(".woff2")
        response.headers["Cache-Control"] = FOR_EVER if hashed else "public, max-age=300"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


def routes(room: Room) -> list[BaseRoute]:
    """Every route of the signup pages, Meta's callback among them."""
    starting = Starting(room)
    visitors = Visitors(room)
    questions = QuestionPages(room, starting, visitors)
    links, visits = LinkPages(room, starting), VisitPages(room, starting, visitors, questions)
    callback = Callback(room, starting)

    async def show(request: Request) -> Response:
        long = len(request.path_params["link"]) > ID_LENGTH
        return await (links.show(request) if long else visits.show(request))

    async def leave(request: Request) -> Response:
        long = len(request.path_params["link"]) > ID_LENGTH
        return await (links.leave(request) if long else visits.leave(request))

    async def unknown(request: Request) -> Response:
        return room.unknown(request)

    return [
        Route("/signup/{link}", _kind(room, show), methods=["GET"]),
        Mount(STATIC_URL, _Files(directory=STATIC_DIRECTORY)),
        Route("/signup/images/{tenant}/{image}", Images(room).show, methods=["GET"]),
        Route("/meta/callback", _kind(room, callback.page), methods=["GET"]),
        Route("/signup/{link}/", _kind(room, show), methods=["GET"]),  # some mail programs add the slash
        Route("/signup/{link}/leave", _kind(room, leave), methods=["GET"]),
        *(
            _below(room, route)
            for route in [*links.routes(), *visits.routes(), *questions.routes(), *callback.routes()]
        ),
        Route("/signup/{rest:path}", _kind(room, unknown), methods=["GET"]),
    ]


def _below(room: Room, route: Route) -> Route:
    return Route("/signup" + route.path, _kind(room, route.endpoint), methods=list(route.methods or ()))


def _kind(room: Room, endpoint: Endpoint) -> Endpoint:
    """A customer never sees JSON or a traceback: what fails here becomes a page that says what to do."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Problem as problem:
            kind: Literal["unavailable", "error"] = "unavailable" if problem.status == 503 else "error"
            act(log, "page.refused", logging.WARNING, code=problem.code)
            page = Trouble(kind, retry_url=request.url.path if request.method == "GET" else None)
            return room.answers.page(page, problem.status if problem.status >= 500 else 409)
        except Exception:
            log.exception("page.failed")
            return room.answers.page(Trouble("error"), 500)

    return answer

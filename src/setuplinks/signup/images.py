"""A theme's pictures as browsers get them: our own copies, from our own address."""

from starlette.requests import Request
from starlette.responses import Response

from setuplinks.branding.images import FIND
from setuplinks.core.wire import path_id
from setuplinks.signup.room import Room

HEADERS = {
    "Cache-Control": "public, max-age=86400",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Images:
    """The one route."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def show(self, request: Request) -> Response:
        """`/signup/images/{tenant}/{image}`; 404 for one that is not there (yet)."""
        tenant, image = path_id(request.path_params["tenant"]), request.path_params["image"]
        row = None if tenant is None or "\0" in image else await self._room.db.one(FIND, tenant, image)
        if row is None:
            return Response(status_code=404, headers=HEADERS)
        return Response(bytes(row["body"]), media_type=row["media_type"], headers=HEADERS)

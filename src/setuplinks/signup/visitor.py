"""Who asks for a page of a visit: the link, this browser's newest visit of it, and whether a form is a person's.

Owns the check that every page and form below `/signup/{id}` begins with. It decides no page.
"""

from starlette.requests import Request
from starlette.responses import Response

from setuplinks.core import ids
from setuplinks.setup_links import store as links
from setuplinks.setup_links.models import Visit
from setuplinks.signup.browser import Browser
from setuplinks.signup.room import Room, form_of
from setuplinks.signup.showing import Shown

Found = tuple[Shown, Visit, Browser]


class Visitors:
    """Finds the visit of a request."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def of(self, request: Request) -> Found | None:
        """The link and this browser's newest visit of it; None where this browser never started it."""
        shown = await self._room.by_id(request)
        browser = self._room.browsers.of(request)
        if shown is None or not browser.known:
            return None
        visit = links.newest(await self._room.showing.visits(shown.link), ids.digest(browser.secret))
        return None if visit is None else (shown, visit, browser)

    async def pressed(self, request: Request) -> tuple[Found | None, Response]:
        """A form of ours, posted by a person in the browser that began the visit; else the answer to give."""
        found = await self.of(request)
        if found is None:
            return None, self._room.unknown(request)
        link_id = found[0].link.id
        token = (await form_of(request)).get("form_token", "")
        if not self._room.browsers.is_own_post(request) or not self._room.browsers.token_is_good(token, link_id):
            return None, self._room.form_refused(f"/signup/{link_id}")
        return found, Response(status_code=204)

"""The way back from Meta: the full page's callback, and what the popup's page posts.

Owns the reading of codes, refusals and window messages. The callback is the one GET that moves a link; a HEAD or a
prefetch of it does nothing. Codes and states are never logged.
"""

import json
import logging
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from setuplinks.core.logs import act
from setuplinks.core.problems import Problem, Unavailable
from setuplinks.meta.embedded_signup import (
    NotForUs,
    SignupMessage,
    cancel_code,
    denial,
    message_origins,
    parse_message,
)
from setuplinks.provisioning.models import Claims
from setuplinks.setup_links.models import LinkMoved
from setuplinks.setup_links.visits import StateSpent, StateUnknown, VisitClosed, VisitMoved, WrongBrowser
from setuplinks.signup.answers import CALLBACK
from setuplinks.signup.browser import is_prefetch
from setuplinks.signup.room import MOST_JSON, Room, body_of
from setuplinks.signup.starting import Starting
from setuplinks.signup.views import NoLink, Trouble
from setuplinks.signup.views import WrongBrowser as WrongBrowserPage

LONGEST_STATE = 200
LONGEST_CODE = 4_096
TRIES = 3

log = logging.getLogger("setuplinks.signup")


class Callback:
    """The routes by which a grant comes in."""

    def __init__(self, room: Room, starting: Starting) -> None:
        self._room, self._starting = room, starting
        self._origin = message_origins(room.settings.meta_dialog_url)[0]

    def routes(self) -> list[Route]:
        """Below `/signup`."""
        return [
            Route("/{link}/complete", self.complete, methods=["POST"]),
            Route("/{link}/cancel", self.cancel, methods=["POST"]),
        ]

    async def page(self, request: Request) -> Response:
        """`/meta/callback`: row 7 with a code, row 5 with a refusal. Ends in a 303 to the visit's page."""
        room = self._room
        if request.method != "GET" or is_prefetch(request):
            return room.answers.nothing()
        query = dict(request.query_params)
        state, code = query.get("state", ""), query.get("code", "")
        if not state or len(state) > LONGEST_STATE or len(code) > LONGEST_CODE:
            return room.answers.page(NoLink(), 404, CALLBACK)
        try:
            if code:
                link_id = await self._take_up(request, state, code, Claims())
            else:
                refusal = denial(query)
                link_id = await self._leave(request, state, refusal.code if refusal else "meta_refused", None)
        except WrongBrowser:
            act(log, "callback.wrong_browser")
            return room.answers.page(WrongBrowserPage(), 403, CALLBACK)
        except StateUnknown:
            return room.answers.page(NoLink(), 404, CALLBACK)
        except Unavailable:
            return room.answers.page(Trouble("unavailable"), 503, CALLBACK)
        except Problem as error:
            act(log, "callback.refused", logging.WARNING, why=error.code)
            return room.answers.page(Trouble("error"), 409, CALLBACK)
        return room.answers.see_other(f"/signup/{link_id}", CALLBACK)

    async def complete(self, request: Request) -> Response:
        """The popup's code and message, posted by our own page; ids in the message are claims."""
        posted = await self._posted(request)
        if posted is None:
            return self._room.answers.json({"location": None}, 403)
        here = f"/signup/{request.path_params['link']}"
        code, message = posted.get("code"), self._message(posted.get("message"))
        if not isinstance(code, str) or not code or len(code) > LONGEST_CODE:
            return self._room.answers.json({"location": here})  # a message alone proves nothing and ends nothing
        try:
            await self._take_up(request, posted["state"], code, _claims(message))
        except Unavailable:
            return self._room.answers.json({"location": here}, 503)
        except Problem as error:
            act(log, "callback.refused", logging.WARNING, why=error.code)
        return self._room.answers.json({"location": here})

    async def cancel(self, request: Request) -> Response:
        """The customer left Meta's window, or Meta ended it with an error."""
        posted = await self._posted(request)
        if posted is None:
            return self._room.answers.json({"location": None}, 403)
        message = self._message(posted.get("message"))
        if message is not None and message.stopped:
            try:
                await self._leave(request, posted["state"], cancel_code(message), message.current_step)
            except Problem as error:
                act(log, "callback.refused", logging.WARNING, why=error.code)
        return self._room.answers.json({"location": f"/signup/{request.path_params['link']}"})

    async def _take_up(self, request: Request, state: str, code: str, claims: Claims) -> str:
        """Answers the link's id, whatever became of the grant: the visit's page shows it. A change of the link between
        our read and our write is no reason to lose a code that lives for 30 s: the state was not burnt by it."""
        room = self._room
        browser = room.browsers.of(request)
        secret = browser.secret if browser.known else None
        for last in range(TRIES):
            try:
                granted = await room.provisionings.take_up(state, secret, code, claims)
                return granted.link.id
            except (LinkMoved, VisitMoved):
                if last == TRIES - 1:
                    raise
            except (StateSpent, VisitClosed):
                return await self._link_of(state)  # row 17, or a callback that was loaded twice
        raise AssertionError("unreachable: the last try raises")

    async def _leave(self, request: Request, state: str, code: str, meta_step: str | None) -> str:
        room = self._room
        browser = room.browsers.of(request)
        return await room.db.unit(room.visits.refuse, state, browser.secret if browser.known else None, code, meta_step)

    async def _link_of(self, state: str) -> str:
        found = await self._room.visits.link_of(state)
        if found is None:
            raise StateUnknown()
        return found

    async def _posted(self, request: Request) -> dict[str, Any] | None:
        """The JSON that our sign-in page posted, with its `state`; None for anything else."""
        if not self._room.browsers.is_own_post(request):
            return None
        raw = await body_of(request, MOST_JSON)
        try:
            value = json.loads(raw or b"")
        except (ValueError, RecursionError):
            return None
        state = value.get("state") if isinstance(value, dict) else None
        good = isinstance(state, str) and state.isascii() and 0 < len(state) <= LONGEST_STATE
        return value if good else None

    def _message(self, text: Any) -> SignupMessage | None:
        """The page compared the window's origin already; what it passed on is read as from there."""
        if not isinstance(text, str | dict):
            return None
        try:
            return parse_message(text, self._origin, self._room.settings.meta_dialog_url)
        except NotForUs:
            return None


def _claims(message: SignupMessage | None) -> Claims:
    if message is None:
        return Claims()
    return Claims(
        event=message.event,
        meta_waba_id=message.waba_id,
        meta_phone_number_id=message.phone_number_id,
        business_id=message.business_id,
        meta_waba_ids=message.waba_ids,
    )

"""The operator's pages: signing in with the operator's key, and what doctor finds.

Owns `/operator/…`. The key comes in a form and is exchanged for a session at once; it is kept nowhere. A GET changes
nothing, and every post is a pressed form of our own.
"""

import logging
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from setuplinks.core.clock import MINUTE
from setuplinks.core.logs import act
from setuplinks.core.problems import Problem
from setuplinks.core.rate_limits import RateLimits
from setuplinks.core.wire import instant
from setuplinks.dashboard.answers import STATIC_DIRECTORY, STATIC_URL, Answers, Files
from setuplinks.dashboard.sessions import Session, Sessions
from setuplinks.dashboard.views import DoctorPage, SignInPage, TroublePage
from setuplinks.doctor.desk import Desk
from setuplinks.settings import PREFIX
from setuplinks.tenants.context import Deps
from setuplinks.tenants.routes import read_body

HOME = "/operator/doctor"
SIGN_IN = "/operator/sign-in"
WRONG_KEY = "wrong key"
MOST_FORM = 4_096
NOT_TAKEN = f"This is not the operator’s key. It stands in {PREFIX}OPERATOR_KEY of the service’s settings."
TOO_OLD = "This page was open for too long, or it was not opened here. Try again."

Endpoint = Callable[[Request], Awaitable[Response]]
Shown = Callable[[Session], Awaitable[Response]]

log = logging.getLogger("setuplinks.dashboard")


class OperatorPages:
    """The pages over one desk."""

    def __init__(self, deps: Deps, desk: Desk) -> None:
        settings, clock = deps.settings, deps.clock
        self._auth, self._desk = deps.auth, desk
        self._sessions = Sessions(settings, settings.key_ring, clock)
        self._answers = Answers(settings)
        most = settings.rate_sign_ins if settings.rate_limits == "on" else 0
        self._limits = RateLimits({WRONG_KEY: (most, MINUTE)}, clock, settings.proxy_networks)

    def routes(self) -> list[BaseRoute]:
        """All of them, the static files among them."""
        return [
            Route("/operator", self._kind(self._home), methods=["GET"]),
            Route(SIGN_IN, self._kind(self.ask_key), methods=["GET"]),
            Route(SIGN_IN, self._kind(self.sign_in), methods=["POST"]),
            Route("/operator/sign-out", self._kind(self.sign_out), methods=["POST"]),
            Route(HOME, self._kind(self._signed_in(self.doctor)), methods=["GET"]),
            Mount(STATIC_URL, Files(directory=STATIC_DIRECTORY)),
        ]

    async def ask_key(self, request: Request) -> Response:
        """The sign-in page; who is signed in already goes on."""
        if self._sessions.of(request) is not None:
            return self._answers.see_other(HOME)
        return self._ask()

    async def sign_in(self, request: Request) -> Response:
        """Exchanges the key for a session. Too many wrong ones make the address wait, with a right one too."""
        fields = await _form(request)
        if not self._sessions.is_own_form(request, fields.get("form_token", ""), None):
            return self._ask(TOO_OLD, 403)
        address = self._limits.address(request)
        wait = self._limits.over(WRONG_KEY, address)
        if wait is not None:
            return self._wait(wait)
        if not self._auth.is_operator(fields.get("key", "").strip()):
            self._limits.wait(WRONG_KEY, address)
            act(log, "operator.sign_in_refused", logging.WARNING, address=address)
            return self._ask(NOT_TAKEN, 403)
        act(log, "operator.signed_in", address=address)
        response = self._answers.see_other(HOME)
        self._sessions.begin(response)
        return response

    async def sign_out(self, request: Request) -> Response:
        """Ends the session in this browser."""
        session = self._sessions.of(request)
        fields = await _form(request)
        if session is not None and not self._sessions.is_own_form(request, fields.get("form_token", ""), session):
            return self._answers.page(TroublePage("Still signed in", TOO_OLD), 403)
        response = self._answers.see_other(SIGN_IN)
        self._sessions.end(response)
        return response

    async def doctor(self, session: Session) -> Response:
        """Looks, and shows what was found."""
        report = await self._desk.look()
        page = DoctorPage(self._sessions.form_token(session), report, instant(report.checked_at))
        return self._answers.page(page)

    async def _home(self, _: Request) -> Response:
        return self._answers.see_other(HOME)

    def _ask(self, refusal: str | None = None, status: int = 200) -> Response:
        return self._answers.page(SignInPage(self._sessions.form_token(None), refusal), status)

    def _wait(self, seconds: int) -> Response:
        page = TroublePage("Too many wrong keys", f"Wait {seconds} seconds, then sign in again.")
        response = self._answers.page(page, 429)
        response.headers["Retry-After"] = str(seconds)
        return response

    def _signed_in(self, show: Shown) -> Endpoint:
        """The page for who is signed in; anybody else is asked for the key."""

        async def endpoint(request: Request) -> Response:
            session = self._sessions.of(request)
            if session is None:
                return self._answers.see_other(SIGN_IN)
            response = await show(session)
            self._sessions.renew(response, session)
            return response

        return endpoint

    def _kind(self, endpoint: Endpoint) -> Endpoint:
        """A person never sees JSON or a traceback."""

        async def answer(request: Request) -> Response:
            try:
                return await endpoint(request)
            except Problem as problem:
                act(log, "page.refused", logging.WARNING, code=problem.code)
                return self._answers.page(TroublePage(problem.title, problem.detail), problem.status)
            except Exception:
                log.exception("page.failed")
                return self._answers.page(TroublePage("This page failed", "The service’s log says why."), 500)

        return answer


async def _form(request: Request) -> dict[str, str]:
    """The fields of a small urlencoded form; empty where it is none. Raises TooLarge, Malformed."""
    body = await read_body(request, MOST_FORM)
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=10)
    except (UnicodeDecodeError, ValueError):
        return {}
    return {name: values[0] for name, values in fields.items()}

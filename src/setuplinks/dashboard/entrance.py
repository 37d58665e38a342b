"""Signing in with the operator's or a tenant's key, signing out, and where one comes in.

Owns the exchange of a key for a session. The key comes in a form and is kept nowhere.
"""

import logging
import re
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from setuplinks.core.clock import MINUTE
from setuplinks.core.db.unit import Row
from setuplinks.core.logs import act
from setuplinks.core.problems import Unauthenticated
from setuplinks.core.rate_limits import RateLimits
from setuplinks.dashboard.access import HOME, SIGN_IN, TOO_OLD, Access, Endpoint, Viewer, form_of
from setuplinks.dashboard.answers import Answers
from setuplinks.dashboard.asked import PAGE, Asked
from setuplinks.dashboard.sessions import Session, Sessions
from setuplinks.dashboard.views import SignInPage, TenantRow, TenantsPage, TroublePage
from setuplinks.settings import PREFIX
from setuplinks.tenants import store as tenants
from setuplinks.tenants.auth import Caller
from setuplinks.tenants.context import Deps
from setuplinks.tenants.keys import WABA_PREFIX
from setuplinks.tenants.routes import END_OF_TIME

WRONG_KEY = "wrong key"
NOT_TAKEN = (
    "This key is not known, or it was revoked or has expired. "
    f"The operator’s own stands in {PREFIX}OPERATOR_KEY of the service’s settings."
)
GATEWAY_ONLY = "This key is for the gateway alone. To look around, it needs the scope read or admin."
WABA_KEY = "This is the key of one WhatsApp account, for sending. Sign in with a key of the whole tenant."
# A path of our own pages: no host, no second slash, nothing that a browser would read as one.
OWN_PATH = re.compile(r"/dashboard(?:/[A-Za-z0-9_-]+)*(?:\?[A-Za-z0-9_.=&%+~:*-]*)?")
MOVED = {"/operator": HOME, "/operator/sign-in": SIGN_IN, "/operator/doctor": f"{HOME}/doctor"}

log = logging.getLogger("setuplinks.dashboard")


class Entrance:
    """The pages before the pages."""

    def __init__(self, deps: Deps, sessions: Sessions, answers: Answers, access: Access) -> None:
        settings = deps.settings
        self._deps, self._sessions, self._answers, self._access = deps, sessions, answers, access
        most = settings.rate_sign_ins if settings.rate_limits == "on" else 0
        self._limits = RateLimits({WRONG_KEY: (most, MINUTE)}, deps.clock, settings.proxy_networks)

    def routes(self) -> list[BaseRoute]:
        """All of them, the addresses of old among them."""
        words, shows = self._access.told_in_words, self._access.shows
        return [
            Route(HOME, shows(self.come_in), methods=["GET"]),
            Route(SIGN_IN, words(self.ask_key), methods=["GET"]),
            Route(SIGN_IN, words(self.sign_in), methods=["POST"]),
            Route(f"{HOME}/sign-out", words(self.sign_out), methods=["POST"]),
            Route(f"{HOME}/tenants", shows(self.tenants, operator=True), methods=["GET"]),
            *(Route(path, self._moved(to), methods=["GET"]) for path, to in MOVED.items()),
        ]

    async def come_in(self, _: Request, viewer: Viewer) -> Response:
        """A tenant's key leads to its tenant; the operator picks one, where there is more than one."""
        if viewer.caller.tenant_id is not None:
            return self._answers.see_other(f"{HOME}/{viewer.caller.tenant_id}")
        rows = await tenants.rows_before(self._deps.db, END_OF_TIME, END_OF_TIME, 2)
        return self._answers.see_other(f"{HOME}/{rows[0]['id']}" if len(rows) == 1 else f"{HOME}/tenants")

    async def tenants(self, request: Request, viewer: Viewer) -> Response:
        """Every tenant of the installation, newest first."""
        asked = Asked.of(request)
        at, key = asked.place(str(END_OF_TIME))
        rows = await tenants.rows_before(self._deps.db, at, int(key) if key.isdigit() else END_OF_TIME, PAGE + 1)
        page = TenantsPage(viewer.frame("Tenants"), tuple(_row(row) for row in rows[:PAGE]), asked.older(rows))
        return self._answers.page(page)

    async def ask_key(self, request: Request) -> Response:
        """The sign-in page; who is signed in already goes on."""
        wanted = own_path(request.query_params.get("next", ""))
        ended = request.query_params.get("ended") == "key"
        if self._sessions.of(request) is not None and not ended:
            return self._answers.see_other(wanted or HOME)
        return self._answers.page(SignInPage(self._sessions.form_token(None), wanted, ended=ended))

    async def sign_in(self, request: Request) -> Response:
        """Exchanges the key for a session. Too many wrong ones make the address wait, with a right one too."""
        fields = await form_of(request)
        wanted = own_path(fields.get("next", ""))
        if not self._sessions.is_own_form(request, fields.get("form_token", ""), None):
            return self._ask_again(wanted, TOO_OLD)
        address = self._limits.address(request)
        wait = self._limits.over(WRONG_KEY, address)
        if wait is not None:
            return self._wait(wait)
        key = fields.get("key", "").strip()
        caller = await self._caller(key)
        if caller is None or not caller.has("read"):
            self._limits.wait(WRONG_KEY, address)
            act(log, "dashboard.sign_in_refused", logging.WARNING, address=address)
            known = GATEWAY_ONLY if caller is not None else NOT_TAKEN
            return self._ask_again(wanted, WABA_KEY if key.startswith(WABA_PREFIX) else known)
        act(log, "dashboard.signed_in", address=address, actor=caller.actor)
        response = self._answers.see_other(wanted or HOME)
        tenant_id, key_id = caller.tenant_id, caller.key_id
        self._sessions.begin(response, None if tenant_id is None or key_id is None else (tenant_id, key_id))
        return response

    async def sign_out(self, request: Request) -> Response:
        """Ends the session in this browser."""
        session: Session | None = self._sessions.of(request)
        fields = await form_of(request)
        if session is not None and not self._sessions.is_own_form(request, fields.get("form_token", ""), session):
            return self._answers.page(TroublePage("Still signed in", TOO_OLD), 403)
        response = self._answers.see_other(SIGN_IN)
        self._sessions.end(response)
        return response

    async def _caller(self, key: str) -> Caller | None:
        try:
            return await self._deps.auth.by_key(key)
        except Unauthenticated:
            return None

    def _ask_again(self, wanted: str, refusal: str) -> Response:
        return self._answers.page(SignInPage(self._sessions.form_token(None), wanted, refusal), 403)

    def _wait(self, seconds: int) -> Response:
        page = TroublePage("Too many wrong keys", f"Wait {seconds} seconds, then sign in again.", SIGN_IN)
        response = self._answers.page(page, 429)
        response.headers["Retry-After"] = str(seconds)
        return response

    def _moved(self, path: str) -> Endpoint:
        """An address of old leads to the new one."""

        async def endpoint(_: Request) -> Response:
            return self._answers.see_other(path)

        return endpoint


def own_path(text: str) -> str:
    """A path of the dashboard to which a sign-in may lead on; "" for anything else."""
    return text if OWN_PATH.fullmatch(text) and ".." not in unquote(text) else ""


def _row(row: Row) -> TenantRow:
    return TenantRow(row["id"], row["name"], row["status"], row["created_at"])

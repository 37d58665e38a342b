"""Who may see a page of the dashboard, and at which tenant: from a request to a Viewer, or to the way to one.

Owns the checks that every page shares: the session, the key behind it, the tenant in the address, the form's token, and
who may change things. What a page shows is not its matter.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, quote
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response

from setuplinks.core import wire
from setuplinks.core.logs import act
from setuplinks.core.problems import Forbidden, NotFound, Problem, Unauthenticated
from setuplinks.dashboard.answers import Answers
from setuplinks.dashboard.clockface import Clockface
from setuplinks.dashboard.sessions import Session, Sessions
from setuplinks.dashboard.views import Frame, Place, Said, TroublePage
from setuplinks.tenants import store as tenants
from setuplinks.tenants.auth import OPERATOR, Caller, TenantSuspended
from setuplinks.tenants.context import Deps
from setuplinks.tenants.models import Tenant
from setuplinks.tenants.routes import read_body

HOME = "/dashboard"
SIGN_IN = f"{HOME}/sign-in"
TENANT = f"{HOME}/{{tenantId:int}}"
MOST_FORM = 4_096
TOO_OLD = "This page was open for too long, or it was not opened here. Try again."
READ_ONLY = "This key may read only. To change anything, sign in with a key of scope admin."
PLACES = (
    ("Home", "", "home"),
    ("Links", "/links", "link"),
    ("Deliveries", "/deliveries", "deliveries"),
    ("Endpoints", "/endpoints", "endpoint"),
)
UTC = ZoneInfo("UTC")

Endpoint = Callable[[Request], Awaitable[Response]]

log = logging.getLogger("setuplinks.dashboard")


@dataclass(frozen=True)
class Viewer:
    """Who looks: a session whose key still counts, at a tenant that it may see. `tenant` None: at no tenant's page."""

    session: Session
    caller: Caller
    holder: str
    tenant: Tenant | None
    form_token: str
    now: int

    @property
    def tenant_id(self) -> int:
        """The tenant whose page it is. Raises NotFound on a page of none."""
        if self.tenant is None:
            raise NotFound
        return self.tenant.id

    @property
    def is_operator(self) -> bool:
        """Whether every tenant may be seen."""
        return self.caller.role == "operator"

    @property
    def is_suspended(self) -> bool:
        """Whether the tenant whose page it is was suspended."""
        return self.tenant is not None and self.tenant.status == "suspended"

    @property
    def may_change(self) -> bool:
        """Whether the buttons that change something are there."""
        return self.caller.has("admin") and not self.caller.suspended

    @property
    def face(self) -> Clockface:
        """The clock of the page: the tenant's zone, UTC where there is no tenant."""
        return Clockface(self.now, UTC if self.tenant is None else ZoneInfo(self.tenant.time_zone))

    @property
    def base(self) -> str:
        """The tenant's own path."""
        return HOME if self.tenant is None else f"{HOME}/{self.tenant.id}"

    def frame(self, current: str, said: Said | None = None) -> Frame:
        """What stands around a page of the place that is called `current`."""
        places = [] if self.tenant is None else [(name, self.base + path, icon) for name, path, icon in PLACES]
        if self.is_operator:
            places += [] if self.tenant is not None else [("Tenants", f"{HOME}/tenants", "tenants")]
            places += [("Doctor", f"{HOME}/doctor", "doctor")]
        heading = "Setup links" if self.tenant is None else self.tenant.name
        return Frame(
            self.form_token, self.face,
            tuple(Place(name, path, icon, name == current) for name, path, icon in places),
            heading, heading[:1].upper(), self.holder, self.base, self.may_change, self.is_operator, said,
        )  # fmt: skip


Show = Callable[[Request, Viewer], Awaitable[Response]]
Change = Callable[[Request, Viewer, dict[str, str]], Awaitable[Response]]


class Access:
    """Makes endpoints out of pages. Built once, with the dashboard."""

    def __init__(self, deps: Deps, sessions: Sessions, answers: Answers) -> None:
        self._deps, self._sessions, self._answers = deps, sessions, answers

    def shows(self, show: Show, *, operator: bool = False) -> Endpoint:
        """A GET for who is signed in; `operator`: for the operator alone. Anybody else is asked for a key."""

        async def endpoint(request: Request) -> Response:
            session = self._sessions.of(request)
            if session is None:
                return self._answers.see_other(onward(SIGN_IN, request))
            try:
                viewer = await self._viewer(request, session, operator=operator)
            except Unauthenticated:
                return self._ended(request)
            response = await show(request, viewer)
            self._sessions.renew(response, session)
            return response

        return self.told_in_words(endpoint)

    def changes(self, change: Change) -> Endpoint:
        """A POST: a form of our own, pressed by somebody who may change things."""

        async def endpoint(request: Request) -> Response:
            session = self._sessions.of(request)
            if session is None:
                return self._answers.see_other(SIGN_IN)
            try:
                viewer = await self._viewer(request, session, operator=False)
            except Unauthenticated:
                return self._ended(request)
            fields = await form_of(request)
            if not self._sessions.is_own_form(request, fields.get("form_token", ""), session):
                raise Forbidden(TOO_OLD)
            if viewer.caller.suspended:
                raise TenantSuspended("A suspended tenant’s keys may read only; ask the operator.")
            if not viewer.may_change:
                raise Forbidden(READ_ONLY)
            return await change(request, viewer, fields)

        return self.told_in_words(endpoint)

    def told_in_words(self, endpoint: Endpoint) -> Endpoint:
        """A person never sees JSON or a traceback."""

        async def answer(request: Request) -> Response:
            try:
                return await endpoint(request)
            except NotFound:
                page = TroublePage("There is nothing here", "This was deleted, or it is not yours to see.")
                return self._answers.page(page, 404)
            except Problem as problem:
                act(log, "page.refused", logging.WARNING, code=problem.code)
                lead = problem.detail if problem.status < 500 else "Try again in a moment."  # words of a library
                return self._answers.page(TroublePage(problem.title.rstrip("."), lead), problem.status)
            except Exception:
                log.exception("page.failed")
                return self._answers.page(TroublePage("This page failed", "The service’s log says why."), 500)

        return answer

    async def _viewer(self, request: Request, session: Session, *, operator: bool) -> Viewer:
        """Raises Unauthenticated where the key counts no more, NotFound for what is not this person's to see."""
        caller, holder = OPERATOR, "Operator"
        if session.key is not None:
            caller = await self._deps.auth.by_id(*session.key)
            if not caller.has("read"):
                raise Unauthenticated
            key = await tenants.find_key(self._deps.db, *session.key)
            holder = f"Key “{key.name}”" if key is not None else "API key"
            holder += "" if caller.has("admin") and not caller.suspended else ", reads only"
        now = self._deps.clock.now()
        viewer = Viewer(session, caller, holder, None, self._sessions.form_token(session), now)
        if operator and not viewer.is_operator:
            raise NotFound
        if (text := request.path_params.get("tenantId")) is None:
            return viewer
        tenant_id = wire.path_id(str(text))
        if tenant_id is None or caller.tenant_id not in {None, tenant_id}:
            raise NotFound
        tenant = await tenants.find(self._deps.db, tenant_id)
        if tenant is None:
            raise NotFound
        return replace(viewer, tenant=tenant)

    def _ended(self, request: Request) -> Response:
        """The key counts no more, and so does the session."""
        response = self._answers.see_other(f"{onward(SIGN_IN, request)}&ended=key")
        self._sessions.end(response)
        return response


def onward(sign_in: str, request: Request) -> str:
    """The sign-in page's address, with where the person wanted to go."""
    wanted = request.url.path if request.method == "GET" else HOME
    query = f"?{request.url.query}" if request.url.query and request.method == "GET" else ""
    return f"{sign_in}?next={quote(wanted + query, safe='')}"


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a small urlencoded form; empty where it is none. Raises TooLarge, Malformed."""
    body = await read_body(request, MOST_FORM)
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=20)
    except (UnicodeDecodeError, ValueError):
        return {}
    return {name: values[0] for name, values in fields.items()}

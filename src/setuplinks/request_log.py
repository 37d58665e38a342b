"""One log line and one count for each request, by its route's template: never a query string, never a secret.

Owns the ASGI middleware. Static files and health checks are counted, not logged; the gateway has a line of its own.
"""

import logging
import time
from functools import lru_cache

from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from setuplinks.core import metrics
from setuplinks.core.logs import act

QUIET = ("/static/", "/healthz", "/readyz", "/metrics")
SIGNUP = "/signup/"

log = logging.getLogger("setuplinks.http")


class RequestLog:
    """Wraps the app."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on, and tells what was answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            took = time.perf_counter() - started
            route = _template(scope)
            count, seconds = _measures(scope["method"], route, status)
            count.inc()
            seconds.observe(took)
            if not scope["path"].startswith(QUIET):
                act(
                    log, "http.request", logging.WARNING if status >= 500 else logging.INFO, method=scope["method"],
                    route=route, status=status, duration_ms=round(took * 1000, 2),
                )  # fmt: skip


@lru_cache(maxsize=4096)
def _measures(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    """The series of one kind of answer; routes are templates and methods are known ones, so there are few."""
    return metrics.requests.labels(method, route, status), metrics.seconds.labels(route)


def _template(scope: Scope) -> str:
    """The route's template. Only JSON routes carry it in the scope; the pages' addresses are cut by hand."""
    route = scope.get("route")
    if route is not None and hasattr(route, "path"):
        return str(route.path)
    path: str = scope["path"]
    if path.startswith(SIGNUP):
        rest = path[len(SIGNUP) :].partition("/")
        known = rest[2] if rest[2] in KNOWN else "…"
        return SIGNUP + "{link}" + (f"/{known}" if rest[1] else "")
    if path.startswith(f"{DELETION}/"):
        return f"{DELETION}/{{code}}"
    if path.startswith(f"{DASHBOARD}/"):
        return _of_dashboard(path)
    return path if path in PLAIN else "/static" if path.startswith("/static/") else "unmatched"


def _of_dashboard(path: str) -> str:
    """A page of the dashboard without its ids; what is not known keeps no word of the address."""
    parts = path.removeprefix(f"{DASHBOARD}/").split("/")
    if len(parts) == 1:
        return path if parts[0] in DASHBOARD_PAGES else f"{DASHBOARD}/{{tenant}}"
    room = parts[1] if parts[1] in DASHBOARD_ROOMS else "…"
    verb = f"/{parts[3]}" if len(parts) == 4 and parts[3] in DASHBOARD_VERBS else ""
    return f"{DASHBOARD}/{{tenant}}/{room}" + ("/{id}" if len(parts) > 2 else "") + verb


DELETION = "/meta/data-deletion"
DASHBOARD = "/dashboard"
DASHBOARD_PAGES = frozenset({"sign-in", "sign-out", "tenants", "doctor"})
DASHBOARD_ROOMS = frozenset({"links", "deliveries", "endpoints"})
DASHBOARD_VERBS = frozenset({"withdraw", "send-again", "test", "enable", "recover", "replay"})
KNOWN = frozenset(
    {"opened", "renew", "leave", "start", "authorize", "page", "status", "not-mine", "complete", "cancel"}
)
PLAIN = frozenset(
    {"/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/meta/callback", "/meta/notifications"}
    | {"/meta/deauthorize", DELETION}
    | {DASHBOARD, "/operator", "/operator/sign-in", "/operator/doctor"}
)

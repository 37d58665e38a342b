"""A stand-in for a tenant's server: takes webhooks, checks and shows them; and a redirect's two landing pages.

Its address for an endpoint is `/hooks`. It can be told to fail or to be slow. Nothing of the service is imported.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from setuplinks.sandbox.clock import rfc3339
from setuplinks.sandbox.inbox_signatures import redirect_verdict, webhook_verdict
from setuplinks.sandbox.pages import render, static_file

KEPT = 1_000


@dataclass(frozen=True, slots=True)
class Received:
    """One POST to `/hooks`, whatever we answered."""

    at: float
    headers: dict[str, str]
    body: bytes
    verdict: str  # verified, or why not
    answered: int

    @property
    def verified(self) -> bool:
        return self.verdict == "verified"

    @property
    def envelope(self) -> dict[str, Any]:
        """`{"type", "timestamp", "data"}`; empty where the body is no JSON object."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def type(self) -> str:
        return str(self.envelope.get("type", ""))

    def shown(self) -> dict[str, Any]:
        return {
            "at": rfc3339(self.at),
            "id": self.headers.get("webhook-id"),
            "verified": self.verified,
            "verdict": self.verdict,
            "answered": self.answered,
            "type": self.type,
            "timestamp": self.envelope.get("timestamp"),
            "data": self.envelope.get("data"),
        }


@dataclass(slots=True)
class Landing:
    """One browser that came back."""

    at: float
    page: str
    parameters: dict[str, str]
    verdict: str

    def shown(self) -> dict[str, Any]:
        return {
            "at": rfc3339(self.at),
            "page": self.page,
            "parameters": self.parameters,
            "verified": self.verdict == "verified",
            "verdict": self.verdict,
        }


@dataclass(slots=True)
class Inbox:
    """The tenant. `secrets` are `whsec_…`; several while one is rotated. `app` serves it."""

    name: str = "Acme SaaS"
    secrets: list[str] = field(default_factory=list)
    redirect_keys: list[str] = field(default_factory=list)
    now: Callable[[], float] = time.time
    fail_next: int = 0
    fail_status: int = 500
    delay_seconds: float = 0.0
    received: deque[Received] = field(default_factory=lambda: deque(maxlen=KEPT))
    landings: deque[Landing] = field(default_factory=lambda: deque(maxlen=KEPT))
    _came: asyncio.Condition = field(default_factory=asyncio.Condition)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/", self._page),
                Route("/hooks", self._hook, methods=["POST"]),
                Route("/hooks/{name}", self._hook, methods=["POST"]),
                Route("/inbox.json", self._json),
                Route("/inbox/settings", self._settings, methods=["GET", "PUT"]),
                Route("/inbox/clear", self._clear, methods=["POST"]),
                Route("/onboarding/{page}", self._landing),
                Route("/sandbox/static/{name}", static_file),
            ]
        )

    async def wait_for(self, wanted: Callable[[Received], bool], seconds: float = 10.0) -> Received:
        """The first kept webhook that fits, as soon as it is there; TimeoutError after `seconds`."""

        def found() -> Received | None:
            return next((item for item in self.received if wanted(item)), None)

        async with asyncio.timeout(seconds), self._came:
            await self._came.wait_for(lambda: found() is not None)
        item = found()
        if item is None:
            raise TimeoutError("it was there and is gone")
        return item

    async def _hook(self, request: Request) -> Response:
        body, headers = await request.body(), dict(request.headers)
        if self.delay_seconds:
            await asyncio.sleep(self.delay_seconds)
        status = 204
        if self.fail_next > 0:
            self.fail_next, status = self.fail_next - 1, self.fail_status
        verdict = webhook_verdict(self.secrets, headers, body, self.now())
        if status == 204 and self.secrets and verdict != "verified":
            status = 401
        async with self._came:
            self.received.append(Received(self.now(), headers, body, verdict, status))
            self._came.notify_all()
        return Response(status_code=status)

    async def _json(self, _request: Request) -> Response:
        return _json(
            {
                "data": [r.shown() for r in reversed(self.received)],
                "landings": [landing.shown() for landing in reversed(self.landings)],
            }
        )

    async def _settings(self, request: Request) -> Response:
        """`secrets`, `redirectKeys`, `failNext`, `failStatus`, `delaySeconds`; any of them. Secrets are not shown."""
        if request.method == "PUT":
            try:
                asked = msgspec.json.decode(await request.body(), type=Switches)
            except (msgspec.DecodeError, msgspec.ValidationError) as error:
                return _json({"error": str(error)}, 422)
            for name in ("secrets", "redirect_keys", "fail_next", "fail_status", "delay_seconds"):
                if (value := getattr(asked, name)) is not msgspec.UNSET:
                    setattr(self, name, value)
        return _json(
            {
                "secrets": len(self.secrets),
                "redirectKeys": len(self.redirect_keys),
                "failNext": self.fail_next,
                "failStatus": self.fail_status,
                "delaySeconds": self.delay_seconds,
            }
        )

    async def _clear(self, _request: Request) -> Response:
        self.received.clear()
        self.landings.clear()
        return _json({"ok": True})

    async def _page(self, _request: Request) -> Response:
        return render(
            "inbox.html",
            name=self.name,
            received=[r.shown() for r in reversed(self.received)],
            landings=[landing.shown() for landing in reversed(self.landings)],
            pretty=_pretty,
        )

    async def _landing(self, request: Request) -> Response:
        """Where the customer's browser comes back; what it carries is worth nothing until `sig` is verified."""
        page = request.path_params["page"]
        if page not in ("success", "failed"):
            return Response("no such page", 404)
        parameters = dict(request.query_params)
        verdict = redirect_verdict(self.redirect_keys, parameters, self.now())
        self.landings.append(Landing(self.now(), page, parameters, verdict))
        return render("landing.html", name=self.name, page=page, parameters=parameters, verdict=verdict)


class Switches(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The body of `PUT /inbox/settings`."""

    secrets: list[str] | msgspec.UnsetType = msgspec.UNSET
    redirect_keys: list[str] | msgspec.UnsetType = msgspec.UNSET
    fail_next: int | msgspec.UnsetType = msgspec.UNSET
    fail_status: int | msgspec.UnsetType = msgspec.UNSET
    delay_seconds: float | msgspec.UnsetType = msgspec.UNSET


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)

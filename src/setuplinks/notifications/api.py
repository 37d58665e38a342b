"""Where Meta's notifications come in: the handshake, the signature over the raw body, the row, then 200.

Owns `/meta/notifications`. What is stored here is committed before Meta hears 200; nothing is parsed before its
signature is good. Reading what a notification says is the runner's.
"""

import hashlib
import hmac
import logging

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from setuplinks.core.clock import HOUR, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.ids import uuid7
from setuplinks.core.logs import act
from setuplinks.core.problems import Problem
from setuplinks.meta.secret import Secret
from setuplinks.meta.signatures import SIGNATURE_HEADER, body_is_signed
from setuplinks.notifications.runner import CHANNEL
from setuplinks.notifications.store import ADD_BY_DIALECT
from setuplinks.settings import Settings

PATH = "/meta/notifications"
LARGEST = 4_000_000  # Meta sends up to 3 MB
REPEAT_WITHIN = HOUR
SIGNATURE = SIGNATURE_HEADER.lower().encode()

log = logging.getLogger("setuplinks.notifications")


class Taking:
    """Takes notifications before the other routes: Meta's traffic is the hottest, and needs nothing of theirs."""

    def __init__(self, settings: Settings, db: Database, clock: Clock, rest: ASGIApp) -> None:
        self._secret = Secret(settings.meta_app_secret.get_secret_value())
        self._db, self._clock, self._rest = db, clock, rest
        self._add = ADD_BY_DIALECT[db.dialect]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A POST of Meta's, or the rest of the application."""
        if scope["type"] == "http" and scope["path"] == PATH and scope["method"] == "POST":
            status, words = await self._take(scope, receive)
            start, body = (TAKEN, DONE) if status == 200 else _answer(status, words)
            await send(start)
            await send(body)
        else:
            await self._rest(scope, receive, send)

    async def _take(self, scope: Scope, receive: Receive) -> tuple[int, str]:
        """Anything but 200 makes Meta send it again, for seven days."""
        raw = await _whole(receive)
        if isinstance(raw, tuple):
            return raw
        if not body_is_signed(self._secret, raw, _header(scope, SIGNATURE)):
            act(log, "notification.refused", logging.WARNING, why="signature", bytes=len(raw))
            return 401, "the signature is not good"
        now = self._clock.now()
        try:
            async with self._db.transaction() as tx:
                tx.add(self._add, uuid7(now), now, hashlib.sha256(raw).digest(), raw, now - REPEAT_WITHIN)
                tx.wake(CHANNEL)
        except Problem:
            return 503, "not stored; send it again"
        act(log, "notification.stored", bytes=len(raw))
        return 200, ""


def notification_routes(settings: Settings) -> list[BaseRoute]:
    """The handshake; what Meta sends then is for `Taking`."""
    verify_token = settings.meta_verify_token.get_secret_value()

    async def handshake(request: Request) -> Response:
        """Meta asks whether the address is ours: the challenge goes back as it came."""
        query = request.query_params
        given = query.get("hub.verify_token", "")
        if query.get("hub.mode") != "subscribe" or not hmac.compare_digest(given.encode(), verify_token.encode()):
            return PlainTextResponse("the verify token differs from META_VERIFY_TOKEN", 403)
        return PlainTextResponse(query.get("hub.challenge", ""))

    return [Route(PATH, handshake, methods=["GET"])]


async def _whole(receive: Receive) -> bytes | tuple[int, str]:
    """The request's body, or why it is not taken."""
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return 400, "cut off"
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > LARGEST:
            return 413, "too large"
        more = message.get("more_body", False)
    return b"".join(parts)


def _header(scope: Scope, name: bytes) -> str | None:
    value: bytes
    for found, value in scope["headers"]:
        if found == name:
            return value.decode("latin-1")
    return None


def _answer(status: int, words: str) -> tuple[Message, Message]:
    body = words.encode()
    headers = [(b"content-length", str(len(body)).encode()), (b"content-type", b"text/plain; charset=utf-8")]
    return {"type": "http.response.start", "status": status, "headers": headers}, {
        "type": "http.response.body", "body": body,
    }  # fmt: skip


TAKEN, DONE = _answer(200, "")

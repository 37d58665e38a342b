"""Where Meta's notifications come in: the handshake, the signature over the raw body, the row, then 200.

Owns `/meta/notifications`. What is stored here is committed before Meta hears 200; nothing is parsed before its
signature is good. Reading what a notification says is the runner's.
"""

import hashlib
import hmac
import logging
import time
from functools import lru_cache

from prometheus_client import Counter, Histogram
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from setuplinks.core import metrics
from setuplinks.core.clock import HOUR, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.ids import uuid7
from setuplinks.core.logs import act
from setuplinks.core.problems import Problem
from setuplinks.meta.secret import Secret
from setuplinks.meta.signatures import SIGNATURE_HEADER, body_is_signed
from setuplinks.notifications.handover import Handover
from setuplinks.notifications.runner import CHANNEL, LEASE
from setuplinks.notifications.store import ADD_BY_DIALECT
from setuplinks.settings import Settings

PATH = "/meta/notifications"
LARGEST = 4_000_000  # Meta sends up to 3 MB
REPEAT_WITHIN = HOUR
SIGNATURE = SIGNATURE_HEADER.lower().encode()

log = logging.getLogger("setuplinks.notifications")


class Refused(Exception):
    """This POST is not stored, so Meta sends it again, for seven days."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


class Taking:
    """Takes notifications before everything else: Meta's traffic is the hottest, and needs nothing of other routes.

    Counts and logs its answers itself, a line for each.
    """

    def __init__(self, settings: Settings, db: Database, clock: Clock, handover: Handover, rest: ASGIApp) -> None:
        self._secret = Secret(settings.meta_app_secret.get_secret_value())
        self._db, self._clock, self._handover, self._rest = db, clock, handover, rest
        self._add = ADD_BY_DIALECT[db.dialect]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A POST of Meta's, or the rest of the application."""
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self._rest(scope, receive, send)
            return
        began, size, why, status, start, body = time.perf_counter(), None, None, 200, TAKEN, DONE
        try:
            raw = await _whole(receive)
            size = len(raw)
            await self._take(scope, raw)
        except Exception as error:
            refused = error if isinstance(error, Refused) else _crashed()
            status, why = refused.status, refused.why
            start, body = _answer(status, why)
        await send(start)
        await send(body)
        took = time.perf_counter() - began
        count, seconds = _measures(status)
        count.inc()
        seconds.observe(took)
        act(
            log, "notification.refused" if why else "notification.stored", logging.WARNING if why else logging.INFO,
            why=why, status=status, bytes=size, duration_ms=round(took * 1000, 2),
        )  # fmt: skip

    async def _take(self, scope: Scope, raw: bytes) -> None:
        if not body_is_signed(self._secret, raw, _header(scope, SIGNATURE)):
            raise Refused(401, "the signature is not good")
        now, taken = self._clock.now(), self._handover.reserve(raw)
        notification_id, lease = uuid7(now), now + LEASE if taken else None
        try:
            async with self._db.transaction() as tx:
                tx.add(self._add, notification_id, now, hashlib.sha256(raw).digest(), raw, now - REPEAT_WITHIN, lease)
                if not taken:
                    tx.wake(CHANNEL)
        except BaseException as error:
            if taken:
                self._handover.release(raw)
            if isinstance(error, Problem):
                raise Refused(503, "not stored; send it again") from None
            raise
        if taken:
            self._handover.put(notification_id, now, raw)


@lru_cache(maxsize=16)
def _measures(status: int) -> tuple[Counter, Histogram]:
    return metrics.requests.labels("POST", PATH, status), metrics.seconds.labels(PATH)


def _crashed() -> Refused:
    log.exception("notification.crashed")
    return Refused(500, "a fault of the service; send it again")


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


async def _whole(receive: Receive) -> bytes:
    """The request's body. Raises Refused."""
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "cut off")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > LARGEST:
            raise Refused(413, "too large")
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

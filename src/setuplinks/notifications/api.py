"""Where Meta's notifications come in: the handshake, the signature over the raw body, the row, then 200.

Owns `/meta/notifications`. What is stored here is committed before Meta hears 200; nothing is parsed before its
signature is good. Reading what a notification says is the runner's.
"""

import hashlib
import hmac
import logging

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from setuplinks.core.clock import HOUR, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.ids import uuid7
from setuplinks.core.logs import act
from setuplinks.core.problems import Problem
from setuplinks.meta.secret import Secret
from setuplinks.meta.signatures import body_is_signed
from setuplinks.notifications.runner import CHANNEL
from setuplinks.notifications.store import ADD_BY_DIALECT
from setuplinks.settings import Settings

LARGEST = 4_000_000  # Meta sends up to 3 MB
REPEAT_WITHIN = HOUR

log = logging.getLogger("setuplinks.notifications")


def notification_routes(settings: Settings, db: Database, clock: Clock) -> list[BaseRoute]:
    """The two routes; plain ones, since Meta's traffic is the hottest of all."""
    secret = Secret(settings.meta_app_secret.get_secret_value())
    verify_token = settings.meta_verify_token.get_secret_value()

    async def handshake(request: Request) -> Response:
        """Meta asks whether the address is ours: the challenge goes back as it came."""
        query = request.query_params
        given = query.get("hub.verify_token", "")
        if query.get("hub.mode") != "subscribe" or not hmac.compare_digest(given.encode(), verify_token.encode()):
            return PlainTextResponse("the verify token differs from META_VERIFY_TOKEN", 403)
        return PlainTextResponse(query.get("hub.challenge", ""))

    async def receive(request: Request) -> Response:
        """Anything but 200 makes Meta send it again, for seven days."""
        body = bytearray()
        try:
            async for chunk in request.stream():
                body += chunk
                if len(body) > LARGEST:
                    return PlainTextResponse("too large", 413)
        except ClientDisconnect:
            return PlainTextResponse("cut off", 400)
        raw = bytes(body)
        if not body_is_signed(secret, raw, request.headers.get("x-hub-signature-256")):
            act(log, "notification.refused", logging.WARNING, why="signature", bytes=len(raw))
            return PlainTextResponse("the signature is not good", 401)
        now = clock.now()
        try:
            async with db.transaction() as tx:
                digest = hashlib.sha256(raw).digest()
                tx.add(ADD_BY_DIALECT[db.dialect], uuid7(now), now, digest, raw, now - REPEAT_WITHIN)
                tx.wake(CHANNEL)
        except Problem:
            return PlainTextResponse("not stored; send it again", 503)
        act(log, "notification.stored", bytes=len(raw))
        return PlainTextResponse("")

    return [
        Route("/meta/notifications", handshake, methods=["GET"]),
        Route("/meta/notifications", receive, methods=["POST"]),
    ]

"""The yardsticks of what comes in: an empty ASGI app, and the least that takes a notification and commits it.

Owns one process with both. `/empty` answers 200 by uvicorn alone. The other is a Starlette handler with the service's
own HMAC, the same row by the same SQL, and `core/db`'s shared commits; no log, no metrics, no checks. The service reads
a notification after it has answered, so nothing is parsed here either.
Run: `python -m benchmarks.traffic.bare PORT`, with the database by `SETUPLINKS_DATABASE_URL` or `…_DATA_DIR`.
"""

import hashlib
import os
import sys
from pathlib import Path

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from setuplinks.core.clock import HOUR, SystemClock
from setuplinks.core.db.database import Database
from setuplinks.core.db.open import open_database
from setuplinks.core.ids import uuid7
from setuplinks.meta.secret import Secret
from setuplinks.meta.signatures import body_is_signed
from setuplinks.notifications.runner import CHANNEL
from setuplinks.notifications.store import ADD_BY_DIALECT
from tests.support import sandbox as meta


class Bare:
    """Both, around one database."""

    def __init__(self, db: Database) -> None:
        self._db, self._clock, self._secret = db, SystemClock(), Secret(meta.APP_SECRET)
        self._routed = Starlette(routes=[Route("/meta/notifications", self.receive, methods=["POST"])])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http" and scope["path"] == "/empty":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
        else:
            await self._routed(scope, receive, send)

    async def receive(self, request: Request) -> Response:
        """Checks the signature and commits the row."""
        raw = await request.body()
        if not body_is_signed(self._secret, raw, request.headers.get("x-hub-signature-256")):
            return PlainTextResponse("", 401)
        await self.write(raw)
        return PlainTextResponse("")

    async def write(self, raw: bytes) -> None:
        """One row, in a commit that it shares."""
        now = self._clock.now()
        async with self._db.transaction() as tx:
            digest = hashlib.sha256(raw).digest()
            tx.add(ADD_BY_DIALECT[self._db.dialect], uuid7(now), now, digest, raw, now - HOUR, None)
            tx.wake(CHANNEL)


async def serve(port: int) -> None:
    """Serves until SIGTERM."""
    url, folder = os.environ.get("SETUPLINKS_DATABASE_URL"), Path(os.environ.get("SETUPLINKS_DATA_DIR", "data"))
    db = await open_database(url, folder)
    config = uvicorn.Config(
        Bare(db), port=port, http="httptools", ws="none", lifespan="off", log_config=None, access_log=False,
        proxy_headers=False, server_header=False, timeout_graceful_shutdown=2,
    )  # fmt: skip
    await uvicorn.Server(config).serve()
    await db.close()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))

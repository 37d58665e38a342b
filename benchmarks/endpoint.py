"""A tenant's server for webhooks as the programs play it: a real port, and the check of a signature.

Owns listening. What is kept and answered is each program's own.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime

from aiohttp import web
from standardwebhooks import Webhook

MOST_BYTES = 4_000_000
Take = Callable[[web.Request], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def endpoint_of(take: Take) -> AsyncIterator[int]:
    """Listens at `http://127.0.0.1:PORT/hooks/{tenant}` for the length of the block; gives the port."""
    app = web.Application(client_max_size=MOST_BYTES)
    app.router.add_post("/hooks/{tenant}", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def is_signed(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the body is signed by the secret; header names in lower case."""
    try:
        stamp = datetime.fromtimestamp(int(headers["webhook-timestamp"]), tz=UTC)
        right = Webhook(secret).sign(headers["webhook-id"], stamp, body.decode())
    except (KeyError, ValueError):
        return False
    return right in headers.get("webhook-signature", "").split(" ")

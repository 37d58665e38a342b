"""The tenant's server in tests: takes webhooks on a real port, keeps each one, answers as it is told.

Owns what arrived and the check of its signature, by a library that is not ours. It keeps no order of its own: what
arrived first stands first.
"""

import asyncio
import contextlib
import hmac
import json
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tests.support.loopback import bound_socket, port_of, serving

WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class Received:
    """One request as it came: header names in lower case, the body untouched."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def type(self) -> str:
        """The event's type; empty where the body is no envelope."""
        try:
            return str(self.json["type"])
        except (ValueError, KeyError, TypeError):
            return ""

    @property
    def data(self) -> dict[str, Any]:
        """The event's data."""
        found: dict[str, Any] = self.json["data"]
        return found

    def signed_by(self, secret: str) -> bool:
        """True where `webhook-signature` holds one made with that `whsec_…` secret."""
        # Webhook.verify compares with the machine's clock, and in tests time stands where the test put it.
        stamp = datetime.fromtimestamp(int(self.headers["webhook-timestamp"]), tz=UTC)
        right = Webhook(secret).sign(self.headers["webhook-id"], stamp, self.body.decode())
        return any(hmac.compare_digest(right, given) for given in self.headers["webhook-signature"].split(" "))


@dataclass
class Answer:
    """What the inbox says to one request; `hold` keeps the caller waiting until it is set."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    hold: asyncio.Event | None = None


class Inbox:
    """A tenant's webhook server. `url` is what an endpoint is created with; any path under it works too."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/hooks"
        self.received: list[Received] = []
        self.otherwise = Answer()
        self._planned: deque[Answer] = deque()
        self._arrived = asyncio.Condition()

    def answer_next(self, *answers: Answer) -> None:
        """Plans the next answers, one request each; afterwards `otherwise` is given again."""
        self._planned.extend(answers)

    def of_type(self, event_type: str) -> list[Received]:
        """All that arrived of one event type."""
        return [one for one in self.received if one.type == event_type]

    async def wait_for(self, event_type: str, count: int = 1) -> list[Received]:
        """Returns once so many of a type are here. Raises TimeoutError naming what came instead."""
        try:
            async with asyncio.timeout(WAIT_SECONDS), self._arrived:
                await self._arrived.wait_for(lambda: len(self.of_type(event_type)) >= count)
        except TimeoutError:
            came = [one.type for one in self.received]
            raise TimeoutError(f"waited for {count} of {event_type}, and there came {came}") from None
        return self.of_type(event_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        body = await request.body()
        answer = self._planned.popleft() if self._planned else self.otherwise
        async with self._arrived:
            self.received.append(Received(request.method, request.url.path, dict(request.headers), body))
            self._arrived.notify_all()
        if answer.hold is not None:
            await answer.hold.wait()
        await Response(answer.body, answer.status, answer.headers)(scope, receive, send)


@contextlib.asynccontextmanager
async def running_inbox() -> AsyncIterator[Inbox]:
    """An inbox for the length of the block."""
    with bound_socket() as place:
        inbox = Inbox(port_of(place))
        async with serving(inbox, place):
            yield inbox

"""Answers that do not arrive: the connection ends without a word, or in the middle of the answer.

Owns the door to the connection, which ASGI does not offer: the server puts it into each request's scope.
"""

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

DOOR = "sandbox.connection"


class Protocol(HttpToolsProtocol):
    """uvicorn's own, which also hands the connection to whoever answers."""

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.scope["extensions"] = {DOOR: {"abort": self.transport.abort, "close": self.transport.close}}


class Aborted(Response):
    """Ends the connection; with `begun`, half of that answer goes out before."""

    def __init__(self, begun: bytes = b"") -> None:
        super().__init__(begun)
        self.begun = begun

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if self.begun:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": self.begun[: len(self.begun) // 2], "more_body": True})
        scope["extensions"][DOOR]["close" if self.begun else "abort"]()
        while (await receive())["type"] != "http.disconnect":
            continue

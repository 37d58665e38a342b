"""Another Meta, that says what a test wants and remembers what it was asked, and a second service before it.

Owns what the sandbox, being faithful, cannot do: odd headers, answers in any coding, files that come and go slowly.
"""

import contextlib
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from starlette.types import Receive, Scope, Send

from setuplinks import app
from tests.integration.gateway.line import Line
from tests.support.api import Api
from tests.support.loopback import bound_socket, port_of, serving
from tests.support.service import settings_for


@dataclass
class Heard:
    """A request as it came."""

    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The header's only value."""
        found = [value for given, value in self.headers if given == name]
        assert len(found) < 2
        return found[0] if found else None


Playing = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass
class OtherEnd:
    """Answers `{}` unless told otherwise; `playing` takes the whole exchange over."""

    url: str = ""
    heard: list[Heard] = field(default_factory=list)
    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=lambda: [("content-type", "application/json")])
    body: bytes = b"{}"
    playing: Playing | None = None

    def says(self, body: bytes, status: int = 200, *, zipped: bool = False, **headers: str) -> None:
        """What every call is answered from now on; header names take `_` for `-`."""
        self.status, self.body = status, gzip.compress(body) if zipped else body
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        coding = {"content-encoding": "gzip"} if zipped else {}
        self.headers = list({"content-type": "application/json; charset=UTF-8", **coding, **named}.items())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http":
            return
        if self.playing is not None:
            await self.playing(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.heard.append(
            Heard(
                scope["method"],
                scope["raw_path"].decode(),
                scope["query_string"].decode(),
                [(name.decode(), value.decode()) for name, value in scope["headers"]],
                body,
            )
        )
        headers = [(name.encode(), value.encode()) for name, value in self.headers]
        headers.append((b"content-length", str(len(self.body)).encode()))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else self.body})


@dataclass(frozen=True)
class Crossing:
    """The line's gateway at the other end."""

    line: Line
    meta: OtherEnd
    api: Api
    token: str
    parts: "app.Service"

    def path(self, *parts: str) -> str:
        """A path of the gateway's, below the version."""
        return self.line.path(*parts)

    @property
    def heard(self) -> Heard:
        """The one request that Meta got."""
        [heard] = self.meta.heard
        return heard


@contextlib.asynccontextmanager
async def crossing_to_other_end(line: Line) -> AsyncIterator[Crossing]:
    """A second service on the line's database, whose Graph is an OtherEnd."""
    meta = OtherEnd()
    with bound_socket() as there:
        meta.url = f"http://127.0.0.1:{port_of(there)}"
        async with serving(meta, there), crossing_to(line, meta) as crossing:
            yield crossing


@contextlib.asynccontextmanager
async def crossing_to(line: Line, meta: OtherEnd) -> AsyncIterator[Crossing]:
    """The same where the address of `meta` is served by somebody else, or by nobody."""
    service = line.standing.service
    sealer = await service.parts.vault.tenant(line.standing.tenant.id)
    [row] = await service.db.read("SELECT waba_id, token FROM credential")
    token = sealer.open(row["token"], "credential", row["waba_id"], "token").decode()
    with bound_socket() as here:
        folder = service.parts.settings.data_dir
        settings = settings_for(f"http://127.0.0.1:{port_of(here)}", meta.url, folder, None)
        parts = app.build(settings, service.db, service.clock)
        async with serving(app.create_app(parts, workers=False), here):
            yield Crossing(line, meta, Api(settings.public_url, line.key, line.api._session), token, parts)

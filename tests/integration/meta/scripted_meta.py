"""A Meta that does what a test tells it, down to the bytes: answers, stalls, hangs up half-way.

Owns one loopback server without any HTTP library, so that it can break the rules of HTTP too. The sandbox is the Meta
that behaves; this is the one that does not.
"""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Request:
    """One request as it came; header names in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        """The body read as a form."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


def answer(status: int, body: bytes | dict[str, Any], headers: dict[str, str] | None = None) -> bytes:
    """The bytes of a proper answer, which says that its connection ends; `Connection: keep-alive` would be a lie."""
    content = json.dumps(body).encode() if isinstance(body, dict) else body
    lines = {"Content-Type": "application/json", "Content-Length": str(len(content)), "Connection": "close"}
    lines.update(headers or {})
    return f"HTTP/1.1 {status} Whatever\r\n".encode() + _head(lines) + b"\r\n" + content


def refusal(status: int, code: int, subcode: int | None = None, **more: Any) -> bytes:
    """The bytes of an answer with Meta's error object."""
    error = {"message": f"(#{code}) Refused", "type": "OAuthException", "code": code, "fbtrace_id": "AbC123xyz", **more}
    return answer(status, {"error": error if subcode is None else {**error, "error_subcode": subcode}})


def _head(lines: dict[str, str]) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in lines.items()).encode()


STALL = None
HANG_UP = b""


@dataclass(frozen=True)
class Held:
    """These bytes, and then nothing more, on a connection that stays open: both ways, or only towards us."""

    sent: bytes
    half_closed: bool = False


class ScriptedMeta:
    """`plan()` says what the next connections get: bytes (then the connection ends), HANG_UP,
    Held bytes, or STALL (nothing)."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[Request] = []
        self._plans: deque[bytes | Held | None] = deque()
        self._over = asyncio.Event()

    def plan(self, *plans: bytes | Held | None) -> None:
        """Adds what the next requests get, one each."""
        self._plans.extend(plans)

    def finish(self) -> None:
        """Lets go of whoever is being stalled."""
        self._over.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Handles one connection."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, target, _ = head[0].split(" ")
            pairs = (line.split(":", 1) for line in head[1:] if ":" in line)
            headers = {name.lower(): value.strip() for name, value in pairs}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            url = urlsplit(target)
            self.requests.append(Request(method, url.path, dict(parse_qsl(url.query)), headers, body))
            plan = self._plans.popleft()
            if plan is STALL:
                await self._over.wait()
            elif isinstance(plan, Held):
                writer.write(plan.sent)
                if plan.half_closed:
                    writer.write_eof()
                await self._over.wait()
            else:
                writer.write(plan)
                await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def scripted_meta() -> AsyncIterator[ScriptedMeta]:
    """One for the length of the block."""
    meta = ScriptedMeta()
    server = await asyncio.start_server(meta.serve, "127.0.0.1", 0)
    meta.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield meta
    finally:
        meta.finish()
        server.close()
        await server.wait_closed()

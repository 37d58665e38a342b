"""A tenant's server as fast as Python has one: answers 204 to every POST, and says how many came and how late.

Owns the good receiver and the bad ones (`/never`, `/drip`, `/huge`, `/circle`). It parses no more than a request needs:
what it spends is missing on both sides of a comparison. `GET /told` gives `{"counts": {path: n}, "late":
{path: [seconds]}}`, `GET /reset` as well and begins anew, `GET /count` the counts alone.
Run: `python -m benchmarks.traffic.receiver PORT`.
"""

import asyncio
import sys
import time
from typing import cast

import msgspec
import uvloop

DONE = b"HTTP/1.1 204 No Content\r\n\r\n"
CHUNK = bytes(64 * 1024)
HUGE = 1_000_000_000
PATIENCE, LOOK = 120.0, 0.05  # seconds
MARK = b"wamid."
"""What follows in a body, up to the quote, is the instant of its sending: `time.perf_counter_ns()`."""


class Told(msgspec.Struct):
    """What came so far, by path: how many POSTs, and how many seconds each was under way since its sending."""

    counts: dict[str, int] = msgspec.field(default_factory=dict)
    late: dict[str, list[float]] = msgspec.field(default_factory=dict)

    def note(self, path: bytes, body: bytes) -> None:
        """One POST."""
        name = path.decode()
        self.counts[name] = self.counts.get(name, 0) + 1
        found = body.find(MARK)
        if found >= 0:
            sent = int(body[found + len(MARK) : body.index(b'"', found)])
            self.late.setdefault(name, []).append((time.perf_counter_ns() - sent) / 1e9)

    def answer(self, path: bytes) -> bytes:
        """As JSON over HTTP."""
        body = msgspec.json.encode(Told(self.counts) if path == b"/count" else self)
        if path == b"/reset":
            self.counts, self.late = {}, {}
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class Receiver(asyncio.Protocol):
    """One connection, kept alive."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._transport: asyncio.WriteTransport | None = None
        self._read = b""
        self._bad: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins."""
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        """Answers each whole request."""
        self._read += data
        while (head := self._read.find(b"\r\n\r\n")) >= 0:
            lower = self._read[:head].lower()
            at = lower.find(b"content-length: ")
            length = 0 if at < 0 else int(lower[at + 16 :].split(b"\r", 1)[0])
            if len(self._read) < head + 4 + length:
                return
            method, path, _ = self._read[: self._read.index(b"\r")].split(b" ", 2)
            body, self._read = self._read[head + 4 : head + 4 + length], self._read[head + 4 + length :]
            self._answer(method, path, body)

    def pause_writing(self) -> None:
        """The other side does not read."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """It does again."""
        self._writable.set()

    def connection_lost(self, _: Exception | None) -> None:
        """The other side has had enough."""
        self._writable.set()
        if self._bad is not None:
            self._bad.cancel()

    def _answer(self, method: bytes, path: bytes, body: bytes) -> None:
        assert self._transport is not None
        if method == b"GET":
            self._transport.write(self._told.answer(path))
            self._transport.close()
            return
        self._told.note(path, body)
        if path == b"/never":
            return
        if path == b"/circle":
            self._transport.write(b"HTTP/1.1 302 Found\r\nLocation: /circle\r\nContent-Length: 0\r\n\r\n")
        elif path == b"/drip":
            self._bad = asyncio.ensure_future(self._drip())
        elif path == b"/huge":
            self._bad = asyncio.ensure_future(self._flood())
        else:
            self._transport.write(DONE)

    async def _drip(self) -> None:
        """A byte of the head each second."""
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n":
            self._write(bytes([byte]))
            await asyncio.sleep(1)

    async def _flood(self) -> None:
        """1 GB, as fast as it is taken."""
        self._write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % HUGE)
        for _ in range(HUGE // len(CHUNK)):
            await self._writable.wait()
            self._write(CHUNK)
            await asyncio.sleep(0)

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


async def told(port: int, *, reset: bool = False) -> Told:
    """What the receiver on this port counted, and how late all were."""
    return await _asked(port, b"/reset" if reset else b"/told")


async def _asked(port: int, path: bytes) -> Told:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET %b HTTP/1.1\r\nHost: bench\r\n\r\n" % path)
    _, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return msgspec.json.decode(body, type=Told)


async def came(port: int, wanted: int, path: str = "/hooks") -> int:
    """How many came at the path, as soon as they are so many; TimeoutError where they never are."""
    until = time.perf_counter() + PATIENCE
    while (found := (await _asked(port, b"/count")).counts.get(path, 0)) < wanted:
        if time.perf_counter() > until:
            raise TimeoutError(f"{found} of {wanted} came within {PATIENCE:.0f} s")
        await asyncio.sleep(LOOK)
    return found


async def serve(port: int) -> None:
    """Serves until it is ended."""
    told = Told()
    server = await asyncio.get_running_loop().create_server(lambda: Receiver(told), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))

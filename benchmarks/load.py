"""The load generator: keeps a number of raw HTTP/1.1 connections busy and notes how long each answer took.

Owns the client's side of a run. It shares the machine's cores with the server, so it does no more than a request needs:
no parser, no headers but those that it must read. The same one drives the service and the bare handlers.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import cast

from benchmarks.table import Round

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length: "
ANSWER_SECONDS = 20.0


class LoadFailed(RuntimeError):
    """The server did not answer as it should; the message holds what came."""


class _Connection(asyncio.Protocol):
    """Sends one request after the other until the time is over."""

    def __init__(self, requests: Iterator[bytes], expected: bytes, until: float) -> None:
        self._requests, self._expected, self._until = requests, expected, until
        self._transport: asyncio.WriteTransport | None = None
        self._began = 0.0
        self._read = b""
        self._whole = 0
        self.times: list[float] = []
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins."""
        # uvloop's transports are not of asyncio's class, though they do the same.
        self._transport = cast(asyncio.WriteTransport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        """Notes the time once the whole answer is there, and sends the next request."""
        self._read = self._read + data if self._read else data
        if not self._whole:
            head = self._read.find(HEAD_END)
            if head < 0:
                return
            if not self._read.startswith(self._expected):
                self._end(LoadFailed(self._read[:2000].decode(errors="replace")))
                return
            # Servers differ in how they spell it.
            length = self._read[:head].lower().find(LENGTH) + len(LENGTH)
            self._whole = head + 4 + int(self._read[length : self._read.find(b"\r", length)])
        if len(self._read) < self._whole:
            return
        self._read, self._whole = b"", 0
        now = time.perf_counter()
        self.times.append(now - self._began)
        if now < self._until:
            self._send()
        else:
            self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """The server closed it: before the end that is a fault."""
        self._end(LoadFailed(f"the connection was closed: {exc}"))

    def _send(self) -> None:
        if self._transport is not None:
            self._began = time.perf_counter()
            self._transport.write(next(self._requests))

    def _end(self, failure: Exception | None) -> None:
        if not self.ended.done():
            if failure is None:
                self.ended.set_result(None)
            else:
                self.ended.set_exception(failure)
        if self._transport is not None:
            self._transport.close()


async def drive(port: int, seconds: float, expected: bytes, requests: list[Iterator[bytes]]) -> Round:
    """One connection for each iterator of requests. Raises LoadFailed for any answer that does not begin so."""
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    made = [await loop.create_connection(_maker(one, expected, began + seconds), "127.0.0.1", port) for one in requests]
    connections = [protocol for _, protocol in made]
    async with asyncio.timeout(seconds + ANSWER_SECONDS):
        await asyncio.gather(*(connection.ended for connection in connections))
    took = time.perf_counter() - began
    times = tuple(one for connection in connections for one in connection.times)
    return Round(len(times) / took, times)


def _maker(requests: Iterator[bytes], expected: bytes, until: float) -> Callable[[], _Connection]:
    return lambda: _Connection(requests, expected, until)

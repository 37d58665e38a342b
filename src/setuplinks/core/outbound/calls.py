"""One HTTP/1.1 call over one kept connection: bytes out, the start of an answer in, at a fraction of a client's cost.

Owns the wire (llhttp reads it, by httptools), a call's deadline, what of an answer is kept, and which connections are
free. It opens no connection and judges no address: `connecting` does, and hands over what it has opened.
"""

import asyncio
from collections.abc import Hashable
from typing import cast

import httptools
import msgspec

BODY_SECONDS = 3.0
"""What the rest of a body may take once the status has come: one that drips or breaks off does not undo it."""
LONGEST_HEAD = 64 * 1024
READ_OUT = 64 * 1024
"""Bytes of an answer that are read, kept or not, so that the connection can be used again."""
IDLE_SECONDS = 4.0
"""Most servers close an idle connection after 5: a reuse must not race that."""
AGE_SECONDS = 60.0
"""A name may lead elsewhere by now: however busy, no connection serves for longer."""


class Broken(ConnectionError):
    """There is no answer: the connection ended (`words`), or what came is no HTTP."""

    def __init__(self, words: str, detail: str = "", *, unheard: bool = False) -> None:
        super().__init__(words)
        self.words, self.detail = words, detail
        self.unheard = unheard
        """Not a byte came: where the connection had been used before, the other side may have ended it meanwhile."""


class Reply(msgspec.Struct, frozen=True):
    """An answer's status, its headers (lower case, the first of each name), and as much of its body as was asked for.

    `whole` is False where the body was longer, late or broken off.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool


class Connection(asyncio.Protocol):
    """An open connection, for one call at a time. `free` says after a call whether another one may follow."""

    __slots__ = (
        "_count", "_headers", "_heard", "_hurried", "_keep", "_kept", "_loop", "_parser", "_status", "_timer",
        "_transport", "_until", "_waiter", "_whole", "free", "idle_since", "opened_at", "peer",
    )  # fmt: skip

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._parser = httptools.HttpResponseParser(self)
        # What browsers and other clients forgive as well: lone line feeds, spaces after a chunk's size.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self._waiter: asyncio.Future[Reply] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self.peer: str | None = None
        self.free = False
        self.opened_at = self.idle_since = loop.time()

    # -- the caller's side ---------------------------------------------------------------------------------------------
    async def call(self, request: bytes, *, keep: int, whole: bool, until: float) -> Reply:
        """Sends the request and waits for its answer, of which `keep` bytes of body are kept. `until`: the loop's time.

        `whole`: the body has to come in time as well, and one byte more than `keep` ends the call. Raises Broken, and
        TimeoutError.
        """
        if self._transport is None or not self.open():
            raise Broken("connection closed", unheard=True)
        self.free = False
        self._keep, self._whole = keep, whole
        self._heard = self._count = self._status = 0
        self._headers: dict[str, str] = {}
        self._kept = bytearray()
        self._hurried = False
        self._until = until
        waiter: asyncio.Future[Reply] = self._loop.create_future()
        self._waiter = waiter
        self._timer = self._loop.call_at(self._until, self._late)
        self._transport.write(request)
        try:
            return await waiter
        except BaseException:  # also a caller that was cancelled: what comes now would be the next one's answer
            self._waiter = None
            self.abort()
            raise
        finally:
            self._timer.cancel()

    def open(self) -> bool:
        """Whether it stands still."""
        return self._transport is not None and not self._transport.is_closing()

    def usable(self) -> bool:
        """Whether the next call can begin."""
        return self.free and self.open()

    def abort(self) -> None:
        """Ends the connection at once."""
        self.free = False
        if self._transport is not None:
            self._transport.abort()

    # -- the transport's side ------------------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Notes whom it leads to."""
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.peer = str(peer[0]) if peer else None

    def data_received(self, data: bytes) -> None:
        """Reads; what was not asked for ends the connection."""
        if self._waiter is None:
            self.abort()
            return
        self._heard += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._finish(whole=False)
        except httptools.HttpParserError as error:
            if self._status:  # a status that came stands, whatever follows
                self._finish(whole=False)
            else:
                self._fail(Broken("the answer is not HTTP", repr(error)))
        if self._waiter is None:
            return
        if self._heard > LONGEST_HEAD + (2 * max(self._keep, READ_OUT) if self._status else 0):
            # An endless head; or, behind the status, chunks of nothing, their extensions and trailers without end.
            self._too_much()
        elif self._status and not self._whole and not self._hurried:
            self._hurried = True
            self._hurry()

    def connection_lost(self, error: Exception | None) -> None:
        """An answer without a length ends so; any other has broken off."""
        self.free = False
        self._transport = None
        if self._waiter is None:
            return
        if not self._status:
            self._fail(Broken("connection closed", repr(error) if error else "", unheard=not self._heard))
        elif self._whole and (error is not None or self._has_length()):
            self._fail(Broken("connection closed", "the body broke off"))
        else:
            self._finish(whole=error is None and not self._has_length())

    # -- the parser's side ---------------------------------------------------------------------------------------------
    def on_message_begin(self) -> None:
        """A second answer to one request: nobody may take it for his own."""
        if self._waiter is None:
            self.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; trailers behind a body are nobody's."""
        if self._status:
            return
        self._headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        """The status is there; of an interim one (100, 103) nothing is kept."""
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            self._headers = {}
        else:
            self._status = status

    def on_body(self, chunk: bytes) -> None:
        """Keeps the start."""
        self._count += len(chunk)
        if len(self._kept) <= self._keep:
            self._kept += chunk[: self._keep + 1 - len(self._kept)]
        if self._count > (self._keep if self._whole else max(self._keep, READ_OUT)):
            self._finish(whole=False)

    def on_message_complete(self) -> None:
        """The answer is whole."""
        if not self._status or self._waiter is None:
            return
        transport = self._transport
        self.free = self._parser.should_keep_alive() and transport is not None and not transport.get_write_buffer_size()
        self._finish(whole=True)

    # ------------------------------------------------------------------------------------------------------------------
    def _has_length(self) -> bool:
        return "content-length" in self._headers or "transfer-encoding" in self._headers

    def _too_much(self) -> None:
        if self._status and not self._whole:
            self._finish(whole=False)
        else:
            self._fail(Broken("the answer is not HTTP", f"{self._heard} bytes and no end"))

    def _hurry(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(min(self._until, self._loop.time() + BODY_SECONDS), self._late)

    def _late(self) -> None:
        if self._status and not self._whole:
            self._finish(whole=False)
        else:
            self._fail(TimeoutError())

    def _finish(self, *, whole: bool) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            body = self._kept if self._whole else self._kept[: self._keep]
            waiter.set_result(Reply(self._status, self._headers, bytes(body), whole))
        if not self.free:
            self.abort()

    def _fail(self, error: Exception) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        self.abort()


class Connections:
    """Those that are free, by where they lead; the one that was used last is used first."""

    def __init__(self, *, idle_seconds: float = IDLE_SECONDS, age_seconds: float = AGE_SECONDS) -> None:
        self._idle_seconds, self._age_seconds = idle_seconds, age_seconds
        self._free: dict[Hashable, list[Connection]] = {}
        self._sweep: asyncio.TimerHandle | None = None

    def take(self, place: Hashable) -> Connection | None:
        """One that leads there, if there is one."""
        waiting = self._free.get(place)
        while waiting:
            connection = waiting.pop()
            if connection.usable() and asyncio.get_running_loop().time() - connection.idle_since < self._idle_seconds:
                return connection
            connection.abort()
        return None

    def give(self, place: Hashable, connection: Connection) -> None:
        """Keeps it for the next call, where its last one left it whole."""
        if not connection.usable():
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        if connection.idle_since - connection.opened_at >= self._age_seconds:
            connection.abort()
            return
        self._free.setdefault(place, []).append(connection)
        if self._sweep is None:
            self._sweep = loop.call_later(self._idle_seconds, self._drop_idle, loop)

    def close(self) -> None:
        """Ends all that are free."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for connections in self._free.values():
            for connection in connections:
                connection.abort()
        self._free.clear()

    def _drop_idle(self, loop: asyncio.AbstractEventLoop) -> None:
        since = loop.time() - self._idle_seconds
        for place, connections in list(self._free.items()):
            kept = [one for one in connections if one.usable() and one.idle_since > since]
            for connection in set(connections) - set(kept):
                connection.abort()
            if kept:
                self._free[place] = kept
            else:
                del self._free[place]
        self._sweep = loop.call_later(self._idle_seconds, self._drop_idle, loop) if self._free else None

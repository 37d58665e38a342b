"""A TCP proxy between two programs, so that a test can cut the network between them as networks break.

Owns the connections that pass through it. It knows nothing of what they carry.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from typing import Literal, cast

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, zero seconds; closing then sends RST
CONNECT_SECONDS = 30.0

Way = Literal["open", "cut", "silent"]


class TcpProxy:
    """Listens on `port` of 127.0.0.1 and passes on to `target`, a port of the same machine.

    `cut` resets what is open and whoever comes. `go_silent` takes everything and passes nothing on; what was sent
    meanwhile arrives after `pass_on`, as TCP sends it again. `forget` is a firewall that has lost its table: the far
    side of what is open is gone, the near side never hears of it, and new connections are good.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.way: Way = "open"
        self.accepted = 0
        self._pairs: set[_Pair] = set()
        self._server: asyncio.Server | None = None

    @property
    def connections(self) -> int:
        """How many connections are open on the near side."""
        return len(self._pairs)

    async def start(self) -> None:
        """Begins to listen on a free port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Near(self), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Ends, with all that is open."""
        self.cut()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def pass_on(self) -> None:
        """The network is whole again."""
        self.way = "open"
        for pair in list(self._pairs):
            pair.go_on()

    def cut(self) -> None:
        """RST to both sides, now and for whoever comes."""
        self.way = "cut"
        for pair in list(self._pairs):
            pair.reset()

    def go_silent(self) -> None:
        """Nothing passes, and nobody is told."""
        self.way = "silent"
        for pair in list(self._pairs):
            pair.hold()

    def forget(self) -> None:
        """Half-open: what is open now is swallowed for ever; new connections pass."""
        for pair in list(self._pairs):
            pair.forget()

    def came(self, near: asyncio.Transport) -> "_Pair":
        """A new connection from the near side."""
        pair = _Pair(self, near)
        self.accepted += 1
        if self.way == "cut":
            pair.reset()
            return pair
        self._pairs.add(pair)
        if self.way == "silent":
            pair.hold()
        else:
            pair.connect()
        return pair

    def gone(self, pair: "_Pair") -> None:
        """The near side of a pair has ended."""
        self._pairs.discard(pair)


class _Pair:
    """One connection: its near side, its far side once that is there, and what waits for it."""

    def __init__(self, proxy: TcpProxy, near: asyncio.Transport) -> None:
        self._proxy, self._near = proxy, near
        self._far: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._early = bytearray()
        self._forgotten = False

    def connect(self) -> None:
        self._connecting = asyncio.create_task(self._connect())

    def from_near(self, data: bytes) -> None:
        if self._forgotten:
            return
        if self._far is None:
            self._early += data
        else:
            self._far.write(data)

    def from_far(self, data: bytes) -> None:
        if not self._forgotten:
            self._near.write(data)

    def near_lost(self) -> None:
        self._proxy.gone(self)
        if self._far is not None:
            self._far.close()

    def far_lost(self) -> None:
        if not self._forgotten:
            self._near.close()

    def hold(self) -> None:
        for side in (self._near, self._far):
            if side is not None and not side.is_closing():
                side.pause_reading()

    def go_on(self) -> None:
        if self._connecting is None:
            self.connect()
        for side in (self._near, self._far):
            if side is not None and not side.is_closing():
                side.resume_reading()

    def forget(self) -> None:
        self._forgotten = True
        if self._far is not None:
            self._far.abort()

    def reset(self) -> None:
        self._proxy.gone(self)
        for side in (self._near, self._far):
            if side is not None and not side.is_closing():
                side.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                side.abort()

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                far, _ = await loop.create_connection(lambda: _Far(self), "127.0.0.1", self._proxy.target)
        except (OSError, TimeoutError):
            self.reset()  # nobody listens there: the near side is refused, one step late
            return
        self._far = far
        if self._near.is_closing():
            self._far.abort()
            return
        self._far.write(bytes(self._early))
        self._early.clear()
        if self._proxy.way == "silent":
            self.hold()
        elif self._proxy.way == "cut":
            self.reset()


class _Near(asyncio.Protocol):
    def __init__(self, proxy: TcpProxy) -> None:
        self._proxy = proxy
        self._pair: _Pair | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._pair = self._proxy.came(cast(asyncio.Transport, transport))

    def data_received(self, data: bytes) -> None:
        if self._pair is not None:
            self._pair.from_near(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's own signature
        if self._pair is not None:
            self._pair.near_lost()


class _Far(asyncio.Protocol):
    def __init__(self, pair: _Pair) -> None:
        self._pair = pair

    def data_received(self, data: bytes) -> None:
        self._pair.from_far(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's own signature
        self._pair.far_lost()


@contextlib.asynccontextmanager
async def running_proxy(target: int) -> AsyncIterator[TcpProxy]:
    """A proxy for the length of the block."""
    proxy = TcpProxy(target)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()

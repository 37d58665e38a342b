"""The proxy of the tests breaks a network in the ways that it names."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.support.tcp_proxy import TcpProxy, running_proxy

PATIENCE = 60.0


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100):
        writer.write(data)
    writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[TcpProxy]:
    """A proxy before a server that says again what it hears."""
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    async with server, running_proxy(server.sockets[0].getsockname()[1]) as running:
        yield running


class Line:
    """A client's connection."""

    def __init__(self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        self.reader, self.writer = streams

    async def hears(self, said: bytes) -> bytes:
        """What comes back."""
        self.writer.write(said)
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readexactly(len(said))


async def _line(proxy: TcpProxy) -> Line:
    return Line(await asyncio.open_connection("127.0.0.1", proxy.port))


async def test_it_passes_on_and_counts(proxy: TcpProxy) -> None:
    one, two = await _line(proxy), await _line(proxy)
    assert (await one.hears(b"one"), await two.hears(b"two")) == (b"one", b"two")
    assert (proxy.connections, proxy.accepted) == (2, 2)
    one.writer.close()
    two.writer.close()


async def test_a_cut_resets_what_is_open_and_whoever_comes(proxy: TcpProxy) -> None:
    line = await _line(proxy)
    assert await line.hears(b"well") == b"well"
    proxy.cut()
    with pytest.raises(ConnectionResetError):
        await line.hears(b"cut")
    late = await _line(proxy)
    with pytest.raises(ConnectionResetError):
        await late.hears(b"cut")
    proxy.pass_on()
    again = await _line(proxy)
    assert await again.hears(b"well") == b"well"
    again.writer.close()


async def test_silence_keeps_what_is_said_until_it_ends(proxy: TcpProxy) -> None:
    line = await _line(proxy)
    assert await line.hears(b"well") == b"well"
    proxy.go_silent()
    late = await _line(proxy)
    waiting = [asyncio.create_task(one.hears(b"later")) for one in (line, late)]
    done, _ = await asyncio.wait(waiting, timeout=0.05)
    assert not done
    proxy.pass_on()
    assert await asyncio.gather(*waiting) == [b"later", b"later"]
    for one in (line, late):
        one.writer.close()


async def test_what_is_forgotten_is_swallowed_for_ever_and_new_connections_are_good(proxy: TcpProxy) -> None:
    line = await _line(proxy)
    assert await line.hears(b"well") == b"well"
    proxy.forget()
    waiting = asyncio.create_task(line.hears(b"hello?"))
    new = await _line(proxy)
    assert await new.hears(b"well") == b"well"
    assert not waiting.done()
    line.writer.transport.abort()
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await waiting
    new.writer.close()

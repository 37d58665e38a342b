"""Sending through the gateway, beside a plain aiohttp reverse proxy and nginx, before a Meta that costs nothing.

Owns the numbers that are connected for it (by the product's own signup, so that keys, tokens and rows are real), the
requests, and the rows. What the gateway adds is measured alone on one connection, against Meta asked directly; rates
are taken on 32 connections, in turn. Each message goes from the next of 64 numbers to another person: numbers and pairs
have limits.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import aiohttp

from benchmarks import servers
from benchmarks.flow import Flow, Receiver, tenant_listens
from benchmarks.load import drive
from benchmarks.proxies import nginx
from benchmarks.rates import AT_ONCE, Length
from benchmarks.seeding import Place, seeded
from benchmarks.servers import Server
from benchmarks.table import Round, Row, cpu_us, percentile, ratio
from tests.support.ports import reserved_port
from tests.support.postgres import PostgresServer

WHAT = "gateway, POST messages"
NUMBERS, FLOWS_AT_ONCE = 64, 16
ADDS_MS, OF_A_PROXY = 1.5, 0.5
WARM_SECONDS = 0.5
SENT = b"HTTP/1.1 200"
BODY = (
    b'{"messaging_product":"whatsapp","recipient_type":"individual","to":"549%010d","type":"text",'
    b'"text":{"body":"Your appointment is tomorrow at 10:30.","preview_url":false}}'
)
POST = (
    b"POST %b/v23.0/%b/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %b\r\nAccept: */*\r\n"
    b"Content-Type: application/json\r\nUser-Agent: WhatsApp client\r\nContent-Length: %d\r\n\r\n%b"
)
_people = itertools.count(1_100_000_000)


@dataclass(frozen=True)
class Line:
    """A way to Meta that is measured: a server, what its paths begin with, and each number's token."""

    name: str
    server: Server
    prefix: bytes
    numbers: list[tuple[bytes, bytes]]

    def requests(self, lanes: int) -> list[Iterator[bytes]]:
        """Endless sends for so many connections, from numbers in turn."""

        def sends(mine: list[tuple[bytes, bytes]]) -> Iterator[bytes]:
            for number, token in itertools.cycle(mine):
                body = BODY % next(_people)
                yield POST % (self.prefix, number, token, len(body), body)

        return [sends(self.numbers[lane::lanes]) for lane in range(lanes)]

    async def round(self, seconds: float, lanes: int) -> Round:
        """A round of sends."""
        cpu = self.server.cpu_seconds
        found = await drive(self.server.port, seconds, SENT, self.requests(lanes))
        return replace(found, cpu=self.server.cpu_seconds - cpu)


async def measured(folder: Path, server: PostgresServer | None, length: Length) -> list[Row]:
    """The rows of one database."""
    place = await seeded(folder, server, 1_000)
    keys = await _connected(place)
    async with _lines(place, keys) as lines:
        alone, busy = await _in_turn(lines, length, 1), await _in_turn(lines, length, AT_ONCE)
    return rows(place.dialect, alone, busy)


def rows(database: str, alone: dict[str, list[Round]], busy: dict[str, list[Round]]) -> list[Row]:
    """What was found, by the name of each line; nginx may be missing."""
    base = _times_ms(alone["Meta"])
    added = {name: [ours - its for ours, its in zip(_times_ms(alone[name]), base, strict=True)] for name in alone}
    p50, p99 = added["gateway"]
    others = ", ".join(f"{name} {added[name][0]:.2f}" for name in added if name not in {"gateway", "Meta"})
    found = ratio(busy["gateway"], busy["aiohttp"])
    own, plain = (median(one.rate for one in busy[name]) for name in ("gateway", "aiohttp"))
    seen = [1000 * time for one in busy["gateway"] for time in one.times]
    fastest = f"nginx {median(one.rate for one in busy['nginx']):,.0f}/s" if "nginx" in busy else "nginx is not here"
    cpu = f"CPU {cpu_us(busy['gateway']):.0f} µs (aiohttp proxy {cpu_us(busy['aiohttp']):.0f})"
    shown = f"{own:,.0f}/s, p50 {percentile(seen, 0.5):.0f} ms, p99 {percentile(seen, 0.99):.0f} ms, {cpu}"
    return [
        Row(f"{WHAT}, adds", database, f"p50 {p50:.2f} ms (p50 of {others})", f"p50 < {ADDS_MS} ms", p50 < ADDS_MS,
            "deciding"),
        Row(WHAT, database, f"{found:.2f} of an aiohttp proxy ({own:,.0f}/s of {plain:,.0f}/s)", f">= {OF_A_PROXY}",
            found >= OF_A_PROXY, "deciding"),
        Row(f"{WHAT}, absolute", database, f"{shown}; alone it adds p99 {p99:.2f} ms", fastest, True, "guide"),
    ]  # fmt: skip


def _times_ms(rounds: list[Round]) -> tuple[float, float]:
    """p50 and p99 of all answers, in milliseconds."""
    times = [1000 * time for one in rounds for time in one.times]
    return percentile(times, 0.5), percentile(times, 0.99)


async def _in_turn(lines: list[Line], length: Length, lanes: int) -> dict[str, list[Round]]:
    """Rounds on all lines, A B C D A B C D."""
    found: dict[str, list[Round]] = {line.name: [] for line in lines}
    for line in lines:
        await line.round(WARM_SECONDS, lanes)
    for _ in range(length.rounds):
        for line in lines:
            found[line.name].append(await line.round(length.seconds, lanes))
    return found


@contextlib.asynccontextmanager
async def _lines(place: Place, keys: list[tuple[bytes, bytes]]) -> AsyncIterator[list[Line]]:
    """Meta's stand-in, and what stands before it; only the gateway is called with its own keys."""
    tokens = [(number, b"EAA0123456789abcdef") for number, _ in keys]

    def started(kind: str, *more: object) -> Server:
        port = reserved_port()
        command = ["benchmarks.proxies", kind, str(port), *(str(one) for one in more)]
        return Server(command, port, {}, place.folder)

    async with contextlib.AsyncExitStack() as stack:
        meta = await stack.enter_async_context(servers.running(started("meta")))
        gateway = await stack.enter_async_context(servers.running(servers.service(place, sandbox_port=meta.port)))
        plain = await stack.enter_async_context(servers.running(started("aiohttp", meta.port)))
        lines = [Line("gateway", gateway, b"/graph", keys), Line("aiohttp", plain, b"", tokens)]
        if nginx() is not None:
            bare = await stack.enter_async_context(
                servers.running(started("nginx", meta.port, place.folder / "nginx"))
            )  # fmt: skip
            lines.append(Line("nginx", bare, b"", tokens))
        yield [*lines, Line("Meta", meta, b"", tokens)]


async def _connected(place: Place) -> list[tuple[bytes, bytes]]:
    """Connects numbers by the whole signup; each number's id at Meta and a key of its WABA."""
    receiver = Receiver()
    await receiver.start()
    box = servers.sandbox(place.folder)
    service = servers.service(place, sandbox_port=box.port, workers=True)
    tenant, key = place.flow_tenant, place.keys[place.flow_tenant]
    url = f"http://127.0.0.1:{service.port}"
    try:
        async with (
            servers.running(box, "/sandbox"),
            servers.running(service),
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
        ):
            await tenant_listens(session, url, tenant, receiver.url)
            flow = Flow(url, f"http://localhost:{box.port}", key, receiver, session)
            customers = iter(place.flow_customers[:NUMBERS])

            async def one_after_the_other() -> None:
                for customer in customers:
                    await flow.run(customer)

            async with asyncio.TaskGroup() as group:
                for _ in range(FLOWS_AT_ONCE):
                    group.create_task(one_after_the_other())
            return await _keys(session, f"{url}/admin", tenant, key)
    finally:
        await receiver.stop()


async def _keys(session: aiohttp.ClientSession, admin: str, tenant: int, key: str) -> list[tuple[bytes, bytes]]:
    headers = {"Authorization": f"Bearer {key}"}
    found, after = [], ""
    while after is not None:
        path = f"{admin}/tenants/{tenant}/phone-numbers?limit=50{f'&after={after}' if after else ''}"
        async with session.get(path, headers=headers, raise_for_status=True) as answer:
            page = await answer.json()
        for number in page["data"]:
            path = f"{admin}/wabas/{number['wabaId']}/api-keys"
            async with session.post(path, json={"name": "bench"}, headers=headers, raise_for_status=True) as answer:
                made = await answer.json()
            found.append((number["metaPhoneNumberId"].encode(), made["key"].encode()))
        after = page["nextCursor"]
    assert len(found) == NUMBERS
    return found

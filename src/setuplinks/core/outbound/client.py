"""The one guarded HTTP client for every URL that a tenant gave us: webhooks and theme images.

Owns requests, time and size caps, and which connection a call takes. No redirects, no proxies, no cookies. It does not
own the way to an address and its guard (`connecting`), the wire (`calls`), nor what an answer means.
"""

import asyncio
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from aiohttp.abc import AbstractResolver

from setuplinks.core.addresses import MAY_OPEN, Address, Network, Policy, Target, parse_target
from setuplinks.core.outbound.calls import Broken, Connections, Reply
from setuplinks.core.outbound.connecting import Connector, Seen
from setuplinks.core.outbound.failures import Failed, Failure, FailureKind

TOTAL_SECONDS = 15.0
RESOLVE_SECONDS = 2.0
KEEP_BYTES = 2048


@dataclass(frozen=True, slots=True)
class Answer:
    """What one call came to. `status` is None where nothing answered; then `failure` says why.

    `body` is the start of the answer, as capped; `address` the peer that was reached or refused; `duration` in µs.
    """

    status: int | None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    address: str | None = None
    duration: int = 0
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Examined:
    """What a look at a URL before it is saved found: `refusal` in words, or a `warning` to hand on, or neither."""

    refusal: str | None = None
    warning: str | None = None


class _Place(NamedTuple):
    """A URL as a request names it; `origin` is what a connection leads to."""

    target: Target
    origin: tuple[bool, str, int]
    path: str
    host: str


class Outbound:
    """Lives as long as the process; opens its connections on first use and wants `close()` at the end.

    `resolver` and `tls` have defaults (the system's names and certificates); tests bring their own.
    """

    def __init__(
        self,
        allow: Sequence[Network] = (),
        *,
        total_seconds: float = TOTAL_SECONDS,
        resolver: AbstractResolver | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.policy = Policy(tuple(allow))
        self._total = total_seconds
        self._connector = Connector(self.policy, resolver, tls)
        self._connections = Connections()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, keep: int = KEEP_BYTES) -> Answer:
        """Sends the body and keeps the first `keep` bytes of the answer. Never raises for what the other side does."""
        return await self._exchange("POST", url, body, headers, keep)

    async def fetch(self, url: str, max_bytes: int, *, headers: Mapping[str, str] | None = None) -> Answer:
        """Gets a whole body of at most `max_bytes`; a longer one is a failure `too_large`, a slow one `timeout`."""
        answer = await self._exchange("GET", url, None, headers or {}, max_bytes, whole=True)
        if len(answer.body) <= max_bytes:
            return answer
        failure = Failure(FailureKind.TOO_LARGE, f"larger than {max_bytes} bytes")
        return Answer(None, answer.headers, b"", answer.address, answer.duration, failure)

    async def examine(self, url: str) -> Examined:
        """Judges a webhook URL before it is saved; asks the resolver for at most two seconds."""
        try:
            target = parse_target(url)
        except ValueError as error:
            return Examined(refusal=str(error))
        if refusal := self.policy.refuse_host(target):
            return Examined(refusal=refusal)
        if not target.secure and not self.policy.allow:
            return Examined(refusal=f"the URL has to start with https://{MAY_OPEN}")
        if target.literal is not None:
            return Examined(refusal=self.policy.refuse_addresses(target, [target.literal]))
        try:
            async with asyncio.timeout(RESOLVE_SECONDS):
                addresses = await self._connector.addresses(target)
        except (OSError, UnicodeError, TimeoutError):
            addresses = []
        if refusal := self.policy.refuse_addresses(target, addresses):
            return Examined(refusal=refusal)
        if not addresses:
            return Examined(warning=f"The name {target.host} does not resolve now; deliveries fail until it does.")
        return Examined()

    async def close(self) -> None:
        """Closes every connection."""
        self._connections.close()
        await self._connector.close()

    async def _exchange(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], keep: int, *, whole: bool = False
    ) -> Answer:
        started = time.perf_counter_ns()
        try:
            place = _placed(url)
            request = _request(method, place, body, headers)
        except ValueError as error:
            return Answer(None, failure=Failure(FailureKind.BAD_URL, str(error)))
        if place.target.literal is not None:
            refusal = _refusal(self.policy, place.target.literal, place.target.port, place.target.secure)
            if refusal is not None:
                failure = Failure(FailureKind.REFUSED_ADDRESS, refusal)
                return Answer(None, address=str(place.target.literal), failure=failure)
        seen = Seen()
        try:
            reply = await self._reply(place, request, seen, keep, whole=whole)
        except TimeoutError:
            failure = Failure(FailureKind.TIMEOUT, f"no answer within {self._total:g} s")
        except Failed as failed:
            failure = failed.failure
        except Broken as broken:
            failure = Failure(FailureKind.BROKEN, broken.words, broken.detail)
        else:
            return Answer(reply.status, reply.headers, reply.body, seen.address, _since(started))
        return Answer(None, address=seen.address, duration=_since(started), failure=failure)

    async def _reply(self, place: _Place, request: bytes, seen: Seen, keep: int, *, whole: bool) -> Reply:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._total
        connection = self._connections.take(place.origin)
        if connection is not None:
            seen.address = connection.peer
            try:
                reply = await connection.call(request, keep=keep, whole=whole, until=until)
            except Broken as broken:
                if not broken.unheard:
                    raise
                # The server ended it before it could have read this request: a new one is opened.
            else:
                self._connections.give(place.origin, connection)
                return reply
        async with asyncio.timeout_at(until):
            connection = await self._connector.open(place.target, seen, loop)
        seen.address = connection.peer or seen.address
        reply = await connection.call(request, keep=keep, whole=whole, until=until)
        self._connections.give(place.origin, connection)
        return reply


# The same few URLs are called over and over; what is judged here is a value, and never where a name leads.
@lru_cache(maxsize=4096)
def _placed(url: str) -> _Place:
    target = parse_target(url)
    host = target.url.host_port_subcomponent or ""
    return _Place(target, (target.secure, target.host, target.port), target.url.raw_path_qs, host)


@lru_cache(maxsize=4096)
def _refusal(policy: Policy, address: Address, port: int, secure: bool) -> str | None:
    return policy.refusal(address, port, secure=secure)


def _request(method: str, place: _Place, body: bytes | None, headers: Mapping[str, str]) -> bytes:
    """The request's bytes. Raises ValueError for what would not stay in its line."""
    lines = [f"{method} {place.path} HTTP/1.1", f"Host: {place.host}"]
    given = {name.lower() for name in headers}
    lines += [line for name, line in _OUR_HEADERS if name not in given]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    lines.append("\r\n")
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) or head.count("\r") != len(lines) or "\0" in head:
        raise ValueError("a header has a line break")
    return head.encode() + body if body else head.encode()


_OUR_HEADERS = (
    ("user-agent", "User-Agent: setuplinks"), ("accept", "Accept: */*"),
    ("accept-encoding", "Accept-Encoding: identity"),
)  # fmt: skip


def _since(started: int) -> int:
    return (time.perf_counter_ns() - started) // 1_000

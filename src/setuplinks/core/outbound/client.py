"""The one guarded HTTP client for every URL that a tenant gave us: webhooks and theme images.

Owns requests, time and size caps, and which connection a call takes. No redirects, no proxies, no cookies. It does not
own the way to an address and its guard (`connecting`), the wire (`calls`), nor what an answer means.
"""

import asyncio
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from aiohttp.abc import AbstractResolver

from setuplinks.core.addresses import MAY_OPEN, Network, Policy, Target, parse_target
from setuplinks.core.outbound.calls import Broken, Connections, Reply
from setuplinks.core.outbound.connecting import Connector, Seen
from setuplinks.core.outbound.failures import Failed, Failure, FailureKind

TOTAL_SECONDS = 15.0
RESOLVE_SECONDS = 2.0
KEEP_BYTES = 2048
_OURS = {"User-Agent": "setuplinks", "Accept": "*/*", "Accept-Encoding": "identity"}


Origin = tuple[bool, str, int]
"""What a connection leads to: secured or not, host, port."""


class Answer(msgspec.Struct, frozen=True):
    """What one call came to. `status` is None where nothing answered; then `failure` says why.

    Headers have names in lower case; `body` is the start of the answer, as capped; `address` the peer that was reached
    or refused; `duration` in µs.
    """

    status: int | None
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    body: bytes = b""
    address: str | None = None
    duration: int = 0
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Examined:
    """What a look at a URL before it is saved found: `refusal` in words, or a `warning` to hand on, or neither."""

    refusal: str | None = None
    warning: str | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """A method, a URL and the headers of every call to it, made ready by `Outbound.route` for many calls.

    `target` and `failure`: at least one is there; with a failure there is no use in calling.
    """

    target: Target | None
    head: bytes = field(repr=False)
    failure: Failure | None = None
    origin: Origin = (False, "", 0)

    def leads_to(self) -> Target:
        """Raises Failed where it leads nowhere."""
        if self.target is None or self.failure is not None:
            raise Failed(self.failure or Failure(FailureKind.BAD_URL, "this is not a URL"))
        return self.target


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

    def route(self, method: str, url: str, headers: Mapping[str, str]) -> Route:
        """Takes a URL apart and judges it, as far as that needs no look-up."""
        try:
            target = parse_target(url)
            head = _lines([f"{method} {target.url.raw_path_qs} HTTP/1.1", f"Host: {_host(target)}", *_carried(headers)])
        except ValueError as error:
            return Route(None, b"", Failure(FailureKind.BAD_URL, str(error)))
        refusal = None
        if target.literal is not None:
            refusal = self.policy.refusal(target.literal, target.port, secure=target.secure)
        refused = None if refusal is None else Failure(FailureKind.REFUSED_ADDRESS, refusal)
        return Route(target, head, refused, (target.secure, target.host, target.port))

    async def post(
        self, route: Route, body: bytes, headers: Mapping[str, str] | None = None, *, keep: int = KEEP_BYTES
    ) -> Answer:
        """Sends the body, with this call's own headers beside the route's; keeps the first `keep` bytes of the answer.

        Never raises for what the other side does.
        """
        return await self._exchange(route, body, headers or {}, keep)

    async def fetch(self, url: str, max_bytes: int, *, headers: Mapping[str, str] | None = None) -> Answer:
        """Gets a whole body of at most `max_bytes`; a longer one is a failure `too_large`, a slow one `timeout`."""
        answer = await self._exchange(self.route("GET", url, headers or {}), None, {}, max_bytes, whole=True)
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
        self, route: Route, body: bytes | None, headers: Mapping[str, str], keep: int, *, whole: bool = False
    ) -> Answer:
        started = time.perf_counter_ns()
        seen = Seen(None if route.target is None or route.target.literal is None else str(route.target.literal))
        try:
            target = route.leads_to()
            reply = await self._reply(target, route.origin, _request(route, body, headers), seen, keep, whole=whole)
        except TimeoutError:
            failure = Failure(FailureKind.TIMEOUT, f"no answer within {self._total:g} s")
        except Failed as failed:
            failure = failed.failure
        except Broken as broken:
            failure = Failure(FailureKind.BROKEN, broken.words, broken.detail)
        except ValueError as error:
            failure = Failure(FailureKind.BAD_URL, str(error))
        else:
            return Answer(reply.status, reply.headers, reply.body, seen.address, _since(started))
        return Answer(None, address=seen.address, duration=_since(started), failure=failure)

    async def _reply(
        self, target: Target, origin: Origin, request: bytes, seen: Seen, keep: int, *, whole: bool
    ) -> Reply:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._total
        connection = self._connections.take(origin)
        if connection is not None:
            seen.address = connection.peer
            try:
                reply = await connection.call(request, keep=keep, whole=whole, until=until)
            except Broken as broken:
                if not broken.unheard:
                    raise
                # The server ended it before it could have read this request: a new one is opened.
            else:
                self._connections.give(origin, connection)
                return reply
        async with asyncio.timeout_at(until):
            connection = await self._connector.open(target, seen, loop)
        seen.address = connection.peer or seen.address
        reply = await connection.call(request, keep=keep, whole=whole, until=until)
        self._connections.give(origin, connection)
        return reply


def _host(target: Target) -> str:
    return target.url.host_port_subcomponent or target.host


def _carried(headers: Mapping[str, str]) -> list[str]:
    """The route's own headers, and ours where it has none of that name."""
    given = {name.lower() for name in headers}
    ours = [f"{name}: {value}" for name, value in _OURS.items() if name.lower() not in given]
    return ours + [f"{name}: {value}" for name, value in headers.items()]


def _request(route: Route, body: bytes | None, headers: Mapping[str, str]) -> bytes:
    """The request's bytes. Raises ValueError for a header that would not stay in its line."""
    stamps = _lines([f"{name}: {value}" for name, value in headers.items()]) if headers else b""
    if body is None:
        return b"%b%b\r\n" % (route.head, stamps)
    return b"%b%bContent-Length: %d\r\n\r\n%b" % (route.head, stamps, len(body), body)


def _lines(lines: list[str]) -> bytes:
    text = "\r\n".join(lines)
    if text.count("\n") >= len(lines) or text.count("\r") >= len(lines) or "\0" in text:
        raise ValueError("a header has a line break")
    return text.encode() + b"\r\n"


def _since(started: int) -> int:
    return (time.perf_counter_ns() - started) // 1_000

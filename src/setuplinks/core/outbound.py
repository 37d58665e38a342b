"""The one guarded HTTP client for every URL that a tenant gave us: webhooks and theme images.

Owns connecting, time and size caps, and the words for what went wrong. Each concrete address is judged in the
connector, just before connect: names, literals, rebinding and every retry pass there. No redirects, no proxies,
no cookies. It does not own the rule which addresses are good (`core/addresses`) nor what an answer means.
"""

import asyncio
import errno
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from setuplinks.core.addresses import MAY_OPEN, Address, Network, Policy, parse_target

TOTAL_SECONDS = 15.0
BODY_SECONDS = 3.0
RESOLVE_SECONDS = 2.0
KEEP_BYTES = 2048
_RESOLVER_THREADS = 16
_KEEPALIVE_SECONDS = 4  # most servers close an idle connection after 5: a reuse must not race that


class FailureKind(StrEnum):
    """Why there is no answer."""

    BAD_URL = "bad_url"
    REFUSED_ADDRESS = "refused_address"
    NAME = "name"
    CONNECT = "connect"
    TLS_NAME = "tls_name"
    TLS = "tls"
    TIMEOUT = "timeout"
    BROKEN = "broken"
    TOO_LARGE = "too_large"


@dataclass(frozen=True, slots=True)
class Failure:
    """`words` for people ("certificate expired"), `detail` for whoever looks deeper."""

    kind: FailureKind
    words: str
    detail: str = ""


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


@dataclass(slots=True)
class _Call:
    secure: bool
    address: str | None = None
    refused: str | None = None
    tried: bool = False


_call: ContextVar[_Call] = ContextVar("outbound_call")


class SystemResolver(AbstractResolver):
    """The machine's resolver in threads of its own: a name that hangs must not hold up anybody else's thread."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_RESOLVER_THREADS, thread_name_prefix="resolver")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Every address of the name. Raises OSError where there is none."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
        )
        return [
            ResolveResult(
                hostname=host, host=str(address[0]), port=port, family=kind, proto=proto, flags=socket.AI_NUMERICHOST
            )
            for kind, _, proto, _, address in found
        ]

    async def close(self) -> None:
        """Lets the threads go; one that hangs in a look-up ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Response(aiohttp.ClientResponse):
    peer: str | None = None

    async def start(self, connection: Any) -> "_Response":
        # Only here is the connection at hand: a short answer gives it back before the caller sees the response.
        peer = connection.transport.get_extra_info("peername") if connection.transport else None
        self.peer = str(peer[0]) if peer else None
        await super().start(connection)
        return self


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
        self._given_resolver = resolver
        self._tls = tls
        self._resolver: AbstractResolver | None = resolver
        self._session: aiohttp.ClientSession | None = None

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
                found = await self._names().resolve(target.host, target.port)
        except (OSError, UnicodeError, TimeoutError):
            found = []
        addresses = [ip_address(one["host"].partition("%")[0]) for one in found]
        if refusal := self.policy.refuse_addresses(target, addresses):
            return Examined(refusal=refusal)
        if not addresses:
            return Examined(warning=f"The name {target.host} does not resolve now; deliveries fail until it does.")
        return Examined()

    async def close(self) -> None:
        """Closes every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None
        if self._resolver is not None and self._given_resolver is None:
            await self._resolver.close()
            self._resolver = None

    async def _exchange(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], keep: int, *, whole: bool = False
    ) -> Answer:
        started = time.perf_counter_ns()
        try:
            target = _taken_apart(url)
        except ValueError as error:
            return Answer(None, failure=Failure(FailureKind.BAD_URL, str(error)))
        if target.literal is not None:  # odd spellings (127.1) never reach the connector: aiohttp takes none of them
            refusal = _refusal(self.policy, target.literal, target.port, target.secure)
            if refusal is not None:
                failure = Failure(FailureKind.REFUSED_ADDRESS, refusal)
                return Answer(None, address=str(target.literal), failure=failure)
        call = _Call(target.secure)
        mark = _call.set(call)
        try:
            async with asyncio.timeout(self._total) as limit:
                request = self._client().request(
                    method, target.url, data=body, headers=headers, allow_redirects=False, ssl=self._tls or True
                )
                async with request as response:
                    content = await _start_of(response, keep, limit, whole=whole)
                    peer = response.peer if isinstance(response, _Response) else None
                    return Answer(response.status, response.headers, content, peer or call.address, _since(started))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            failure = _failure(error, call, self._total)
            return Answer(None, address=call.address, duration=_since(started), failure=failure)
        finally:
            _call.reset(mark)

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                socket_factory=self._guarded_socket,
                resolver=self._names(),
                limit=0,
                ttl_dns_cache=10,
                keepalive_timeout=_KEEPALIVE_SECONDS,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                response_class=_Response,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                headers={"User-Agent": "setuplinks", "Accept-Encoding": "identity"},
                auto_decompress=False,
                trust_env=False,
            )
        return self._session

    def _names(self) -> AbstractResolver:
        if self._resolver is None:
            self._resolver = SystemResolver()
        return self._resolver

    def _guarded_socket(self, info: tuple[Any, ...]) -> socket.socket:
        family, kind, proto, _, sockaddr = info
        call = _call.get()
        call.address = str(sockaddr[0])
        address = ip_address(call.address.partition("%")[0])
        refusal = self.policy.refusal(address, int(sockaddr[1]), secure=call.secure)
        if refusal is not None:
            call.refused = refusal
            raise OSError(errno.EACCES, refusal)
        call.tried = True
        return socket.socket(family=family, type=kind, proto=proto)


# The same few URLs are called over and over; what is judged here is a value, and never where a name leads.
_taken_apart = lru_cache(maxsize=4096)(parse_target)


@lru_cache(maxsize=4096)
def _refusal(policy: Policy, address: Address, port: int, secure: bool) -> str | None:
    return policy.refusal(address, port, secure=secure)


def _since(started: int) -> int:
    return (time.perf_counter_ns() - started) // 1_000


async def _start_of(
    response: aiohttp.ClientResponse, keep: int, limit: asyncio.Timeout, *, whole: bool = False
) -> bytes:
    """Up to `keep` bytes of the body; where the whole is wanted one more, so that the caller sees the excess."""
    if response.content.is_eof():  # all of it came with the head: nothing to wait for
        return response.content.read_nowait(keep + whole)
    found = bytearray()
    if whole:
        while len(found) <= keep and (chunk := await response.content.read(keep + 1 - len(found))):
            found += chunk
        return bytes(found)
    # The status has arrived: a body that drips or breaks off must not undo it, so the outer limit steps back.
    now = asyncio.get_running_loop().time()
    seconds = min(BODY_SECONDS, max((limit.when() or now) - now, 0))
    limit.reschedule(now + seconds + 1)
    with suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(seconds):
            while len(found) < keep and (chunk := await response.content.read(keep - len(found))):
                found += chunk
    return bytes(found)


_CERTIFICATE_WORDS = {
    9: "certificate not yet valid",
    10: "certificate expired",
    18: "certificate is self-signed",
    19: "certificate is self-signed",
    20: "certificate issuer is not known",
    21: "certificate issuer is not known",
}
_CERTIFICATE_NAME = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_CONNECT_WORDS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection closed",
    errno.EHOSTUNREACH: "host not reachable",
    errno.ENETUNREACH: "network not reachable",
}


def _failure(error: BaseException, call: _Call, total: float) -> Failure:
    detail = f"{type(error).__name__}: {error}"[:500]
    if isinstance(error, TimeoutError):
        return Failure(FailureKind.TIMEOUT, f"no answer within {total:g} s")
    if call.refused and not call.tried:
        return Failure(FailureKind.REFUSED_ADDRESS, call.refused)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Failure(FailureKind.NAME, "name does not resolve", detail)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _certificate_failure(error.certificate_error, detail)
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return Failure(FailureKind.TLS, "TLS handshake failed", detail)
    if isinstance(error, aiohttp.InvalidURL):
        return Failure(FailureKind.BAD_URL, "this is not a URL", detail)
    if isinstance(error, aiohttp.ClientConnectorError):
        return Failure(FailureKind.CONNECT, _CONNECT_WORDS.get(error.os_error.errno or 0, "cannot connect"), detail)
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError | OSError):
        return Failure(FailureKind.BROKEN, "connection closed", detail)
    return Failure(FailureKind.BROKEN, "the answer is not HTTP", detail)


def _certificate_failure(error: Exception, detail: str) -> Failure:
    code = getattr(error, "verify_code", 0)
    if code in _CERTIFICATE_NAME:
        return Failure(FailureKind.TLS_NAME, "certificate is for another name", detail)
    return Failure(FailureKind.TLS, _CERTIFICATE_WORDS.get(code, "certificate is not valid"), detail)

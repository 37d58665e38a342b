"""Connections to what a tenant's URL names: names looked up, each concrete address judged just before connect.

Owns the resolver, the guard and TLS. Names, literals, rebinding and every retry pass the same place, the making of a
socket. It does not own the rule which addresses are good (`core/addresses`).
"""

import asyncio
import errno
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import aiohappyeyeballs
from aiohttp.abc import AbstractResolver, ResolveResult

from setuplinks.core.addresses import Policy, Target
from setuplinks.core.outbound import failures
from setuplinks.core.outbound.calls import Connection
from setuplinks.core.outbound.failures import Failed, Failure, FailureKind

NAMES_SECONDS = 10.0
"""How long a look-up is used again."""
MOST_NAMES = 4096
NEXT_ADDRESS_SECONDS = 0.25
"""After which the next address of a name is tried beside the one that is silent (RFC 8305)."""
_RESOLVER_THREADS = 16


@dataclass(slots=True)
class Seen:
    """What the guard met on the way to one connection."""

    address: str | None = None
    refused: str | None = None
    tried: bool = False


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


class Connector:
    """One for each client. `resolver` and `tls` have defaults: the system's names and certificates."""

    def __init__(self, policy: Policy, resolver: AbstractResolver | None, tls: ssl.SSLContext | None) -> None:
        self._policy, self._tls = policy, tls
        self._given, self._resolver = resolver, resolver
        self._names: dict[str, tuple[float, asyncio.Task[list[ResolveResult]]]] = {}

    async def addresses(self, target: Target) -> list[IPv4Address | IPv6Address]:
        """Every address of the name, asked for now. Raises OSError or UnicodeError where there is none."""
        found = await self._resolving().resolve(target.host, target.port)
        return [ip_address(one["host"].partition("%")[0]) for one in found]

    async def close(self) -> None:
        """Ends look-ups."""
        for _, task in list(self._names.values()):
            task.cancel()
        self._names.clear()
        if self._resolver is not None and self._given is None:
            await self._resolver.close()
            self._resolver = None

    async def open(self, target: Target, seen: Seen, loop: asyncio.AbstractEventLoop) -> Connection:
        """A new connection to an address that was judged; `seen` tells which, also where this fails. Raises Failed."""
        factory = partial(self._guarded_socket, seen, target.secure)
        addresses = await self._addresses(target, loop)
        try:
            opened = await aiohappyeyeballs.start_connection(
                addresses, happy_eyeballs_delay=NEXT_ADDRESS_SECONDS, interleave=1, socket_factory=factory
            )
        except OSError as error:
            if seen.refused and not seen.tried:
                raise Failed(Failure(FailureKind.REFUSED_ADDRESS, seen.refused)) from None
            raise Failed(failures.of_connect(error)) from None
        tls, name = (self._context(), target.host.rstrip(".")) if target.secure else (None, None)
        connection = Connection(loop)
        try:
            await loop.create_connection(lambda: connection, sock=opened, ssl=tls, server_hostname=name)
        except BaseException as error:
            opened.close()
            if isinstance(error, OSError | ValueError) and not isinstance(error, TimeoutError):
                raise Failed(failures.of_handshake(error)) from None
            raise
        return connection

    async def _addresses(self, target: Target, loop: asyncio.AbstractEventLoop) -> list[Any]:
        """What the name stands for, as sockets take it; looked up at most every ten seconds."""
        if target.literal is not None:
            found: list[tuple[Any, int, str]] = [
                (socket.AF_INET6 if target.literal.version == 6 else socket.AF_INET, 0, str(target.literal))
            ]
        else:
            try:
                resolved = await asyncio.shield(self._look_up(target, loop))
            except (OSError, UnicodeError) as error:
                raise Failed(failures.of_name(error)) from None
            found = [(one["family"], one["proto"], one["host"]) for one in resolved]
        return [
            (family, socket.SOCK_STREAM, proto, "",
             (host, target.port, 0, 0) if family == socket.AF_INET6 else (host, target.port))
            for family, proto, host in found
        ]  # fmt: skip

    def _look_up(self, target: Target, loop: asyncio.AbstractEventLoop) -> asyncio.Task[list[ResolveResult]]:
        """One look-up for everybody who asks while it is under way or young; none that failed is kept."""
        until, task = self._names.get(target.host, (0.0, None))
        if task is not None and until > loop.time():
            return task
        if len(self._names) >= MOST_NAMES:
            self._names.clear()
        task = loop.create_task(self._resolved(target))
        self._names[target.host] = (loop.time() + NAMES_SECONDS, task)
        task.add_done_callback(partial(self._looked_up, target.host))
        return task

    async def _resolved(self, target: Target) -> list[ResolveResult]:
        found = await self._resolving().resolve(target.host, target.port)
        if not found:
            raise OSError("no address")
        return found

    def _looked_up(self, host: str, task: asyncio.Task[list[ResolveResult]]) -> None:
        if (task.cancelled() or task.exception() is not None) and self._names.get(host, (0.0, None))[1] is task:
            del self._names[host]

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls

    def _resolving(self) -> AbstractResolver:
        if self._resolver is None:
            self._resolver = SystemResolver()
        return self._resolver

    def _guarded_socket(self, seen: Seen, secure: bool, info: tuple[Any, ...]) -> socket.socket:
        family, kind, proto, _, sockaddr = info
        seen.address = str(sockaddr[0])
        address = ip_address(seen.address.partition("%")[0])
        refusal = self._policy.refusal(address, int(sockaddr[1]), secure=secure)
        if refusal is not None:
            seen.refused = refusal
            raise OSError(errno.EACCES, refusal)
        seen.tried = True
        return socket.socket(family=family, type=kind, proto=proto)

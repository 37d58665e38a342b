"""Creating links and showing the landing page, each beside its bare handler: rounds of load in turn.

Owns the requests that are sent and the order of the rounds. A short round of each goes first and is not counted: it
fills caches of keys, statements and pages.
"""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from benchmarks import servers
from benchmarks.load import drive
from benchmarks.seeding import Place
from benchmarks.table import Round

AT_ONCE = 32
WARM_SECONDS = 0.4
CREATED, SHOWN = b"HTTP/1.1 201", b"HTTP/1.1 200"
BODY = (
    b'{"successRedirectUrl":"https://your-app.com/onboarding/success",'
    b'"failureRedirectUrl":"https://your-app.com/onboarding/failed","allowedConnectionTypes":["dedicated"],'
    b'"themeConfig":{"primaryColor":"#0F766E","companyName":"Acme SaaS"},"language":"en","metadata":{"plan":"pro"}}'
)
CREATE = (
    b"POST /admin/customers/%d/setup-links HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %b\r\n"
    b"Content-Type: application/json\r\nIdempotency-Key: %b-%d\r\nContent-Length: %d\r\n\r\n%b"
)
SHOW = (
    b"GET /signup/%b HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/html\r\nAccept-Encoding: gzip, deflate, br\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"
    b"\r\n\r\n"
)

_runs = itertools.count()


@dataclass(frozen=True)
class Length:
    """How many rounds, and how long each is."""

    rounds: int
    seconds: float


def creations(place: Place) -> list[Iterator[bytes]]:
    """Requests for 32 connections that never meet at one customer: races would measure the guards."""
    run = b"%d" % next(_runs)
    customers = place.customers.copy()
    random.shuffle(customers)
    keys = {tenant: key.encode() for tenant, key in place.keys.items()}

    def requests(mine: Sequence[tuple[int, int]]) -> Iterator[bytes]:
        for number, (tenant, customer) in enumerate(itertools.cycle(mine)):
            yield CREATE % (customer, keys[tenant], b"%b-%d" % (run, customer), number, len(BODY), BODY)

    return [requests(customers[lane::AT_ONCE]) for lane in range(AT_ONCE)]


def views(place: Place) -> list[Iterator[bytes]]:
    """Requests for 32 connections, each for another link."""
    links = [link.encode() for link in place.links]
    random.shuffle(links)

    def requests(mine: Sequence[bytes]) -> Iterator[bytes]:
        for link in itertools.cycle(mine):
            yield SHOW % link

    return [requests(links[lane::AT_ONCE]) for lane in range(AT_ONCE)]


@dataclass(frozen=True)
class Side:
    """One of the two that are compared: a running server and the database behind it."""

    server: servers.Server
    place: Place

    async def create(self, seconds: float) -> Round:
        """A round of links made."""
        return await self._round(seconds, CREATED, creations(self.place))

    async def show(self, seconds: float) -> Round:
        """A round of landing pages."""
        return await self._round(seconds, SHOWN, views(self.place))

    async def _round(self, seconds: float, expected: bytes, requests: list[Iterator[bytes]]) -> Round:
        cpu = self._cpu_seconds()
        found = await drive(self.server.port, seconds, expected, requests)
        return replace(found, cpu=self._cpu_seconds() - cpu)

    def _cpu_seconds(self) -> float:
        database = self.place.server
        return self.server.cpu_seconds + (0.0 if database is None else servers.postgres_cpu_seconds(database))


async def in_turn(kind: str, first: Side, second: Side, length: Length) -> tuple[list[Round], list[Round]]:
    """Rounds of `create` or `show` on both sides, A B A B."""
    sides = [getattr(side, kind) for side in (first, second)]
    found: tuple[list[Round], list[Round]] = ([], [])
    for side in sides:
        await side(WARM_SECONDS)
    for _ in range(length.rounds):
        for side, rounds in zip(sides, found, strict=True):
            rounds.append(await side(length.seconds))
    return found

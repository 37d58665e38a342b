"""PostgreSQL dies, or the network to it does, under Meta's traffic: 503 and nothing else, and all goes on by itself."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from setuplinks.core.clock import ManualClock
from setuplinks.core.db.open import POOL_SIZE, open_database
from setuplinks.core.db.shared_commits import SHARE
from setuplinks.core.problems import Problem
from setuplinks.notifications.runner import AWAY_PAUSE
from setuplinks.notifications.store import ADD_DELETION
from tests.integration.notifications.conftest import Connected, connect
from tests.support import notices
from tests.support.customer import a_customer
from tests.support.inbox import Inbox
from tests.support.postgres import PostgresServer
from tests.support.service import running_service
from tests.support.tcp_proxy import TcpProxy, running_proxy

RECEIVED = "whatsapp.message.received"
COMMAND_SECONDS = 5.0  # in production 10: so long a statement waits on a network that says nothing
AT_ONCE = 40  # more than the connections of one process
COMES_BACK_SECONDS = 90.0
PAUSES = 5  # of a second by the clock, each of which may meet another dead connection; a lease is far longer


@dataclass
class Traffic:
    """A connected number, the way to the database, and what Meta was answered."""

    connected: Connected
    way: TcpProxy
    database: str
    accepted: list[str]
    count: int = 0

    async def tell(self) -> int:
        """Meta tells one new message; the answer's status."""
        self.count += 1
        told, name = self.connected.sample("messages_text"), f"wamid.{self.count:04}"
        told["entry"][0]["changes"][0]["value"]["messages"][0]["id"] = name
        status = await notices.post(self.connected.service.url, notices.body_of(told))
        if status == 200:
            self.accepted.append(name)
        return status

    async def tell_many(self) -> Counter[int]:
        """So many at once; the answers."""
        return Counter(await asyncio.gather(*(self.tell() for _ in range(AT_ONCE))))

    async def until_accepted(self) -> int:
        """Returns once Meta is answered with 200 again; until then nothing but 503, which are counted."""
        refused = 0
        async with asyncio.timeout(COMES_BACK_SECONDS):
            while (status := await self.tell()) != 200:
                assert status == 503
                refused += 1
        return refused

    async def open_all_connections(self) -> None:
        """Uses so many at once that the pool is full."""
        db = self.connected.service.db
        await asyncio.gather(*(db.read("SELECT pg_sleep(0.1)") for _ in range(POOL_SIZE)))

    async def all_arrived(self) -> bool:
        """Everything that was accepted has reached the tenant, each under one id.

        What met a dead connection when it was in hand is taken up again after a pause, not after its lease.
        """
        for _ in range(PAUSES):
            await self._until_nothing_is_due()
            if set(self.accepted) <= self._came():
                return True
            self.connected.service.clock.advance(AWAY_PAUSE)
        return False

    async def _until_nothing_is_due(self) -> None:
        async with asyncio.timeout(COMES_BACK_SECONDS):
            while True:
                try:
                    while await self.connected.service.drain():
                        pass
                    return
                except Problem:  # a round that met a dead connection; the loop of a real worker goes on, too
                    continue

    def _came(self) -> set[str]:
        came = [
            (one.data["message"]["id"], one.headers["webhook-id"]) for one in self.connected.inbox.of_type(RECEIVED)
        ]
        assert len(set(came)) == len({name for name, _ in came})
        return {name for name, _ in came}


@pytest.fixture
async def traffic(
    postgres_server: PostgresServer, postgres_template: str, clock: ManualClock, data_dir: Path, inbox: Inbox
) -> AsyncIterator[Traffic]:
    """The service on PostgreSQL behind a proxy, with a connected number."""
    url = postgres_server.create_database(postgres_template)
    async with running_proxy(postgres_server.port) as way:
        through = f"postgresql://test@127.0.0.1:{way.port}/{url.rpartition('/')[2]}"
        db = await open_database(through, data_dir, command_timeout=COMMAND_SECONDS)
        async with running_service(db, clock, data_dir, through) as service, a_customer(service.url) as person:
            await service.sandbox.change_settings(notifications=False)
            acme = await service.new_tenant("Acme SaaS")
            clinic = await acme.api.made(f"/admin/tenants/{acme.id}/customers", {"name": "Clínica San Lucas"})
            played = await connect(service, acme, clinic["id"], person)
            [number] = (await acme.api.get(f"/admin/customers/{clinic['id']}/phone-numbers")).json["data"]
            await acme.api.made(f"/admin/tenants/{acme.id}/webhook-endpoints", {"url": inbox.url})
            connected = Connected(
                service, acme, clinic["id"], inbox, played["wabaIds"][0], number["metaPhoneNumberId"],
                number["displayPhoneNumber"], number["id"],
            )  # fmt: skip
            yield Traffic(connected, way, url.rpartition("/")[2], [])
        await asyncio.wait_for(db.close(), 60)
    postgres_server.drop_database(url)


async def test_postgresql_is_killed_and_comes_back(traffic: Traffic, postgres_server: PostgresServer) -> None:
    assert await traffic.tell_many() == {200: AT_ONCE}
    await asyncio.to_thread(postgres_server.kill)
    try:
        assert await traffic.tell_many() == {503: AT_ONCE}
    finally:
        await asyncio.to_thread(postgres_server.start)
    await traffic.until_accepted()
    assert await traffic.tell_many() == {200: AT_ONCE}
    assert await traffic.all_arrived()


async def test_one_of_postgresqls_processes_is_killed(traffic: Traffic, postgres_server: PostgresServer) -> None:
    await traffic.tell_many()
    assert postgres_server.kill_a_backend()
    await traffic.until_accepted()
    assert await traffic.all_arrived()


async def test_what_was_in_hand_is_taken_up_again_after_a_second_and_not_after_its_lease(
    traffic: Traffic, postgres_server: PostgresServer
) -> None:
    service = traffic.connected.service
    assert await traffic.tell() == 200
    holder = await asyncpg.connect(postgres_server.url(traffic.database))
    async with holder.transaction():
        await holder.execute("LOCK TABLE message_payload IN SHARE ROW EXCLUSIVE MODE")  # nothing is told
        await service.drain()
        assert traffic.connected.inbox.of_type(RECEIVED) == []
    await holder.close()
    service.clock.advance(AWAY_PAUSE)
    assert await traffic.all_arrived()
    assert [tries for _, tries in await traffic.connected.states()] == [1]


async def test_a_network_that_says_nothing_is_given_up_after_the_time_of_a_command(traffic: Traffic) -> None:
    await traffic.tell_many()
    traffic.way.go_silent()
    async with asyncio.timeout(COMES_BACK_SECONDS):
        assert await traffic.tell_many() == {503: AT_ONCE}
    traffic.way.pass_on()
    await traffic.until_accepted()
    assert await traffic.all_arrived()


async def test_what_waits_behind_a_silent_network_does_not_wait_its_turn(traffic: Traffic) -> None:
    db, now = traffic.connected.service.db, traffic.connected.service.clock.now()

    async def change(number: int) -> str:
        try:
            async with db.transaction() as tx:
                tx.add(ADD_DELETION, f"code {number}", now)
        except Problem as problem:
            return type(problem).__name__
        return "committed"

    await traffic.open_all_connections()
    traffic.way.go_silent()
    before = traffic.way.accepted
    async with asyncio.timeout(COMES_BACK_SECONDS):
        ended = Counter(await asyncio.gather(*(change(number) for number in range(40 * SHARE))))
    assert ended == {"DatabaseAway": 40 * SHARE}
    assert traffic.way.accepted - before < POOL_SIZE  # one connection for each group would have been 30 and more
    traffic.way.pass_on()
    await traffic.until_accepted()


async def test_connections_that_a_firewall_forgot_are_all_given_up_with_the_first(traffic: Traffic) -> None:
    await traffic.tell_many()
    await traffic.open_all_connections()
    traffic.way.forget()
    assert await traffic.until_accepted() < POOL_SIZE / 2  # one is enough; one for each would be ten
    assert await traffic.all_arrived()


async def test_a_network_that_is_cut_refuses_at_once(traffic: Traffic) -> None:
    await traffic.tell_many()
    traffic.way.cut()
    assert await traffic.tell_many() == {503: AT_ONCE}
    traffic.way.pass_on()
    await traffic.until_accepted()
    assert await traffic.all_arrived()

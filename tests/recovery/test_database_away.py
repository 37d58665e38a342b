"""The database goes away in the middle of an exchange and comes back: the token, which is nowhere else, is kept."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from setuplinks.core.clock import ManualClock
from setuplinks.core.db.open import open_database
from tests.integration.setup_links.desk import Desk
from tests.support.customer import Customer, a_customer
from tests.support.postgres import PostgresServer
from tests.support.service import running_service


@pytest.fixture
async def desk(
    postgres_server: PostgresServer, postgres_template: str, clock: ManualClock, data_dir: Path
) -> AsyncIterator[Desk]:
    """The tenant's desk on PostgreSQL, whose server a test may stop."""
    url = postgres_server.create_database(postgres_template)
    db = await open_database(url, data_dir)
    async with running_service(db, clock, data_dir, url) as service:
        acme = await service.new_tenant("Acme SaaS")
        made = await acme.api.made(f"/admin/tenants/{acme.id}/customers", {"name": "Clínica San Lucas"})
        yield Desk(service, acme, made["id"])
    await asyncio.wait_for(db.close(), 60)
    postgres_server.drop_database(url)


@pytest.fixture
async def person(desk: Desk) -> AsyncIterator[Customer]:
    """The customer's browser."""
    async with a_customer(desk.service.url) as customer:
        yield customer


async def test_a_token_is_recorded_when_the_database_is_back_within_the_request(
    desk: Desk, person: Customer, postgres_server: PostgresServer
) -> None:
    link = await desk.link()
    played = await desk.service.sandbox.play(await person.go_to_meta(link["url"]))
    await desk.service.sandbox.hold("exchange")
    coming_back = asyncio.create_task(person.open(played["redirectUrl"].partition("#")[0]))
    await desk.service.sandbox.until_held("exchange")
    await asyncio.to_thread(postgres_server.kill)  # at once: the exchange is given up after a few seconds
    try:
        await desk.service.sandbox.let_go("exchange")
        while not await desk.service.sandbox.calls("exchange"):  # noqa: ASYNC110 - asked over HTTP
            await asyncio.sleep(0.02)
        assert not coming_back.done()  # Meta has answered, and the token is in memory only
    finally:
        await asyncio.to_thread(postgres_server.start)
    await coming_back
    assert person.page == "finishing"
    await desk.service.drain()
    assert await desk.phase(link) == "completed"
    assert len(await desk.service.sandbox.calls("exchange")) == 1


async def test_a_code_is_not_spent_while_the_database_is_away(
    desk: Desk, person: Customer, postgres_server: PostgresServer
) -> None:
    link = await desk.link()
    played = await desk.service.sandbox.play(await person.go_to_meta(link["url"]))
    back = played["redirectUrl"].partition("#")[0]
    await asyncio.to_thread(postgres_server.stop)
    try:
        reply = await person.open(back)
        assert reply.status == 503
        assert await desk.service.sandbox.calls("exchange") == []
    finally:
        await asyncio.to_thread(postgres_server.start)
    await person.open(back)
    await desk.service.drain()
    assert await desk.phase(link) == "completed"

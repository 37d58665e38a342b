"""What another transaction holds on PostgreSQL while work is taken, and what it commits while events are sent again."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from setuplinks.core.clock import MINUTE, ManualClock
from setuplinks.core.db.open import open_database
from setuplinks.core.ids import uuid7
from setuplinks.webhooks import store
from setuplinks.webhooks.claims import TAKE_IN_ORDER
from setuplinks.webhooks.places import LEASE
from tests.integration.webhooks.room import Room, running_room
from tests.support.inbox import Inbox, running_inbox
from tests.support.postgres import PostgresServer

WAITING = (
    "SELECT 1 FROM pg_locks WHERE NOT granted "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
OLD = (
    "INSERT INTO delivery (tenant_id, id, endpoint_id, event_id, event_type, status, created_at, lane) "
    "SELECT $1, '01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'), $2, "
    "'01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'), 'whatsapp.message.received', 'delivered', 1, 7 "
    "FROM generate_series(1, 2000) AS n"
)


@dataclass
class Held:
    """The room, and a connection that somebody else has."""

    room: Room
    other: asyncpg.Connection


@pytest.fixture
async def held(
    postgres_server: PostgresServer, postgres_template_of_today: str, clock: ManualClock, tmp_path: Path
) -> AsyncIterator[Held]:
    """Of a database of this test's own."""
    url = postgres_server.create_database(postgres_template_of_today)
    db = await open_database(url, tmp_path)
    other = await asyncpg.connect(url)
    try:
        async with running_room(db, clock) as room:
            yield Held(room, other)
    finally:
        await other.close()
        await db.close()
        postgres_server.drop_database(url)


async def test_a_delivery_that_somebody_holds_holds_up_no_other_endpoint(held: Held, inbox: Inbox) -> None:
    room = held.room
    async with running_inbox() as second:
        mine, theirs = await room.endpoint(inbox.url), await room.endpoint(second.url)
        await room.emit()
        async with held.other.transaction():
            await held.other.execute(
                "UPDATE delivery SET last_error = NULL WHERE endpoint_id = $1", mine["id"]
            )  # as RECOVER of very many does, for minutes
            async with asyncio.timeout(60):
                assert await room.runner.run_once() == 1
            assert (await room.the_delivery(theirs))["status"] == "delivered"
            assert not inbox.received
        assert await room.drain() == 1, "and it goes at the next look, not after a lease"
        assert (await room.the_delivery(mine))["status"] == "delivered"


async def test_an_event_that_is_told_while_recover_looks_is_not_told_twice(held: Held, inbox: Inbox) -> None:
    room, other = held.room, held.other
    endpoint = await room.endpoint(inbox.url)
    room.clock.advance(MINUTE)
    now = room.clock.now()
    path = f"/admin/webhook-endpoints/{endpoint['id']}/recover"
    async with other.transaction():
        await other.execute("LOCK TABLE event IN ACCESS EXCLUSIVE MODE")
        asked = asyncio.create_task(room.call("POST", path, {"since": "2026-05-18T12:00:00Z"}))
        async with asyncio.timeout(60):
            while not await room.db.read(WAITING):  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0)
        event_id, delivery_id = uuid7(now), uuid7(now)
        await other.execute(store.ADD_EVENT, room.tenant_id, event_id, "setup_link.created", now, None, None, None)
        await other.execute(store.ADD_PAYLOAD, room.tenant_id, event_id, None, 0, b"{}")
        values = (room.tenant_id, delivery_id, endpoint["id"], event_id, "setup_link.created", now, now, None, None)
        await other.execute(store.ADD_DELIVERY, *values)
        await other.execute(store.EARLIER_DUE, room.tenant_id, endpoint["id"], now)
    assert (await asked).json() == {"failedAgain": 0, "missed": 0}
    await room.drain()
    assert [one.headers["webhook-id"] for one in inbox.received] == [event_id]


async def test_what_a_number_was_sent_before_is_not_read_again_for_its_order(held: Held, inbox: Inbox) -> None:
    room = held.room
    endpoint = await room.endpoint(inbox.url, ordered=True)
    await room.db.bulk(OLD, room.tenant_id, endpoint["id"])
    await room.emit("whatsapp.message.received", phone_id=7)
    await held.other.execute("ANALYZE delivery")
    now = room.clock.now()
    values = (room.tenant_id, endpoint["id"], now, now + LEASE, LEASE, 100)
    [[plan]] = await held.other.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {TAKE_IN_ORDER.postgres}", *values)
    assert json.loads(plan)
    passed_over = [int(found) for found in re.findall(r'"Rows Removed by Filter": (\d+)', plan)]
    assert max(passed_over, default=0) < 100

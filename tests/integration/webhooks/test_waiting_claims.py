"""A claim that waits for another transaction's lock on PostgreSQL sees what that one committed, or leaves it due."""

import asyncio

import asyncpg

from setuplinks.core.clock import ManualClock
from setuplinks.core.db.open import open_database
from setuplinks.webhooks import store
from tests.integration.webhooks.room import running_room
from tests.support.inbox import Inbox
from tests.support.postgres import PostgresServer


async def test_an_event_that_commits_while_take_waits_for_its_lock_stays_due(
    postgres_server: PostgresServer, postgres_template: str, clock: ManualClock, inbox: Inbox, tmp_path: object
) -> None:
    url = postgres_server.create_database(postgres_template)
    db = await open_database(url, tmp_path)  # type: ignore[arg-type]
    other = await asyncpg.connect(url)
    try:
        async with running_room(db, clock) as room:
            endpoint = await room.endpoint(inbox.url)
            await room.emit()
            key, now = (room.tenant_id, endpoint["id"]), clock.now()
            await room.park()
            transaction = other.transaction()
            await transaction.start()
            event_id = "01970000-0000-7000-8000-00000000000a"
            await other.execute(store.ADD_EVENT, room.tenant_id, event_id, "setup_link.created", now, None, None, None)
            await other.execute(store.ADD_PAYLOAD, room.tenant_id, event_id, None, 0, b"{}")
            await other.execute(
                store.ADD_DELIVERY,
                room.tenant_id,
                event_id,
                key[1],
                event_id,
                "setup_link.created",
                now,
                now,
                None,
                None,
            )
            await other.execute(store.EARLIER_DUE, *key, now)
            waiting = asyncio.create_task(room.take(endpoint))
            async with asyncio.timeout(60):
                while not await db.read("SELECT 1 FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110 - no event tells
                    await asyncio.sleep(0)
            await transaction.commit()
            assert len(await waiting) == 1, "its snapshot is older than the second event"
            assert (await room.state(endpoint))["next_due"] == now
            assert await room.drain() == 1
            assert inbox.received[0].headers["webhook-id"] == event_id
    finally:
        await other.close()
        await db.close()
        postgres_server.drop_database(url)

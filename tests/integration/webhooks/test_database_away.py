"""The database goes away between sending and recording: the result is kept until it is back."""

import asyncio
from pathlib import Path

from setuplinks.core.clock import ManualClock
from setuplinks.core.db.open import open_database
from setuplinks.migrations.apply import migrate
from setuplinks.webhooks.ledger import Ledger
from setuplinks.webhooks.models import Parcel
from setuplinks.webhooks.retry import Verdict
from setuplinks.webhooks.sender import Result
from tests.integration.webhooks.room import running_room
from tests.integration.webhooks.test_many_processes import claim
from tests.support.inbox import Inbox
from tests.support.postgres import running_postgres


async def test_a_result_waits_for_the_database_and_is_recorded_once(
    clock: ManualClock, inbox: Inbox, tmp_path: Path
) -> None:
    with running_postgres() as server:
        url = server.create_database()
        await asyncio.to_thread(lambda: asyncio.run(migrate(url, tmp_path)))
        db = await open_database(url, tmp_path)
        try:
            async with running_room(db, clock) as room:
                endpoint = await room.endpoint(inbox.url)
                await room.emit()
                [parcel] = await claim(room, endpoint)
                assert isinstance(parcel, Parcel)
                ledger = Ledger(db, clock, room.events, pause=0.05)
                server.stop()
                recording = asyncio.create_task(
                    ledger.record(Result(parcel, Verdict.DELIVERED, clock.now(), http_status=200))
                )
                done, _ = await asyncio.wait({recording}, timeout=0.2)
                assert not done
                server.start()
                assert await recording
                delivery = await room.the_delivery(endpoint)
                assert (delivery["status"], len(delivery["attempts"])) == ("delivered", 1)
        finally:
            await db.close()

"""An `ordered` endpoint for which very many wait: a claim looks at the first of each number, not at all of them."""

import json
import re
import sqlite3
from pathlib import Path

import asyncpg

from setuplinks.core.clock import MINUTE, SECOND
from setuplinks.core.db.open import FILE_NAME
from setuplinks.core.db.text import for_sqlite, placeholders
from setuplinks.webhooks.claims import TAKE_IN_ORDER
from setuplinks.webhooks.places import LEASE
from tests.integration.webhooks.room import Room
from tests.support.inbox import Answer, Inbox

TYPE = "whatsapp.message.received"
MANY = 20_000


async def backlog(room: Room, endpoint: dict[str, object]) -> None:
    """Deliveries of three numbers that wait for longer than all others; the first of each fails, for it has no body."""
    await room.db.bulk(
        "INSERT INTO delivery (tenant_id, id, endpoint_id, event_id, event_type, status, due_at, created_at, lane) "
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $4) "
        "SELECT $1, $5 || i, $2, 'an event', 'whatsapp.message.received', 'pending', $3, $3, 1 + i % 3 FROM n",
        room.tenant_id, endpoint["id"], room.clock.now() - MINUTE, MANY, "01960000-0000-7000-8000-",
    )  # fmt: skip


async def rows_read(url: str, values: tuple[object, ...]) -> int:
    """How many rows the claim's plan has handled on PostgreSQL."""
    connection = await asyncpg.connect(url)
    await connection.execute("ANALYZE delivery")
    transaction = connection.transaction()
    await transaction.start()
    [[plan]] = await connection.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {TAKE_IN_ORDER.postgres}", *values)
    await transaction.rollback()
    await connection.close()
    assert json.loads(plan)
    found = re.findall(r'"Actual Rows": ([\d.]+),\s+"Actual Loops": (\d+)', plan)
    return round(sum(float(rows) * int(loops) for rows, loops in found))


def steps_taken(file: Path, values: tuple[object, ...]) -> int:
    """How many instructions of its machine the claim's statements took on SQLite, some ten and more for each row."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 100
        return 0

    connection = sqlite3.connect(file)
    connection.set_progress_handler(count, 100)
    for text in TAKE_IN_ORDER.sqlite:
        connection.execute(for_sqlite(text), values[: placeholders(text)]).fetchall()
    connection.rollback()
    connection.close()
    return steps


async def test_a_claim_takes_few_steps_however_many_wait(
    room: Room, inbox: Inbox, database_url: str | None, data_dir: Path
) -> None:
    endpoint = await room.endpoint(inbox.url, ordered=True)
    await backlog(room, endpoint)
    now = room.clock.now()
    values = (room.tenant_id, endpoint["id"], now, now + LEASE, LEASE, 100)
    if database_url is None:
        assert steps_taken(data_dir / FILE_NAME, values) < 10 * MANY
    else:
        assert await rows_read(database_url, values) < MANY


async def test_what_is_about_no_number_and_other_numbers_pass_a_backlog_that_is_held_up(
    room: Room, inbox: Inbox
) -> None:
    endpoint = await room.endpoint(inbox.url, ordered=True)
    inbox.answer_next(Answer(500))
    first = await room.emit(TYPE, phone_id=7)
    await room.drain()
    for _ in range(3):
        await room.emit(TYPE, phone_id=7)
    passing = [await room.emit("setup_link.created"), await room.emit(TYPE, phone_id=8)]
    assert await room.drain() == 2
    assert [one.headers["webhook-id"] for one in inbox.received] == [first, *passing]
    room.clock.advance(5 * SECOND)
    assert await room.drain() == 4
    assert {one["status"] for one in await room.deliveries(endpoint)} == {"delivered"}


async def test_what_came_before_an_order_was_asked_for_is_sent_and_so_is_what_comes_after_it_is_not(
    room: Room, inbox: Inbox
) -> None:
    endpoint = await room.endpoint(inbox.url)
    path = f"/admin/webhook-endpoints/{endpoint['id']}"
    await room.emit(TYPE, phone_id=7)
    assert (await room.call("PATCH", path, {"ordered": True})).status_code == 200
    for _ in range(2):
        await room.emit(TYPE, phone_id=7)
    assert await room.drain() == 3
    for _ in range(2):
        await room.emit(TYPE, phone_id=7)
    assert (await room.call("PATCH", path, {"ordered": False})).status_code == 200
    await room.emit(TYPE, phone_id=7)
    assert await room.drain() == 3
    assert len({one.headers["webhook-id"] for one in inbox.received}) == 6

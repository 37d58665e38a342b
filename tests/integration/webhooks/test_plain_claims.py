"""One claim for many endpoints: each gets what it has room for; who became special waits for a claim of its own."""

import json
import re
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import asyncpg

from setuplinks.core.clock import MINUTE, SECOND
from setuplinks.core.db.open import FILE_NAME
from setuplinks.core.db.text import for_sqlite, placeholders
from setuplinks.webhooks.places import FIRST_AT_ONCE, LEASE
from setuplinks.webhooks.plain_claims import TAKE_PLAIN
from tests.integration.webhooks.room import Room
from tests.support.inbox import Answer, Inbox

MANY, OTHERS = 20_000, 5


async def backlog(room: Room, endpoint: dict[str, Any], status: str, count: int) -> None:
    """Deliveries that wait for the endpoint since a minute, or that have ended long ago."""
    due = room.clock.now() - MINUTE if status == "pending" else None
    await room.db.bulk(
        "INSERT INTO delivery (tenant_id, id, endpoint_id, event_id, event_type, status, due_at, created_at) "
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $4) "
        "SELECT $1, $5 || CAST(10000000 + i AS TEXT), $2, 'an event', 'setup_link.created', $6, "
        "CAST($3 AS BIGINT), 1 FROM n",
        room.tenant_id, endpoint["id"], due, count, f"01960000-0000-7000-8{endpoint['id']:03d}-{status[0]}", status,
    )  # fmt: skip


def values(room: Room, endpoints: list[dict[str, Any]]) -> tuple[Any, ...]:
    """The claim's parameters."""
    now, count = room.clock.now(), len(endpoints)
    lists = [room.tenant_id] * count, [one["id"] for one in endpoints], [100] * count
    tenants, ids, rooms = map(room.db.listed, lists)
    return tenants, ids, now, now + LEASE, LEASE, rooms


async def test_each_gets_what_it_has_room_for_and_the_rest_stays_due(room: Room, inbox: Inbox) -> None:
    several = [await room.endpoint(inbox.url) for _ in range(4)]
    for _ in range(FIRST_AT_ONCE + 2):
        await room.emit()
    await room.park()
    asked = {one["id"]: most for one, most in zip(several, (1, 3, 100, 0), strict=True)}
    taken = await room.take_of_all(asked)
    counts = Counter(row["endpoint_id"] for row in taken)
    assert [counts[one] for one in asked] == [1, 3, FIRST_AT_ONCE, 0]
    assert {row["attempts"] for row in taken} == {1}
    assert {bytes(row["body"])[:8] for row in taken} == {b'{"type":'}
    now = room.clock.now()
    states = [await room.state(one) for one in several]
    assert [one["in_flight"] for one in states] == [1, 3, FIRST_AT_ONCE, 0]
    assert [one["next_due"] for one in states] == [now, now, now + LEASE, now]
    assert {one["parked"] for one in states} == {0}


async def test_the_oldest_go_first(room: Room, inbox: Inbox) -> None:
    endpoint, other = await room.endpoint(inbox.url), await room.endpoint(inbox.url)
    told = []
    for _ in range(3):
        told.append(await room.emit())
        room.clock.advance(SECOND)
    await room.park()
    taken = await room.take_of_all({endpoint["id"]: 2, other["id"]: 1})
    assert {row["event_id"] for row in taken if row["endpoint_id"] == endpoint["id"]} == set(told[:2])
    assert {row["event_id"] for row in taken if row["endpoint_id"] == other["id"]} == {told[0]}


async def test_one_that_became_special_after_it_was_parked_gives_nothing_and_stays_due(
    room: Room, inbox: Inbox
) -> None:
    ordered, metered, plain = [await room.endpoint(inbox.url) for _ in range(3)]
    await room.emit()
    await room.park()
    for endpoint, change in ((ordered, {"ordered": True}), (metered, {"rateLimit": 5})):
        answer = await room.call("PATCH", f"/admin/webhook-endpoints/{endpoint['id']}", change)
        assert answer.status_code == 200, answer.text
    taken = await room.take_of_all({ordered["id"]: 4, metered["id"]: 4, plain["id"]: 4})
    assert [row["endpoint_id"] for row in taken] == [plain["id"]]
    assert (await room.state(ordered))["next_due"] <= room.clock.now()
    assert await room.drain() == 2
    assert len(inbox.received) == 2


async def test_one_that_was_disabled_gives_nothing_and_nobody_looks_again(room: Room, inbox: Inbox) -> None:
    endpoint, other = await room.endpoint(inbox.url), await room.endpoint(inbox.url)
    await room.emit()
    await room.park()
    off = await room.call("PATCH", f"/admin/webhook-endpoints/{endpoint['id']}", {"status": "disabled"})
    assert off.status_code == 200, off.text
    taken = await room.take_of_all({endpoint["id"]: 4, other["id"]: 4})
    assert [row["endpoint_id"] for row in taken] == [other["id"]]
    assert (await room.state(endpoint))["next_due"] is None


async def test_an_open_breaker_lets_one_try_pass_beside_others_that_get_all(room: Room, inbox: Inbox) -> None:
    ill, well = await room.endpoint(inbox.url), await room.endpoint(inbox.url)
    until = room.clock.now()
    await room.db.bulk("UPDATE endpoint_state SET breaker_until = $1 WHERE endpoint_id = $2", until, ill["id"])
    for _ in range(3):
        await room.emit()
    await room.park()
    counts = Counter(row["endpoint_id"] for row in await room.take_of_all({ill["id"]: 9, well["id"]: 9}))
    assert counts == {ill["id"]: 1, well["id"]: 3}
    assert (await room.state(ill))["next_due"] == room.clock.now() + LEASE, "the probe first"
    assert await room.take_of_all({ill["id"]: 9}) == []


async def test_whoever_fails_among_many_is_tried_again_alone(room: Room, inbox: Inbox) -> None:
    several = [await room.endpoint(inbox.url) for _ in range(OTHERS)]
    inbox.answer_next(Answer(500))
    await room.emit()
    assert await room.drain() == OTHERS
    room.clock.advance(5 * SECOND)
    assert await room.drain() == 1
    for endpoint in several:
        assert (await room.the_delivery(endpoint))["status"] == "delivered"


async def rows_read(url: str, given: tuple[Any, ...]) -> int:
    """How many rows the claim's plan has handled on PostgreSQL."""
    connection = await asyncpg.connect(url)
    transaction = connection.transaction()
    await transaction.start()
    [[plan]] = await connection.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {TAKE_PLAIN.postgres}", *given)
    await transaction.rollback()
    await connection.close()
    assert json.loads(plan)
    found = re.findall(r'"Actual Rows": ([\d.]+),\s+"Actual Loops": (\d+)', plan)
    passed = re.findall(r'"Rows Removed by [\w ]+": (\d+)', plan)
    return round(sum(float(rows) * int(loops) for rows, loops in found)) + sum(map(int, passed))


def steps_taken(file: Path, given: tuple[Any, ...]) -> int:
    """How many instructions of its machine the claim's statements took on SQLite, some ten and more for each row."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 100
        return 0

    connection = sqlite3.connect(file)
    connection.set_progress_handler(count, 100)
    for text in TAKE_PLAIN.sqlite:
        connection.execute(for_sqlite(text), given[: placeholders(text)]).fetchall()
    connection.rollback()
    connection.close()
    return steps


async def test_a_claim_takes_few_steps_however_many_wait_or_have_ended(
    room: Room, inbox: Inbox, database_url: str | None, data_dir: Path
) -> None:
    several = [await room.endpoint(inbox.url) for _ in range(OTHERS)]
    await backlog(room, several[0], "pending", MANY)
    await backlog(room, several[1], "delivered", MANY)
    for endpoint in several:
        await backlog(room, endpoint, "failed", 10)
    await room.emit()
    given = values(room, several)
    if database_url is None:
        assert steps_taken(data_dir / FILE_NAME, given) < MANY
    else:
        assert await rows_read(database_url, given) < MANY // 10, "with the statistics of an empty table"
        await room.db.bulk("ANALYZE delivery")
        assert await rows_read(database_url, given) < MANY // 10

"""Leases, ids and races over many callers and two processes."""

import asyncio
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import asyncpg

from setuplinks.core.db.database import Database
from setuplinks.core.db.open import open_database
from tests.conformance.other_process import (
    INSERT,
    INSERT_DUE,
    NOW,
    TAKE_DUE,
    run_elsewhere,
    take_all,
    take_ids,
    win_races,
)
from tests.support.postgres import PostgresServer


def flat(lists: Iterable[list[int]]) -> list[int]:
    """All members, in order."""
    return list(chain.from_iterable(lists))


async def make_due(db: Database, count: int) -> None:
    """Rows that are due now."""
    async with db.transaction() as tx:
        for number in range(count):
            tx.add(INSERT_DUE, number, NOW - 1)


async def until_waiting_for_a_lock(db: Database) -> None:
    """Returns when a connection of the server waits for a row that another one locks."""
    waiting = "SELECT 1 AS one FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    async with asyncio.timeout(60):
        while not await db.read(waiting):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_claim_takes_what_is_due_and_no_more_than_asked(db: Database) -> None:
    await make_due(db, 5)
    assert await db.claim(TAKE_DUE, NOW - 2, 10) == []
    assert len(await db.claim(TAKE_DUE, NOW, 3)) == 3
    assert len(await db.claim(TAKE_DUE, NOW, 3)) == 2
    assert await db.claim(TAKE_DUE, NOW, 3) == []


async def test_claims_that_are_made_together_each_see_what_those_before_took(db: Database) -> None:
    await make_due(db, 5)
    assert len(await db.claim_each(TAKE_DUE, [(NOW, 2), (NOW, 2), (NOW, 2)])) == 5
    assert await db.claim_each(TAKE_DUE, [(NOW, 2)]) == []
    assert await db.claim_each(TAKE_DUE, []) == []


async def test_a_lease_that_ran_out_is_claimed_again(db: Database) -> None:
    await make_due(db, 1)
    assert len(await db.claim(TAKE_DUE, NOW, 1)) == 1
    assert await db.claim(TAKE_DUE, NOW + 999, 1) == []
    assert len(await db.claim(TAKE_DUE, NOW + 1_000, 1)) == 1


async def test_many_claimers_at_once_take_each_row_once(db: Database) -> None:
    await make_due(db, 200)
    taken = await asyncio.gather(*(take_all(db) for _ in range(8)))
    assert sorted(flat(taken)) == list(range(200))


async def test_two_processes_take_each_row_once(db: Database, database_url: str | None, data_dir: Path) -> None:
    await make_due(db, 600)
    taken = await asyncio.gather(*(run_elsewhere(take_all, database_url, data_dir) for _ in range(2)), take_all(db))
    assert sorted(flat(taken)) == list(range(600))


async def test_ids_are_unique_over_processes(db: Database, database_url: str | None, data_dir: Path) -> None:
    given = await asyncio.gather(*(run_elsewhere(take_ids, database_url, data_dir) for _ in range(2)), take_ids(db))
    ids = flat(given)
    assert len(set(ids)) == 3 * 350
    assert min(ids) == 1


async def test_ids_asked_for_at_once_are_a_row_of_numbers_of_their_name(db: Database) -> None:
    things, others = await asyncio.gather(
        asyncio.gather(*(db.next_id("thing") for _ in range(250))),
        asyncio.gather(*(db.next_id("other") for _ in range(3))),
    )
    assert sorted(things) == list(range(1, 251))
    assert sorted(others) == [1, 2, 3]


async def test_a_guard_decides_races_between_two_processes(
    db: Database, database_url: str | None, data_dir: Path
) -> None:
    async with db.transaction() as tx:
        for number in range(200):
            tx.add(INSERT, f"race {number}", 0)
    won = await asyncio.gather(*(run_elsewhere(win_races, database_url, data_dir) for _ in range(2)), win_races(db))
    assert sorted(flat(won)) == list(range(200))


async def test_a_row_that_another_process_locks_does_not_hold_up_units_of_the_same_shape(
    postgres_server: PostgresServer, postgres_template: str, data_dir: Path
) -> None:
    url = postgres_server.create_database(postgres_template)
    db, other = await open_database(url, data_dir), await asyncpg.connect(url)
    update = "UPDATE id_counter SET next_id = next_id + 1 WHERE name = $1"
    async with db.transaction() as tx:
        tx.add(INSERT, "locked", 0)
        tx.add(INSERT, "free", 0)

    async def raise_by_one(name: str) -> None:
        async with db.transaction() as tx:
            tx.add(update, name)

    try:
        async with other.transaction():
            await other.execute("SELECT next_id FROM id_counter WHERE name = 'locked' FOR UPDATE")
            held = asyncio.create_task(raise_by_one("locked"))
            await until_waiting_for_a_lock(db)
            await asyncio.wait_for(raise_by_one("free"), 60)
            assert not held.done()
        await held
        rows = await db.read("SELECT next_id FROM id_counter")
        assert [row["next_id"] for row in rows] == [1, 1]
    finally:
        await other.close()
        await db.close()
        postgres_server.drop_database(url)

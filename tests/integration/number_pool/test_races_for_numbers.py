"""Many links, several processes, few numbers: each number goes to one link, and nobody is turned away."""

import asyncio
from pathlib import Path

import pytest

from setuplinks.core.clock import DAY
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Unit
from setuplinks.number_pool import reservations, store
from tests.integration.number_pool.racer import NOW, race_elsewhere, take


async def stock(db: Database, *, argentine: int, chilean: int = 0) -> None:
    """Verified numbers."""
    async with db.transaction() as tx:
        for position in range(argentine + chilean):
            country = "AR" if position < argentine else "CL"
            row = (position, str(position), f"+{position:09d}", country, "verified", NOW, NOW + 90 * DAY, NOW)
            tx.add(store.ADD, *row)


async def held(db: Database) -> dict[str, str]:
    """Link → number."""
    rows = await db.read("SELECT link_id, number FROM pool_number WHERE link_id IS NOT NULL")
    return {row["link_id"]: row["number"] for row in rows}


@pytest.mark.parametrize("numbers", [1, 12])
async def test_links_of_three_processes_get_each_number_once(
    db: Database, database_url: str | None, data_dir: Path, numbers: int
) -> None:
    await stock(db, argentine=numbers, chilean=2)
    taken = await asyncio.gather(
        race_elsewhere(database_url, data_dir, "left", 15),
        race_elsewhere(database_url, data_dir, "right", 15),
        take(db, "here", 15),
    )
    got = [number for side in taken for number in side if number is not None]
    assert len(got) == len(set(got)) == numbers
    assert sorted(got) == sorted((await held(db)).values())


async def test_one_link_that_asks_twice_at_once_holds_one_number(db: Database) -> None:
    await stock(db, argentine=5)
    taken = await asyncio.gather(*(take(db, "same", 1) for _ in range(4)), return_exceptions=True)
    assert len(await held(db)) == 1
    assert [number for number in taken if number == [next(iter((await held(db)).values()))]]


async def test_what_was_connected_is_not_given_back(db: Database) -> None:
    await stock(db, argentine=1)
    [number] = await take(db, "link", 1)

    async def complete(tx: Unit) -> None:
        await reservations.settle(tx, "link 0", [None, number], NOW)

    await db.unit(complete)
    async with db.transaction() as tx:
        reservations.release(tx, "link 0", NOW)
    assert await take(db, "other", 1) == [None]
    [row] = await db.read("SELECT status, link_id FROM pool_number")
    assert (row["status"], row["link_id"]) == ("claimed", "link 0")


async def test_a_number_that_was_given_back_goes_to_the_next(db: Database) -> None:
    await stock(db, argentine=1)
    [number] = await take(db, "link", 1)
    async with db.transaction() as tx:
        reservations.release(tx, "link 0", NOW)
    assert await take(db, "other", 1) == [number]

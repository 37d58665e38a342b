"""Wake-ups reach the listeners of a channel after the commit, in this process and in others."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from setuplinks.core.db.database import Database
from setuplinks.core.db.open import open_database
from setuplinks.core.db.unit import Unit
from setuplinks.core.problems import Conflict
from tests.conformance.other_process import FIND, INSERT, MOVE, add_one, run_elsewhere
from tests.support.postgres import PostgresServer


async def until(condition: Callable[[], bool]) -> None:
    """Returns when the condition holds."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - the wake-up under test is what an Event would be
            await asyncio.sleep(0.005)


@pytest.fixture
async def postgres_url(postgres_server: PostgresServer, postgres_template: str) -> AsyncIterator[str]:
    """A fresh, migrated database on PostgreSQL."""
    url = postgres_server.create_database(postgres_template)
    yield url
    postgres_server.drop_database(url)


async def test_a_listener_runs_after_the_commit(db: Database) -> None:
    found: list[object] = []
    woken = asyncio.Event()
    await db.listen("deliveries", woken.set)
    await db.listen("other", lambda: found.append("wrong channel"))
    async with db.transaction() as tx:
        tx.add(INSERT, "a", 1)
        tx.wake("deliveries")
        tx.wake("deliveries")
        assert not woken.is_set()
    await asyncio.wait_for(woken.wait(), 60)
    assert await db.one(FIND, "a") is not None
    assert found == []


async def test_a_unit_that_failed_wakes_nobody(db: Database) -> None:
    woken: list[str] = []
    await db.listen("deliveries", lambda: woken.append("deliveries"))
    async with db.transaction() as tx:
        tx.wake("deliveries")
    before = len(woken)
    assert before == 1

    async def fail(tx: Unit) -> None:
        tx.wake("deliveries")
        tx.must(Conflict(), MOVE, "nobody", 1, 2)

    with pytest.raises(Conflict):
        await db.unit(fail)
    assert len(woken) == before


async def test_a_commit_of_another_process_wakes_this_one(postgres_url: str, data_dir: Path) -> None:
    db = await open_database(postgres_url, data_dir)
    woken = asyncio.Event()
    await db.listen("elsewhere", woken.set)
    await run_elsewhere(add_one, postgres_url, data_dir)
    await until(woken.is_set)
    assert await db.one(FIND, "from elsewhere") is not None
    await db.close()


async def test_losing_the_listening_connection_is_told_and_mended(postgres_url: str, data_dir: Path) -> None:
    here, there = await open_database(postgres_url, data_dir), await open_database(postgres_url, data_dir)
    woken, lost = asyncio.Event(), asyncio.Event()
    here.on_listen_lost(lost.set)
    await here.listen("deliveries", woken.set)
    assert not lost.is_set()

    cut = await there.read(
        "SELECT pg_terminate_backend(pid) AS cut FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = $1",
        postgres_url.rpartition("/")[2],
    )
    assert [row["cut"] for row in cut] == [True]
    await until(lost.is_set)
    # Attached again, it wakes by itself: what was told meanwhile was not heard.
    await until(woken.is_set)
    woken.clear()
    async with there.transaction() as tx:
        tx.wake("deliveries")
    await until(woken.is_set)
    assert woken.is_set()
    await here.close()
    await there.close()


async def test_many_commits_are_told_in_few_notices(postgres_url: str, data_dir: Path) -> None:
    here, there = await open_database(postgres_url, data_dir), await open_database(postgres_url, data_dir)
    heard: list[int] = []
    await here.listen("deliveries", lambda: heard.append(1))
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def commit(number: int) -> None:
        async with there.transaction() as tx:
            tx.add(INSERT, f"name {number}", number)
            tx.wake("deliveries")

    await asyncio.gather(*(commit(number) for number in range(300)))
    await there.close()
    await until(lambda: bool(heard))
    assert len(heard) <= (loop.time() - began) / 0.005 + 1
    await here.close()

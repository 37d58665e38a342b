"""What is not committed is never reported as done, and every failure is told in our words."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from setuplinks.core.db.database import Database
from setuplinks.core.db.errors import ConstraintBroken, DatabaseAway, DatabaseInUse, OutcomeUnknown, StatementFailed
from setuplinks.core.db.open import FILE_NAME, open_database
from setuplinks.core.db.sqlite import connect
from setuplinks.core.db.writer import Writer
from setuplinks.core.problems import Problem
from tests.conformance.other_process import FIND, INSERT, add_one, run_elsewhere
from tests.support.ports import reserved_port
from tests.support.postgres import PostgresServer, running_postgres

# A reference that is looked at only by COMMIT: every statement succeeds, the commit does not.
PARENT = "CREATE TABLE parent (id BIGINT PRIMARY KEY)"
CHILD = "CREATE TABLE child (id BIGINT PRIMARY KEY, parent BIGINT REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)"
INSERT_CHILD = "INSERT INTO child (id, parent) VALUES ($1, $2)"

AT_COMMIT = """
CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN PERFORM {}; RETURN NULL; END $body$;
CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON id_counter DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION at_commit()
"""


async def insert(db: Database, name: str) -> None:
    """A unit of one row."""
    async with db.transaction() as tx:
        tx.add(INSERT, name, 1)


async def test_a_commit_that_fails_reports_no_success(db: Database) -> None:
    await db.bulk(PARENT)
    await db.bulk(CHILD)
    woken: list[str] = []
    await db.listen("children", lambda: woken.append("children"))

    async def adopt() -> None:
        async with db.transaction() as tx:
            tx.add(INSERT_CHILD, 1, 404)
            tx.wake("children")
            tx.add(INSERT, "beside", 1)

    with pytest.raises(ConstraintBroken):
        await adopt()
    assert await db.read("SELECT id FROM child") == []
    assert await db.one(FIND, "beside") is None
    await insert(db, "later")
    assert await db.one(FIND, "later") is not None


@pytest.mark.parametrize(
    "sql", ["SELECT nothing FROM nowhere", "SELEC 1", "SELECT name FROM id_counter WHERE next_id = $1"]
)
async def test_a_wrong_statement_is_our_fault_in_our_words(db: Database, sql: str) -> None:
    with pytest.raises(StatementFailed) as told:
        await db.one(sql)
    assert told.value.status == 500
    with pytest.raises(StatementFailed):
        await db.read(sql)
    await insert(db, "later")
    assert await db.one(FIND, "later") is not None


async def test_a_wrong_write_leaves_the_units_beside_it(db: Database) -> None:
    async def wrong() -> None:
        async with db.transaction() as tx:
            tx.add("INSERT INTO nowhere (id) VALUES ($1)", 1)

    answers = await asyncio.gather(wrong(), insert(db, "a"), wrong(), insert(db, "b"), return_exceptions=True)
    assert [type(answer).__name__ for answer in answers] == ["StatementFailed", "NoneType"] * 2
    assert {row["name"] for row in await db.read("SELECT name FROM id_counter")} == {"a", "b"}


async def test_closing_commits_what_is_under_way(database_url: str | None, data_dir: Path) -> None:
    db = await open_database(database_url, data_dir)
    under_way = [asyncio.create_task(insert(db, f"name {number}")) for number in range(20)]
    await asyncio.sleep(0)
    await db.close()
    await asyncio.gather(*under_way)
    again = await open_database(database_url, data_dir)
    assert len(await again.read("SELECT name FROM id_counter")) == 20
    await again.close()


# -- PostgreSQL ------------------------------------------------------------------------------------------------------
async def test_a_database_that_is_away_is_told_in_one_line_without_its_password(data_dir: Path) -> None:
    with pytest.raises(DatabaseAway) as told:
        await open_database(f"postgresql://me:hush@127.0.0.1:{reserved_port()}/links", data_dir)
    assert told.value.detail.startswith("The database 127.0.0.1:")
    assert "hush" not in told.value.detail
    assert "\n" not in told.value.detail


async def test_after_a_crash_of_the_server_the_same_database_object_works_again(data_dir: Path) -> None:
    with running_postgres() as server:
        url = server.create_database()
        db = await open_database(url, data_dir, command_timeout=30)
        await db.bulk("CREATE TABLE id_counter (name TEXT PRIMARY KEY, next_id BIGINT)")
        await insert(db, "before")
        await asyncio.to_thread(server.stop)
        for attempt in (insert(db, "while away"), db.one(FIND, "before"), db.next_id("thing"), db.bulk(PARENT)):
            with pytest.raises(DatabaseAway):
                await attempt
        await asyncio.to_thread(server.start)
        await insert(db, "after")
        assert {row["name"] for row in await db.read("SELECT name FROM id_counter")} == {"before", "after"}
        await db.close()


@pytest.mark.parametrize("at_commit", ["pg_terminate_backend(pg_backend_pid())", "pg_sleep(90)"])
async def test_a_commit_without_an_answer_is_reported_as_unknown(
    postgres_server: PostgresServer, postgres_template: str, data_dir: Path, at_commit: str
) -> None:
    url = postgres_server.create_database(postgres_template)
    postgres_server.execute(AT_COMMIT.format(at_commit), url.rpartition("/")[2])
    db = await open_database(url, data_dir, command_timeout=3)
    with pytest.raises(OutcomeUnknown) as told:
        await insert(db, "who knows")
    assert told.value.status == 503
    assert await db.one(FIND, "someone") is None
    await db.close()


async def test_a_statement_that_takes_too_long_is_given_up_and_its_connection_with_it(
    postgres_server: PostgresServer, data_dir: Path
) -> None:
    db = await open_database(postgres_server.url(), data_dir, pool_size=1, command_timeout=3)
    with pytest.raises(DatabaseAway, match="in time"):
        await db.read("SELECT pg_sleep(90)")
    row = await db.one("SELECT CAST(7 AS BIGINT) AS seven")
    assert row is not None
    assert row["seven"] == 7
    await db.close()


async def test_connections_that_the_server_closed_are_replaced_unnoticed(
    postgres_server: PostgresServer, postgres_template: str, data_dir: Path
) -> None:
    url = postgres_server.create_database(postgres_template)
    db = await open_database(url, data_dir)
    await asyncio.gather(*(insert(db, f"name {number}") for number in range(5)))
    name = url.rpartition("/")[2]
    postgres_server.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")  # noqa: S608
    assert len(await db.read("SELECT name FROM id_counter")) == 5
    await insert(db, "later")
    assert await db.one(FIND, "later") is not None
    await db.close()


async def test_units_that_deadlock_are_both_written(
    postgres_server: PostgresServer, postgres_template: str, data_dir: Path
) -> None:
    url = postgres_server.create_database(postgres_template)
    here, there = await open_database(url, data_dir), await open_database(url, data_dir)
    await insert(here, "x")
    await insert(here, "y")
    raise_slowly = "UPDATE id_counter SET next_id = next_id + 1 WHERE name = $1 AND pg_sleep(0.2) IS NOT NULL"

    async def raise_both(db: Database, first: str, second: str) -> None:
        async with db.transaction() as tx:
            tx.must(Problem(), raise_slowly, first)
            tx.then()
            tx.must(Problem(), raise_slowly, second)

    await asyncio.gather(raise_both(here, "x", "y"), raise_both(there, "y", "x"))
    rows = await here.read("SELECT next_id FROM id_counter")
    assert [row["next_id"] for row in rows] == [3, 3]
    await here.close()
    await there.close()


# -- SQLite ----------------------------------------------------------------------------------------------------------
async def test_a_second_serving_process_is_refused_and_a_cli_verb_is_not(data_dir: Path) -> None:
    db = await open_database(None, data_dir)
    with pytest.raises(DatabaseInUse) as told:
        await open_database(None, data_dir)
    assert str(data_dir / FILE_NAME) in told.value.detail
    await db.bulk("CREATE TABLE id_counter (name TEXT PRIMARY KEY, next_id BIGINT)")
    await run_elsewhere(add_one, None, data_dir)
    assert await db.one(FIND, "from elsewhere") is not None
    await db.close()
    again = await open_database(None, data_dir)
    await again.close()


async def test_a_unit_waits_for_the_write_lock_of_another_process(data_dir: Path) -> None:
    db = await open_database(None, data_dir)
    await db.bulk("CREATE TABLE id_counter (name TEXT PRIMARY KEY, next_id BIGINT)")
    other = connect(data_dir / FILE_NAME)
    other.execute("BEGIN IMMEDIATE")
    other.execute("INSERT INTO id_counter VALUES ('other', 1)")
    waiting = asyncio.create_task(insert(db, "mine"))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    # Readers are not held up by a writer.
    assert await db.read("SELECT name FROM id_counter") == []
    other.execute("COMMIT")
    other.close()
    await waiting
    assert len(await db.read("SELECT name FROM id_counter")) == 2
    await db.close()


async def test_a_file_that_is_no_database_and_a_folder_that_cannot_be_are_told_in_one_line(data_dir: Path) -> None:
    (data_dir / FILE_NAME).write_bytes(b"this is not a database" * 100)
    with pytest.raises(DatabaseAway, match="not a database"):
        await open_database(None, data_dir)
    with pytest.raises(DatabaseAway, match="cannot be used"):
        await open_database(None, data_dir / FILE_NAME)


async def test_a_full_disk_fails_every_unit_of_the_commit_and_none_is_acknowledged(data_dir: Path) -> None:
    path = data_dir / FILE_NAME
    connection = connect(path)
    connection.execute("CREATE TABLE heap (body BLOB)")
    connection.execute("PRAGMA max_page_count = 20")
    writer = Writer(connection, asyncio.get_running_loop())

    def write(size: int) -> asyncio.Task[Any]:
        insert_body = "INSERT INTO heap VALUES (zeroblob(?))"
        return asyncio.create_task(writer.submit(lambda there: there.execute(insert_body, (size,)).rowcount))

    together = [write(10), write(1_000_000), write(10)]
    # All three queue before the thread takes the first.
    await asyncio.sleep(0)
    writer.start()
    answers = await asyncio.gather(*together, return_exceptions=True)
    small = await write(10)
    writer.stop()
    await asyncio.to_thread(writer.join)
    connection.close()
    with_rows = sqlite3.connect(path)
    [(rows,)] = with_rows.execute("SELECT count(*) FROM heap").fetchall()
    with_rows.close()
    assert isinstance(answers[1], DatabaseAway)
    assert small == 1
    assert rows == 1 + answers.count(1)

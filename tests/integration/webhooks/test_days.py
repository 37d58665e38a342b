"""On PostgreSQL a day of events, payloads or attempts is dropped whole, and nothing younger goes with it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from setuplinks.core.clock import DAY, HOUR, MINUTE, SECOND, ManualClock
from setuplinks.core.db.database import Database
from setuplinks.core.db.open import open_database
from setuplinks.core.ids import uuid7
from setuplinks.migrations.schema import metadata
from setuplinks.webhooks import store
from setuplinks.webhooks.days import Days
from setuplinks.webhooks.retention import DAILY, KEYS, Retention, before, kept_days
from tests.support.instants import TEST_BEGINS
from tests.support.postgres import PostgresServer

KEPT = kept_days(message_days=1, attempt_days=2, event_days=3)
TENANT = 7
WAITING = (
    "SELECT count(*) FROM pg_locks WHERE NOT granted "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


@dataclass
class Archive:
    """A migrated PostgreSQL database, and what several processes would do with it."""

    db: Database
    url: str
    clock: ManualClock

    def process(self) -> Days:
        return Days(self.db, self.clock, KEPT)

    async def write(self, at: int | None = None) -> str:
        """A row in each table, all with one id of the instant `at`; gives the id."""
        at = self.clock.now() if at is None else at
        row_id = uuid7(at)
        async with self.db.transaction() as tx:
            tx.add(store.ADD_EVENT, TENANT, row_id, "setup_link.created", at, None, None, None)
            tx.add(store.ADD_PAYLOAD, TENANT, row_id, None, 0, b"{}")
            tx.add(store.ADD_MESSAGE, TENANT, row_id, None, b"{}")
            tx.add(store.ADD_ATTEMPT, TENANT, row_id, 1, at, 10, 200, None, None, None, None)
        return row_id

    async def ids(self, table: str) -> set[str]:
        rows = await self.db.read(f"SELECT {KEYS[table]} AS id FROM {table}")  # noqa: S608
        return {row["id"] for row in rows}

    async def home(self, table: str, row_id: str) -> str:
        """The partition that holds the row."""
        text = f"SELECT CAST(tableoid AS regclass) AS home FROM {table} WHERE {KEYS[table]} = $1"  # noqa: S608
        [row] = await self.db.read(text, row_id)
        return str(row["home"])

    async def relations(self) -> set[str]:
        """Every table of the database that is one of a day, attached or not."""
        rows = await self.db.read("SELECT tablename FROM pg_tables WHERE tablename ~ '_d[0-9]{8}$'")
        return {row["tablename"] for row in rows}

    async def until(self, done: Callable[[set[str]], bool], *processes: Days) -> set[str]:
        """Lets the processes look, and look again after a minute where a lock was in the way, until it is done."""
        for _ in range(50):
            await asyncio.gather(*(one.run_once() for one in processes))
            there = await self.relations()
            if done(there):
                return there
            self.clock.advance(MINUTE)
        raise AssertionError(f"it never came to that: {sorted(await self.relations())}")


@pytest.fixture
async def archive(
    postgres_server: PostgresServer, postgres_template: str, data_dir: Path, clock: ManualClock
) -> AsyncIterator[Archive]:
    url = postgres_server.create_database(postgres_template)
    db = await open_database(url, data_dir)
    yield Archive(db, url, clock)
    await db.close()
    postgres_server.drop_database(url)


def date(day: int) -> str:
    return f"{datetime.fromtimestamp(day // SECOND, UTC):%Y%m%d}"


def named(*dates: str, tables: tuple[str, ...] = DAILY) -> set[str]:
    return {f"{table}_d{date}" for table in tables for date in dates}


def test_what_is_split_is_what_the_schema_splits() -> None:
    split = {
        table.name: table.dialect_options["postgresql"]["partition_by"]
        for table in metadata.sorted_tables
        if table.dialect_options["postgresql"]["partition_by"] is not None
    }
    assert split == {table: f"RANGE ({KEYS[table]})" for table in DAILY}


async def test_today_and_two_more_days_are_made_and_take_the_rows(archive: Archive) -> None:
    made = await archive.until(lambda there: len(there) == 12, archive.process())
    assert made == named("20260518", "20260519", "20260520")
    row_id = await archive.write()
    last = await archive.write(TEST_BEGINS // DAY * DAY + DAY - 1)
    first = await archive.write(TEST_BEGINS // DAY * DAY + DAY)
    for table in DAILY:
        assert await archive.home(table, row_id) == f"{table}_d20260518"
        assert await archive.home(table, last) == f"{table}_d20260518"
        assert await archive.home(table, first) == f"{table}_d20260519"


async def test_days_that_are_over_are_gone_and_every_younger_row_is_there(archive: Archive) -> None:
    days, first = archive.process(), TEST_BEGINS // DAY * DAY
    written: dict[str, int] = {}

    def stand(table: str) -> list[int]:
        """The table's days that are there now: from the first to the day after tomorrow, but what is over."""
        now = archive.clock.now()
        begun = range(first, now // DAY * DAY + 3 * DAY, DAY)
        return [day for day in begun if day + DAY > now - KEPT[table] * DAY]

    for _ in range(7):
        await archive.until(lambda there: there == {f"{t}_d{date(day)}" for t in DAILY for day in stand(t)}, days)
        written[await archive.write()] = archive.clock.now() // DAY * DAY
        for table in DAILY:
            assert await archive.ids(table) == {row_id for row_id, day in written.items() if day in stand(table)}
        archive.clock.advance(DAY)
    assert [len(stand(table)) for table in DAILY] == [4, 5, 6, 6]


async def test_a_day_is_kept_until_its_last_row_is_as_old_as_the_setting_says(archive: Archive) -> None:
    days, day = archive.process(), named("20260518", tables=("message_payload",))
    await archive.until(lambda there: day <= there, days)
    last = await archive.write(TEST_BEGINS // DAY * DAY + DAY - 1)
    archive.clock.set(TEST_BEGINS // DAY * DAY + 2 * DAY - MINUTE)  # a minute less than KEPT after the day's end
    await days.run_once()
    assert last in await archive.ids("message_payload")
    archive.clock.advance(HOUR)
    await archive.until(lambda there: not day & there, days)
    assert await archive.ids("message_payload") == set()
    assert await archive.ids("event") == {last}


async def test_several_processes_at_once_make_and_drop_days_while_rows_come_and_lose_none(archive: Archive) -> None:
    other = await open_database(archive.url, Path())
    processes = [Days(db, archive.clock, KEPT) for db in (archive.db, other) for _ in range(4)]
    await archive.until(lambda there: len(there) == 12, *processes)
    # The default partition takes them: that is what making and dropping lock.
    written = [await archive.write(TEST_BEGINS + 6 * DAY)]
    stop = asyncio.Event()

    async def write_on() -> None:
        while not stop.is_set():
            written.append(await archive.write(TEST_BEGINS + 6 * DAY))
            assert written[-1] in await archive.ids("event")

    writing = asyncio.create_task(write_on())
    archive.clock.advance(6 * DAY)
    wanted = named("20260525", "20260526")
    assert await archive.until(lambda there: there == wanted, *processes) == wanted
    stop.set()
    await writing
    for table in DAILY:
        assert await archive.ids(table) == set(written)
    await other.close()


async def test_a_row_of_a_day_that_was_dropped_is_taken_and_pruned_by_its_age(archive: Archive) -> None:
    days = archive.process()
    await archive.until(lambda there: len(there) == 12, days)
    archive.clock.advance(6 * DAY)
    there = await archive.until(lambda there: named("20260524") <= there, days)
    assert not named("20260518") & there
    late, young = await archive.write(TEST_BEGINS), await archive.write()
    for table in DAILY:
        assert await archive.home(table, late) == f"{table}_default"
        assert await archive.ids(table) == {late, young}
    await Retention(archive.db, archive.clock, KEPT).run_once()
    for table in DAILY:
        assert await archive.ids(table) == {young}
    archive.clock.advance(HOUR)
    assert not named("20260518") & await archive.until(lambda _: True, days)


async def test_tries_of_an_old_delivery_that_was_sent_again_outlive_its_day_for_as_long_as_others(
    archive: Archive,
) -> None:
    kept = {**KEPT, "attempt": 30}
    days, retention = Days(archive.db, archive.clock, kept), Retention(archive.db, archive.clock, kept)
    await archive.until(lambda there: len(there) == 12, days)
    old = await archive.write()

    async def sent_again(number: int) -> None:
        async with archive.db.transaction() as tx:
            at = archive.clock.now()
            tx.add(store.ADD_ATTEMPT, TENANT, old, number, at, 10, 200, None, None, None, None)

    async def numbers() -> list[int]:
        return [row["number"] for row in await archive.db.read(store.ATTEMPTS, TENANT, old)]

    archive.clock.advance(29 * DAY)
    await sent_again(2)
    archive.clock.advance(2 * DAY)
    await archive.until(lambda there: "attempt_d20260518" not in there, days)
    assert await numbers() == [2], "the day went with what is as old as it"
    await sent_again(3)
    archive.clock.advance(HOUR)
    await retention.run_once()
    assert await numbers() == [2, 3]
    archive.clock.advance(29 * DAY)
    await retention.run_once()
    assert await numbers() == [3]
    archive.clock.advance(2 * DAY)
    await retention.run_once()
    assert await numbers() == []


async def test_where_rows_of_today_came_before_its_partition_they_stay_where_they_are(archive: Archive) -> None:
    early = await archive.write()
    days, retention = archive.process(), Retention(archive.db, archive.clock, KEPT)
    there = await archive.until(lambda there: len(there) == 8, days)
    assert there == named("20260519", "20260520")
    beside = await archive.write()
    for table in DAILY:
        assert await archive.home(table, early) == await archive.home(table, beside) == f"{table}_default"
    archive.clock.advance(DAY - HOUR)
    next_day = await archive.write()
    assert await archive.home("event", next_day) == "event_d20260519"
    assert await retention.run_once() == 0
    archive.clock.advance(2 * HOUR)
    await retention.run_once()
    assert await archive.ids("message_payload") == {next_day}
    assert await archive.ids("event") == {early, beside, next_day}
    archive.clock.advance(2 * DAY)
    await retention.run_once()
    assert await archive.ids("event") == {next_day}


async def test_a_row_that_is_on_its_way_while_its_day_is_made_arrives(archive: Archive) -> None:
    other, look = await asyncpg.connect(archive.url), await asyncpg.connect(archive.url)
    making = other.transaction()
    await making.start()
    await other.execute("CREATE TABLE event_d20260518 (LIKE event INCLUDING ALL)")
    today, tomorrow = (before(TEST_BEGINS // DAY * DAY + number * DAY) for number in (0, 1))
    await other.execute(
        f"ALTER TABLE event ATTACH PARTITION event_d20260518 FOR VALUES FROM ('{today}') TO ('{tomorrow}')"
    )
    writing = asyncio.create_task(archive.write())
    while not await look.fetchval(WAITING):  # noqa: ASYNC110 - the server tells nobody
        await asyncio.sleep(0.005)
    await making.commit()
    assert await archive.home("event", await writing) == "event_d20260518"
    await other.close()
    await look.close()


async def test_a_day_that_a_killed_process_had_only_detached_is_dropped(archive: Archive) -> None:
    days = archive.process()
    await archive.until(lambda there: len(there) == 12, days)
    await archive.db.bulk("ALTER TABLE attempt DETACH PARTITION attempt_d20260520")
    archive.clock.advance(HOUR)
    await archive.until(lambda there: not named("20260520", tables=("attempt",)) & there, days)
    archive.clock.advance(HOUR)
    await archive.until(lambda there: named("20260520", tables=("attempt",)) <= there, days)
    row_id = await archive.write(TEST_BEGINS + 2 * DAY)
    assert await archive.home("attempt", row_id) == "attempt_d20260520"


async def test_a_default_partition_that_is_too_big_to_look_through_is_left_alone_and_said_so(
    archive: Archive, caplog: pytest.LogCaptureFixture
) -> None:
    row_id = await archive.write()
    assert await Days(archive.db, archive.clock, KEPT, most=0).run_once() == 0
    assert await archive.relations() == set()
    told = [vars(record)["fields"]["detail"] for record in caplog.records if record.message == "retention.day_waits"]
    assert any("too many rows stand in event_default" in words for words in told)
    assert await archive.home("event", await archive.write()) == "event_default"
    assert row_id in await archive.ids("event")
    await archive.until(lambda there: len(there) == 8, archive.process())


async def test_a_long_read_of_somebody_else_holds_up_neither_the_service_nor_for_ever_the_drop(
    archive: Archive, caplog: pytest.LogCaptureFixture
) -> None:
    days, day = archive.process(), named("20260518", tables=("event",))
    await archive.until(lambda there: len(there) == 12, days)
    reader = await asyncpg.connect(archive.url)
    reading = reader.transaction()
    await reading.start()
    await reader.execute("SELECT 1 FROM event")
    archive.clock.advance(4 * DAY + HOUR)
    await days.run_once()
    assert day <= await archive.relations()
    assert "retention.day_waits" in {record.message for record in caplog.records}
    row_id = await archive.write()
    assert row_id in await archive.ids("event")
    await reading.rollback()
    await reader.close()
    archive.clock.advance(MINUTE)
    assert not day & await archive.until(lambda there: not day & there, days)


async def test_pruning_leaves_no_tenant_out_and_takes_nothing_young(db: Database, clock: ManualClock) -> None:
    old, young = clock.now() - 4 * DAY, clock.now() - 2 * DAY
    for tenant_id in (1, 5, 900):
        for at in (old, old + 1, young):
            async with db.transaction() as tx:
                tx.add(store.ADD_EVENT, tenant_id, uuid7(at), "setup_link.created", at, None, None, None)
                tx.add(store.ADD_DELIVERY, tenant_id, uuid7(at), 1, uuid7(at), "setup_link.created", at, at, None, None)
    retention = Retention(db, clock, KEPT)
    assert await retention.run_once() == 12
    assert await retention.run_once() == 0
    for table in ("event", "delivery"):
        rows = await db.read(f"SELECT tenant_id, created_at FROM {table} ORDER BY tenant_id")  # noqa: S608
        assert [(row["tenant_id"], row["created_at"]) for row in rows] == [(one, young) for one in (1, 5, 900)]

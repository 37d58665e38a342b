"""The revisions, replayed, make the schema; programs and databases of different age are told apart in one line."""

import asyncio
import json
import sqlite3
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Dialect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from setuplinks import migrations
from setuplinks.core.db.errors import DatabaseAway, SchemaAhead, SchemaBehind
from setuplinks.core.db.open import FILE_NAME, open_database
from setuplinks.migrations.apply import HEAD, check_revision, migrate
from setuplinks.migrations.schema import catch_all, metadata
from tests.support.ports import reserved_port
from tests.support.postgres import PostgresServer

DIALECTS: dict[str, Callable[[], Dialect]] = {"sqlite": sqlite.dialect, "postgres": postgresql.dialect}

SQLITE_CATALOG = """
SELECT type, name, tbl_name, sql FROM sqlite_master
WHERE tbl_name <> 'alembic_version' AND name NOT LIKE 'sqlite_%' ORDER BY type, name
"""
POSTGRES_CATALOG = (
    """
    SELECT table_name, column_name, ordinal_position, data_type, is_nullable, column_default, collation_name
    FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'alembic_version' ORDER BY 1, 3
    """,
    """
    SELECT tablename, indexname, indexdef FROM pg_indexes
    WHERE schemaname = 'public' AND tablename <> 'alembic_version' ORDER BY 2
    """,
    """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND conrelid <> 'alembic_version'::regclass ORDER BY 1, 2
    """,
    """
    SELECT relname, pg_get_partkeydef(oid) AS split_by, pg_get_expr(relpartbound, oid) AS holds FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') ORDER BY 1
    """,
)


def schema_statements(dialect: Dialect) -> list[str]:
    """The schema's one definition as SQL."""
    made: list[str] = []
    for table in metadata.sorted_tables:
        made.append(str(CreateTable(table).compile(dialect=dialect)))
        rest = catch_all(table)
        if rest is not None and dialect.name == "postgresql":
            made.append(rest)
        made.extend(str(CreateIndex(index).compile(dialect=dialect)) for index in table.indexes)
    return made


def sqlite_catalog(path: Path) -> list[tuple[str, ...]]:
    """What a file holds, white space aside."""
    connection = sqlite3.connect(path)
    rows = connection.execute(SQLITE_CATALOG).fetchall()
    connection.close()
    return [(kind, name, table, " ".join(sql.split())) for kind, name, table, sql in rows]


async def postgres_catalog(url: str) -> list[list[dict[str, Any]]]:
    """What a database holds."""
    connection = await asyncpg.connect(url)
    found = [[dict(row) for row in await connection.fetch(query)] for query in POSTGRES_CATALOG]
    await connection.close()
    return found


async def test_replayed_on_sqlite_the_revisions_make_the_schema(data_dir: Path) -> None:
    await migrate(None, data_dir)
    wanted = data_dir / "wanted.sqlite3"
    connection = sqlite3.connect(wanted)
    for statement in schema_statements(DIALECTS["sqlite"]()):
        connection.execute(statement)
    connection.close()
    assert sqlite_catalog(data_dir / FILE_NAME) == sqlite_catalog(wanted)


async def test_replayed_on_postgres_the_revisions_make_the_schema(postgres_server: PostgresServer) -> None:
    replayed, wanted = postgres_server.create_database(), postgres_server.create_database()
    await migrate(replayed, Path())
    for statement in [*schema_statements(DIALECTS["postgres"]()), "CREATE TABLE alembic_version (x BIGINT)"]:
        postgres_server.execute(statement, wanted.rpartition("/")[2])
    assert await postgres_catalog(replayed) == await postgres_catalog(wanted)


def test_the_revisions_are_a_line_of_numbers_and_the_program_serves_the_last() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    script = ScriptDirectory.from_config(config)
    numbers = [revision.revision for revision in script.walk_revisions()][::-1]
    assert numbers[-1] == HEAD
    assert [f"{number:04d}" for number in range(1, len(numbers) + 1)] == numbers
    assert all(int(after) == int(before) + 1 for before, after in pairwise(numbers))


async def test_many_that_migrate_at_once_wait_for_each_other(blank_database_url: str | None, data_dir: Path) -> None:
    await asyncio.gather(*(migrate(blank_database_url, data_dir) for _ in range(4)))
    db = await open_database(blank_database_url, data_dir)
    await check_revision(db)
    rows = await db.read("SELECT version_num FROM alembic_version")
    assert [row["version_num"] for row in rows] == [HEAD]
    await db.close()


async def test_a_database_without_a_schema_is_refused_in_one_line(
    blank_database_url: str | None, data_dir: Path
) -> None:
    db = await open_database(blank_database_url, data_dir)
    with pytest.raises(SchemaBehind, match="no schema yet; run `setuplinks migrate`"):
        await check_revision(db)
    await db.close()


@pytest.mark.parametrize(
    ("revision", "refusal"),
    [("0000", SchemaBehind), (f"{int(HEAD) + 1:04d}", None), (f"{int(HEAD) + 2:04d}", SchemaAhead)],
)
async def test_a_program_serves_its_own_schema_and_the_next(
    database_url: str | None, data_dir: Path, revision: str, refusal: type[Exception] | None
) -> None:
    db = await open_database(database_url, data_dir)
    await db.bulk("UPDATE alembic_version SET version_num = $1", revision)
    if refusal is None:
        await check_revision(db)
        await migrate(database_url, data_dir)
    else:
        with pytest.raises(refusal) as told:
            await check_revision(db)
        assert revision in str(told.value)
        assert "\n" not in str(told.value)
    row = await db.one("SELECT version_num FROM alembic_version")
    assert row is not None
    assert row["version_num"] == revision
    await db.close()


async def test_a_migration_that_fails_leaves_nothing_behind(blank_database_url: str | None, data_dir: Path) -> None:
    db = await open_database(blank_database_url, data_dir)
    # In the way of a table that comes late.
    await db.bulk("CREATE TABLE webhook_endpoint (id BIGINT)")
    with pytest.raises(Exception, match="already exists"):
        await migrate(blank_database_url, data_dir)
    with pytest.raises(SchemaBehind):
        await check_revision(db)
    await db.bulk("DROP TABLE webhook_endpoint")
    await migrate(blank_database_url, data_dir)
    await check_revision(db)
    assert await db.read("SELECT id FROM webhook_endpoint") == []
    await db.close()


async def test_migrating_a_database_that_is_away_is_told_in_one_line() -> None:
    with pytest.raises(DatabaseAway, match="cannot be reached"):
        await migrate(f"postgresql://test@127.0.0.1:{reserved_port()}/away", Path())


START = """
import asyncio, json, sys
from pathlib import Path
from setuplinks.core.db.open import open_database
from setuplinks.migrations.apply import check_revision, migrate

async def start(url, folder):
    await migrate(url, folder)
    db = await open_database(url, folder)
    await check_revision(db)
    await db.close()

asyncio.run(start(sys.argv[1] or None, Path(sys.argv[2])))
print(json.dumps(sorted({"alembic", "sqlalchemy", "asyncpg", "sqlite3"} & set(sys.modules))))
"""


async def test_a_start_on_a_migrated_database_imports_no_migration_tool(
    database_url: str | None, data_dir: Path
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", START, database_url or "", str(data_dir), stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    assert json.loads(printed) == (["sqlite3"] if database_url is None else ["asyncpg", "sqlite3"])

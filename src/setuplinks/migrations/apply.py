"""Brings a database to this program's schema, or says in one line why it may not be served.

Owns the revision that this program serves and how revisions are applied: one transaction under the database's own lock,
so that runs at the same time wait for each other. Alembic is imported only when there is something to apply.
"""

import asyncio
import io
import sqlite3
from pathlib import Path

import setuplinks.migrations
from setuplinks.core.db.database import Database
from setuplinks.core.db.errors import DatabaseAway, SchemaAhead, SchemaBehind, StatementFailed
from setuplinks.core.db.open import FILE_NAME

HEAD = "0001"
"""The newest revision; a test holds it against the files."""

MIGRATE_SECONDS = 600.0

_TABLE = {
    "sqlite": "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'",
    "postgres": "SELECT 1 WHERE to_regclass('alembic_version') IS NOT NULL",
}
_REVISION = "SELECT version_num FROM alembic_version"
# Any number that nothing else on the server locks.
_LOCK = "SELECT pg_advisory_xact_lock(7268417309)"


async def check_revision(db: Database) -> None:
    """Raises SchemaBehind or SchemaAhead; a schema that is newer by one revision is served (migrate, then roll)."""
    try:
        row = await db.one(_REVISION)
    except StatementFailed as failed:
        # An empty database has no version table. That is not asked first, since a cold start counts round trips.
        if "no such table" not in failed.detail and "does not exist" not in failed.detail:
            raise
        row = None
    revision = None if row is None else str(row["version_num"])
    if revision is None:
        raise SchemaBehind("The database has no schema yet; run `setuplinks migrate`.")
    if int(revision) < int(HEAD):
        raise SchemaBehind(
            f"The database is at revision {revision}, this program needs {HEAD}; run `setuplinks migrate`."
        )
    if int(revision) > int(HEAD) + 1:
        raise SchemaAhead(
            f"The database is at revision {revision}, this program serves {HEAD} and the next; update the program."
        )


async def migrate(url: str | None, data_dir: Path) -> None:
    """Applies what is missing; nothing when nothing is. Raises DatabaseAway, DatabaseBusy, StatementFailed."""
    if url is None:
        await asyncio.to_thread(_migrate_sqlite, data_dir / FILE_NAME)
    else:
        await _migrate_postgres(url)


def statements(dialect: str, revision: str | None) -> list[str]:
    """The SQL from a revision (None: an empty database) to the newest, one statement each; for sqlite or postgresql."""
    from alembic import command  # noqa: PLC0415 - heavy, and rarely needed
    from alembic.config import Config  # noqa: PLC0415

    collected = _Statements()
    config = Config(attributes={"dialect": dialect, "statements": collected})
    config.set_main_option("script_location", str(Path(setuplinks.migrations.__file__).parent))
    command.upgrade(config, f"{revision or 'base'}:head", sql=True)
    return collected.found


def _needs(revision: str | None) -> bool:
    return revision is None or int(revision) < int(HEAD)


def _migrate_sqlite(path: Path) -> None:
    from setuplinks.core.db.sqlite import connect  # noqa: PLC0415 - the other engine's driver is not imported
    from setuplinks.core.db.writer import problem_of  # noqa: PLC0415

    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseAway(f"The folder {path.parent} cannot be used: {error.strerror}.") from error
    connection = connect(path)
    try:
        if not _needs(_sqlite_revision(connection)):
            return
        connection.execute("BEGIN IMMEDIATE")
        revision = _sqlite_revision(connection)
        if _needs(revision):
            for statement in statements("sqlite", revision):
                connection.execute(statement)
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise problem_of(error) from error
    finally:
        # Closing rolls back what was not committed.
        connection.close()


def _sqlite_revision(connection: sqlite3.Connection) -> str | None:
    if connection.execute(_TABLE["sqlite"]).fetchone() is None:
        return None
    row = connection.execute(_REVISION).fetchone()
    return None if row is None else str(row[0])


async def _migrate_postgres(url: str) -> None:
    from setuplinks.core.db.postgres import DRIVER_ERRORS, connect, problem_of  # noqa: PLC0415 - see above

    connection = await connect(url, command_timeout=MIGRATE_SECONDS, statement_cache_size=0)
    try:
        async with connection.transaction():
            await connection.execute(_LOCK)
            exists = await connection.fetchval(_TABLE["postgres"])
            revision = await connection.fetchval(_REVISION) if exists else None
            if _needs(revision):
                for statement in await asyncio.to_thread(statements, "postgresql", revision):
                    await connection.execute(statement)
    except DRIVER_ERRORS as error:
        raise problem_of(error) from error
    finally:
        connection.terminate()


class _Statements(io.StringIO):
    """Takes Alembic's output, which comes one statement at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def write(self, text: str) -> int:
        statement = "\n".join(line for line in text.splitlines() if not line.startswith("--")).strip()
        if statement:
            self.found.append(statement)
        return len(text)

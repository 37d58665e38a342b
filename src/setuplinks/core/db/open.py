"""Opens the database that the settings name.

Owns the choice of engine. The driver of the other engine is not imported: a cold start counts.
"""

from pathlib import Path

from setuplinks.core.db.database import Database

FILE_NAME = "setuplinks.sqlite3"
POOL_SIZE = 10
COMMAND_SECONDS = 10.0
STATEMENT_CACHE = 512


async def open_database(
    url: str | None,
    data_dir: Path,
    *,
    pool_size: int = POOL_SIZE,
    flock: bool = True,
    command_timeout: float = COMMAND_SECONDS,
    statement_cache_size: int = STATEMENT_CACHE,
    listen_url: str | None = None,
) -> Database:
    """PostgreSQL at `url`, or without one the SQLite file in `data_dir` (made where missing).

    `flock=False` is for CLI verbs beside a serving process. `command_timeout` is in seconds. Raises DatabaseAway,
    DatabaseInUse. Does not look at the schema: `migrations.apply.check_revision` does.
    """
    if url is None:
        from setuplinks.core.db.sqlite import SqliteDatabase  # noqa: PLC0415 - see above

        return SqliteDatabase.open(data_dir / FILE_NAME, flock=flock)
    from setuplinks.core.db.postgres import PostgresDatabase  # noqa: PLC0415 - see above

    return await PostgresDatabase.open(
        url,
        pool_size=pool_size,
        command_timeout=command_timeout,
        statement_cache_size=statement_cache_size,
        listen_url=listen_url,
    )

"""Both databases for every test that asks for one: fresh, migrated, its own.

Owns the fixtures `postgres_server`, `database_url`, `blank_database_url`, `data_dir` and `db`, and the choice
`--databases=sqlite,postgres`. Migrating happens once per test process; each test gets a copy of that.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from setuplinks.core.clock import ManualClock
from setuplinks.core.db.database import Database
from setuplinks.core.db.open import FILE_NAME, open_database
from setuplinks.migrations.apply import migrate
from setuplinks.webhooks.days import Days
from tests.support.instants import TEST_BEGINS
from tests.support.postgres import PostgresServer, run_aside, running_postgres

ALL = ("sqlite", "postgres")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The one choice of our own on pytest's command line."""
    parser.addoption("--databases", default=",".join(ALL), help="the databases to test on, comma-separated")


def pytest_configure(config: pytest.Config) -> None:
    """The one mark of our own."""
    config.addinivalue_line("markers", "one_database: says nothing of a database; run on the first chosen one alone")


def chosen(config: pytest.Config) -> list[str]:
    """The databases of this run. Raises UsageError for one that we do not know."""
    names = [name for name in str(config.getoption("--databases")).split(",") if name]
    unknown = set(names) - set(ALL)
    if unknown or not names:
        raise pytest.UsageError(f"--databases takes {' and '.join(ALL)}, not {', '.join(sorted(unknown)) or 'nothing'}")
    return names


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test that reaches `database_dialect` runs once on each chosen database."""
    if "database_dialect" in metafunc.fixturenames:
        names = chosen(metafunc.config)
        if metafunc.definition.get_closest_marker("one_database"):
            names = names[:1]
        metafunc.parametrize("database_dialect", names, scope="function", indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of PostgreSQL alone are left out, not skipped, where PostgreSQL is not chosen."""
    if "postgres" in chosen(config):
        return
    out = [item for item in items if needs_postgres(item)]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if not needs_postgres(item)]


def needs_postgres(item: pytest.Item) -> bool:
    """True where a test asks for PostgreSQL itself, not for whichever database."""
    asked = getattr(item, "fixturenames", ())
    return "postgres_server" in asked and "database_dialect" not in asked


@pytest.fixture
def database_dialect(request: pytest.FixtureRequest) -> str:
    """`sqlite` or `postgres`, whichever this test runs on now."""
    dialect: str = request.param
    return dialect


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """This test process's own PostgreSQL."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a migrated database to copy; nobody may stay connected to it."""
    url = postgres_server.create_database()
    run_aside(migrate(url, tmp_path_factory.mktemp("postgres-template")))
    return url.rpartition("/")[2]


@pytest.fixture(scope="session")
def postgres_template_of_today(
    postgres_server: PostgresServer, postgres_template: str, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The same with the days in which tests begin, which a service makes at its first look: 0.2 s for each test."""
    url = postgres_server.create_database(postgres_template)
    run_aside(_make_days(url, tmp_path_factory.mktemp("postgres-days")))
    return url.rpartition("/")[2]


async def _make_days(url: str, folder: Path) -> None:
    db = await open_database(url, folder, pool_size=1)
    await Days(db, ManualClock(TEST_BEGINS), {}).run_once()
    await db.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a migrated SQLite file to copy."""
    folder = tmp_path_factory.mktemp("sqlite-template")
    run_aside(migrate(None, folder))
    return folder


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """The folder of a service of this test, `SETUPLINKS_DATA_DIR`."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def database_url(database_dialect: str, data_dir: Path, request: pytest.FixtureRequest) -> Iterator[str | None]:
    """The address of a fresh, migrated database; None is the SQLite file in `data_dir`, as in the settings."""
    if database_dialect == "sqlite":
        template: Path = request.getfixturevalue("sqlite_template")
        shutil.copy(template / FILE_NAME, data_dir / FILE_NAME)
        yield None
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.create_database(request.getfixturevalue("postgres_template_of_today"))
    yield url
    server.drop_database(url)


@pytest.fixture
def blank_database_url(database_dialect: str, request: pytest.FixtureRequest) -> Iterator[str | None]:
    """The address of a fresh database without any table: what an operator's first `migrate` meets."""
    if database_dialect == "sqlite":
        yield None
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.create_database()
    yield url
    server.drop_database(url)


@pytest.fixture
async def db(database_url: str | None, data_dir: Path) -> AsyncIterator[Database]:
    """An open, migrated database of this test's own."""
    opened = await open_database(database_url, data_dir)
    try:
        yield opened
    finally:
        # A test that leaves a connection hanging must fail here, not hold up the whole run.
        await asyncio.wait_for(opened.close(), 60)

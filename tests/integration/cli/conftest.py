"""Settings as an operator would give them: in the environment of the process."""

from pathlib import Path

import pytest

from tests.support.ports import reserved_port
from tests.support.service import environment_of, settings_for

NO_SANDBOX = "http://localhost:9"


@pytest.fixture
def port() -> int:
    """Where a service of this test may listen."""
    return reserved_port()


@pytest.fixture
def environ(port: int, data_dir: Path, database_url: str | None) -> dict[str, str]:
    """All settings, on each database, which is migrated already."""
    return environment_of(settings_for(f"http://127.0.0.1:{port}", NO_SANDBOX, data_dir, database_url))


@pytest.fixture
def embedded(port: int, data_dir: Path) -> dict[str, str]:
    """All settings, on a SQLite file that is not there yet."""
    return environment_of(settings_for(f"http://127.0.0.1:{port}", NO_SANDBOX, data_dir, None))

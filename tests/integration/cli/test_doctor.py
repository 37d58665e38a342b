"""`doctor`: a row for each thing, and exit code 1 only where something fails."""

import base64
import json
import time
from email.utils import formatdate
from pathlib import Path

import pytest

from setuplinks.doctor.checks import clock_against
from tests.integration.cli.terminal import setuplinks
from tests.support.sandbox import Sandbox
from tests.support.service import environment_of, settings_for


@pytest.fixture
def beside_sandbox(sandbox: Sandbox, data_dir: Path, database_url: str | None) -> dict[str, str]:
    """All settings, Meta being the sandbox."""
    return environment_of(settings_for("http://127.0.0.1:8080", sandbox.url, data_dir, database_url))


async def verdicts(folder: Path, environ: dict[str, str]) -> tuple[int, dict[str, str]]:
    """The exit code, and each row's verdict by its name."""
    said = await setuplinks("doctor", "--json", folder=folder, environ=environ)
    rows = json.loads(said.out)
    for row in rows:
        assert row["said"]
    return said.code, {row["name"]: row["verdict"] for row in rows}


async def test_an_installation_that_is_ready_passes_with_loopback_as_a_warning(
    beside_sandbox: dict[str, str], tmp_path: Path
) -> None:
    code, rows = await verdicts(tmp_path, beside_sandbox)
    assert code == 0
    assert rows == {
        "Settings": "pass", "Public URL": "warn", "System token": "warn", "Database": "pass", "Master keys": "pass",
        "Meta app": "pass", "JavaScript SDK": "pass", "Clock": "pass",
    }  # fmt: skip


async def test_a_wrong_app_secret_fails_and_says_where_to_fix_it(
    beside_sandbox: dict[str, str], tmp_path: Path
) -> None:
    beside_sandbox["SETUPLINKS_META_APP_SECRET"] = "wrong-secret"
    said = await setuplinks("doctor", folder=tmp_path, environ=beside_sandbox)
    assert said.code == 1
    assert "fail  Meta app" in said.out
    assert "SETUPLINKS_META_APP_SECRET" in said.out
    assert "wrong-secret" not in said.out


async def test_a_graph_that_cannot_be_reached_fails_in_plain_words(embedded: dict[str, str], tmp_path: Path) -> None:
    said = await setuplinks("doctor", folder=tmp_path, environ=embedded)
    assert said.code == 1
    assert "http://localhost:9 cannot be reached from here" in said.out
    assert said.err == ""


async def test_another_master_key_fails(beside_sandbox: dict[str, str], tmp_path: Path) -> None:
    made = await setuplinks("tenants", "create", "Acme", folder=tmp_path, environ=beside_sandbox)
    assert made.code == 0
    beside_sandbox["SETUPLINKS_MASTER_KEYS"] = "k9:" + base64.b64encode(bytes(32)).decode()
    code, rows = await verdicts(tmp_path, beside_sandbox)
    assert code == 1
    assert rows["Master keys"] == "fail"


async def test_settings_that_are_missing_are_rows(tmp_path: Path) -> None:
    code, rows = await verdicts(tmp_path, {})
    assert code == 1
    assert rows["SETUPLINKS_MASTER_KEYS"] == "fail"


@pytest.mark.parametrize(
    ("off", "verdict"), [(0, "pass"), (9, "pass"), (-60, "warn"), (60, "warn"), (-400, "fail"), (400, "fail")]
)
def test_a_clock_that_is_off_is_told(off: int, verdict: str) -> None:
    now = float(int(time.time()))
    assert clock_against(formatdate(now, usegmt=True), now + off).verdict == verdict


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_an_answer_without_a_date_is_a_warning(date: str | None) -> None:
    assert clock_against(date, time.time()).verdict == "warn"

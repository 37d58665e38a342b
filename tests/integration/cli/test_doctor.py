"""`doctor`: a row for each thing, and exit code 1 only where something fails."""

import base64
import json
import time
from email.utils import formatdate
from pathlib import Path

import pytest

from setuplinks.core.clock import SystemClock
from setuplinks.core.db.database import Database
from setuplinks.core.vault import Vault
from setuplinks.doctor.checks import clock_against, master_keys
from tests.integration.cli.terminal import setuplinks
from tests.support.sandbox import Sandbox
from tests.support.service import MASTER_KEYS, environment_of, settings_for

PUBLIC_URL = "http://127.0.0.1:8080"


async def verdicts(folder: Path, environ: dict[str, str]) -> tuple[int, dict[str, str]]:
    """The exit code, and each row's verdict by its name."""
    said = await setuplinks("doctor", "--json", folder=folder, environ=environ)
    rows = json.loads(said.out)
    for row in rows:
        assert row["said"]
    return said.code, {row["name"]: row["verdict"] for row in rows}


async def test_an_installation_that_is_ready_passes_with_loopback_as_a_warning(
    sandbox: Sandbox, data_dir: Path, database_url: str | None, tmp_path: Path
) -> None:
    environ = environment_of(settings_for(PUBLIC_URL, sandbox.url, data_dir, database_url))
    code, rows = await verdicts(tmp_path, environ)
    assert code == 0
    assert rows == {
        "Settings": "pass", "Public URL": "warn", "System token": "warn", "Database": "pass", "Master keys": "pass",
        "Meta app": "pass", "JavaScript SDK": "pass", "Clock": "pass",
    }  # fmt: skip


async def test_a_wrong_app_secret_fails_and_says_where_to_fix_it(
    sandbox: Sandbox, data_dir: Path, tmp_path: Path
) -> None:
    settings = settings_for(PUBLIC_URL, sandbox.url, data_dir, None, meta_app_secret="wrong-secret")
    said = await setuplinks("doctor", folder=tmp_path, environ=environment_of(settings))
    assert said.code == 1
    assert "fail  Meta app" in said.out
    assert "SETUPLINKS_META_APP_SECRET" in said.out
    assert "wrong-secret" not in said.out


async def test_a_graph_that_cannot_be_reached_fails_in_plain_words(embedded: dict[str, str], tmp_path: Path) -> None:
    said = await setuplinks("doctor", folder=tmp_path, environ=embedded)
    assert said.code == 1
    assert "http://localhost:9 cannot be reached from here" in said.out
    assert said.err == ""


async def test_a_master_key_that_does_not_open_what_is_sealed_fails(db: Database, data_dir: Path) -> None:
    settings = settings_for(PUBLIC_URL, PUBLIC_URL, data_dir, None)
    await Vault(db, settings.key_ring, SystemClock()).installation()
    assert (await master_keys(db, settings)).verdict == "pass"
    other = "k9:" + base64.b64encode(bytes(32)).decode()
    behind = settings_for(PUBLIC_URL, PUBLIC_URL, data_dir, None, master_keys=f"{other},{MASTER_KEYS}")
    assert (await master_keys(db, behind)).fix == "setuplinks master-keys rewrap"
    lost = await master_keys(db, settings_for(PUBLIC_URL, PUBLIC_URL, data_dir, None, master_keys=other))
    assert (lost.verdict, lost.said) == ("fail", "The master key 't1' is not in MASTER_KEYS.")


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

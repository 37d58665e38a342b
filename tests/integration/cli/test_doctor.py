"""`setuplinks doctor` in a terminal: a row for each thing, and exit code 1 only where something fails."""

import json
import socket
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from setuplinks.doctor.examine import PART_SECONDS
from setuplinks.doctor.hosts import clock_against
from tests.integration.cli.terminal import setuplinks
from tests.support.loopback import bound_socket, port_of
from tests.support.ports import reserved_port
from tests.support.processes import running_program
from tests.support.sandbox import Sandbox
from tests.support.service import environment_of, settings_for

PUBLIC_URL = "http://127.0.0.1:9"
STARTS_WITHIN = 50.0  # seconds: two cores are shared with other tests; without its limits it would never end
# What a sandbox on this machine cannot be: reached by customers, Meta itself, a portfolio.
WARNED = {"Public URL", "App mode", "System token"}


async def told(folder: Path, environ: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """The exit code, and the JSON."""
    said = await setuplinks("doctor", "--json", folder=folder, environ=environ)
    report = json.loads(said.out)
    for row in report["checks"]:
        assert row["said"]
        assert row["verdict"] == "pass" or row["fix"] or row["said"].startswith("not looked at")
    return said.code, report


async def test_init_sandbox_serve_and_then_doctor_finds_no_failure(tmp_path: Path) -> None:
    service_port, sandbox_port = reserved_port(), reserved_port()
    here = f"http://localhost:{sandbox_port}"
    environ = {
        "SETUPLINKS_PUBLIC_URL": f"http://127.0.0.1:{service_port}", "SETUPLINKS_META_GRAPH_URL": here,
        "SETUPLINKS_META_DIALOG_URL": here, "SETUPLINKS_META_SDK_URL": f"{here}/en_US/sdk.js",
    }  # fmt: skip
    assert (await setuplinks("init", "--sandbox", folder=tmp_path, environ=environ)).code == 0
    async with (
        running_program("sandbox", "--port", str(sandbox_port), folder=tmp_path, environ=environ) as sandbox,
        running_program("serve", "--port", str(service_port), folder=tmp_path, environ=environ) as service,
    ):
        await sandbox.until_answers(f"{here}/sandbox")
        await service.until_answers(f"{environ['SETUPLINKS_PUBLIC_URL']}/readyz")
        code, report = await told(tmp_path, environ)
        shown = await setuplinks("doctor", folder=tmp_path, environ=environ)
    assert (code, shown.code, report["verdict"]) == (0, 0, "warn")
    assert {row["name"] for row in report["checks"] if row["verdict"] != "pass"} <= {*WARNED, "Durability"}
    assert [row["verdict"] for row in report["checks"] if row["name"] in {"Default callback", "Fields"}] == ["pass"] * 2
    assert shown.out.rstrip().endswith("to look at.")


async def test_a_service_that_does_not_run_fails_and_says_where_to_fix_it(
    sandbox: Sandbox, data_dir: Path, tmp_path: Path
) -> None:
    environ = environment_of(settings_for(PUBLIC_URL, sandbox.url, data_dir, None))
    said = await setuplinks("doctor", folder=tmp_path, environ=environ)
    assert said.code == 1
    assert "fail          Public URL" in said.out
    assert "→ `setuplinks serve`" in said.out
    assert "is not there yet" in said.out
    assert not (data_dir / "setuplinks.sqlite3").exists()


async def test_no_secret_of_the_settings_is_printed(sandbox: Sandbox, data_dir: Path, tmp_path: Path) -> None:
    secrets = {
        "meta_app_secret": "wrong-secret", "operator_key": "sl_op_short", "meta_verify_token": "a-verify-token",
        "meta_system_token": "EAAsystem", "meta_business_id": "5",
    }  # fmt: skip
    settings = settings_for(PUBLIC_URL, sandbox.url, data_dir, None, **secrets)
    environ = environment_of(settings)
    plain = await setuplinks("doctor", folder=tmp_path, environ=environ)
    for_programs = await setuplinks("doctor", "--json", folder=tmp_path, environ=environ)
    assert plain.code == for_programs.code == 1
    printed = plain.out + plain.err + for_programs.out + for_programs.err
    held = [
        *(value for name, value in secrets.items() if name != "meta_business_id"),
        environ["SETUPLINKS_MASTER_KEYS"],
    ]
    assert [secret for secret in held if secret in printed] == []


async def test_it_ends_where_nobody_ever_answers(data_dir: Path, tmp_path: Path) -> None:
    with bound_socket() as hole:  # it takes connections and never says a word
        hole.listen(64)
        environ = environment_of(
            settings_for(f"http://127.0.0.1:{port_of(hole)}", f"http://127.0.0.1:{port_of(hole)}", data_dir, None)
        )
        begun = time.monotonic()
        code, report = await told(tmp_path, environ)
        assert time.monotonic() - begun < PART_SECONDS + STARTS_WITHIN
    failed = {row["name"] for row in report["checks"] if row["verdict"] == "fail"}
    assert code == 1
    assert failed >= {"Public URL", "App id and secret"}  # a slow machine may miss the time of other parts too


async def test_a_database_that_never_answers_does_not_hold_it_up(sandbox: Sandbox, tmp_path: Path) -> None:
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(64)
        url = f"postgresql://nobody@127.0.0.1:{hole.getsockname()[1]}/none"
        begun = time.monotonic()
        code, report = await told(tmp_path, environment_of(settings_for(PUBLIC_URL, sandbox.url, tmp_path, url)))
        assert time.monotonic() - begun < PART_SECONDS + STARTS_WITHIN
    [database] = [row for row in report["checks"] if row["name"] == "Database"]
    assert (code, database["verdict"]) == (1, "fail")


async def test_settings_that_are_missing_are_rows(tmp_path: Path) -> None:
    code, report = await told(tmp_path, {})
    assert (code, report["verdict"]) == (1, "fail")
    places = {row["name"]: row["fix"] for row in report["checks"]}
    assert places["SETUPLINKS_MASTER_KEYS"] == "`setuplinks master-keys new` makes one"
    assert "App settings → Basic" in places["SETUPLINKS_META_APP_SECRET"]


@pytest.mark.parametrize(
    ("off", "verdict"), [(0, "pass"), (9, "pass"), (-60, "warn"), (60, "warn"), (-400, "fail"), (400, "fail")]
)
def test_a_clock_that_is_off_is_told(off: int, verdict: str) -> None:
    now = float(int(time.time()))
    assert clock_against(formatdate(now, usegmt=True), now + off).verdict == verdict


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_an_answer_without_a_date_is_a_warning(date: str | None) -> None:
    assert clock_against(date, time.time()).verdict == "warn"

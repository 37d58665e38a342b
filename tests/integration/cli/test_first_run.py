"""From an empty folder to the first link, as the quickstart has it; and what `init` must never do."""

import json
import re
import shlex
import stat
from pathlib import Path
from typing import Any

import aiohttp

from setuplinks.settings import read_env_file
from tests.integration.cli.terminal import Said, names_in, setuplinks
from tests.support.ports import reserved_port
from tests.support.processes import running_program

KEY = re.compile(r"sl_live_[0-9a-z]+")


def env_of(folder: Path) -> dict[str, str]:
    """What stands in the settings file."""
    return read_env_file(folder / "setuplinks.env")


async def begun(folder: Path, *options: str) -> Said:
    """A folder after `init`."""
    said = await setuplinks("init", *options, folder=folder)
    assert (said.code, said.err) == (0, "")
    return said


async def test_init_then_serve_then_the_curls_that_it_printed(tmp_path: Path) -> None:
    said = await begun(tmp_path, "--sandbox", "--tenant", "Acme SaaS")
    assert "Acme SaaS (id 1)" in said.out
    port = reserved_port()
    moved = {"SETUPLINKS_PUBLIC_URL": f"http://127.0.0.1:{port}"}
    async with running_program("serve", "--port", str(port), folder=tmp_path, environ=moved) as program:
        await program.until_answers(f"http://127.0.0.1:{port}/readyz")
        answers = [await _curl(command, said.out, port) for command in _curls(said.out)]
    assert answers[0]["externalId"] == "clinic_001"
    assert answers[0]["name"] == "Clínica San Lucas"
    assert answers[1]["url"].startswith(f"http://127.0.0.1:{port}/signup/")
    assert answers[1]["failureRedirectUrl"] == "https://your-app.com/onboarding/failed"


def _curls(printed: str) -> list[str]:
    return re.findall(r"curl -s .*?}'", printed, re.DOTALL)


async def _curl(command: str, printed: str, port: int) -> dict[str, Any]:
    """Does what the printed command says, its variables filled in."""
    words = shlex.split(command.replace("\\\n", " "))
    url = words[2].replace("$API", f"http://127.0.0.1:{port}")
    [key, *_] = KEY.findall(printed)
    headers = dict(word.split(": ", 1) for at, word in enumerate(words) if words[at - 1] == "-H")
    headers = {name: value.replace("$KEY", key) for name, value in headers.items()}
    body = words[words.index("-d") + 1]
    async with aiohttp.ClientSession() as session, session.post(url, data=body.encode(), headers=headers) as answer:
        assert answer.status == 201, await answer.text()
        made: dict[str, Any] = json.loads(await answer.text())
        return made


async def test_the_file_is_for_its_owner_alone_and_the_keys_are_fresh(tmp_path: Path) -> None:
    first, second = tmp_path / "one", tmp_path / "two"
    for folder in (first, second):
        folder.mkdir()
        await begun(folder)
        assert stat.S_IMODE((folder / "setuplinks.env").stat().st_mode) == 0o600
    one, two = env_of(first), env_of(second)
    for name in ("MASTER_KEYS", "OPERATOR_KEY", "META_VERIFY_TOKEN"):
        assert one[f"SETUPLINKS_{name}"] != two[f"SETUPLINKS_{name}"]
    assert one["SETUPLINKS_OPERATOR_KEY"].startswith("sl_op_")
    assert one["SETUPLINKS_PUBLIC_URL"] == "http://127.0.0.1:8080"


async def test_without_the_sandbox_metas_lines_wait_to_be_filled_and_serve_names_them(tmp_path: Path) -> None:
    said = await begun(tmp_path)
    assert KEY.search(said.out)
    assert {env_of(tmp_path)[f"SETUPLINKS_META_{name}"] for name in ("APP_ID", "APP_SECRET", "CONFIG_ID")} == {""}
    served = await setuplinks("serve", folder=tmp_path)
    assert served.code == 2
    assert "SETUPLINKS_META_APP_ID is missing" in served.err
    assert "OPERATOR_KEY" not in served.err
    listed = await setuplinks("tenants", "list", "--json", folder=tmp_path)
    assert '"name": "Acme"' in listed.out


async def test_with_the_sandbox_nothing_is_left_to_fill(tmp_path: Path) -> None:
    await begun(tmp_path, "--sandbox")
    assert "" not in env_of(tmp_path).values()
    assert env_of(tmp_path)["SETUPLINKS_META_SDK_URL"] == "http://localhost:8090/en_US/sdk.js"


async def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "setuplinks.env").write_text("SETUPLINKS_MASTER_KEYS=mine\n")
    said = await setuplinks("init", folder=tmp_path)
    assert said.code == 1
    assert "--force" in said.err
    assert env_of(tmp_path) == {"SETUPLINKS_MASTER_KEYS": "mine"}
    assert not (tmp_path / "data").exists()


async def test_force_keeps_the_former_master_keys_so_that_old_data_still_opens(tmp_path: Path) -> None:
    await begun(tmp_path, "--sandbox")
    former = env_of(tmp_path)["SETUPLINKS_MASTER_KEYS"]
    await begun(tmp_path, "--sandbox", "--force", "--tenant", "Second")
    current, kept = env_of(tmp_path)["SETUPLINKS_MASTER_KEYS"].split(",")
    assert kept == former
    assert current != former
    rewrapped = await setuplinks("master-keys", "rewrap", folder=tmp_path)
    assert rewrapped.out.startswith("2 data keys")


async def test_data_of_another_master_key_is_not_joined(tmp_path: Path) -> None:
    await begun(tmp_path)
    (tmp_path / "setuplinks.env").unlink()
    said = await setuplinks("init", folder=tmp_path)
    assert said.code == 1
    assert "another master key" in said.err
    assert names_in(tmp_path) == ["data"]


async def test_a_tenants_name_that_is_refused_leaves_no_file(tmp_path: Path) -> None:
    said = await setuplinks("init", "--tenant", " ", folder=tmp_path)
    assert said.code == 1
    assert said.err.startswith("name: ")
    assert not (tmp_path / "setuplinks.env").exists()
    assert not (tmp_path / "setuplinks.env.new").exists()


async def test_what_the_environment_says_is_not_written_down(tmp_path: Path) -> None:
    environ = {"SETUPLINKS_PUBLIC_URL": "https://links.example", "SETUPLINKS_META_APP_ID": "7"}
    said = await setuplinks("init", folder=tmp_path, environ=environ)
    assert said.code == 0
    assert "API=https://links.example" in said.out
    assert "SETUPLINKS_PUBLIC_URL" not in env_of(tmp_path)
    assert "SETUPLINKS_META_APP_ID" not in env_of(tmp_path)


async def test_a_master_key_that_is_given_as_a_file_is_the_one_that_seals(tmp_path: Path) -> None:
    fresh = await setuplinks("master-keys", "new", folder=tmp_path)
    (tmp_path / "key").write_text(fresh.out)
    environ = {"SETUPLINKS_MASTER_KEYS_FILE": str(tmp_path / "key")}
    assert (await setuplinks("init", folder=tmp_path, environ=environ)).code == 0
    assert "SETUPLINKS_MASTER_KEYS" not in env_of(tmp_path)
    opened = await setuplinks("links", "list", "--tenant", "1", folder=tmp_path, environ=environ)
    assert (opened.code, opened.err) == (0, "No setup links.\n")


async def test_migrate_needs_no_other_setting_than_the_databases(
    blank_database_url: str | None, data_dir: Path, tmp_path: Path
) -> None:
    environ = {"SETUPLINKS_DATA_DIR": str(data_dir), "SETUPLINKS_DATABASE_URL": blank_database_url or ""}
    for _ in range(2):
        said = await setuplinks("migrate", folder=tmp_path, environ=environ)
        assert (said.code, said.err) == (0, "")
        assert "is at revision 0001" in said.out

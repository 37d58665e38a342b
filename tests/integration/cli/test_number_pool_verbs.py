"""The operator keeps the number pool from a terminal, beside the sandbox."""

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from setuplinks.core.clock import ManualClock
from tests.integration.cli.terminal import Said, setuplinks
from tests.support.sandbox import running_sandbox
from tests.support.service import environment_of, settings_for


class Pool:
    """`setuplinks number-pool …` with the settings of this test."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self._folder, self.environ = folder, environ

    async def say(self, *words: str) -> Said:
        """What it prints for people."""
        return await setuplinks("number-pool", *words, folder=self._folder, environ=self.environ)

    async def ask(self, *words: str) -> Any:
        """What it answers to a program."""
        said = await self.say(*words, "--json")
        assert said.code == 0, said.err
        return json.loads(said.out)


@pytest.fixture
async def pool(database_url: str | None, data_dir: Path, tmp_path: Path) -> AsyncIterator[Pool]:
    """On a migrated database, with the sandbox at the machine's own time, as the verbs are."""
    async with running_sandbox(ManualClock(time.time_ns() // 1_000)) as sandbox:
        settings = settings_for("http://127.0.0.1:8080", sandbox.url, data_dir, database_url)
        yield Pool(tmp_path, environment_of(settings))


async def test_a_number_goes_through_its_life_by_the_verbs(pool: Pool) -> None:
    number = await pool.ask("add", "+54 9 351 555-0101", "--country", "ar")
    assert (number["number"], number["country"], number["state"]) == ("+5493515550101", "AR", "added")
    wanted = str(number["id"])
    assert (await pool.ask("request-code", wanted, "--method", "VOICE"))["state"] == "code_sent"
    wrong = await pool.say("verify-code", wanted, "111111")
    assert (wrong.code, "request a new one" in wrong.err) == (1, True)
    assert (await pool.ask("verify-code", wanted, "123-456"))["state"] == "verified"
    shown = await pool.say("list")
    assert "+5493515550101" in shown.out
    assert "verified" in shown.out
    removed = await pool.say("remove", wanted)
    assert (removed.code, "out of the pool" in removed.out) == (0, True)
    assert await pool.ask("list") == []


async def test_without_the_portfolios_token_the_verbs_say_what_to_set(pool: Pool) -> None:
    del pool.environ["SETUPLINKS_META_SYSTEM_TOKEN"]
    said = await pool.say("list")
    assert (said.code, said.out) == (1, "")
    assert "SETUPLINKS_META_SYSTEM_TOKEN" in said.err
    assert "Traceback" not in said.err

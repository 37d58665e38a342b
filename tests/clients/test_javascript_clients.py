"""The two JavaScript clients, as the guide sets them up."""

from pathlib import Path

import pytest

from tests.clients.way import Way, check_day, given
from tests.support.guide_samples import samples_of
from tests.support.node import running_script

CLIENTS = ["kapso", "whatsapp_api_js"]


async def a_day(client: str, way: Way, folder: Path) -> None:
    asked = await given(way, folder)
    async with running_script(folder, f"{client}_day.mjs", asked, samples_of("send-and-receive.md")) as script:
        await check_day(way, asked, await script.said())


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_client_finds_a_meta_in_the_sandbox(client: str, straight: Way, tmp_path: Path) -> None:
    await a_day(client, straight, tmp_path)
    assert len(await straight.ana_has()) == 3


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_client_finds_the_same_behind_the_gateway(client: str, through: Way, tmp_path: Path) -> None:
    await a_day(client, through, tmp_path)
    assert len(await through.ana_has()) == 3

"""The demo's client is pywa where that is installed; where it is not, the same messages go out without it."""

import sys

import aiohttp
import pytest

from setuplinks.commands.demo_messages import client
from setuplinks.commands.faults import Refused
from tests.clients.way import ANA, Way


@pytest.fixture(params=["pywa", "The business"])
def name(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Who sends. Without pywa on this machine an import of it fails, as it does here."""
    if request.param != "pywa":
        monkeypatch.setitem(sys.modules, "pywa", None)
    return str(request.param)


async def test_the_demos_messages_go_out_with_and_without_pywa(name: str, through: Way) -> None:
    await through.ana_writes("Hola")
    async with aiohttp.ClientSession() as session:
        with client(through.base, through.token, through.number, session) as whatsapp:
            assert whatsapp.name == name
            sent = [await whatsapp.send_template(f"+{ANA}"), await whatsapp.send_text(f"+{ANA}", "¡Te esperamos!")]
    assert [message["id"] for message in await through.ana_has()] == sent


async def test_the_demo_says_why_a_message_was_refused(name: str, through: Way) -> None:
    async with aiohttp.ClientSession() as session:
        with client(through.base, "sl_waba_unknown", through.number, session) as whatsapp:
            assert whatsapp.name == name
            with pytest.raises(Refused) as refused:
                await whatsapp.send_text(f"+{ANA}", "Hola")
    assert "The message was refused: Invalid OAuth access token" in str(refused.value)

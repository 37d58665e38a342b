"""pywa, as the guide sets it up: sends, files, templates, errors."""

import asyncio
import base64
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pywa import WhatsApp
from pywa.errors import WhatsAppError
from pywa.types.templates import TemplateLanguage

from tests.clients.way import ANA, Way, check_day, given
from tests.support.guide_samples import loaded


@contextlib.contextmanager
def client(way: Way, folder: Path, **options: Any) -> Iterator[WhatsApp]:
    sample = loaded(folder, "send-and-receive.md", "pywa_client.py")
    with sample.gateway_session(way.base) as session:
        yield WhatsApp(
            **{"token": way.token, "phone_id": way.number, "waba_id": way.waba, "session": session} | options
        )


def refusal(verb: Any, *arguments: Any, **named: Any) -> dict[str, Any]:
    """Meta's error object, as pywa gives it to its user."""
    with pytest.raises(WhatsAppError) as raised:
        verb(*arguments, **named)
    return dict(raised.value.raw)


def a_day(way: Way, folder: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """pywa waits for each answer, so this runs in a thread."""
    english = TemplateLanguage.ENGLISH_US
    with client(way, folder) as whatsapp, client(way, folder, token=f"{way.token}x") as barred:
        media = whatsapp.upload_media(asked["file"], mime_type="image/png").id
        return {
            "text": whatsapp.send_message(ANA, "Hola, ¿qué tal? ☎").id,
            "template": whatsapp.send_template(ANA, "hello_world", english, []).id,
            "media": media,
            "downloaded": base64.b64encode(whatsapp.get_media_bytes(whatsapp.get_media_url(media).url)).decode(),
            "image": whatsapp.send_image(ANA, media).id,
            "read": whatsapp.mark_message_as_read(asked["inbound"]).success,
            "templates": [template.name for template in whatsapp.get_templates()],
            "foreignNumber": refusal(whatsapp.send_message, ANA, "Hola", sender=asked["foreign"]),
            "noSuchTemplate": refusal(whatsapp.send_template, ANA, "no_such_thing", english, []),
            "badKey": refusal(barred.send_message, ANA, "Hola"),
        }


async def test_pywa_finds_a_meta_in_the_sandbox(straight: Way, tmp_path: Path) -> None:
    asked = await given(straight, tmp_path)
    await check_day(straight, asked, await asyncio.to_thread(a_day, straight, tmp_path, asked))
    assert len(await straight.ana_has()) == 3


async def test_pywa_finds_the_same_behind_the_gateway(through: Way, tmp_path: Path) -> None:
    asked = await given(through, tmp_path)
    await check_day(through, asked, await asyncio.to_thread(a_day, through, tmp_path, asked))
    assert len(await through.ana_has()) == 3

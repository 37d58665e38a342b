"""One number at Meta and the way that a client takes to it: straight, or through the gateway. Only two values differ.

Owns what a client's day must have come to, whichever client it was: what its program saw, and what Meta got.
"""

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from tests.support.sandbox import Sandbox

ANA = "5493515550100"
FOREIGN = "106999999999999"


@dataclass(frozen=True)
class Way:
    """`base` and `token` are all that a client is told; the ids are Meta's."""

    base: str
    token: str
    number: str
    waba: str
    meta: Sandbox

    async def ana_writes(self, text: str) -> str:
        """An end user writes to the number; the message's id."""
        path = f"/sandbox/phone-numbers/{self.number}/inbound"
        wamid: str = (await self.meta.ask("POST", path, {"from": f"+{ANA}", "text": text}))["id"]
        return wamid

    async def ana_has(self) -> list[dict[str, Any]]:
        """What the number has sent to Ana, as her phone shows it."""
        chat = await self.meta.ask("GET", f"/sandbox/phone-numbers/{self.number}/chats/{ANA}")
        return [message for message in chat["messages"] if message["side"] == "business"]

    async def was_read(self, wamid: str) -> bool:
        """Whether Ana sees that the business has read her message."""
        chat = await self.meta.ask("GET", f"/sandbox/phone-numbers/{self.number}/chats/{ANA}")
        return any(message["id"] == wamid and message["markedAsRead"] for message in chat["messages"])


def picture(folder: Path) -> Path:
    """A small PNG, the same each time."""
    out = io.BytesIO()
    Image.effect_mandelbrot((96, 96), (-2.0, -1.5, 1.0, 1.5), 50).save(out, "PNG")
    path = folder / "cat.png"
    path.write_bytes(out.getvalue())
    return path


async def given(way: Way, folder: Path) -> dict[str, Any]:
    """What a client's program is told before its day begins; Ana has written to the number."""
    return {
        "base": way.base, "token": way.token, "number": way.number, "foreign": FOREIGN, "waba": way.waba, "to": ANA,
        "inbound": await way.ana_writes("Hola"), "file": str(picture(folder)),
    }  # fmt: skip


async def check_day(way: Way, asked: dict[str, Any], day: dict[str, Any]) -> None:
    """The day went as it goes with Meta. `day` holds ids, `downloaded` in base64, and the three refusals as met."""
    picture_bytes = Path(asked["file"]).read_bytes()  # noqa: ASYNC240 - a few hundred bytes
    assert base64.b64decode(day["downloaded"]) == picture_bytes
    assert day["read"] is True
    assert await way.was_read(asked["inbound"])
    # What not every client can do.
    assert "hello_world" in day.get("templates", ["hello_world"])
    assert day.get("blocked", 1) == 1
    sent = {message["id"]: message for message in await way.ana_has()}
    text, template, image = (sent[day[name]] for name in ("text", "template", "image"))
    assert len(sent) == 3
    assert text["content"]["body"] == "Hola, ¿qué tal? ☎"
    assert (template["type"], template["content"]["name"]) == ("template", "hello_world")
    assert (image["type"], image["content"]["id"]) == ("image", day["media"])
    bad, foreign, missing = (day[name] for name in ("badKey", "foreignNumber", "noSuchTemplate"))
    assert (bad["code"], bad["type"]) == (190, "OAuthException")
    assert (foreign["code"], foreign["error_subcode"]) == (100, 33)
    assert missing["code"] == 132001
    assert "no_such_thing" in missing["error_data"]["details"]
    assert all(refused["fbtrace_id"] for refused in (bad, foreign, missing))

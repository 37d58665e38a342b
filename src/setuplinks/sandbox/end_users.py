"""What an end user can do with a number: write every kind of message, press a button, react. For the API and the page.

Composes the content as Meta tells it; `telling_messages` tells it.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

from setuplinks.sandbox.conversations import Message, Person
from setuplinks.sandbox.graph_media import keep
from setuplinks.sandbox.media_types import EVERY, LARGEST, kind_of
from setuplinks.sandbox.telling_messages import write
from setuplinks.sandbox.world import Number, World, digits_of

Value = dict[str, Any]
Given = Mapping[str, Any]

# What stands in for a file that is not given: the smallest of its kind.
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SAMPLES = {
    "audio": ("audio/ogg; codecs=opus", b"OggS\x00\x02" + bytes(22)),
    "document": ("application/pdf", b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"),
    "image": ("image/png", PIXEL),
    "sticker": ("image/webp", b"RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00/" + bytes(13)),
    "video": ("video/mp4", b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"),
}


class CannotWrite(Exception):
    """What is asked for cannot be written; `conflict` where the number is not in the state for it."""

    def __init__(self, message: str, *, conflict: bool = False) -> None:
        super().__init__(message)
        self.conflict = conflict


def end_user(given: Given) -> Person:
    """`from`, `userId`, `name` → who writes."""
    wa_id, user_id = digits_of(_text(given, "from")), _text(given, "userId")
    if not wa_id and not user_id:
        raise CannotWrite("from must be a phone number; a user without one has a userId")
    return Person(wa_id or None, user_id or None, _text(given, "name") or "Sandbox User")


def written(world: World, number: Number, given: Given, file: tuple[str, str, bytes] | None = None) -> Message:
    """Writes what `given` says: `type` (text without it), its fields, `replyTo`. `file` is (type, name, content)."""
    person = end_user(given)
    if number.platform_type == "NOT_APPLICABLE":
        raise CannotWrite("the number is not registered: nobody can write to it", conflict=True)
    if not number.waba.subscriptions:
        raise CannotWrite("no app is subscribed to the number's WABA: Meta would tell nobody", conflict=True)
    if person.key in number.blocked:
        raise CannotWrite("the business has blocked this end user", conflict=True)
    kind, reply_to = _text(given, "type") or "text", _text(given, "replyTo") or None
    held = world.conversations.find(number.id, person.key)
    if held is not None and not _text(given, "name"):
        person.name = held.person.name
    if kind in SAMPLES:
        return write(world, number, person, kind, _file(world, number, kind, given, file), reply_to)
    if kind in ("button_reply", "list_reply"):
        reply = {"id": _needed(given, "id"), "title": _needed(given, "title")}
        if _text(given, "description"):
            reply["description"] = _text(given, "description")
        return write(world, number, person, "interactive", {"type": kind, kind: reply}, reply_to)
    if kind not in CONTENT:
        raise CannotWrite(f"no type {kind!r}; there are: {', '.join(sorted({*CONTENT, *SAMPLES, *REPLIES}))}")
    return write(world, number, person, kind, CONTENT[kind](given), reply_to)


REPLIES = ("button_reply", "list_reply")


def _file(world: World, number: Number, kind: str, given: Given, file: tuple[str, str, bytes] | None) -> Value:
    """The file is kept, so that the business can fetch it by its id."""
    mime_type, content = SAMPLES[kind]
    name = _text(given, "filename")
    if file is not None:
        mime_type, name, content = file
    elif _text(given, "data"):
        try:
            content = base64.b64decode(_text(given, "data"), validate=True)
        except binascii.Error:
            raise CannotWrite("data must be base64") from None
        mime_type = _text(given, "mimeType") or mime_type
    if kind != "document" and kind_of(mime_type) != kind:
        raise CannotWrite(f"{mime_type} is no {kind}; there are: {', '.join(EVERY[kind])}")
    if not content or len(content) > LARGEST[kind]:
        raise CannotWrite(f"a file of type {kind} has 1 to {LARGEST[kind]} bytes")
    kept = keep(world, number.waba, number, mime_type, world.spool.keep_small(content), name or None)
    told: Value = {"mime_type": mime_type, "sha256": kept.content.sha256, "id": kept.id}
    if _text(given, "caption") and kind in ("document", "image", "video"):
        told["caption"] = _text(given, "caption")
    if kind == "document":
        told["filename"] = name or "document.pdf"
    if kind == "audio":
        told["voice"] = given.get("voice") is not False
    if kind == "sticker":
        told["animated"] = False
    return told


def _reaction(given: Given) -> Value:
    """An empty emoji takes it back."""
    return {"message_id": _needed(given, "messageId"), "emoji": _text(given, "emoji")}


def _location(given: Given) -> Value:
    try:
        told: Value = {"latitude": float(given["latitude"]), "longitude": float(given["longitude"])}
    except (KeyError, TypeError, ValueError):
        raise CannotWrite("latitude and longitude must be numbers") from None
    if not abs(told["latitude"]) <= 90 or not abs(told["longitude"]) <= 180:
        raise CannotWrite("latitude goes to 90, longitude to 180")
    for name, field in (("name", "place"), ("address", "address")):
        if _text(given, field):
            told[name] = _text(given, field)
    return told


def _contacts(given: Given) -> Any:
    cards = given.get("contacts")
    if not isinstance(cards, list) or not cards:
        raise CannotWrite("contacts must be a list of contacts, as Meta has them")
    return cards


CONTENT: dict[str, Callable[[Given], Any]] = {
    "text": lambda given: {"body": _needed(given, "text")},
    "button": lambda given: {"payload": _text(given, "payload") or _needed(given, "text"),
                             "text": _needed(given, "text")},
    "reaction": _reaction,
    "location": _location,
    "contacts": _contacts,
}  # fmt: skip


def _text(given: Given, name: str) -> str:
    value = given.get(name, "")
    if value is None:
        return ""
    if not isinstance(value, str):
        raise CannotWrite(f"{name} must be text")
    return value.strip() if name != "text" else value


def _needed(given: Given, name: str) -> str:
    if not (value := _text(given, name)):
        raise CannotWrite(f"{name} must be text")
    return value

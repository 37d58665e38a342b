"""Whether the content of a message is one that Meta takes, kind by kind; its error where it is not (contract 3.8, 3.9).

What breaks the parameters' own schema is error 100; what WhatsApp finds missing or wrong in it is 131008 or 131009.
"""

from collections.abc import Callable
from typing import Any

from setuplinks.sandbox.graph_errors import GraphError, bad_parameter
from setuplinks.sandbox.media_types import kind_of
from setuplinks.sandbox.message_interactive import check_interactive
from setuplinks.sandbox.world import Number, World

Content = dict[str, Any]
TEXT_LIMIT, CAPTION_LIMIT, LINK_LIMIT = 4096, 1024, 2048
MEDIA = ("audio", "document", "image", "sticker", "video")
KINDS = ("audio", "contacts", "document", "image", "interactive", "location", "reaction", "sticker", "template", "text",
         "video")  # fmt: skip


def missing(path: str) -> GraphError:
    """131008: something that must be there is not."""
    return GraphError(131008, "(#131008) Required parameter is missing", details=f"{path} is required")


def wrong(details: str) -> GraphError:
    """131009: something has a value that it cannot have."""
    return GraphError(131009, "(#131009) Parameter value is not valid", details=details)


def check_content(world: World, number: Number, kind: str, content: Any) -> None:
    """Returns where Meta would take it. A template's content is checked by `message_templates`."""
    if kind == "contacts":
        _contacts(content)
        return
    if not isinstance(content, dict):
        raise bad_parameter(f"The parameter {kind} is required.")
    if kind in MEDIA:
        _media(world, number, kind, content)
    elif kind == "interactive":
        check_interactive(content)
    else:
        CHECKS[kind](content)


def _text(content: Content) -> None:
    body = content.get("body")
    if not body:
        raise bad_parameter("The parameter text['body'] is required.")
    if not isinstance(body, str):
        raise bad_parameter("Param text['body'] must be a string.")
    if len(body) > TEXT_LIMIT:
        raise bad_parameter(f"Param text['body'] must be at most {TEXT_LIMIT} characters long.")
    if not isinstance(content.get("preview_url", False), bool | str):
        raise bad_parameter("Param text['preview_url'] must be a boolean.")


def _media(world: World, number: Number, kind: str, content: Content) -> None:
    media_id, link = content.get("id"), content.get("link")
    if not media_id and not link:
        raise GraphError(100, "(#100) Either one of media ID or link must be present", subcode=2494009)
    if media_id and link:
        raise bad_parameter("Only one of media ID and link may be present")
    if link and (not isinstance(link, str) or not link.startswith(("http://", "https://")) or len(link) > LINK_LIMIT):
        raise bad_parameter(f"Param {kind}['link'] is not a valid URI.")
    if media_id:
        held = world.media.get(str(media_id))
        if held is None or held.waba is not number.waba:
            raise bad_parameter(f"Param {kind}['id'] is not a valid whatsapp business account media attachment ID")
        if kind_of(held.mime_type) != kind and kind != "document":
            raise wrong(f"The file is of type {held.mime_type}, which cannot be sent as {kind}")
    caption = content.get("caption")
    if caption is not None and kind in ("audio", "sticker"):
        raise bad_parameter(f'Unexpected key "caption" on param "{kind}".')
    if caption is not None and (not isinstance(caption, str) or len(caption) > CAPTION_LIMIT):
        raise bad_parameter(f"Param {kind}['caption'] must be at most {CAPTION_LIMIT} characters long.")
    if "filename" in content and kind != "document":
        raise bad_parameter(f'Unexpected key "filename" on param "{kind}".')


def _location(content: Content) -> None:
    for name, most in (("latitude", 90.0), ("longitude", 180.0)):
        value = content.get(name)
        if value in (None, ""):
            raise missing(f"location['{name}']")
        try:
            inside = -most <= float(value) <= most
        except (TypeError, ValueError):
            inside = False
        if not inside:
            raise wrong(f"location['{name}'] must be between {-most:g} and {most:g}")


def _reaction(content: Content) -> None:
    """An empty emoji takes the reaction back."""
    if not isinstance(content.get("message_id"), str) or not content["message_id"]:
        raise bad_parameter("The parameter reaction['message_id'] is required.")
    emoji = content.get("emoji")
    if not isinstance(emoji, str):
        raise bad_parameter("The parameter reaction['emoji'] is required.")
    if len(emoji) > 12 or (emoji and emoji.isascii()):
        raise wrong("reaction['emoji'] must be one emoji")


def _contacts(content: Any) -> None:
    if not isinstance(content, list) or not content:
        raise bad_parameter("The parameter contacts is required.")
    for place, contact in enumerate(content):
        name = contact.get("name") if isinstance(contact, dict) else None
        if not isinstance(name, dict) or not name.get("formatted_name"):
            raise missing(f"contacts[{place}]['name']['formatted_name']")
        others = ("first_name", "last_name", "middle_name", "prefix", "suffix")
        if not any(name.get(other) for other in others):
            raise missing(f"contacts[{place}]['name']: at least one name beside formatted_name")


CHECKS: dict[str, Callable[[Content], None]] = {"text": _text, "location": _location, "reaction": _reaction}

"""How the chats page shows a message: who wrote it, its words and file, what can be pressed, how far it has come."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from setuplinks.sandbox.conversations import Chat, Message
from setuplinks.sandbox.media_types import bare
from setuplinks.sandbox.telling_messages import failure
from setuplinks.sandbox.world import World

EXCERPT = 80
TICKS = {"accepted": "·", "sent": "✓", "delivered": "✓✓", "read": "✓✓", "played": "✓✓"}


@dataclass(slots=True)
class Press:
    """A button or a row that the end user can press; `kind` is the type of what she then writes."""

    kind: str
    id: str
    title: str
    description: str = ""


@dataclass(slots=True)
class Bubble:
    """One message on the page."""

    id: str
    side: str
    who: str
    time: str
    day: str
    text: str = ""
    label: str = ""  # what it is, where it is no text: `Location`, `a.pdf` …
    picture: str | None = None  # id of a file that can be shown
    file: str | None = None  # id of a file that can be fetched
    link: str | None = None
    presses: list[Press] = field(default_factory=list)
    quoted: str = ""
    ticks: str = ""
    status: str = ""
    problem: str = ""
    reactions: list[str] = field(default_factory=list)


def bubbles(world: World, chat: Chat) -> list[Bubble]:
    """The chat, the oldest message first."""
    return [_bubble(world, chat, message) for message in chat.messages]


def _bubble(world: World, chat: Chat, message: Message) -> Bubble:
    moment = datetime.fromtimestamp(message.at, UTC)
    who = {"user": chat.person.name, "app": "Business, in its app"}.get(message.side, "Business, by the API")
    made = Bubble(message.id, message.side, who, f"{moment:%H:%M}", f"{moment:%A, %d %B %Y}")
    made.reactions = list(message.reactions.values())
    if message.reply_to and (answered := world.conversations.message(message.reply_to)) is not None:
        made.quoted = excerpt(world, chat, answered)
    if message.side == "user":
        made.status = "seen by the business" if message.seen else ""
    else:
        made.ticks, made.status = TICKS.get(message.status, "✗"), message.status
    if message.error is not None:
        told = failure(message.error)
        made.problem = f"{message.error}: {told['error_data']['details']}"
    _fill(world, made, message.kind, message.content[message.kind])
    return made


def excerpt(world: World, chat: Chat, message: Message) -> str:
    """A few words of a message, for the one that answers it."""
    shown = Bubble(message.id, message.side, chat.person.name, "", "")
    _fill(world, shown, message.kind, message.content[message.kind])
    words = shown.text or shown.label
    return words if len(words) <= EXCERPT else words[: EXCERPT - 1] + "…"


def _fill(world: World, made: Bubble, kind: str, content: Any) -> None:
    match kind:
        case "text":
            made.text = str(content["body"])
        case "template":
            made.text, made.label = content["shown"], f"Template {content['name']}"
            made.presses = _quick_replies(world, made.id, content)
        case "interactive":
            _interactive(made, content)
        case "location":
            made.label = "Location"
            names = [content.get("name"), content.get("address"), f"{content['latitude']}, {content['longitude']}"]
            made.text = "\n".join(str(name) for name in names if name)
        case "contacts":
            made.label = "Contact"
            made.text = "\n".join(str(one.get("name", {}).get("formatted_name", "")) for one in content)
        case "button":
            made.text, made.label = str(content["text"]), "Button"
        case _:
            _media(world, made, kind, content)


def _media(world: World, made: Bubble, kind: str, content: dict[str, Any]) -> None:
    held = world.media.get(str(content.get("id")))
    made.text, made.link = str(content.get("caption") or ""), content.get("link")
    made.label = str(content.get("filename") or (held.filename if held else None) or kind.capitalize())
    if held is not None:
        shows = bare(held.mime_type) in ("image/jpeg", "image/png", "image/webp")
        made.picture, made.file = (held.id, None) if shows else (None, held.id)


def _interactive(made: Bubble, content: dict[str, Any]) -> None:
    kind = content["type"]
    if kind in ("button_reply", "list_reply"):
        made.text, made.label = str(content[kind]["title"]), "Chosen"
        return
    header, body, footer = (content.get(name) or {} for name in ("header", "body", "footer"))
    made.text = "\n".join(str(part["text"]) for part in (header, body, footer) if part.get("text"))
    action = content.get("action") or {}
    if kind == "button":
        replies = [button["reply"] for button in action["buttons"]]
        made.presses = [Press("button_reply", str(reply["id"]), str(reply["title"])) for reply in replies]
    elif kind == "list":
        made.label = str(action["button"])
        rows = [row for section in action["sections"] for row in section.get("rows", [])]
        made.presses = [
            Press("list_reply", str(row["id"]), str(row["title"]), str(row.get("description", ""))) for row in rows
        ]
    else:
        made.label = kind.replace("_", " ").capitalize()
        made.link = (action.get("parameters") or {}).get("url") if kind == "cta_url" else None


def _quick_replies(world: World, wamid: str, content: dict[str, Any]) -> list[Press]:
    """The template's own quick replies; what is told when one is pressed is a `button`."""
    message = world.conversations.message(wamid)
    number = world.numbers.get(message.number_id) if message is not None else None
    if number is None:
        return []
    code = (content.get("language") or {}).get("code")
    template = next((t for t in number.waba.templates if (t["name"], t["language"]) == (content["name"], code)), None)
    groups = [c for c in (template or {}).get("components") or [] if str(c.get("type", "")).upper() == "BUTTONS"]
    buttons = [button for group in groups for button in group.get("buttons") or []]
    return [Press("button", "", str(b.get("text", ""))) for b in buttons if str(b.get("type")).upper() == "QUICK_REPLY"]

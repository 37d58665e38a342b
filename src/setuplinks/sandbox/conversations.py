"""Who writes with whom: end users, their chats with a number, each message and what became of it.

Records and look-ups. What Meta would tell of a message stands in `telling_messages`.
"""

import hashlib
import itertools
from collections import deque
from dataclasses import dataclass, field
from typing import Any

CHAT_KEPT = 500  # messages shown of one chat
MESSAGES_KEPT = 20_000  # messages known by their id
CHATS_KEPT = 5_000
RANKS = {"accepted": 0, "sent": 1, "delivered": 2, "read": 3, "played": 4}
"""How far a message has come; `failed` stands beside them and ends it."""


@dataclass(slots=True)
class Person:
    """An end user. `wa_id` is missing for one whom Meta names by a business-scoped user id only; all have the id."""

    wa_id: str | None
    user_id: str | None = None
    name: str = "Sandbox User"

    @property
    def key(self) -> str:
        return self.wa_id or self.user_id or ""


def user_id_of(business_id: str, wa_id: str) -> str:
    """The id by which one portfolio knows a person, with or without a number to it; every message carries it."""
    digest = hashlib.sha256(f"{business_id} {wa_id}".encode()).digest()
    return f"US.{int.from_bytes(digest[:7], 'big') % 10**16:016d}"


@dataclass(slots=True)
class Message:
    """One message. `side` is `business` (sent by the API), `app` (by the phone's app) or `user`."""

    id: str
    number_id: str
    person: Person
    side: str
    kind: str
    content: dict[str, Any]
    at: float
    status: str = "accepted"
    error: int | None = None
    reply_to: str | None = None
    category: str = "service"  # pricing: service, or a template's category in small letters
    free: bool = True
    opaque: Any = None
    seen: bool = False  # the business has marked an end user's message as read
    reactions: dict[str, str] = field(default_factory=dict)  # side → emoji


@dataclass(slots=True)
class Chat:
    """What one end user and one number have written to each other."""

    number_id: str
    person: Person
    messages: deque[Message] = field(default_factory=lambda: deque(maxlen=CHAT_KEPT))
    heard: float | None = None  # when the end user wrote last: the 24 hours count from here
    typing_until: float = 0.0
    touched: int = 0  # the larger, the later something was written


class Conversations:
    """All chats. The oldest are forgotten where there are too many."""

    def __init__(self) -> None:
        self._chats: dict[tuple[str, str], Chat] = {}
        self._messages: dict[str, Message] = {}
        self._touches = itertools.count(1)

    def chat(self, number_id: str, person: Person) -> Chat:
        """This pair's chat, made where it is new; a name or user id that is told anew is taken over."""
        held = self._chats.get((number_id, person.key))
        if held is None:
            held = self._chats[number_id, person.key] = Chat(number_id, person, touched=next(self._touches))
            while len(self._chats) > CHATS_KEPT:
                del self._chats[next(iter(self._chats))]
        return held

    def find(self, number_id: str, person_key: str) -> Chat | None:
        return self._chats.get((number_id, person_key))

    def find_user(self, number_id: str, user_id: str) -> Chat | None:
        """The chat with whom Meta names so, where their number is known too."""
        mine = (chat for (owner, _), chat in self._chats.items() if owner == number_id)
        return next((chat for chat in mine if chat.person.user_id == user_id), None)

    def of_number(self, number_id: str) -> list[Chat]:
        """Its chats, the one with the newest message first."""
        mine = [chat for (owner, _), chat in self._chats.items() if owner == number_id]
        return sorted(mine, key=lambda chat: chat.touched, reverse=True)

    def add(self, message: Message) -> Message:
        chat = self.chat(message.number_id, message.person)
        chat.messages.append(message)
        chat.touched = next(self._touches)
        self._messages[message.id] = message
        while len(self._messages) > MESSAGES_KEPT:
            del self._messages[next(iter(self._messages))]
        return message

    def message(self, wamid: str) -> Message | None:
        return self._messages.get(wamid)

    def sent(self) -> list[Message]:
        """What went out by the API, the oldest first."""
        return [message for message in self._messages.values() if message.side == "business"]

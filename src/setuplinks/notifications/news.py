"""What is told of a change, as values: one piece of news for each item, or one for the whole value.

Owns the events' types and fields, and the name by which a repeat of Meta's is known. It writes nothing.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import msgspec

from setuplinks.core.problems import Conflict
from setuplinks.meta.notices import Change, Item, items
from setuplinks.notifications.owners import Holder, Owner

Who = TypeVar("Who", bound=Holder | Owner)

ITEM_TYPES = {
    "received": ("whatsapp.message.received", "message"),
    "status": ("whatsapp.message.status", "status"),
    "echo": ("whatsapp.message.echo", "message"),
}
WHOLE_TYPES = {
    "history": "whatsapp.history",
    "smb_app_state_sync": "whatsapp.contacts.synced",
    "account_alerts": "whatsapp.account.alert",
}
TEMPLATE_FIELDS = ("message_template_", "template_")
OTHER = "whatsapp.notification"


class AlreadyTold(Conflict):
    """A repeat of Meta's: the item was told before."""

    code = "already_told"
    title = "This item of a notification was told before."


class News(msgspec.Struct, Generic[Who], frozen=True):
    """One event to be told, and what names it over all repeats."""

    owner: Who
    event_type: str
    data: dict[str, Any]
    digest: bytes


def news_of(change: Change, owners: Sequence[Who]) -> list[News[Who]]:
    """One for each item, where the change has items; else one with the whole value."""
    found: list[News[Who]] = []
    for owner in owners:
        told = items(change)
        found += [_of_item(change, owner, item) for item in told]
        if not told or change.value.get("errors"):
            found.append(_of_whole(change, owner))
    return found


def digest_of(owner: Owner | Holder, change: Change) -> bytes:
    """The name of a change that is told whole."""
    return _digest(owner, change.field, *_whole(change))


def _of_item(change: Change, owner: Who, item: Item) -> News[Who]:
    event_type, name = ITEM_TYPES[item.kind]
    data = {
        **owner.ids(),
        "metadata": change.value.get("metadata"),
        "contact": item.contact,
        name: item.raw,
    }
    named = item.key or (_json(item.raw).decode(),)
    return News(owner, event_type, data, _digest(owner, item.kind, *named))


def _of_whole(change: Change, owner: Who) -> News[Who]:
    event_type = WHOLE_TYPES.get(change.field, OTHER)
    if change.field.startswith(TEMPLATE_FIELDS):
        event_type = "whatsapp.template.updated"
    data = {**owner.ids(), "field": change.field, "value": change.value}
    return News(owner, event_type, data, digest_of(owner, change))


def _whole(change: Change) -> tuple[str, ...]:
    return (change.entry_id or "", str(change.time), _json(change.value).decode())


def _json(value: object) -> bytes:
    return msgspec.json.encode(value, order="sorted")


def _digest(owner: Owner | Holder, kind: str, *named: str) -> bytes:
    """The item's own name for one customer; ids of different kinds do not meet."""
    return hashlib.sha256(_json([owner.customer_id, kind, *named])).digest()

"""What Meta's notifications say, as typed values: changes, whom they are about, what an account event means.

Owns the fields of Meta's webhooks and the tolerance for their variants: missing ids, older shapes, unknown names. It
owns no rule about what becomes of a number, and knows none of our ids.
https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/overview
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import msgspec

from setuplinks.meta import verbatim
from setuplinks.meta.lenient import Raw, as_int, as_object, as_rows, as_text, as_texts

OBJECT = "whatsapp_business_account"
_SECOND = 1_000_000

ACCOUNT_UPDATE = "account_update"
OF_A_NUMBER = frozenset({"messages", "smb_message_echoes", "history", "smb_app_state_sync"})
"""Fields whose value names its number in `metadata`; an override may lead them elsewhere, the others never."""

# The samples of these carry the partner's own portfolio as entry.id, not the WABA.
_ENTRY_IS_PARTNER = frozenset(
    {"PARTNER_ADDED", "PARTNER_APP_INSTALLED", "PARTNER_REMOVED", "PARTNER_APP_UNINSTALLED", "AD_ACCOUNT_LINKED"}
)
CONNECTS = frozenset({"PARTNER_ADDED", "PARTNER_APP_INSTALLED"})
LEAVES = frozenset({"PARTNER_REMOVED", "PARTNER_APP_UNINSTALLED", "ACCOUNT_DELETED"})
_TIERS = {50: "50", 250: "250", 1_000: "1K", 2_000: "2K", 10_000: "10K", 100_000: "100K", -1: "UNLIMITED"}
_NAME_STATUS = {
    "APPROVED": "APPROVED",
    "DECLINED": "DECLINED",
    "REJECTED": "DECLINED",
    "PENDING": "PENDING_REVIEW",
    "DEFERRED": "PENDING_REVIEW",
    "EXPIRED": "EXPIRED",
}
# UNFLAGGED does not say which rating the number is back at; the next look at it does.
_QUALITY = {"FLAGGED": "RED", "UNFLAGGED": "UNKNOWN"}


class NotificationUnreadable(ValueError):
    """The body is no notification of WhatsApp's. The message names no part of it."""


class Change(msgspec.Struct, frozen=True):
    """One `changes` entry. `time` is Meta's, unix seconds; it is missing in `messages`. `raw` is `value` as it came."""

    field: str
    entry_id: str | None
    time: int | None
    value: dict[str, Any]
    raw: bytes = b""

    @property
    def told_at(self) -> int | None:
        """When Meta says that it happened, µs since 1970."""
        return None if self.time is None else self.time * _SECOND

    @property
    def event(self) -> str | None:
        """The value's own `event`: PARTNER_REMOVED, FLAGGED, APPROVED …"""
        return as_text(self.value.get("event"))

    @property
    def meta_waba_id(self) -> str | None:
        """The WABA that it is about. PARTNER_* events are never taken by entry.id; without `waba_info` they name none.

        https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/account_update
        """
        if self.field == ACCOUNT_UPDATE:
            named = as_text(as_object(self.value.get("waba_info")).get("waba_id"))
            return named or (None if self.event in _ENTRY_IS_PARTNER else self.entry_id)
        return self.entry_id

    @property
    def owner_business_id(self) -> str | None:
        """The portfolio that owns the WABA, where a PARTNER_* event says so."""
        return as_text(as_object(self.value.get("waba_info")).get("owner_business_id"))

    @property
    def meta_phone_number_id(self) -> str | None:
        """The number by Meta's id, where `metadata` or an alert names one."""
        named = as_text(as_object(self.value.get("metadata")).get("phone_number_id"))
        if named is None and as_text(self.value.get("entity_type")) == "PHONE_NUMBER":
            named = as_text(self.value.get("entity_id"))
        return named

    @property
    def display_phone_number(self) -> str | None:
        """The number as printed, where only that is told: names, quality, a coexistence PARTNER_REMOVED."""
        shown = as_text(self.value.get("display_phone_number"))
        if shown is None and self.field == ACCOUNT_UPDATE:
            shown = as_text(self.value.get("phone_number"))
        return shown


def changes(body: bytes, *, raw_values: bool = True) -> list[Change]:
    """All changes of a notification (up to 1,000), in Meta's order; without their `raw` where that is not asked for.

    Raises NotificationUnreadable.
    """
    try:
        raw = _decoded(body)
        if not isinstance(raw, dict) or raw.get("object") != OBJECT or not isinstance(raw.get("entry"), list):
            raise NotificationUnreadable("not of WhatsApp")
        return list(_changes(raw, iter(verbatim.values(body) if raw_values else ())))
    except NotificationUnreadable:
        raise
    except (ValueError, RecursionError):
        raise NotificationUnreadable("not JSON") from None


def _decoded(body: bytes) -> object:
    """A name cut in the middle of an emoji leaves half of a surrogate pair: that may not cost a thousand messages."""
    try:
        return msgspec.json.decode(body)
    except ValueError:
        return _whole_characters(json.loads(body.decode("utf-8", "replace")))


def _whole_characters(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_whole_characters(item) for item in value]
    if isinstance(value, dict):
        return {_whole_characters(name): _whole_characters(item) for name, item in value.items()}
    return value


def _changes(raw: Raw, values: Iterator[bytes]) -> Iterator[Change]:
    for entry in as_rows(raw.get("entry")):
        for change in as_rows(entry.get("changes")):
            yield Change(
                as_text(change.get("field")) or "unknown",
                as_text(entry.get("id")),
                as_int(entry.get("time")),
                dict(as_object(change.get("value"))),
                next(values, b""),
            )


def body_of(found: Iterable[Change]) -> bytes:
    """A notification of these changes alone, each value byte for byte as Meta wrote it; nobody's signature is on it."""
    entries = []
    for change in found:
        named = {"id": change.entry_id, "time": change.time}
        one = {"field": change.field, "value": msgspec.Raw(change.raw) if change.raw else change.value}
        entries.append({name: value for name, value in named.items() if value is not None} | {"changes": [one]})
    return msgspec.json.encode({"object": OBJECT, "entry": entries})


# -- messages --------------------------------------------------------------------------------------------------------
Kind = Literal["received", "status", "echo"]


class Item(msgspec.Struct, frozen=True):
    """One message, status or echo, untouched; `key` names it over all repeats, None where Meta gave it no id."""

    kind: Kind
    raw: dict[str, Any]
    contact: dict[str, Any] | None
    key: tuple[str, ...] | None


def items(change: Change) -> list[Item]:
    """The messages, statuses and echoes of a change, in Meta's order. `wa_id` and `from` may be missing (2026).

    https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages
    """
    value, contacts = change.value, as_rows(change.value.get("contacts"))
    found: list[Item] = []
    if change.field == "messages":
        for raw in as_rows(value.get("messages")):
            who = _texts(raw, "from", "user_id", "from_user_id")
            found.append(Item("received", dict(raw), _contact(contacts, who), _key(raw)))
        for raw in as_rows(value.get("statuses")):
            who = _texts(raw, "recipient_id", "user_id", "recipient_user_id")
            status, recipient = as_text(raw.get("status")) or "", as_text(raw.get("recipient_id")) or ""
            found.append(Item("status", dict(raw), _contact(contacts, who), _key(raw, status, recipient)))
    elif change.field == "smb_message_echoes":
        found.extend(
            Item("echo", dict(raw), _contact(contacts, _texts(raw, "to", "to_user_id")), _key(raw))
            for raw in as_rows(value.get("message_echoes"))
        )
    return found


def _key(raw: Raw, *more: str) -> tuple[str, ...] | None:
    named = as_text(raw.get("id"))
    return None if named is None else (named, *more)


def _texts(raw: Raw, *names: str) -> set[str]:
    return {text for name in names if (text := as_text(raw.get(name))) is not None}


def _contact(contacts: list[Raw], who: set[str]) -> dict[str, Any] | None:
    """Whose message it is: by number or by user id; else the only contact that there is."""
    for contact in contacts:
        if who & _texts(contact, "wa_id", "user_id"):
            return dict(contact)
    return dict(contacts[0]) if len(contacts) == 1 else None


# -- accounts and numbers --------------------------------------------------------------------------------------------
class Cut(msgspec.Struct, frozen=True):
    """An account event that takes connected numbers away; `reason` is a `disconnectReason` of ours."""

    reason: str


class Restored(msgspec.Struct, frozen=True):
    """An account event that gives back what a Cut with this reason took."""

    reason: str


def verdict(change: Change, app_id: str) -> Cut | Restored | None:
    """What an `account_update` means for the connection; None where it means nothing for it.

    PARTNER_APP_UNINSTALLED of another app than ours is none of our business.
    """
    match change.event:
        case "PARTNER_REMOVED":
            # With disconnection_info the customer left by the phone's app, or was silent for too long.
            in_app = isinstance(change.value.get("disconnection_info"), dict)
            return Cut("offboarded_in_app" if in_app else "app_removed")
        case "PARTNER_APP_UNINSTALLED":
            return Cut("app_removed") if is_about_app(change, app_id) else None
        case "ACCOUNT_OFFBOARDED":
            return Cut("offboarded_in_app")
        case "ACCOUNT_RECONNECTED":
            return Restored("offboarded_in_app")
        case "ACCOUNT_DELETED":
            return Cut("number_removed")
        case "DISABLED_UPDATE":
            found: dict[str, Cut | Restored] = {
                "DISABLE": Cut("account_disabled"),
                "REINSTATE": Restored("account_disabled"),
            }
            return found.get(ban(change))
        case _:
            return None


def is_about_app(change: Change, app_id: str) -> bool:
    """False where the change names another app of the partner's."""
    named = as_text(as_object(change.value.get("waba_info")).get("partner_app_id"))
    named = named or as_text(change.value.get("partner_app_id"))
    return named is None or named == app_id


def ban(change: Change) -> str:
    """The state of a ban: DISABLE, REINSTATE, SCHEDULE_FOR_DISABLE; older payloads wrote it as a list."""
    states = as_texts(as_object(change.value.get("ban_info")).get("waba_ban_state"))
    return states[0] if states else ""


def number_values(change: Change) -> dict[str, str]:
    """What a change says about a number, by the names of our own columns; empty where it says nothing that we keep."""
    value = change.value
    told: dict[str, str | None] = {}
    if change.field == "phone_number_name_update":
        told["name_status"] = _NAME_STATUS.get(as_text(value.get("decision")) or "")
        if told["name_status"] == "APPROVED":
            told["verified_name"] = as_text(value.get("requested_verified_name"))
    elif change.field == "phone_number_quality_update":
        told["quality_rating"] = _QUALITY.get(change.event or "")
        told["throughput_tier"] = "HIGH" if change.event == "THROUGHPUT_UPGRADE" else None
        told["messaging_limit"] = _tier(value.get("max_daily_conversations_per_business") or value.get("current_limit"))
    elif change.field == "business_capability_update":
        # The second name is the older one, of a time when each number had a limit of its own.
        limit = value.get("max_daily_conversations_per_business") or value.get("max_daily_conversation_per_phone")
        told["messaging_limit"] = _tier(limit)
    return {name: text for name, text in told.items() if text is not None}


def _tier(value: object) -> str | None:
    """TIER_2K, which Meta also writes as 2000."""
    number = as_int(value)
    if number is None:
        text = as_text(value)
        return text if text and text.startswith("TIER_") else None
    return f"TIER_{_TIERS.get(number, number)}"


def review_decision(change: Change) -> str | None:
    """What an account review came to: APPROVED, REJECTED, PENDING, DEFERRED."""
    return as_text(change.value.get("decision")) if change.field == "account_review_update" else None

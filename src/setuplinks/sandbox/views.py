"""How the control API shows the sandbox's records: camelCase, tokens and codes redacted."""

import dataclasses
from typing import Any, TypeVar

import msgspec

from setuplinks.sandbox.clock import rfc3339
from setuplinks.sandbox.conversations import Chat, Message
from setuplinks.sandbox.sender import Notification
from setuplinks.sandbox.world import Business, Call, Number, Token, Waba, World

Record = TypeVar("Record")

NUMBER_EDITABLE = {
    "nameStatus": "name_status",
    "status": "status",
    "qualityRating": "quality_rating",
    "platformType": "platform_type",
    "throughput": "throughput",
    "messagingLimit": "messaging_limit",
    "verifiedName": "verified_name",
    "pin": "pin",
    "codeVerificationStatus": "code_verification_status",
    "isOnBizApp": "on_biz_app",
    "official": "official",
}
WABA_EDITABLE = {"name": "name", "reviewStatus": "review_status", "currency": "currency", "timezoneId": "timezone_id"}


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def camel_fields(record: Any) -> dict[str, Any]:
    return {camel(f.name): getattr(record, f.name) for f in dataclasses.fields(record)}


def merged(record: Record, changes: dict[str, Any]) -> Record:
    """A copy with `changes` by their camelCase names, type-checked; ValueError where one is wrong."""
    names = {camel(f.name): f.name for f in dataclasses.fields(record)}  # type: ignore[arg-type]
    if unknown := sorted(set(changes) - set(names)):
        raise ValueError(f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(names))}")
    values = {f.name: getattr(record, f.name) for f in dataclasses.fields(record)}  # type: ignore[arg-type]
    values |= {names[key]: value for key, value in changes.items()}
    return msgspec.convert(values, type(record))


def token(held: Token) -> dict[str, Any]:
    return {
        "token": held.value[:6] + "…",
        "appId": held.app_id,
        "wabaIds": [w.id for w in held.wabas],
        "scenario": held.scenario.name,
        "issued": rfc3339(held.issued),
        "expires": None if held.expires is None else rfc3339(held.expires),
        "deadSubcode": held.dead_subcode,
    }


def number(record: Number) -> dict[str, Any]:
    return {
        "id": record.id,
        "wabaId": record.waba.id,
        "displayPhoneNumber": record.display,
        "verifiedName": record.verified_name,
        "nameStatus": record.name_status,
        "status": record.status,
        "platformType": record.platform_type,
        "throughput": record.throughput,
        "isOnBizApp": record.on_biz_app,
        "qualityRating": record.quality_rating,
        "messagingLimit": record.messaging_limit,
        "pin": record.pin,
        "codeVerificationStatus": record.code_verification_status,
        "synced": sorted(record.synced),
        "registerTries": len(record.register_tries),
        "override": (record.override or {}).get("override_callback_uri"),
    }


def waba(record: Waba) -> dict[str, Any]:
    return {
        "id": record.id,
        "name": record.name,
        "businessId": record.business.id,
        "reviewStatus": record.review_status,
        "currency": record.currency,
        "timezoneId": record.timezone_id,
        "subscribedApps": {app: held.get("override_callback_uri") for app, held in record.subscriptions.items()},
        "phoneNumberIds": [n.id for n in record.numbers],
    }


def business(record: Business) -> dict[str, Any]:
    return {"id": record.id, "name": record.name, "person": record.person, "wabaIds": [w.id for w in record.wabas]}


def call(record: Call) -> dict[str, Any]:
    return {
        "at": rfc3339(record.at),
        "method": record.method,
        "path": record.path,
        "call": record.call,
        "status": record.status,
        "errorCode": record.code,
    }


def notification(note: Notification) -> dict[str, Any]:
    return {
        "field": note.field,
        "url": note.url,
        "at": rfc3339(note.made),
        "state": note.state,
        "results": list(note.results),
        "body": note.body.decode(),
    }


def message(record: Message) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": record.id,
        "phoneNumberId": record.number_id,
        "side": record.side,
        "person": record.person.key,
        "to": record.person.wa_id,
        "type": record.kind,
        "content": record.content[record.kind],
        "at": rfc3339(record.at),
        "status": record.status,
        "errorCode": record.error,
        "replyTo": record.reply_to,
        "reactions": record.reactions,
        "markedAsRead": record.seen,
    }
    return shown


def chat(record: Chat, window_open: bool) -> dict[str, Any]:
    return {
        "person": {"waId": record.person.wa_id, "userId": record.person.user_id, "name": record.person.name},
        "windowOpen": window_open,
        "messages": [message(one) for one in record.messages],
    }


def state(world: World) -> dict[str, Any]:
    """Everything but secrets. Messages carry what was sent; codes are counted only."""
    return {
        "businesses": [business(b) for b in world.businesses.values()],
        "wabas": [waba(w) for w in world.wabas.values()],
        "phoneNumbers": [number(n) for n in world.numbers.values()],
        "partnerNumbers": [{"id": n.id, "displayPhoneNumber": n.display} for n in world.partner_numbers.values()],
        "tokens": [token(t) for t in world.tokens.values()],
        "codes": {"issued": len(world.codes), "used": sum(code.used for code in world.codes.values())},
        "messages": [message(sent) for sent in world.conversations.sent()],
        "callCounts": dict(world.call_counts),
    }

"""What Meta tells of messages: those that end users write, and what became of those that went out (contract 4.5).

https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages/status
"""

from typing import Any

from setuplinks.sandbox.conversations import RANKS, Chat, Message, Person, user_id_of
from setuplinks.sandbox.telling import message_id
from setuplinks.sandbox.world import Number, World, digits_of

Value = dict[str, Any]

ERROR_PAGE = "https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes"
SHORTEST = 7  # digits of a phone number that can be anybody's
FAILURES = {
    130472: ("User's number is part of an experiment", "Failed to send message because this user's phone number is "
             "part of an experiment"),
    131026: ("Message undeliverable", "Message Undeliverable."),
    131047: ("Re-engagement message", "Message failed to send because more than 24 hours have passed since the "
             "customer last replied to this number."),
    131049: ("This message was not delivered to maintain healthy ecosystem engagement.", "In order to maintain a "
             "healthy ecosystem engagement, the message failed to be delivered."),
    131053: ("Media upload error", "The media could not be fetched from its link."),
}  # fmt: skip


def window_open(world: World, chat: Chat) -> bool:
    """Whether the end user has written within the last 24 hours; free-form messages arrive only then."""
    hours = world.settings.service_window_hours
    return hours <= 0 or (chat.heard is not None and world.clock.now() - chat.heard < hours * 3600)


def go_out(world: World, number: Number, message: Message) -> None:
    """A message that was accepted: `failed`, or `sent` and in its time `delivered` and `read`."""
    failure, settings = _failure(world, message), world.settings
    if failure is not None:
        tell_status(world, number, message, "failed", failure)
        return
    tell_status(world, number, message, "sent")
    world.agenda.after(settings.delivered_after_seconds, lambda: come_to(world, number, message, "delivered"))
    if settings.read_after_seconds is not None:
        world.agenda.after(settings.read_after_seconds, lambda: come_to(world, number, message, "read"))


def _failure(world: World, message: Message) -> int | None:
    """What Meta finds only after it has answered 200."""
    person = message.person
    if (planned := world.settings.failing_recipients.get(person.key)) is not None:
        return planned
    if person.wa_id is not None and len(person.wa_id) < SHORTEST:
        return 131026
    chat = world.conversations.chat(message.number_id, person)
    return None if message.kind == "template" or window_open(world, chat) else 131047


def come_to(world: World, number: Number, message: Message, status: str) -> None:
    """Tells a status where the message is not further than that already."""
    if message.side == "business" and RANKS.get(message.status, 9) < RANKS[status]:
        tell_status(world, number, message, status)


def read_all(world: World, number: Number, chat: Chat) -> int:
    """The end user opens the chat: all that has arrived there is read. How many were."""
    unread = [m for m in chat.messages if m.side == "business" and m.status in ("sent", "delivered")]
    for message in unread:
        come_to(world, number, message, "read")
    return len(unread)


def tell_status(world: World, number: Number, message: Message, status: str, code: int | None = None) -> None:
    """One status. `code` is a failure's."""
    message.status, message.error, person = status, code, message.person
    told: Value = {"id": message.id, "status": status, "timestamp": _stamp(world)}
    told |= _known(recipient_id=person.wa_id, recipient_user_id=person.user_id)
    if message.opaque is not None:
        told["biz_opaque_callback_data"] = message.opaque
    value: Value = {"statuses": [told]}
    if code is not None:
        told["errors"] = [failure(code)]
    else:
        told["pricing"] = _pricing(message)
        if world.settings.conversation_in_statuses:
            told["conversation"] = _conversation(world, message)
        value["contacts"] = [_contact(person, named=status != "sent")]
    world.tell_of_number(number, "messages", value)


def failure(code: int) -> Value:
    """An error as statuses carry it."""
    title, details = FAILURES.get(code, ("Something went wrong", "Message failed to send."))
    return {"code": code, "title": title, "message": title, "error_data": {"details": details}, "href": ERROR_PAGE}


def _pricing(message: Message) -> Value:
    kind = "free_customer_service" if message.free else "regular"
    return {"billable": not message.free, "pricing_model": "PMP", "type": kind, "category": message.category}


def _conversation(world: World, message: Message) -> Value:
    """As Meta told it of every message before v24.0."""
    told: Value = {"id": message.id[-16:].encode().hex(), "origin": {"type": message.category}}
    if message.status == "sent":
        told["expiration_timestamp"] = str(int(world.clock.now()) + 86_400)
    return told


def tell_inbound(world: World, number: Number, wa_id: str | None, user_id: str | None, name: str, text: str) -> str:
    """An end user writes a text. Without `wa_id` it is one whom Meta names by a user id only. The wamid."""
    return write(world, number, Person(wa_id, user_id, name), "text", {"body": text}).id


def write(
    world: World, number: Number, person: Person, kind: str, content: Any, reply_to: str | None = None
) -> Message:
    """An end user writes: the 24 hours begin anew, and what had arrived is read. `content` is as Meta tells it."""
    if person.wa_id and not person.user_id:
        person.user_id = user_id_of(number.waba.business.id, person.wa_id)
    chat = world.conversations.chat(number.id, person)
    chat.person.name, chat.person.user_id = person.name, person.user_id or chat.person.user_id
    chat.heard = world.clock.now()
    read_all(world, number, chat)
    message = Message(
        message_id(), number.id, chat.person, "user", kind, {kind: content}, chat.heard, status="received",
        reply_to=reply_to,
    )  # fmt: skip
    answered = world.conversations.message(content["message_id"] if kind == "reaction" else reply_to or "")
    if kind == "reaction":
        react(answered, "user", content["emoji"])
    else:
        world.conversations.add(message)
    told: Value = _known(**{"from": person.wa_id, "from_user_id": person.user_id})
    told |= {"id": message.id, "timestamp": _stamp(world), "type": kind, kind: content}
    if reply_to:
        writer = person.wa_id if answered is not None and answered.side == "user" else digits_of(number.display)
        told["context"] = _known(**{"from": writer, "id": reply_to})
    world.tell_of_number(number, "messages", {"contacts": [_contact(person, named=True)], "messages": [told]})
    return message


def react(message: Message | None, side: str, emoji: str) -> None:
    """Puts an emoji to a message, or with an empty one takes it away."""
    if message is not None:
        message.reactions.pop(side, None)
        if emoji:
            message.reactions[side] = emoji


def _contact(person: Person, *, named: bool) -> Value:
    profile: Value = {"profile": {"name": person.name}} if named else {}
    return profile | _known(wa_id=person.wa_id, user_id=person.user_id)


def _known(**values: str | None) -> Value:
    return {name: value for name, value in values.items() if value}


def _stamp(world: World) -> str:
    return str(int(world.clock.now()))

"""`POST /{number}/messages`: every kind that can be sent, the read mark and the typing indicator (contract 3.8).

What Meta refuses at once is refused here; what it accepts and fails later is answered 200 and told by a status.
"""

from typing import Any

from setuplinks.sandbox.conversations import Message, Person, user_id_of
from setuplinks.sandbox.graph_call import Answer, GraphCall
from setuplinks.sandbox.graph_errors import GraphError, bad_parameter, error_of
from setuplinks.sandbox.message_content import KINDS, check_content, wrong
from setuplinks.sandbox.message_templates import checked_template, filled
from setuplinks.sandbox.telling import message_id
from setuplinks.sandbox.telling_messages import go_out, react, window_open
from setuplinks.sandbox.world import Number, Token, digits_of

OPAQUE_LIMIT = 512
TYPING_SECONDS = 25.0


async def messages(call: GraphCall, _token: Token, number: Number) -> Answer:
    """Sends, or with `status: read` marks an end user's message as read."""
    if call.text("messaging_product") != "whatsapp":
        raise bad_parameter("The parameter messaging_product is required.")
    if "status" in call.params:
        return _mark_read(call, number)
    _may_send(number)
    if call.text("recipient_type").lower() not in ("", "individual"):
        raise bad_parameter("Param recipient_type must be one of {INDIVIDUAL}")
    person, contact = _recipient(call, number)
    kind = call.text("type").lower() or "text"
    if kind not in KINDS:
        raise bad_parameter(f'Param type must be one of {{{", ".join(KINDS).upper()}}} - got "{kind}".')
    message = _made(call, number, person, kind)
    call.world.meter.message(call.world.settings, number.id, person.key, coexistence=number.on_biz_app)
    if kind == "reaction":
        react(call.world.conversations.message(message.content[kind]["message_id"]), "business",
              message.content[kind]["emoji"])  # fmt: skip
        call.world.conversations.chat(number.id, person)
    else:
        call.world.conversations.add(message)
    go_out(call.world, number, message)
    sent: Answer = {"id": message.id} | ({"message_status": "accepted"} if kind == "template" else {})
    return {"messaging_product": "whatsapp", "contacts": [contact], "messages": [sent]}


def _may_send(number: Number) -> None:
    if number.platform_type == "NOT_APPLICABLE":
        raise error_of(133010)
    if number.status == "RESTRICTED":
        raise error_of(131031)
    if number.name_status == "PENDING_REVIEW":
        raise error_of(131037)


def _recipient(call: GraphCall, number: Number) -> tuple[Person, Answer]:
    """Whom it goes to, and how the answer names them: `to` is a phone number, `recipient` a user id; `to` wins."""
    to, user_id = call.text("to"), call.text("recipient")
    if not to and user_id:
        if "." not in user_id:
            raise wrong("recipient is not a business-scoped user id")
        return _known(call, number, Person(None, user_id)), {"input": user_id, "user_id": user_id}
    wa_id = digits_of(call.required("to"))
    if not wa_id:
        raise wrong("to is not a phone number")
    if wa_id == digits_of(number.display):
        raise error_of(131021)
    allowed = {digits_of(one) for one in call.world.settings.allowed_recipients}
    if allowed and wa_id not in allowed:
        raise error_of(131030)
    return _known(call, number, Person(wa_id)), {"input": to, "wa_id": wa_id}


def _known(call: GraphCall, number: Number, person: Person) -> Person:
    chats = call.world.conversations
    user_id = person.user_id
    held = chats.find(number.id, person.key) or (chats.find_user(number.id, user_id) if user_id else None)
    if held is not None:
        return held.person
    if person.wa_id:
        person.user_id = user_id_of(number.waba.business.id, person.wa_id)
    return person


def _made(call: GraphCall, number: Number, person: Person, kind: str) -> Message:
    """The message, once its content is found to be good."""
    world, content, opaque = call.world, call.params.get(kind), call.params.get("biz_opaque_callback_data")
    category, free = "service", True
    if kind == "template":
        template = checked_template(number, content)
        content = {**(content if isinstance(content, dict) else {}), "shown": filled(template, content or {})}
        category = str(template["category"]).lower()
        free = category == "utility" and window_open(world, world.conversations.chat(number.id, person))
    else:
        check_content(world, number, kind, content)
    if opaque is not None and (not isinstance(opaque, str) or len(opaque) > OPAQUE_LIMIT):
        raise bad_parameter(f"Param biz_opaque_callback_data must be at most {OPAQUE_LIMIT} characters long.")
    return Message(
        message_id(), number.id, person, "business", kind, {kind: content}, world.clock.now(),
        reply_to=_answered(call.params.get("context")), category=category, free=free, opaque=opaque,
    )  # fmt: skip


def _answered(context: Any) -> str | None:
    """The message that this one answers."""
    if context is None:
        return None
    wamid = context.get("message_id") if isinstance(context, dict) else None
    if not isinstance(wamid, str) or not wamid:
        raise bad_parameter("The parameter context['message_id'] is required.")
    return wamid


def _mark_read(call: GraphCall, number: Number) -> Answer:
    if call.text("status") != "read":
        raise bad_parameter("Param status must be one of {READ}")
    wamid = call.text("message_id")
    if not wamid.startswith("wamid."):
        raise GraphError(131009, "(#131009) Parameter value is not valid", details="Param message_id is not valid")
    message = call.world.conversations.message(wamid)
    if message is None or message.number_id != number.id:
        return {"success": True}
    message.seen = True
    if isinstance(typing := call.params.get("typing_indicator"), dict):
        if typing.get("type") != "text":
            raise bad_parameter("Param typing_indicator['type'] must be one of {TEXT}")
        chat = call.world.conversations.chat(number.id, message.person)
        chat.typing_until = call.world.clock.now() + TYPING_SECONDS
    return {"success": True}

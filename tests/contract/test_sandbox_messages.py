"""What the sandbox tells of messages, and its answers around a number, against schemas written from Meta's documents.

Closed on purpose, as in `test_sandbox_answers`.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.contract.meta_schemas import ID, NATURAL, SENT, SUCCESS, TEXT, Schema, check, closed, listed
from tests.integration.sandbox.calls import Meta, running_meta
from tests.integration.sandbox.hearing import Heard
from tests.integration.sandbox.phones import phones

TEXTS: Schema = {"type": "array", "items": TEXT}
PROFILE = closed(
    ["data"],
    data={"type": "array", "minItems": 1, "maxItems": 1, "items": closed(
        ["messaging_product"],
        messaging_product={"const": "whatsapp"}, about=TEXT, address=TEXT, description=TEXT, email=TEXT,
        profile_picture_url=TEXT, websites=TEXTS, vertical=TEXT,
    )},
)  # fmt: skip
BLOCKED_USER = closed(["input", "wa_id"], input=TEXT, wa_id=ID)
BLOCKED = closed(
    ["messaging_product", "block_users"], messaging_product={"const": "whatsapp"},
    block_users=closed([], added_users={"type": "array", "items": BLOCKED_USER},
                       removed_users={"type": "array", "items": BLOCKED_USER}),
)  # fmt: skip
BLOCKED_ROW = closed(["messaging_product", "wa_id"], messaging_product={"const": "whatsapp"}, wa_id=ID)
QR_CODE = closed(
    ["code", "prefilled_message", "deep_link_url"],
    code={"type": "string", "pattern": "^[A-Z2-7]{14}$"}, prefilled_message=TEXT, qr_image_url=TEXT,
    deep_link_url={"type": "string", "pattern": "^https://wa.me/message/"},
)  # fmt: skip
MADE_FLOW = closed(["id", "success"], id=ID, success={"const": True}, validation_errors={"type": "array"})
FLOW = closed(
    ["id", "name", "status", "categories"], id=ID, name=TEXT, categories=TEXTS, validation_errors={"type": "array"},
    status={"enum": ["DRAFT", "PUBLISHED", "DEPRECATED", "BLOCKED", "THROTTLED"]},
)  # fmt: skip
# What is told of messages: contract 4.5, and Meta's pages of the messages webhook.
CONTACT = closed([], profile=closed(["name"], name=TEXT, username=TEXT), wa_id=ID, user_id=TEXT)
METADATA = closed(["display_phone_number", "phone_number_id"], display_phone_number=ID, phone_number_id=ID)
STAMP: Schema = {"type": "string", "pattern": "^[0-9]{10}$"}
PRICING = closed(
    ["billable", "pricing_model", "category"],
    billable={"type": "boolean"}, pricing_model={"enum": ["PMP", "CBP"]},
    type={"enum": ["regular", "free_customer_service", "free_entry_point"]},
    category={"enum": ["authentication", "marketing", "referral_conversion", "service", "utility"]},
)  # fmt: skip
FAILURE = closed(
    ["code", "title", "message", "error_data", "href"],
    code=NATURAL, title=TEXT, message=TEXT, error_data=closed(["details"], details=TEXT), href=TEXT,
)  # fmt: skip
STATUS = closed(
    ["id", "status", "timestamp"],
    id={"type": "string", "pattern": r"^wamid\."}, status={"enum": ["sent", "delivered", "read", "failed", "played"]},
    timestamp=STAMP, recipient_id=ID, recipient_user_id=TEXT, pricing=PRICING, biz_opaque_callback_data=TEXT,
    errors={"type": "array", "minItems": 1, "items": FAILURE},
    conversation=closed(["id", "origin"], id=TEXT, origin=closed(["type"], type=TEXT), expiration_timestamp=STAMP),
)  # fmt: skip
MESSAGE = closed(
    ["id", "timestamp", "type"],
    **{"from": ID}, from_user_id=TEXT, id={"type": "string", "pattern": r"^wamid\."}, timestamp=STAMP, type=TEXT,
    context=closed(["id"], **{"from": ID}, id=TEXT), text=closed(["body"], body=TEXT),
    image=closed(["id", "mime_type", "sha256"], id=ID, mime_type=TEXT, sha256=TEXT, caption=TEXT),
    document=closed(["id", "mime_type", "sha256", "filename"], id=ID, mime_type=TEXT, sha256=TEXT, filename=TEXT,
                    caption=TEXT),
    audio=closed(["id", "mime_type", "sha256", "voice"], id=ID, mime_type=TEXT, sha256=TEXT,
                 voice={"type": "boolean"}),
    location=closed(["latitude", "longitude"], latitude={"type": "number"}, longitude={"type": "number"}, name=TEXT,
                    address=TEXT),
    reaction=closed(["message_id"], message_id=TEXT, emoji={"type": "string"}),
    interactive={"type": "object", "required": ["type"]}, button=closed(["payload", "text"], payload=TEXT, text=TEXT),
)  # fmt: skip
TOLD = closed(
    ["messaging_product", "metadata"], messaging_product={"const": "whatsapp"}, metadata=METADATA,
    contacts={"type": "array", "items": CONTACT}, statuses={"type": "array", "items": STATUS},
    messages={"type": "array", "items": MESSAGE},
)  # fmt: skip


@pytest.fixture
async def meta() -> AsyncIterator[Meta]:
    async with running_meta() as running:
        yield running


async def test_what_belongs_to_a_number_answers_as_documented(meta: Meta) -> None:
    customer = await meta.connect()

    async def ask(method: str, edge: str, **body: Any) -> Any:
        options = {} if method == "GET" else {"json": {"messaging_product": "whatsapp"} | body}
        return (await meta.graph(method, f"{customer.number}/{edge}", customer.token, **options)).json

    check(
        SUCCESS,
        await ask("POST", "whatsapp_business_profile", about="Bread", vertical="RETAIL", websites=["https://a"]),
    )
    check(PROFILE, await ask("GET", "whatsapp_business_profile?fields=about,vertical,websites,email"))
    check(BLOCKED, await ask("POST", "block_users", block_users=[{"user": "5493515550100"}]))
    check(listed(BLOCKED_ROW), await ask("GET", "block_users"))
    check(BLOCKED, await ask("DELETE", "block_users", block_users=[{"user": "5493515550100"}]))
    check(QR_CODE, await ask("POST", "message_qrdls", prefilled_message="Hola", generate_qr_image="PNG"))
    check(listed(QR_CODE), await ask("GET", "message_qrdls"))
    path = f"{customer.waba}/flows"
    body = {"name": "Booking", "categories": ["OTHER"]}
    made = (await meta.graph("POST", path, customer.token, json=body)).json
    check(MADE_FLOW, made)
    check(listed(FLOW), (await meta.graph("GET", path, customer.token)).json)
    check(FLOW, (await meta.graph("GET", made["id"], customer.token)).json)


async def told(heard: Heard, count: int) -> None:
    """The next changes of field `messages`, each held against what Meta tells."""
    for _ in range(count):
        check(TOLD, await heard.next_value("messages"))


@pytest.mark.parametrize("conversation", [False, True])
async def test_messages_and_statuses_are_told_as_documented(conversation: bool) -> None:
    async with phones() as scene:
        await scene.settings(conversationInStatuses=conversation)
        assert (await scene.send(biz_opaque_callback_data="order-7")).status == 200
        await told(scene.heard, 1)
        written: list[dict[str, Any]] = [
            {"text": "Hola", "userId": "AR.13491208655302741918"}, {"type": "image", "caption": "Look"},
            {"type": "document"}, {"type": "audio"},
            {"type": "location", "latitude": 1, "longitude": 2, "place": "Here"},
            {"type": "button", "text": "Yes"}, {"type": "list_reply", "id": "1", "title": "One"},
            {"type": "reaction", "messageId": "wamid.x", "emoji": "👍"}, {"text": "So?", "replyTo": "wamid.x"},
        ]  # fmt: skip
        for what in written:
            await scene.write(**what)
        await told(scene.heard, len(written))
        sent = await scene.send("template", {"name": "hello_world", "language": {"code": "en_US"}})
        check(SENT, sent.json)
        await told(scene.heard, 2)
        await scene.write(text="Thanks")
        await told(scene.heard, 2)

"""Sending: what Meta takes, what it refuses at once, what it takes and fails later, and the statuses that follow."""

from typing import Any

import pytest

from tests.integration.sandbox.calls import Meta
from tests.integration.sandbox.phones import ANA, Phones, phones, ready

HELLO = {"name": "hello_world", "language": {"code": "en_US"}}
BUTTON = {"type": "reply", "reply": {"id": "yes", "title": "Yes"}}


def interactive(kind: str, action: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": kind, "body": {"text": "Which?"}, "action": action} | more


ROWS = {"button": "Choose", "sections": [{"rows": [{"id": "1", "title": "One"}]}]}
TAKEN: list[tuple[str, Any]] = [
    ("text", {"body": "Hola", "preview_url": True}),
    ("template", HELLO),
    ("image", {"link": "https://example.com/a.png", "caption": "Look"}),
    ("document", {"link": "https://example.com/a.pdf", "filename": "a.pdf"}),
    ("audio", {"link": "https://example.com/a.ogg"}),
    ("sticker", {"link": "https://example.com/a.webp"}),
    ("video", {"link": "https://example.com/a.mp4"}),
    ("location", {"latitude": "-31.4", "longitude": -64.18, "name": "Office"}),
    ("contacts", [{"name": {"formatted_name": "Ana Torres", "first_name": "Ana"}}]),
    ("interactive", interactive("button", {"buttons": [BUTTON]})),
    ("interactive", interactive("list", ROWS)),
    ("interactive", interactive("cta_url", {"name": "cta_url", "parameters": {"display_text": "Go", "url": "https://a"}})),
    ("interactive", interactive("flow", {"name": "flow", "parameters": {"flow_id": "1", "flow_cta": "Open"}})),
    ("interactive", interactive("location_request_message", {"name": "send_location"})),
]  # fmt: skip

REFUSED: list[tuple[str, Any, int]] = [
    ("text", {"body": ""}, 100),
    ("text", {"body": "x" * 4097}, 100),
    ("image", {"caption": "no file"}, 100),
    ("image", {"id": "404404404"}, 100),
    ("image", {"link": "ftp://a"}, 100),
    ("audio", {"link": "https://a/b.ogg", "caption": "no"}, 100),
    ("location", {"latitude": "1"}, 131008),
    ("location", {"latitude": "100", "longitude": "1"}, 131009),
    ("reaction", {"message_id": "wamid.1", "emoji": "ok"}, 131009),
    ("reaction", {"emoji": "👍"}, 100),
    ("contacts", [{"name": {"formatted_name": "Ana"}}], 131008),
    ("interactive", interactive("button", {"buttons": [BUTTON] * 4}), 131009),
    ("interactive", interactive("button", {"buttons": [BUTTON] * 2}), 131009),
    ("interactive", interactive("button", {"buttons": [{"reply": {"id": "1", "title": "x" * 21}}]}), 131009),
    ("interactive", interactive("list", ROWS | {"button": ""}), 131008),
    ("interactive", interactive("list", {"button": "Choose", "sections": []}), 131009),
    ("interactive", {"type": "button", "action": {"buttons": [BUTTON]}}, 131008),
    ("interactive", interactive("hologram", {}), 100),
    ("template", {"name": "unknown", "language": {"code": "en_US"}}, 132001),
    ("template", HELLO | {"components": [{"type": "body", "parameters": [{"type": "text", "text": "x"}]}]}, 132000),
    ("template", HELLO | {"components": [{"type": "body", "parameters": [{"text": "x"}]}]}, 131008),
    ("template", {"name": "hello_world"}, 100),
    ("smoke_signal", {"puffs": 3}, 100),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "content"), TAKEN)
async def test_every_kind_of_message_goes_out(meta: Meta, kind: str, content: Any) -> None:
    customer = await ready(meta)
    body = {"messaging_product": "whatsapp", "recipient_type": "individual", "to": ANA, "type": kind, kind: content}
    answer = await meta.graph("POST", f"{customer.number}/messages", customer.token, json=body)
    assert answer.status == 200, answer.text
    assert answer.json["contacts"] == [{"input": ANA, "wa_id": ANA}]
    assert answer.json["messages"][0]["id"].startswith("wamid.")


@pytest.mark.parametrize(("kind", "content", "code"), REFUSED)
async def test_what_cannot_be_sent_is_refused_with_metas_code(meta: Meta, kind: str, content: Any, code: int) -> None:
    customer = await ready(meta)
    body = {"messaging_product": "whatsapp", "to": ANA, "type": kind, kind: content}
    answer = await meta.graph("POST", f"{customer.number}/messages", customer.token, json=body)
    assert answer.codes[0] == code, answer.text


@pytest.mark.parametrize(("changes", "code"), [
    ({"messaging_product": "carrier pigeon"}, 100),
    ({"to": ""}, 100),
    ({"to": "nobody"}, 131009),
    ({"recipient_type": "crowd"}, 100),
    ({"context": {}}, 100),
    ({"biz_opaque_callback_data": "x" * 513}, 100),
    ({"status": "read", "message_id": "nonsense"}, 131009),
    ({"status": "delivered"}, 100),
])  # fmt: skip
async def test_the_frame_of_a_message_is_checked(meta: Meta, changes: dict[str, Any], code: int) -> None:
    customer = await ready(meta)
    body = {"messaging_product": "whatsapp", "to": ANA, "type": "text", "text": {"body": "Hola"}} | changes
    answer = await meta.graph("POST", f"{customer.number}/messages", customer.token, json=body)
    assert answer.codes[0] == code


async def test_a_form_carries_a_message_and_its_token_too(meta: Meta) -> None:
    customer = await ready(meta)
    form = {"messaging_product": "whatsapp", "to": ANA, "text": '{"body":"Hola"}', "access_token": customer.token}
    answer = await meta.graph("POST", f"{customer.number}/messages", None, data=form)
    assert answer.json["contacts"] == [{"input": ANA, "wa_id": ANA}]


async def test_a_number_cannot_write_to_itself_and_not_to_those_who_are_not_allowed() -> None:
    async with phones() as scene:
        own = scene.meta.world.numbers[scene.customer.number].display
        assert (await scene.send(to=own)).codes[0] == 131021
        await scene.settings(allowedRecipients=["+54 9 351 555-0999"])
        assert (await scene.send()).codes[0] == 131030
        assert (await scene.send(to="5493515550999")).status == 200


async def test_within_24_hours_a_message_is_sent_delivered_and_read_when_the_end_user_answers() -> None:
    async with phones() as scene:
        await scene.write(text="¿Están abiertos?")
        sent = await scene.send(biz_opaque_callback_data="order-7", context={"message_id": "wamid.x"})
        told = await scene.statuses(2)
        await scene.write(text="Gracias")
        told += await scene.statuses(1)
    assert sorted(one["status"] for one in told) == ["delivered", "read", "sent"]
    assert {one["id"] for one in told} == {sent.json["messages"][0]["id"]}
    assert {(one["recipient_id"], one["biz_opaque_callback_data"]) for one in told} == {(ANA, "order-7")}
    free = {"billable": False, "pricing_model": "PMP", "type": "free_customer_service", "category": "service"}
    assert [one["pricing"] for one in told] == [free] * 3


async def test_outside_of_24_hours_a_message_is_accepted_and_fails_by_a_status() -> None:
    async with phones() as scene:
        assert (await scene.send()).status == 200
        [first] = await scene.statuses(1)
        await scene.write(text="Hola")
        await scene.meta.advance(24 * 3600 - 1)
        await scene.send()
        inside = await scene.statuses(2)
        await scene.meta.advance(1)
        await scene.send()
        [outside] = await scene.statuses(1)
    assert first["status"] == outside["status"] == "failed"
    assert outside["errors"][0]["code"] == 131047
    assert "24 hours" in outside["errors"][0]["error_data"]["details"]
    assert "pricing" not in outside
    assert {one["status"] for one in inside} == {"sent", "delivered"}


async def test_a_template_goes_out_at_any_time_and_opens_nothing() -> None:
    async with phones() as scene:
        answer = await scene.send("template", HELLO)
        told = await scene.statuses(2)
        await scene.send()
        [failed] = await scene.statuses(1)
    assert answer.json["messages"][0]["message_status"] == "accepted"
    assert {one["pricing"]["category"] for one in told} == {"utility"}
    assert {one["pricing"]["type"] for one in told} == {"regular"}
    assert failed["errors"][0]["code"] == 131047


async def test_a_recipient_that_is_set_to_fail_fails_by_a_status() -> None:
    async with phones() as scene:
        await scene.settings(failingRecipients={ANA: 131026})
        assert (await scene.send("template", HELLO)).status == 200
        [told] = await scene.statuses(1)
    assert (told["status"], told["errors"][0]["code"]) == ("failed", 131026)


async def test_delivery_and_reading_take_their_time_by_the_sandboxs_clock() -> None:
    async with phones() as scene:
        await scene.settings(deliveredAfterSeconds=60, readAfterSeconds=3600)
        await scene.send("template", HELLO)
        assert [one["status"] for one in await scene.statuses(1)] == ["sent"]
        await scene.meta.advance(60)
        [delivered] = await scene.statuses(1)
        await scene.meta.advance(3540)
        [read] = await scene.statuses(1)
    assert (delivered["status"], read["status"]) == ("delivered", "read")
    assert int(read["timestamp"]) - int(delivered["timestamp"]) == 3540


async def test_a_status_can_be_made_by_hand() -> None:
    async with phones() as scene:
        await scene.settings(deliveredAfterSeconds=1e6)
        wamid = (await scene.send("template", HELLO)).json["messages"][0]["id"]
        await scene.statuses(1)
        path = f"{scene.path}/statuses"
        await scene.meta.ask("POST", path, json={"messageId": wamid, "status": "failed", "code": 131049})
        [told] = await scene.statuses(1)
        unknown = await scene.meta.ask("POST", path, json={"messageId": "wamid.no", "status": "read"})
        wrong = await scene.meta.ask("POST", path, json={"messageId": wamid, "status": "eaten"})
    assert told["errors"][0]["code"] == 131049
    assert (unknown.status, wrong.status) == (404, 422)


async def test_the_read_mark_and_the_typing_indicator_are_seen_by_the_end_user() -> None:
    async with phones() as scene:
        wamid = await scene.write(text="Hola")
        body = {"messaging_product": "whatsapp", "status": "read", "message_id": wamid}
        answer = await scene.graph("POST", "messages", json=body | {"typing_indicator": {"type": "text"}})
        chat = (await scene.meta.ask("GET", f"{scene.path}/chats/{ANA}")).json
    assert answer.json == {"success": True}
    assert chat["messages"][0]["markedAsRead"] is True


async def one_of_each(scene: Phones, count: int, to: str) -> list[int]:
    """Sends so many templates; their statuses over HTTP."""
    return [(await scene.send("template", HELLO, to=to.format(n))).status for n in range(count)]


async def test_a_number_sends_no_more_in_a_second_than_its_throughput() -> None:
    async with phones() as scene:
        await scene.settings(limits=True, messagesPerSecond=3)
        assert await one_of_each(scene, 4, "549351555010{}") == [200, 200, 200, 429]
        assert (await scene.send("template", HELLO, to="5493515550200")).codes[0] == 130429
        await scene.meta.advance(1)
        assert (await scene.send("template", HELLO, to="5493515550200")).status == 200


async def test_one_person_gets_a_burst_and_then_one_message_in_six_seconds() -> None:
    async with phones() as scene:
        await scene.settings(limits=True, pairBurst=2)
        assert await one_of_each(scene, 3, ANA) == [200, 200, 400]
        assert (await scene.send("template", HELLO)).codes[0] == 131056
        assert (await scene.send("template", HELLO, to="5493515550999")).status == 200
        await scene.meta.advance(6)
        assert await one_of_each(scene, 2, ANA) == [200, 400]


async def test_an_account_that_is_called_too_often_answers_80007_and_still_sends() -> None:
    async with phones() as scene:
        await scene.settings(limits=True, callsPerHour=1)
        answers = [await scene.graph("GET") for _ in range(2)]
        assert (answers[0].status, answers[1].codes[0]) == (200, 80007)
        assert (await scene.send("template", HELLO)).status == 200
        await scene.meta.advance(3600)
        assert (await scene.graph("GET")).status == 200


async def test_a_token_may_die_at_its_first_message(meta: Meta) -> None:
    customer = await ready(meta, "token_dies_at_message")
    body = {"messaging_product": "whatsapp", "to": ANA, "text": {"body": "Hola"}}
    assert (await meta.graph("GET", customer.waba, customer.token)).status == 200
    sent = await meta.graph("POST", f"{customer.number}/messages", customer.token, json=body)
    assert (sent.status, sent.codes) == (401, (190, 460))
    assert (await meta.graph("GET", customer.waba, customer.token)).codes == (190, 460)

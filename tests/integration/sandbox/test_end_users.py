"""End users: what they can write, how it is told, and what each side sees of the conversation."""

from typing import Any

import pytest

from tests.integration.sandbox.phones import ANA, phones

HELLO = {"name": "hello_world", "language": {"code": "en_US"}}
PLACE = {"type": "location", "latitude": -31.4, "longitude": -64.2, "place": "Office"}

WRITTEN: list[tuple[dict[str, Any], str, Any]] = [
    ({"text": "Hola"}, "text", {"body": "Hola"}),
    (PLACE, "location", {"latitude": -31.4, "longitude": -64.2, "name": "Office"}),
    ({"type": "button", "text": "Yes", "payload": "y"}, "button", {"payload": "y", "text": "Yes"}),
    ({"type": "button_reply", "id": "1", "title": "One"}, "interactive",
     {"type": "button_reply", "button_reply": {"id": "1", "title": "One"}}),
    ({"type": "list_reply", "id": "1", "title": "One", "description": "First"}, "interactive",
     {"type": "list_reply", "list_reply": {"id": "1", "title": "One", "description": "First"}}),
    ({"type": "reaction", "messageId": "wamid.1", "emoji": "👍"}, "reaction", {"message_id": "wamid.1", "emoji": "👍"}),
    ({"type": "contacts", "contacts": [{"name": {"formatted_name": "Luis"}}]}, "contacts",
     [{"name": {"formatted_name": "Luis"}}]),
]  # fmt: skip


@pytest.mark.parametrize(("what", "kind", "content"), WRITTEN)
async def test_every_kind_of_message_comes_in_as_meta_tells_it(what: dict[str, Any], kind: str, content: Any) -> None:
    async with phones() as scene:
        wamid = await scene.write(name="Ana Torres", **what)
        message = await scene.inbound()
    assert (message["id"], message["from"], message["type"]) == (wamid, ANA, kind)
    assert message[kind] == content


@pytest.mark.parametrize("kind", ["image", "video", "audio", "document", "sticker"])
async def test_a_file_that_is_not_given_is_a_small_sample(kind: str) -> None:
    async with phones() as scene:
        await scene.write(type=kind)
        message = await scene.inbound()
        known = await scene.meta.graph("GET", message[kind]["id"], scene.customer.token)
    assert known.json["mime_type"] == message[kind]["mime_type"]


REFUSED: list[tuple[dict[str, Any], int]] = [
    ({"type": "smoke"}, 422),
    ({"type": "location", "latitude": "north", "longitude": 1}, 422),
    ({"type": "location", "latitude": 91, "longitude": 1}, 422),
    ({"type": "reaction", "emoji": "👍"}, 422),
    ({"type": "button_reply", "id": "1"}, 422),
    ({"type": "image", "data": "%%%"}, 422),
    ({"type": "image", "data": "eA==", "mimeType": "text/plain"}, 422),
    ({"type": "contacts", "contacts": []}, 422),
    ({"text": 7}, 422),
    ({"text": ""}, 422),
]


@pytest.mark.parametrize(("what", "status"), REFUSED)
async def test_what_nobody_could_write_is_refused(what: dict[str, Any], status: int) -> None:
    async with phones() as scene:
        answer = await scene.meta.ask("POST", f"{scene.path}/inbound", json={"from": ANA} | what)
    assert (answer.status, bool(answer.json["error"])) == (status, True)


async def test_an_answer_names_the_message_that_it_answers() -> None:
    async with phones() as scene:
        sent = (await scene.send("template", HELLO)).json["messages"][0]["id"]
        await scene.write(text="Yes", replyTo=sent)
        message = await scene.inbound()
    own = "".join(filter(str.isdecimal, scene.meta.world.numbers[scene.customer.number].display))
    assert message["context"] == {"from": own, "id": sent}


async def test_somebody_without_a_number_is_written_to_by_the_user_id() -> None:
    user_id = "US.13491208655302741918"
    async with phones() as scene:
        body = {"userId": user_id, "text": "Hello", "name": "Sam", "from": None}
        await scene.meta.ask("POST", f"{scene.path}/inbound", json=body)
        came = await scene.inbound()
        answer = await scene.send(to=None, recipient=user_id)
        told = await scene.statuses(2)
        wrong = await scene.send(to=None, recipient="Sam")
    assert ("from" in came, came["from_user_id"]) == (False, user_id)
    assert answer.json["contacts"] == [{"input": user_id, "user_id": user_id}]
    assert {one["recipient_user_id"] for one in told} == {user_id}
    assert "recipient_id" not in told[0]
    assert wrong.codes[0] == 131009


async def test_both_sides_stand_in_the_conversation_with_ticks_and_reactions() -> None:
    async with phones() as scene:
        asked = await scene.write(text="¿Están abiertos?", name="Ana Torres")
        sent = (await scene.send()).json["messages"][0]["id"]
        await scene.write(type="reaction", messageId=sent, emoji="👍")
        await scene.send("reaction", {"message_id": asked, "emoji": "❤️"})
        [chat] = (await scene.meta.ask("GET", f"{scene.path}/chats")).json["data"]
    first, second = chat["messages"]
    assert (chat["person"]["waId"], chat["person"]["name"]) == (ANA, "Ana Torres")
    assert chat["person"]["userId"].startswith("US.")  # by which Meta knows her, with or without a number
    assert chat["windowOpen"] is True
    assert (first["side"], first["reactions"]) == ("user", {"business": "❤️"})
    assert (second["side"], second["status"], second["reactions"]) == ("business", "read", {"user": "👍"})


async def test_a_chat_is_opened_and_what_has_arrived_is_read() -> None:
    async with phones() as scene:
        await scene.send("template", HELLO)
        await scene.statuses(2)
        path = f"{scene.path}/chats/{ANA}"
        assert (await scene.meta.ask("POST", f"{path}/read")).json == {"read": 1}
        [told] = await scene.statuses(1)
        assert (await scene.meta.ask("POST", f"{path}/read")).json == {"read": 0}
        assert (await scene.meta.ask("GET", f"{scene.path}/chats/1")).status == 404
    assert told["status"] == "read"


async def test_a_blocked_end_user_cannot_write_until_the_business_takes_it_back() -> None:
    async with phones() as scene:
        body = {"messaging_product": "whatsapp", "block_users": [{"user": f"+{ANA}"}]}
        added = await scene.graph("POST", "block_users", json=body)
        listed = await scene.graph("GET", "block_users")
        refused = await scene.meta.ask("POST", f"{scene.path}/inbound", json={"from": ANA, "text": "Hola"})
        removed = await scene.graph("DELETE", "block_users", json=body)
        await scene.write(text="Hola")
        came = await scene.inbound()
    row = {"input": f"+{ANA}", "wa_id": ANA}
    assert added.json == {"messaging_product": "whatsapp", "block_users": {"added_users": [row]}}
    assert listed.json["data"] == [{"messaging_product": "whatsapp", "wa_id": ANA}]
    assert refused.status == 409
    assert removed.json["block_users"] == {"removed_users": [row]}
    assert came["from"] == ANA


async def test_the_chats_of_before_are_told_again_for_a_number_of_the_app() -> None:
    async with phones("coexistence") as scene:
        assert (await scene.meta.ask("POST", f"{scene.path}/history")).json == {"chunks": 6}
        value = await scene.heard.next_value("history")
        await scene.meta.ask("POST", f"{scene.path}/echo", json={"to": ANA, "text": "Hola"})
        [chat] = (await scene.meta.ask("GET", f"{scene.path}/chats")).json["data"]
    assert "threads" in value["history"][0]
    assert [(one["side"], one["content"]) for one in chat["messages"]] == [("app", {"body": "Hola"})]


async def test_only_a_number_of_the_app_has_chats_of_before() -> None:
    async with phones() as scene:
        assert (await scene.meta.ask("POST", f"{scene.path}/history")).status == 409

"""The chats page: whoever has a browser and no program is the end user, and the business's own app."""

from typing import Any

import aiohttp

from tests.integration.sandbox.calls import Meta
from tests.integration.sandbox.phones import ANA, Phones, phones

HELLO = {"name": "hello_world", "language": {"code": "en_US"}}
PAGE = "/sandbox/chats"


async def page(scene: Phones, person: str = ANA, **more: str) -> str:
    params = {"number": scene.customer.number, "person": person} | more
    return (await scene.meta.ask("GET", PAGE, params=params)).text


async def submit(scene: Phones, form: str, person: str = ANA, **fields: Any) -> str:
    """Sends a form and reads the page that it leads back to."""
    data = {"number": scene.customer.number, "person": person} | fields
    answer = await scene.meta.ask("POST", f"{PAGE}/{form}", data=data)
    assert answer.status == 200, answer.text
    return answer.text


async def test_without_a_number_the_page_says_what_to_do(meta: Meta) -> None:
    assert "Go through a signup first" in (await meta.ask("GET", PAGE)).text


async def test_somebody_new_writes_is_answered_and_presses_a_button() -> None:
    async with phones() as scene:
        await submit(scene, "open", person="", name="Ana Torres", **{"from": f"+{ANA}"})
        assert "Outside of the 24 hours" in await page(scene)
        shown = await submit(scene, "write", text="¿Están abiertos?")
        assert "Within the 24 hours" in shown
        assert (await scene.inbound())["text"] == {"body": "¿Están abiertos?"}
        button = {"type": "reply", "reply": {"id": "yes", "title": "Book it"}}
        content = {"type": "button", "body": {"text": "Shall we?"}, "action": {"buttons": [button]}}
        sent = (await scene.send("interactive", content)).json["messages"][0]["id"]
        assert "Book it" in await page(scene)
        press = {"type": "button_reply", "id": "yes", "title": "Book it", "text": "Book it", "replyTo": sent}
        await submit(scene, "write", **press)
        message = await scene.inbound()
    assert message["interactive"] == {"type": "button_reply", "button_reply": {"id": "yes", "title": "Book it"}}
    assert message["context"]["id"] == sent


async def test_what_goes_out_shows_how_far_it_has_come_and_why_it_failed() -> None:
    async with phones() as scene:
        await scene.send("template", HELLO)
        assert "✓✓</span> delivered" in await page(scene)
        assert "✓✓</span> read" in await submit(scene, "read")
        await scene.send()
        assert "131047: Message failed to send because more than 24 hours" in await page(scene)
        second = (await scene.send("template", HELLO)).json["messages"][0]["id"]
        shown = await submit(scene, "fail", message=second)
    assert "131026: Message Undeliverable." in shown


async def test_a_file_is_sent_told_and_shown_and_one_that_could_run_is_only_saved() -> None:
    async with phones() as scene:
        await scene.write(text="Hola")
        await scene.inbound()
        for name, mime_type, kind in (("a.png", "image/png", "image"), ("a.html", "text/html", "document")):
            form = aiohttp.FormData({"number": scene.customer.number, "person": ANA, "text": "Look"})
            form.add_field("file", b"<b>x</b>", filename=name, content_type=mime_type)
            await scene.meta.ask("POST", f"{PAGE}/write", data=form)
            message = await scene.inbound()
            assert (message["type"], message[kind]["caption"]) == (kind, "Look")
            got = await scene.meta.ask("GET", f"{PAGE}/files/{message[kind]['id']}")
            assert got.text == "<b>x</b>"
            assert got.headers["Content-Security-Policy"] == "sandbox"
            assert ("Content-Disposition" in got.headers) == (kind == "document")
        assert (await scene.meta.ask("GET", f"{PAGE}/files/1")).status == 404
        shown = await page(scene)
    assert 'alt="a.png"' in shown
    assert "Save a.html" in shown


async def test_an_answer_a_reaction_and_a_location_come_as_meta_tells_them() -> None:
    async with phones() as scene:
        sent = (await scene.send("template", HELLO)).json["messages"][0]["id"]
        assert "Answers:" in await page(scene, reply=sent)
        await submit(scene, "write", text="Thanks", replyTo=sent)
        assert (await scene.inbound())["context"]["id"] == sent
        assert 'aria-pressed="true"' in await submit(scene, "write", type="reaction", messageId=sent, emoji="👍")
        assert (await scene.inbound())["reaction"] == {"message_id": sent, "emoji": "👍"}
        await submit(scene, "write", type="location", latitude="-31.4", longitude="-64.2", place="Plaza")
        assert (await scene.inbound())["location"]["name"] == "Plaza"


async def test_the_businesss_own_app_writes_too_where_the_number_is_of_the_app() -> None:
    async with phones("coexistence") as scene:
        await submit(scene, "open", person="", **{"from": ANA})
        assert "Business, in its app" in await submit(scene, "write", text="Soy Marta", **{"as": "app"})
        value = await scene.heard.next_value("smb_message_echoes")
        assert "6 chunks" in await submit(scene, "history")
        assert "threads" in (await scene.heard.next_value("history"))["history"][0]
    assert value["message_echoes"][0]["text"] == {"body": "Soy Marta"}


async def test_what_cannot_be_done_is_said_once_and_the_look_for_news_takes_no_word_away() -> None:
    async with phones() as scene:
        data = {"number": scene.customer.number, "person": ANA, "text": "Hola"}
        await scene.meta.ask("POST", f"{PAGE}/write", data=data, allow_redirects=False)
        looked = (await scene.meta.ask("GET", PAGE, headers={"X-Look": "1"})).text
        first, second = await page(scene), await page(scene)
        history, app = await submit(scene, "history"), await submit(scene, "open", person="")
    assert ["Choose who writes." in text for text in (looked, first, second)] == [True, True, False]
    assert "Only a number of the WhatsApp Business app" in history
    assert "From must be a phone number" in app

"""Files: what is taken, what Meta knows of one, its address and its bytes, and what an end user sends."""

import base64
import hashlib
import io

import aiohttp
import pytest

from setuplinks.sandbox.media_types import MB
from setuplinks.sandbox.spool import IN_MEMORY, Spool
from tests.integration.sandbox.calls import Answer, Customer, Meta
from tests.integration.sandbox.phones import phones, ready

PNG = b"\x89PNG\r\n" + bytes(range(256))


async def upload(
    meta: Meta, customer: Customer, content: bytes = PNG, mime_type: str = "image/png", **more: str
) -> Answer:
    form = aiohttp.FormData({"messaging_product": "whatsapp", "type": mime_type} | more)
    form.add_field("file", io.BytesIO(content), filename="a file.png", content_type=mime_type)
    return await meta.graph("POST", f"{customer.number}/media", customer.token, data=form)


async def fetched(meta: Meta, url: str, token: str | None) -> tuple[int, bytes, str]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with meta.http.get(url, headers=headers) as answer:
        return answer.status, await answer.read(), answer.headers.get("Content-Type", "")


@pytest.mark.parametrize("size", [1, IN_MEMORY, IN_MEMORY + 1, 3 * MB])
async def test_a_file_comes_back_byte_for_byte(meta: Meta, size: int) -> None:
    customer = await ready(meta)
    content = (PNG * (size // len(PNG) + 1))[:size]
    media_id = (await upload(meta, customer, content)).json["id"]
    known = (await meta.graph("GET", media_id, customer.token)).json
    assert (known["file_size"], known["sha256"]) == (str(size), hashlib.sha256(content).hexdigest())
    assert await fetched(meta, known["url"], customer.token) == (200, content, "image/png")
    assert (await meta.graph("DELETE", media_id, customer.token)).json == {"success": True}
    assert (await meta.graph("GET", media_id, customer.token)).codes == (100, 33)
    assert (await fetched(meta, known["url"], customer.token))[0] == 404


async def test_the_address_of_a_file_ends_after_five_minutes_and_wants_the_right_token(meta: Meta) -> None:
    mine, other = await ready(meta), await ready(meta)
    media_id = (await upload(meta, mine)).json["id"]
    await meta.ask("POST", "/sandbox/clock", json={"frozen": True})
    url = (await meta.graph("GET", media_id, mine.token)).json["url"]
    assert (await fetched(meta, url, None))[0] == 400
    assert (await fetched(meta, url, "wrong"))[0] == 401
    assert (await fetched(meta, url, other.token))[0] == 404
    assert (await fetched(meta, url.replace("hash=", "hash=0"), mine.token))[0] == 404
    await meta.advance(299)
    assert (await fetched(meta, url, mine.token))[0] == 200
    await meta.advance(1)
    assert (await fetched(meta, url, mine.token))[0] == 404


async def test_a_file_belongs_to_the_number_that_it_was_uploaded_for(meta: Meta) -> None:
    mine, other = await ready(meta), await ready(meta)
    media_id = (await upload(meta, mine)).json["id"]
    asked = [(mine.token, mine.number), (mine.token, other.number), (other.token, other.number)]
    answers = [
        (await meta.graph("GET", media_id, token, params={"phone_number_id": number})).status for token, number in asked
    ]
    assert answers == [200, 400, 400]
    image = {"messaging_product": "whatsapp", "to": "5493515550100", "type": "image", "image": {"id": media_id}}
    assert (await meta.graph("POST", f"{mine.number}/messages", mine.token, json=image)).status == 200
    assert (await meta.graph("POST", f"{other.number}/messages", other.token, json=image)).codes == (100, None)


@pytest.mark.parametrize(("size", "mime_type", "words"), [
    (1, "application/octet-stream", "Received file of type 'application/octet-stream'"),
    (0, "image/png", "empty"),
    (5 * MB + 1, "image/png", "too large"),
    (500 * 1024 + 1, "image/webp", "too large"),
])  # fmt: skip
async def test_what_whatsapp_does_not_take_is_refused(meta: Meta, size: int, mime_type: str, words: str) -> None:
    customer = await ready(meta)
    answer = await upload(meta, customer, bytes(size), mime_type)
    assert answer.codes == (100, None)
    assert words in answer.error["message"]


async def test_an_upload_without_file_or_product_and_one_that_is_torn_are_refused(meta: Meta) -> None:
    customer = await ready(meta)
    path, torn = f"{customer.number}/media", {"Content-Type": "multipart/form-data; boundary=x"}
    assert (await upload(meta, customer, messaging_product="x")).codes == (100, None)
    nothing = {"messaging_product": "whatsapp", "file": "not a file"}
    assert (await meta.graph("POST", path, customer.token, json=nothing)).codes == (100, None)
    headers = torn | {"Authorization": f"Bearer {customer.token}"}
    answer = await meta.ask("POST", f"/v25.0/{path}", headers=headers, data=b"--x\r\nContent-Disposition: x\r\n\r\n")
    assert answer.codes == (100, None)


async def test_a_file_that_an_end_user_sends_can_be_fetched_by_its_id() -> None:
    async with phones() as scene:
        data = base64.b64encode(PNG).decode()
        await scene.write(type="image", data=data, mimeType="image/png", caption="Look")
        message = await scene.inbound()
        token = scene.customer.token
        known = (await scene.meta.graph("GET", message["image"]["id"], token)).json
        got = await fetched(scene.meta, known["url"], token)
    assert (message["type"], message["image"]["caption"]) == ("image", "Look")
    assert message["image"]["sha256"] == known["sha256"]
    assert got == (200, PNG, "image/png")


async def test_the_spool_forgets_the_oldest_and_leaves_nothing_on_disk() -> None:
    spool = Spool(capacity=3 * IN_MEMORY)
    first = await spool.keep(iter([bytes(IN_MEMORY), b"x"]))
    second = await spool.keep(iter([bytes(IN_MEMORY), b"y"]))
    assert not isinstance(first.place, bytes)
    assert first.place.exists()
    third = await spool.keep(iter([bytes(IN_MEMORY), b"z"]))
    assert [kept in spool for kept in (first, second, third)] == [False, True, True]
    assert not first.place.exists()
    folder = first.place.parent
    spool.clear()
    assert not folder.exists()

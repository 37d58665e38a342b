"""Files go through us as they come, in both directions; their addresses are ours, and no other key's."""

import asyncio
import json
import resource
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from tests.integration.gateway.line import VERSION, Line, error_of
from tests.integration.gateway.neighbours import PNG
from tests.integration.gateway.other_end import Crossing
from tests.support.service import Tenant

pytestmark = pytest.mark.one_database

MEGABYTE = 1024 * 1024
SIZE = 100 * MEGABYTE
# A third of the file. What the kernel holds of it in its sockets is not counted: it is no memory of ours.
MOST_HELD = 34 * MEGABYTE
BLOCK = bytes(64 * 1024)
HEAD = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\nContent-Type: video/mp4\r\n\r\n'
TAIL = b"\r\n--cut--\r\n"
FORM = "multipart/form-data; boundary=cut"


class Held:
    """How much this process's memory grew while the slow end did not read; that end yields until nothing moves."""

    def __init__(self) -> None:
        self.sent = self.taken = self.most = 0
        self._before = _resident()

    async def stalled(self) -> None:
        """Returns when nothing more is sent though everybody had many turns."""
        before, turns = -1, 0
        while turns < 50:
            turns = turns + 1 if self.sent == before else 0
            before = self.sent
            await asyncio.sleep(0)
        self.most = max(self.most, _resident() - self._before)


def _resident() -> int:
    """The bytes of memory that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def test_100_mb_go_up_without_sitting_in_memory(crossing: Crossing) -> None:
    held = Held()

    async def slow_meta(scope: Scope, receive: Receive, send: Send) -> None:
        assert dict(scope["headers"])[b"content-length"] == str(len(HEAD) + SIZE + len(TAIL)).encode()
        more = True
        while more:
            if held.taken < 4 * MEGABYTE:
                await held.stalled()
            message = await receive()
            held.taken, more = held.taken + len(message.get("body", b"")), message.get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": b'{"id":"77"}'})

    async def file() -> AsyncIterator[bytes]:
        yield HEAD
        for _ in range(SIZE // len(BLOCK)):
            held.sent += len(BLOCK)
            yield BLOCK
        yield TAIL

    crossing.meta.playing = slow_meta
    async with crossing.api._session.post(
        crossing.api.url + crossing.path(crossing.line.number, "media"), data=file(),
        headers={
            "Authorization": f"Bearer {crossing.line.key}", "Content-Type": FORM,
            "Content-Length": str(len(HEAD) + SIZE + len(TAIL)),
        },
    ) as answer:  # fmt: skip
        assert (answer.status, await answer.json()) == (200, {"id": "77"})
    assert held.taken == len(HEAD) + SIZE + len(TAIL)
    assert held.most < MOST_HELD


async def test_100_mb_come_down_without_sitting_in_memory(crossing: Crossing) -> None:
    held = Held()

    async def meta(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/file":
            headers = [(b"content-type", b"video/mp4"), (b"content-length", str(SIZE).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            for _ in range(SIZE // len(BLOCK)):
                held.sent += len(BLOCK)
                await send({"type": "http.response.body", "body": BLOCK, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
            return
        told = {"id": "88", "mime_type": "video/mp4", "url": f"{crossing.meta.url}/file"}
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": json.dumps(told).encode()})

    crossing.meta.playing = meta
    url = (await crossing.api.get(crossing.path("88"))).json["url"]
    assert url.startswith(f"{crossing.api.url}/graph/media/")
    headers = {"Authorization": f"Bearer {crossing.line.key}"}
    async with crossing.api._session.get(url, headers=headers, read_bufsize=len(BLOCK)) as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, "video/mp4")
        assert answer.content_length == SIZE
        async for chunk in answer.content.iter_any():
            if held.taken < 4 * MEGABYTE:
                await held.stalled()
            held.taken += len(chunk)
    assert held.taken == SIZE
    assert held.most < MOST_HELD


async def test_no_account_holds_all_connections_to_meta_with_slow_calls(crossing: Crossing) -> None:
    asked, may_end = asyncio.Event(), asyncio.Event()

    async def slow_meta(scope: Scope, receive: Receive, send: Send) -> None:
        asked.set()
        await may_end.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": b"{}"})

    crossing.meta.playing = slow_meta
    crossing.parts.gateway.forward.of_one = 1
    path = crossing.path(crossing.line.number)
    first = asyncio.create_task(crossing.api.get(path))
    await asked.wait()
    assert error_of(await crossing.api.get(path)) == (429, 80007, None)
    may_end.set()
    assert (await first).status == 200
    assert (await crossing.api.get(path)).status == 200, "what has ended counts no more"


async def test_a_part_behind_the_file_that_says_another_call_ends_it_before_meta_has_it_all(crossing: Crossing) -> None:
    async def file() -> AsyncIterator[bytes]:
        yield HEAD
        for _ in range(32):
            yield BLOCK
        yield b'\r\n--cut\r\nContent-Disposition: form-data; name="met'
        yield b'hod"\r\n\r\nDELETE' + TAIL

    async with crossing.api._session.post(
        crossing.api.url + crossing.path(crossing.line.number, "media"), data=file(),
        headers={"Authorization": f"Bearer {crossing.line.key}", "Content-Type": FORM},
    ) as answer:  # fmt: skip
        error = (await answer.json())["error"]
    assert (answer.status, error["code"]) == (400, 100)
    assert "method" in error["message"]


async def test_a_file_is_uploaded_read_fetched_and_deleted_by_our_addresses(line: Line) -> None:
    made = await line.api.post(line.path(line.number, "media"), PNG, Content_Type=FORM)
    told = (await line.api.get(line.path(made.json["id"]))).json
    assert told["url"].startswith(f"{line.api.url}/graph/media/")
    assert told["mime_type"] == "image/png"
    place = told["url"].removeprefix(line.api.url)
    fetched = await line.api.get(place)
    assert (fetched.status, fetched.body, fetched.headers["content-type"]) == (200, b"PNG", "image/png")
    assert (await line.api.with_key(None).get(f"{place}?access_token={line.key}")).body == b"PNG"
    assert (await (await line.tenant_key("gateway")).get(place)).body == b"PNG"
    line.standing.service.clock.advance(6 * 60 * 1_000_000)
    await line.standing.service.sandbox.advance(6 * 60)
    assert (await line.api.get(place)).json["error"]["code"] == 100, "Meta's own address is over by now"
    assert (await line.api.delete(line.path(made.json["id"]))).json == {"success": True}


async def test_an_address_of_a_file_is_no_other_keys_and_can_not_be_made(line: Line, stranger: Tenant) -> None:
    made = await line.api.post(line.path(line.number, "media"), PNG, Content_Type=FORM)
    place = (await line.api.get(line.path(made.json["id"]))).json["url"].removeprefix(line.api.url)
    key = await stranger.api.made(f"/admin/tenants/{stranger.id}/api-keys", {"name": "g", "scopes": ["gateway"]})
    await line.standing.service.sandbox.forget_calls()
    writer = await line.other_key(scopes=["send", "manage"])
    refused = [
        await stranger.api.with_key(key["key"]).get(place),
        await line.api.get(place[:-4] + "AAAA"),
        await line.api.get("/graph/media/aHR0cDovL2xvY2FsaG9zdA"),
        await line.api.get("/graph/media/http://127.0.0.1/"),
        await line.api.get("/graph/media/"),
        await line.api.post(place, {}),
    ]
    assert [error_of(reply) for reply in refused] == [(400, 100, 33)] * len(refused)
    assert error_of(await writer.get(place)) == (403, 200, None)
    assert error_of(await line.api.with_key(None).get(place)) == (401, 190, None)
    assert await line.met() == []


async def test_a_page_that_a_customer_sent_as_a_file_does_nothing_at_our_address(crossing: Crossing) -> None:
    crossing.meta.says(json.dumps({"id": "88", "mime_type": "text/html", "url": f"{crossing.meta.url}/f"}).encode())
    place = (await crossing.api.get(crossing.path("88"))).json["url"].removeprefix(crossing.api.url)
    crossing.meta.says(b"<script>fetch('/dashboard')</script>", Content_Type="text/html", X_Content_Type_Options="x")
    reply = await crossing.api.with_key(None).get(f"{place}?access_token={crossing.line.key}")
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html")
    assert reply.headers["content-security-policy"] == "sandbox"
    assert reply.headers["x-content-type-options"] == "nosniff"


async def test_an_address_at_a_place_that_is_not_metas_is_handed_on_as_it_is(crossing: Crossing) -> None:
    told = b'{"id":"88","mime_type":"image/png","url":"https:\\/\\/files.example.com\\/x?mid=1"}'
    crossing.meta.says(told)
    assert (await crossing.api.get(f"/graph/{VERSION}/88")).body == told

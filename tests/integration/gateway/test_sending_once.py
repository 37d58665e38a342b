"""Sends with an Idempotency-Key: once, whatever happens; and what each end means for the key."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from setuplinks.core.clock import DAY, MINUTE
from tests.integration.gateway.line import HELLO, Line, error_of
from tests.integration.gateway.other_end import Crossing, OtherEnd, crossing_to
from tests.support.api import Reply
from tests.support.loopback import bound_socket, port_of

ACCEPTED = b'{ "messaging_product": "whatsapp",\n "messages": [{"id": "wamid.HBgNNTQ5MzUxNTU1MDk5OQ=="}] }'
OTHER = {**HELLO, "to": "5493515550998"}


async def send(crossing: Crossing, key: str | None = "k1", body: Any = HELLO, **headers: str) -> Reply:
    """A message from the number."""
    if key is not None:
        headers["Idempotency_Key"] = key
    return await crossing.api.post(crossing.path(crossing.line.number, "messages"), body, **headers)


def refusal(code: int, **more: Any) -> bytes:
    """An error of Meta's."""
    error = {"message": f"(#{code}) Refused", "type": "OAuthException", "code": code, "fbtrace_id": "AbC", **more}
    return json.dumps({"error": error}).encode()


async def kept(crossing: Crossing) -> list[dict[str, Any]]:
    """What stands of sends."""
    return [dict(row) for row in await crossing.parts.db.read("SELECT * FROM idempotency")]


@dataclass
class Slow:
    """A Meta that answers when it is let."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    let: asyncio.Event = field(default_factory=asyncio.Event)
    times: int = 0

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """The exchange."""
        self.times += 1
        self.asked.set()
        await self.let.wait()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(ACCEPTED)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": ACCEPTED})


async def ended(crossing: Crossing) -> Reply:
    """The answer under the key, when there is one."""
    async with asyncio.timeout(60):
        while True:
            reply = await send(crossing)
            if reply.status != 409:
                return reply
            await asyncio.sleep(0.02)


async def test_the_same_key_is_sent_once_and_answered_to_the_byte(crossing: Crossing) -> None:
    crossing.meta.says(ACCEPTED, 200, X_App_Usage='{"call_count":28}', X_FB_Trace_Id="AbCd")
    first, again = await send(crossing), await send(crossing)
    assert (first.status, first.body) == (again.status, again.body) == (200, ACCEPTED)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert (again.headers["content-type"], again.headers["x-fb-trace-id"]) == (first.headers["content-type"], "AbCd")
    assert "x-app-usage" not in again.headers
    assert len(crossing.meta.heard) == 1


async def test_a_zipped_answer_is_replayed_for_whom_takes_it_plain(crossing: Crossing) -> None:
    crossing.meta.says(ACCEPTED, zipped=True)
    first, again = await send(crossing, Accept_Encoding="gzip"), await send(crossing, Accept_Encoding="identity")
    assert (first.body, again.body) == (ACCEPTED, ACCEPTED)
    assert "content-encoding" not in again.headers


async def test_without_a_key_every_send_goes_out_and_nothing_is_kept(crossing: Crossing) -> None:
    assert [(await send(crossing, None)).status for _ in range(3)] == [200] * 3
    assert (len(crossing.meta.heard), await kept(crossing)) == (3, [])


async def test_another_message_under_the_same_key_is_refused(crossing: Crossing) -> None:
    await send(crossing)
    refused = await send(crossing, body=OTHER)
    assert error_of(refused) == (409, 100, None)
    assert "new Idempotency-Key" in refused.json["error"]["error_data"]["details"]
    assert len(crossing.meta.heard) == 1
    assert (await send(crossing, "k2", OTHER)).status == 200


async def test_another_version_of_the_path_is_another_request(crossing: Crossing) -> None:
    await send(crossing)
    path = f"/graph/v19.0/{crossing.line.number}/messages"
    assert error_of(await crossing.api.post(path, HELLO, Idempotency_Key="k1")) == (409, 100, None)


async def test_marketing_messages_are_sent_once_too(crossing: Crossing) -> None:
    path = crossing.path(crossing.line.number, "marketing_messages")
    replies = [await crossing.api.post(path, HELLO, Idempotency_Key="k1") for _ in range(2)]
    assert [reply.headers.get("idempotency-replayed") for reply in replies] == [None, "true"]
    assert len(crossing.meta.heard) == 1


async def test_each_gateway_key_has_its_own_idempotency_keys(crossing: Crossing) -> None:
    others = [await crossing.line.other_key(), await crossing.line.tenant_key("gateway")]
    await send(crossing)
    for other in others:
        api = crossing.api.with_key(other.key)
        reply = await api.post(crossing.path(crossing.line.number, "messages"), HELLO, Idempotency_Key="k1")
        assert reply.status == 200
    assert len(crossing.meta.heard) == 3
    assert {row["actor"].partition(":")[0] for row in await kept(crossing)} == {"waba_key", "key"}


REFUSED = [(400, 131047), (400, 100), (429, 130429), (400, 131056), (400, 80007), (403, 10), (404, 100)]
UNSURE = [
    (500, refusal(131000)), (503, refusal(2)), (400, refusal(1)), (400, refusal(131016)), (502, b"<html>no</html>"),
    (400, refusal(999999, is_transient=True)), (200, b"not JSON"), (302, b""),
]  # fmt: skip


async def test_what_meta_refuses_passes_as_it_is_and_frees_the_key(crossing: Crossing) -> None:
    for status, code in REFUSED:
        crossing.meta.says(refusal(code), status, Retry_After="7")
        refused = await send(crossing)
        assert (refused.status, refused.body, refused.headers["retry-after"]) == (status, refusal(code), "7")
        assert await kept(crossing) == []
    crossing.meta.says(ACCEPTED)
    assert (await send(crossing)).body == ACCEPTED
    assert len(crossing.meta.heard) == len(REFUSED) + 1


async def test_where_meta_may_have_taken_it_the_answer_stays(crossing: Crossing) -> None:
    for number, (status, body) in enumerate(UNSURE, 1):
        crossing.meta.says(body, status, zipped=status == 400)
        first = await send(crossing, f"k{number}")
        crossing.meta.says(ACCEPTED)
        again = await send(crossing, f"k{number}")
        assert (first.status, first.body) == (again.status, again.body) == (status, body)
        assert len(crossing.meta.heard) == number


async def test_a_connection_that_breaks_leaves_it_unknown_and_it_is_not_sent_again(line: Line) -> None:
    heard = 0

    async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        with contextlib.suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            heard += 1
        writer.close()

    server = await asyncio.start_server(hangs_up, "127.0.0.1", 0)
    async with server:
        meta = OtherEnd(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        async with crossing_to(line, meta) as crossing:
            first, again = await send(crossing), await send(crossing)
    assert error_of(first) == error_of(again) == (504, 1, None)
    assert (first.body, heard) == (again.body, 1)
    assert "not known" in first.json["error"]["message"]


async def test_where_meta_cannot_be_reached_the_key_stays_free(line: Line) -> None:
    with bound_socket() as nobody_listens:
        async with crossing_to(line, OtherEnd(f"http://127.0.0.1:{port_of(nobody_listens)}")) as crossing:
            assert error_of(await send(crossing)) == (503, 2, None)
            assert await kept(crossing) == []


async def test_a_second_one_while_the_first_is_under_way_is_told_to_ask_again(crossing: Crossing) -> None:
    slow = Slow()
    crossing.meta.playing = slow
    first = asyncio.ensure_future(send(crossing))
    await slow.asked.wait()
    second = await send(crossing)
    assert error_of(second) == (409, 2, None)
    assert (second.headers["retry-after"], second.json["error"]["is_transient"]) == ("1", True)
    slow.let.set()
    assert (await first).body == (await send(crossing)).body == ACCEPTED
    assert slow.times == 1


async def test_a_client_that_hangs_up_finds_the_answer_under_its_key(crossing: Crossing) -> None:
    slow = Slow()
    crossing.meta.playing = slow
    first = asyncio.ensure_future(send(crossing))
    await slow.asked.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    slow.let.set()
    assert ((await ended(crossing)).body, slow.times) == (ACCEPTED, 1)


async def test_what_a_dead_process_left_behind_is_unknown_for_good(crossing: Crossing) -> None:
    await send(crossing)
    await crossing.parts.db.bulk("UPDATE idempotency SET status = 'running', http_status = NULL, answer = NULL")
    assert error_of(await send(crossing)) == (409, 2, None)
    crossing.line.standing.service.clock.advance(MINUTE)
    unknown = await send(crossing)
    assert error_of(unknown) == (504, 1, None)
    assert "use a new key" in unknown.json["error"]["error_data"]["details"]
    assert len(crossing.meta.heard) == 1


async def test_after_a_day_the_key_is_forgotten(crossing: Crossing) -> None:
    await send(crossing)
    crossing.line.standing.service.clock.advance(DAY - 1)
    assert (await send(crossing)).headers["idempotency-replayed"] == "true"
    crossing.line.standing.service.clock.advance(1)
    assert "idempotency-replayed" not in (await send(crossing)).headers
    assert len(crossing.meta.heard) == 2


async def test_a_key_that_cannot_be_kept_is_refused_before_anything_is_sent(crossing: Crossing) -> None:
    for key in ("x" * 256, "clé"):
        reply = await send(crossing, key)
        assert error_of(reply) == (400, 100, None)
        assert "Idempotency-Key" in reply.json["error"]["message"]
    assert crossing.meta.heard == []


async def test_what_is_kept_is_sealed(crossing: Crossing) -> None:
    crossing.meta.says(ACCEPTED)
    await send(crossing)
    [row] = await kept(crossing)
    assert b"wamid" not in bytes(row["answer"])
    assert (row["status"], row["http_status"], row["tenant_id"]) == ("done", 200, crossing.line.standing.tenant.id)


async def test_a_person_has_a_burst_and_the_refusal_frees_the_key(crossing: Crossing) -> None:
    async def all_of(count: int) -> AsyncIterator[Reply]:
        for _ in range(count):
            yield await send(crossing, None)

    assert {reply.status async for reply in all_of(45)} == {200}
    refused = await send(crossing, "late")
    assert error_of(refused) == (400, 131056, None)
    assert (refused.headers["retry-after"], await kept(crossing)) == ("6", [])
    crossing.line.standing.service.clock.advance(6_000_000)
    assert (await send(crossing, "late")).status == 200
    assert len(crossing.meta.heard) == 46

"""Answers are Meta's own, byte for byte, but for what would lead past us or tell the real token."""

import asyncio
import gzip
import json

import pytest

from tests.integration.gateway.line import HELLO, Line
from tests.integration.gateway.other_end import Crossing, OtherEnd, crossing_to
from tests.support.api import Reply
from tests.support.loopback import bound_socket, port_of

pytestmark = pytest.mark.one_database

ERROR = (
    b'{"error":{"message":"(#131047) Re-engagement message","type":"OAuthException","code":131047,'
    b'"error_data":{"messaging_product":"whatsapp","details":"Message failed \\u2014 24 hours"},"fbtrace_id":"AbC1"}}\n'
)


async def test_status_and_error_body_are_metas_to_the_byte(crossing: Crossing) -> None:
    for status in (200, 400, 401, 403, 404, 429, 500, 503):
        crossing.meta.says(ERROR, status, Retry_After="17")
        reply = await _send(crossing)
        assert (reply.status, reply.body, reply.headers["retry-after"]) == (status, ERROR, "17")


async def test_headers_that_matter_come_back(crossing: Crossing) -> None:
    told = {
        "x-app-usage": '{"call_count":28,"total_time":25,"total_cputime":25}',
        "x-business-use-case-usage": '{"1":[{"type":"whatsapp","call_count":1,"total_cputime":1,"total_time":1}]}',
        "x-fb-trace-id": "AbCd", "x-fb-request-id": "AxYz", "x-fb-rev": "1", "x-fb-debug": "Zz==",
        "facebook-api-version": "v25.0", "etag": '"abc"', "www-authenticate": 'OAuth "Facebook Platform" "x"',
    }  # fmt: skip
    crossing.meta.says(b'{"id":"1"}', **told, Set_Cookie="fr=secret", Strict_Transport_Security="max-age=1")
    reply = await crossing.api.get(crossing.path(crossing.line.number))
    assert {name: reply.headers.get(name) for name in told} == told
    assert "set-cookie" not in reply.headers
    assert "strict-transport-security" not in reply.headers
    assert crossing.parts.graph.usage.app.percent == 28


async def test_a_zipped_answer_passes_unopened_in_the_end(crossing: Crossing) -> None:
    body = b'{"data":[{"id":"1","name":"hello_world"}]}'
    crossing.meta.says(body, zipped=True)
    sent = crossing.meta.body
    session = crossing.api._session
    async with session.get(
        crossing.api.url + crossing.path(crossing.line.waba, "message_templates"),
        headers={"Authorization": f"Bearer {crossing.line.key}", "Accept-Encoding": "gzip"}, auto_decompress=False,
    ) as answer:  # fmt: skip
        assert answer.headers["Content-Encoding"] == "gzip"
        assert await answer.content.read() == sent
    assert crossing.heard.header("accept-encoding") == "gzip"
    assert gzip.decompress(sent) == body


async def test_who_takes_no_coding_is_sent_none(crossing: Crossing) -> None:
    await crossing.api.get(crossing.path(crossing.line.number), Accept_Encoding="br, zstd")
    assert crossing.heard.header("accept-encoding") == "identity"


@pytest.mark.parametrize(("zipped", "slash"), [(False, "\\/"), (True, "/")])
async def test_the_next_page_is_asked_of_us_with_the_clients_own_key(
    crossing: Crossing, zipped: bool, slash: str
) -> None:
    there = crossing.meta.url.replace("/", slash) + f"{slash}v25.0{slash}{crossing.line.waba}{slash}message_templates"
    page = (
        f'{{"data":[],"paging":{{"cursors":{{"after":"QQ"}},"next":"{there}?access_token={crossing.token}&after=QQ"}}}}'
    )
    crossing.meta.says(page.encode(), zipped=zipped)
    reply = await crossing.api.get(crossing.path(crossing.line.waba, "message_templates"), Accept_Encoding="gzip")
    assert crossing.token not in reply.body.decode()
    following = json.loads(reply.body)["paging"]["next"]
    ours = crossing.api.url + crossing.path(crossing.line.waba, "message_templates")
    assert following == f"{ours}?access_token={crossing.line.key}&after=QQ"
    crossing.meta.heard.clear()
    assert (await crossing.api.with_key(None).get(following.removeprefix(crossing.api.url))).status == 200
    assert crossing.heard.query.startswith("after=QQ&appsecret_proof=")


async def test_a_token_that_meta_repeats_in_an_error_does_not_reach_the_client(crossing: Crossing) -> None:
    told = f'{{"error":{{"message":"Malformed access token {crossing.token}","type":"OAuthException","code":100}}}}'
    crossing.meta.says(told.encode(), 400, WWW_Authenticate=f'OAuth "invalid_token" "{crossing.token}"')
    reply = await crossing.api.get(crossing.path(crossing.line.number))
    assert crossing.token not in repr(reply)
    assert reply.json["error"]["message"] == f"Malformed access token {crossing.line.key}"


async def test_the_token_and_its_proof_stand_nowhere_in_an_answer_that_leads_on(crossing: Crossing) -> None:
    there = f"{crossing.meta.url}/v25.0/1?access_token={crossing.token}"
    crossing.meta.says(b"{}", 302, Location=there)
    reply = await crossing.api.get(crossing.path(crossing.line.number))
    assert (reply.status, crossing.token in repr(reply)) == (302, False)
    proof = crossing.meta.heard[-1].query.removeprefix("appsecret_proof=")
    crossing.meta.says(f'{{"data":[],"paging":{{"next":"{there}&appsecret_proof={proof}"}}}}'.encode())
    reply = await crossing.api.get(crossing.path(crossing.line.waba, "flows"))
    assert len(proof) == 64
    assert proof not in reply.body.decode()
    assert reply.json["paging"]["next"].startswith(f"{crossing.api.url}/graph/v25.0/1?access_token={crossing.line.key}")


async def test_an_answer_that_is_no_json_passes_as_it_is(crossing: Crossing) -> None:
    crossing.meta.says(b"<html>Sorry, something went wrong.</html>", 502, Content_Type="text/html")
    reply = await crossing.api.get(crossing.path(crossing.line.number))
    assert (reply.status, reply.body) == (502, b"<html>Sorry, something went wrong.</html>")


async def test_a_head_has_the_headers_alone(crossing: Crossing) -> None:
    crossing.meta.says(b'{"id":"12345"}')
    reply = await crossing.api.call("HEAD", crossing.path(crossing.line.number))
    assert (reply.status, reply.body) == (200, b"")


async def test_where_meta_cannot_be_reached_nothing_was_sent_and_the_client_may_repeat(line: Line) -> None:
    with bound_socket() as nobody_listens:
        async with crossing_to(line, OtherEnd(f"http://127.0.0.1:{port_of(nobody_listens)}")) as crossing:
            for reply in (await crossing.api.get(crossing.path(line.number)), await _send(crossing)):
                error = reply.json["error"]
                assert (reply.status, error["code"], error["is_transient"]) == (503, 2, True)
                assert reply.headers["retry-after"] == "1"


async def test_where_meta_hangs_up_a_read_may_be_repeated_and_of_a_send_nobody_knows(line: Line) -> None:
    async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(hangs_up, "127.0.0.1", 0)
    async with server:
        meta = OtherEnd(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        async with crossing_to(line, meta) as crossing:
            read, sent = await crossing.api.get(crossing.path(line.number)), await _send(crossing)
    assert (read.status, read.json["error"]["code"], read.json["error"]["is_transient"]) == (504, 2, True)
    assert (sent.status, sent.json["error"]["code"]) == (504, 1)
    assert "is_transient" not in sent.json["error"]


async def _send(crossing: Crossing) -> Reply:
    return await crossing.api.post(crossing.path(crossing.line.number, "messages"), HELLO)

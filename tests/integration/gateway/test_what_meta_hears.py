"""The key is swapped for the real token; nothing else of the request changes, and nothing of ours is told."""

import hashlib
import hmac
import json

import pytest

from tests.integration.gateway.line import HELLO
from tests.integration.gateway.other_end import Crossing
from tests.support import sandbox

pytestmark = pytest.mark.one_database


def proof_of(token: str) -> str:
    return hmac.new(sandbox.APP_SECRET.encode(), token.encode(), hashlib.sha256).hexdigest()


async def test_the_real_token_and_its_proof_go_out_in_the_place_of_the_key(crossing: Crossing) -> None:
    body = b'{ "messaging_product":"whatsapp",\n "to": "5493515550999", "text": {"body": "\\u00a1Hola!"} }'
    reply = await crossing.api.post(crossing.path(crossing.line.number, "messages"), body)
    assert reply.status == 200
    heard = crossing.heard
    assert (heard.method, heard.path) == ("POST", f"/v25.0/{crossing.line.number}/messages")
    assert heard.query == f"appsecret_proof={proof_of(crossing.token)}"
    assert heard.header("authorization") == f"Bearer {crossing.token}"
    assert heard.body == body
    assert crossing.line.key not in repr(heard)


async def test_headers_go_on_but_for_those_of_the_hop_and_of_the_client_and_us(crossing: Crossing) -> None:
    await crossing.api.post(
        crossing.path(crossing.line.number, "messages"), HELLO, Idempotency_Key="k1", X_Forwarded_For="203.0.113.9",
        Cookie="a=b", X_HTTP_Method_Override="DELETE", User_Agent="acme/1.0", Accept_Language="es", X_Custom="yes",
        Accept_Encoding="br, gzip;q=0.8, *;q=0", Forwarded="for=203.0.113.9", Via="1.1 acme", Referer="https://a.test/",
    )  # fmt: skip
    heard = crossing.heard
    assert {name for name, _ in heard.headers} == {
        "host", "accept", "content-type", "content-length", "accept-encoding", "authorization", "user-agent",
        "accept-language", "x-custom",
    }  # fmt: skip
    assert heard.header("accept-encoding") == "gzip"
    assert heard.header("user-agent") == "acme/1.0"
    assert heard.header("host") == crossing.meta.url.removeprefix("http://")


async def test_a_header_with_underscores_is_the_same_header(crossing: Crossing) -> None:
    headers = {"Authorization": f"Bearer {crossing.line.key}", "x_http_method_override": "DELETE", "file_offset": "0"}
    url = crossing.api.url + crossing.path(crossing.line.number)
    async with crossing.api._session.get(url, headers=headers) as answer:
        assert answer.status == 200
    assert crossing.heard.header("x_http_method_override") is None
    assert crossing.heard.header("file_offset") == "0"


async def test_any_version_and_any_method_is_passed_on(crossing: Crossing) -> None:
    waba = crossing.line.waba
    for version in ("v25.0", "v19.0", "v26.0", "v100.0", "v24"):
        for method in ("GET", "POST", "DELETE", "PUT", "PATCH", "HEAD"):
            crossing.meta.heard.clear()
            path = f"/{version}/{waba}/message_templates"
            reply = await crossing.api.call(method, f"/graph{path}/?name=a%2Bb&limit=3&fields=id,name&a&b=")
            assert (reply.status, crossing.heard.method, crossing.heard.path) == (200, method, path)
            assert crossing.heard.query.rpartition("&")[0] == "name=a%2Bb&limit=3&fields=id,name&a&b="


async def test_a_key_in_the_query_is_taken_out_of_it(crossing: Crossing) -> None:
    path = crossing.path(crossing.line.number)
    for spelling in ("access_token", "access%5Ftoken", "%20access_token", "access.token"):
        crossing.meta.heard.clear()
        given = f"?fields=id&{spelling}={crossing.line.key}&appsecret_proof=abc&appsecret_time=1&debug=all"
        assert (await crossing.api.with_key(None).get(path + given)).status == 200
        assert crossing.heard.query == f"fields=id&debug=all&appsecret_proof={proof_of(crossing.token)}"
        assert crossing.heard.header("authorization") == f"Bearer {crossing.token}"


async def test_a_key_in_a_form_is_taken_out_of_it(crossing: Crossing) -> None:
    form = f"messaging_product=whatsapp&access_token={crossing.line.key}&to=5493515550999&text=%7B%22body%22%3A1%7D"
    reply = await crossing.api.with_key(None).post(
        crossing.path(crossing.line.number, "messages"), form.encode(), Content_Type="application/x-www-form-urlencoded"
    )
    assert reply.status == 200
    assert crossing.heard.body == b"messaging_product=whatsapp&to=5493515550999&text=%7B%22body%22%3A1%7D"
    assert crossing.heard.header("content-type") == "application/x-www-form-urlencoded"


async def test_a_key_in_json_is_taken_out_of_it(crossing: Crossing) -> None:
    body = {**HELLO, "access_token": crossing.line.key}
    assert (await crossing.api.with_key(None).post(crossing.path(crossing.line.number, "messages"), body)).status == 200
    assert json.loads(crossing.heard.body) == HELLO


async def test_a_key_in_a_multipart_form_is_taken_out_of_it(crossing: Crossing) -> None:
    def part(name: str, value: str) -> str:
        return f'--cut\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'

    file = (
        '--cut\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\nPNG'
    )
    rest = part("messaging_product", "whatsapp") + file + "\r\n--cut--\r\n"
    body = part("access_token", crossing.line.key) + rest
    reply = await crossing.api.with_key(None).post(
        crossing.path(crossing.line.number, "media"), body.encode(), Content_Type="multipart/form-data; boundary=cut"
    )
    assert reply.status == 200, reply.body
    assert crossing.heard.body == rest.encode()
    assert crossing.heard.header("content-length") == str(len(rest))
    assert crossing.heard.header("content-type") == "multipart/form-data; boundary=cut"


async def test_a_key_in_the_header_wins_over_others(crossing: Crossing) -> None:
    path = crossing.path(crossing.line.number)
    assert (await crossing.api.get(f"{path}?access_token=sl_waba_wrong")).status == 200
    assert "sl_waba" not in crossing.heard.query

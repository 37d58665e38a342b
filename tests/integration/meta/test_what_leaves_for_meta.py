"""Requests as Meta gets them: paths, parameters, and where the secrets stand."""

import hashlib
import hmac
import json

import pytest

from setuplinks.meta.errors import GraphError
from setuplinks.meta.graph import Graph
from setuplinks.meta.secret import Secret
from tests.integration.meta.scripted_meta import ScriptedMeta, answer, refusal

TOKEN = Secret("EAAcustomertoken0123456789")
WABA, NUMBER = "524126980791429", "106540352242922"
PROOF = hmac.new(b"app-secret", b"EAAcustomertoken0123456789", hashlib.sha256).hexdigest()
DONE = answer(200, {"success": True})


async def test_a_popup_code_is_exchanged_in_the_body_and_without_a_redirect_address(
    graph: Graph, meta: ScriptedMeta
) -> None:
    meta.plan(answer(200, {"access_token": "EAAx", "token_type": "bearer", "expires_in": 5183944}))
    grant = await graph.exchange_code(Secret("the-code"))
    [request] = meta.requests
    assert (request.method, request.path, request.query) == ("POST", "/v25.0/oauth/access_token", {})
    assert request.form == {"client_id": "4711", "client_secret": "app-secret", "code": "the-code"}
    assert (grant.access_token.reveal(), grant.expires_in) == ("EAAx", 5183944)


async def test_a_page_code_carries_the_redirect_address_byte_for_byte(graph: Graph, meta: ScriptedMeta) -> None:
    meta.plan(answer(200, {"access_token": "EAAx"}), answer(200, {"access_token": "EAAx"}))
    await graph.exchange_code(Secret("c"), "https://links.example/meta/callback?a=1&b=ü")
    await graph.exchange_code(Secret("c"), "")
    assert meta.requests[0].form["redirect_uri"] == "https://links.example/meta/callback?a=1&b=ü"
    assert meta.requests[1].form["redirect_uri"] == ""


async def test_a_token_is_examined_with_the_apps_own_token(graph: Graph, meta: ScriptedMeta) -> None:
    meta.plan(answer(200, {"data": {"is_valid": True, "app_id": "4711", "expires_at": 0}}))
    info = await graph.debug_token(TOKEN)
    [request] = meta.requests
    assert request.headers["authorization"] == "Bearer 4711|app-secret"
    assert request.query["input_token"] == TOKEN.reveal()
    assert (info.is_valid, info.app_id, info.expires_at_us) == (True, "4711", None)


async def test_every_call_with_a_token_carries_it_in_the_header_with_the_apps_proof(
    graph: Graph, meta: ScriptedMeta
) -> None:
    rows = answer(200, {"data": []})
    sent = answer(200, {"messages": [{"id": "wamid.1"}]})
    one = answer(200, {"id": "1"})
    meta.plan(one, rows, one, DONE, DONE, rows, DONE, DONE, answer(200, {"request_id": "r"}), sent, rows)
    await graph.waba(TOKEN, WABA)
    await graph.phone_numbers(TOKEN, WABA)
    await graph.phone_number(TOKEN, NUMBER)
    await graph.subscribe(TOKEN, WABA)
    await graph.unsubscribe(TOKEN, WABA)
    await graph.subscribed_apps(TOKEN, WABA)
    await graph.register(TOKEN, NUMBER, Secret("123456"))
    await graph.deregister(TOKEN, NUMBER)
    assert await graph.sync_app_data(TOKEN, NUMBER, "history") == "r"
    assert (await graph.send_text(TOKEN, NUMBER, "5493515550100", "Hola")).id == "wamid.1"
    await graph.message_templates(TOKEN, WABA, name="hello_world")
    assert [f"{request.method} {request.path.removeprefix('/v25.0')}" for request in meta.requests] == [
        f"GET /{WABA}",
        f"GET /{WABA}/phone_numbers",
        f"GET /{NUMBER}",
        f"POST /{WABA}/subscribed_apps",
        f"DELETE /{WABA}/subscribed_apps",
        f"GET /{WABA}/subscribed_apps",
        f"POST /{NUMBER}/register",
        f"POST /{NUMBER}/deregister",
        f"POST /{NUMBER}/smb_app_data",
        f"POST /{NUMBER}/messages",
        f"GET /{WABA}/message_templates",
    ]
    assert {request.headers["authorization"] for request in meta.requests} == {f"Bearer {TOKEN.reveal()}"}
    assert {request.query["appsecret_proof"] for request in meta.requests} == {PROOF}
    assert not any(TOKEN.reveal() in str(request.query) for request in meta.requests)


async def test_bodies_are_what_metas_pages_print(graph: Graph, meta: ScriptedMeta) -> None:
    meta.plan(DONE, DONE, answer(200, {}), answer(200, {"messages": [{"id": "wamid.1"}]}), DONE)
    await graph.register(TOKEN, NUMBER, Secret("123456"))
    await graph.register(TOKEN, NUMBER, Secret("123456"), region="DE")
    await graph.sync_app_data(TOKEN, NUMBER, "smb_app_state_sync")
    await graph.send_text(TOKEN, NUMBER, "5493515550100", "Hola")
    await graph.subscribe(TOKEN, WABA)
    assert [json.loads(request.body) for request in meta.requests[:4]] == [
        {"messaging_product": "whatsapp", "pin": "123456"},
        {"messaging_product": "whatsapp", "pin": "123456", "data_localization_region": "DE"},
        {"messaging_product": "whatsapp", "sync_type": "smb_app_state_sync"},
        {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": "5493515550100",
            "type": "text",
            "text": {"body": "Hola", "preview_url": False},
        },
    ]
    # A body would set a callback override, an empty one takes it off: subscribing must send none at all.
    assert meta.requests[4].body == b""


async def test_all_pages_of_a_list_are_read_by_their_cursor(graph: Graph, meta: ScriptedMeta) -> None:
    following = "https://graph.facebook.com/v25.0/1/phone_numbers?access_token=EAAleak&after=c2"
    meta.plan(
        answer(200, {"data": [{"id": "1"}, {"id": "2"}], "paging": {"cursors": {"after": "c1"}, "next": following}}),
        answer(200, {"data": [{"id": "2"}, {"id": 3}, {"no": "id"}, 7], "paging": {"next": following}}),
        answer(200, {"data": [{"id": "4"}], "paging": {"cursors": {"after": "c9"}}}),
    )
    numbers = await graph.phone_numbers(TOKEN, WABA)
    assert [number.id for number in numbers] == ["1", "2", "3", "4"]
    assert [request.query.get("after") for request in meta.requests] == [None, "c1", "c2"]


async def test_a_list_without_end_is_refused_instead_of_cut(graph: Graph, meta: ScriptedMeta) -> None:
    meta.plan(
        *(
            answer(200, {"data": [{"id": str(page)}], "paging": {"cursors": {"after": f"c{page}"}, "next": "more"}})
            for page in range(50)
        )
    )
    with pytest.raises(GraphError) as caught:
        await graph.phone_numbers(TOKEN, WABA)
    assert (caught.value.kind, len(meta.requests)) == ("unreadable", 50)


async def test_a_field_that_meta_dropped_does_not_stop_the_call(graph: Graph, meta: ScriptedMeta) -> None:
    gone = refusal(400, 100, message="(#100) Tried accessing nonexisting field (health_status) on node type (X)")
    meta.plan(gone, answer(200, {"id": WABA, "name": "Demo"}))
    assert (await graph.waba(TOKEN, WABA)).name == "Demo"
    assert meta.requests[1].query["fields"] == "id,name,currency,timezone_id"


async def test_an_id_that_cannot_be_metas_gets_into_no_address(graph: Graph, meta: ScriptedMeta) -> None:
    for bad in ("../me", "1/../2", "", "1?x=", "٣", "9" * 41):
        with pytest.raises(GraphError) as caught:
            await graph.waba(TOKEN, bad)
        assert (caught.value.kind, caught.value.retryable) == ("fix_request", False)
    assert meta.requests == []

"""Callbacks, codes, PIN, templates, messages and media: as Meta's pages print them, and beside the sandbox."""

import contextlib
import hashlib
import hmac
import json
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from setuplinks.meta.errors import GraphError, OutcomeUnknown
from setuplinks.meta.graph import Graph
from setuplinks.meta.payloads import Media, Template
from setuplinks.meta.secret import Secret
from setuplinks.sandbox.server import listening
from tests.integration.meta.play import Play, failure
from tests.integration.meta.scripted_meta import HANG_UP, STALL, ScriptedMeta, answer, refusal

TOKEN, VERIFY = Secret("EAAcustomertoken0123456789"), Secret("the-verify-token")
WABA, NUMBER, FILE = "524126980791429", "106540352242922", "1800"
PROOF = hmac.new(b"app-secret", b"EAAcustomertoken0123456789", hashlib.sha256).hexdigest()
DONE = answer(200, {"success": True})
TEMPLATE = {
    "name": "welcome",
    "language": "es",
    "category": "UTILITY",
    "components": [{"type": "BODY", "text": "¡Hola!"}],
}


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@contextlib.asynccontextmanager
async def a_hook(*, answers: bool = True) -> AsyncIterator[str]:
    """An address that gives Meta's challenge back, or something else; its URL."""

    async def challenged(request: Request) -> PlainTextResponse:
        right = request.query_params.get("hub.verify_token") == VERIFY.reveal()
        return PlainTextResponse(request.query_params["hub.challenge"] if answers and right else "no")

    async with listening(Starlette(routes=[Route("/hook", challenged)])) as running:
        yield f"{running.url}/hook"


# -- on the wire -----------------------------------------------------------------------------------------------------
async def test_each_call_leaves_as_metas_page_prints_it(graph: Graph, meta: ScriptedMeta) -> None:
    made = answer(200, {"id": "16", "status": "PENDING", "category": "UTILITY"})
    meta.plan(*[DONE] * 7, made, DONE, DONE, answer(200, {"id": FILE, "file_size": "7"}), DONE)
    await graph.override_callback(TOKEN, WABA, "https://x.example/hook", VERIFY)
    await graph.override_number_callback(TOKEN, NUMBER, "https://x.example/hook", VERIFY)
    await graph.override_number_callback(TOKEN, NUMBER, None, VERIFY)
    await graph.change_pin(TOKEN, NUMBER, Secret("654321"))
    await graph.request_code(TOKEN, NUMBER, "SMS", "en_US")
    await graph.verify_code(TOKEN, NUMBER, Secret("123456"))
    await graph.mark_read(TOKEN, NUMBER, "wamid.A", typing=True)
    assert await graph.create_template(TOKEN, WABA, TEMPLATE) == Template("16", None, None, "PENDING", "UTILITY")
    await graph.delete_template(TOKEN, WABA, "welcome")
    await graph.delete_template(TOKEN, WABA, "welcome", template_id="16")
    assert await graph.media(TOKEN, FILE) == Media(FILE, file_size=7)
    await graph.delete_media(TOKEN, FILE)
    assert [f"{request.method} {request.path.removeprefix('/v25.0')}" for request in meta.requests] == [
        f"POST /{WABA}/subscribed_apps", f"POST /{NUMBER}", f"POST /{NUMBER}", f"POST /{NUMBER}",
        f"POST /{NUMBER}/request_code", f"POST /{NUMBER}/verify_code", f"POST /{NUMBER}/messages",
        f"POST /{WABA}/message_templates", f"DELETE /{WABA}/message_templates", f"DELETE /{WABA}/message_templates",
        f"GET /{FILE}", f"DELETE /{FILE}",
    ]  # fmt: skip
    hook = {"override_callback_uri": "https://x.example/hook", "verify_token": "the-verify-token"}
    assert [json.loads(request.body) for request in meta.requests[:8]] == [
        hook,
        {"webhook_configuration": hook},
        {"webhook_configuration": {"override_callback_uri": ""}},
        {"pin": "654321"},
        {"code_method": "SMS", "language": "en_US"},
        {"code": "123456"},
        {
            "messaging_product": "whatsapp",
            "status": "read",
            "message_id": "wamid.A",
            "typing_indicator": {"type": "text"},
        },
        TEMPLATE,
    ]
    assert [request.query.get("hsm_id") for request in meta.requests[8:10]] == [None, "16"]
    assert {request.headers["authorization"] for request in meta.requests} == {f"Bearer {TOKEN.reveal()}"}
    assert {request.query["appsecret_proof"] for request in meta.requests} == {PROOF}


async def test_a_file_is_sent_as_it_comes_with_its_length_said_before(graph: Graph, meta: ScriptedMeta) -> None:
    meta.plan(answer(200, {"id": 1800}))
    content = (b"\x00\xff\r\n--", b"x" * 100_000)
    odd_name = 'a";\r\nX: y.png'
    given = await graph.upload_media(TOKEN, NUMBER, chunks(*content), 100_006, "image/png\r\nX: y", odd_name)
    [request] = meta.requests
    assert (given, request.path) == ("1800", f"/v25.0/{NUMBER}/media")
    assert int(request.headers["content-length"]) == len(request.body)
    assert b"".join(content) in request.body
    head = request.body.partition(b"\x00")[0].decode()
    assert 'name="messaging_product"\r\n\r\nwhatsapp' in head
    assert 'filename="a____X__y.png"\r\nContent-Type: image/pngXy\r\n\r\n' in head
    assert "\r\nX: y" not in head


@pytest.mark.parametrize("parts", [(b"too", b" long"), (b"short",), ()], ids=["longer", "shorter", "nothing"])
async def test_a_file_of_another_length_than_was_said_is_given_up(
    graph: Graph, meta: ScriptedMeta, parts: tuple[bytes, ...]
) -> None:
    meta.plan(DONE)
    error = await failure(graph.upload_media(TOKEN, NUMBER, chunks(*parts), 7, "text/plain"))
    assert (type(error), error.retryable) == (OutcomeUnknown, False)


async def test_what_cannot_be_taken_back_is_never_repeated_after_a_cut(hasty_graph: Graph, meta: ScriptedMeta) -> None:
    graph = hasty_graph
    meta.plan(*[HANG_UP] * 3, STALL)
    for call in (
        graph.request_code(TOKEN, NUMBER, "SMS", "es"),
        graph.verify_code(TOKEN, NUMBER, Secret("1")),
        graph.create_template(TOKEN, WABA, TEMPLATE),
        graph.messages(TOKEN, NUMBER, {"to": "1"}),
    ):
        error = await failure(call)
        assert (type(error), error.retryable) == (OutcomeUnknown, False)


async def test_what_does_no_harm_twice_may_be_repeated_after_a_cut(hasty_graph: Graph, meta: ScriptedMeta) -> None:
    graph = hasty_graph
    meta.plan(*[HANG_UP] * 5)
    for call in (
        graph.override_callback(TOKEN, WABA, "https://x.example", VERIFY),
        graph.change_pin(TOKEN, NUMBER, Secret("654321")),
        graph.mark_read(TOKEN, NUMBER, "wamid.A"),
        graph.delete_template(TOKEN, WABA, "welcome"),
        graph.delete_media(TOKEN, FILE),
    ):
        error = await failure(call)
        assert (type(error), error.retryable) == (OutcomeUnknown, True)


async def test_no_pin_code_or_verify_token_comes_back_in_an_error(graph: Graph, meta: ScriptedMeta) -> None:
    told = f"bad {VERIFY.reveal()} 918273"
    meta.plan(*(refusal(400, 100, message=told, error_data={"details": told}) for _ in range(4)))
    errors: list[GraphError] = [
        await failure(graph.override_callback(TOKEN, WABA, "https://x.example", VERIFY)),
        await failure(graph.override_number_callback(TOKEN, NUMBER, "https://x.example", VERIFY)),
        await failure(graph.change_pin(TOKEN, NUMBER, Secret("918273"))),
        await failure(graph.verify_code(TOKEN, NUMBER, Secret("918273"))),
    ]
    assert not any(VERIFY.reveal() in error.message for error in errors[:2])
    assert not any("918273" in f"{error.message}{error.details}" for error in errors[2:])


# -- beside the sandbox ----------------------------------------------------------------------------------------------
async def test_a_callback_is_overridden_after_the_plain_subscription_and_taken_off_by_it(play: Play) -> None:
    graph = play.graph
    token, signup = await play.connected()
    [waba_id] = signup.waba_ids
    async with a_hook() as hook:
        early = await failure(graph.override_callback(token, waba_id, hook, VERIFY))
        assert (early.kind, early.who) == ("fix_request", "us")
        await graph.subscribe(token, waba_id)
        await graph.override_callback(token, waba_id, hook, VERIFY)
        assert [app.override_callback_uri for app in await graph.subscribed_apps(token, waba_id)] == [hook]
        await graph.subscribe(token, waba_id)
        assert [app.override_callback_uri for app in await graph.subscribed_apps(token, waba_id)] == [None]


async def test_a_numbers_own_callback_stands_beside_its_accounts(play: Play) -> None:
    graph = play.graph
    token, signup = await play.connected()
    [number_id] = signup.number_ids
    async with a_hook() as hook:
        await graph.override_number_callback(token, number_id, hook, VERIFY)
        assert (await graph.phone_number(token, number_id)).webhook_configuration["phone_number"] == hook
        await graph.override_number_callback(token, number_id, None, VERIFY)
        assert "phone_number" not in (await graph.phone_number(token, number_id)).webhook_configuration


async def test_an_address_that_does_not_give_the_challenge_back_is_refused(play: Play) -> None:
    token, signup = await play.connected()
    await play.graph.subscribe(token, signup.waba_ids[0])
    async with a_hook(answers=False) as hook:
        error = await failure(play.graph.override_callback(token, signup.waba_ids[0], hook, VERIFY))
    assert (error.code, error.kind, error.who) == (2200, "configuration", "operator")


async def test_a_number_is_verified_by_its_code_and_then_registered(play: Play) -> None:
    graph = play.graph
    token, signup = await play.connected("unverified_number")
    [number_id] = signup.number_ids
    assert (await failure(graph.register(token, number_id, Secret("111111")))).code == 133006
    await graph.request_code(token, number_id, "SMS", "en_US")
    assert (await failure(graph.verify_code(token, number_id, Secret("999999")))).code == 136025
    await graph.verify_code(token, number_id, Secret("123456"))
    await graph.register(token, number_id, Secret("111111"))
    await graph.change_pin(token, number_id, Secret("222222"))
    assert (await failure(graph.register(token, number_id, Secret("111111")))).code == 133005
    await graph.register(token, number_id, Secret("222222"))


async def test_templates_are_made_listed_and_deleted(play: Play) -> None:
    graph = play.graph
    token, signup = await play.connected()
    [waba_id] = signup.waba_ids
    made = await graph.create_template(token, waba_id, TEMPLATE)
    assert (made.status, made.category) == ("PENDING", "UTILITY")
    twice = await failure(graph.create_template(token, waba_id, TEMPLATE))
    assert (twice.code, twice.subcode, twice.retryable) == (100, 2388024, False)
    assert [t.id for t in await graph.message_templates(token, waba_id, name="welcome")] == [made.id]
    await graph.delete_template(token, waba_id, "welcome", template_id=made.id)
    assert [t.name for t in await graph.message_templates(token, waba_id)] == ["hello_world"]
    assert (await failure(graph.delete_template(token, waba_id, "welcome"))).subcode == 2593002


async def test_a_template_is_sent_and_a_message_is_marked_as_read(play: Play) -> None:
    graph = play.graph
    token, signup = await play.connected()
    [number_id] = signup.number_ids
    await graph.register(token, number_id, Secret("111111"))
    template = {"to": "549351", "type": "template", "template": {"name": "hello_world", "language": {"code": "en_US"}}}
    sent = await graph.messages(token, number_id, template)
    assert (sent.message_status, sent.wa_id) == ("accepted", "549351")
    await graph.mark_read(token, number_id, sent.id)
    assert (await failure(graph.mark_read(token, number_id, "nonsense"))).code == 131009
    missing = {**template, "template": {"name": "none", "language": {"code": "en_US"}}}
    assert (await failure(graph.messages(token, number_id, missing))).code == 132001


async def test_a_file_is_uploaded_known_and_deleted(play: Play) -> None:
    graph = play.graph
    token, signup = await play.connected()
    content = bytes(range(256)) * 700
    file_id = await graph.upload_media(
        token, signup.number_ids[0], chunks(content[:5], content[5:]), len(content), "image/png", "logo.png"
    )
    file = await graph.media(token, file_id)
    assert (file.mime_type, file.file_size, file.sha256) == (
        "image/png", len(content), hashlib.sha256(content).hexdigest(),
    )  # fmt: skip
    assert file.url is not None
    await graph.delete_media(token, file_id)
    assert (await failure(graph.media(token, file_id))).kind == "not_found"

"""WABA, numbers, subscription, registration and messages, as Graph answers them (contract 3)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from setuplinks.sandbox.server import listening
from tests.integration.sandbox.calls import Meta


async def test_a_waba_shows_id_and_name_unless_asked_for_more(meta: Meta) -> None:
    customer = await meta.connect(businessName="Demo Bakery")
    plain = await meta.graph("GET", customer.waba, customer.token)
    fields = "name,currency,owner_business_info{id},account_review_status"
    asked = await meta.graph("GET", customer.waba, customer.token, params={"fields": fields})
    assert plain.json == {"id": customer.waba, "name": "Demo Bakery"}
    assert asked.json == {
        "id": customer.waba,
        "name": "Demo Bakery",
        "currency": "USD",
        "owner_business_info": {"id": customer.played["businessId"]},
        "account_review_status": "APPROVED",
    }


async def test_a_field_that_does_not_exist_is_an_error(meta: Meta) -> None:
    customer = await meta.connect()
    answer = await meta.graph("GET", customer.waba, customer.token, params={"fields": "id,colour"})
    assert answer.codes == (100, None)
    assert "nonexisting field (colour)" in answer.error["message"]


async def test_another_customers_waba_looks_like_one_that_does_not_exist(meta: Meta) -> None:
    mine, other = await meta.connect(), await meta.connect()
    for path in (other.waba, f"{other.waba}/phone_numbers", other.number, "123"):
        answer = await meta.graph("GET", path, mine.token)
        assert (answer.status, answer.codes, answer.error["type"]) == (400, (100, 33), "GraphMethodException")


async def test_a_wrong_or_missing_token_is_refused(meta: Meta) -> None:
    customer = await meta.connect()
    wrong = await meta.graph("GET", customer.waba, "wrong")
    assert (wrong.status, wrong.codes, wrong.error["type"]) == (401, (190, None), "OAuthException")
    assert wrong.error["fbtrace_id"]
    assert (await meta.graph("GET", customer.waba, None)).codes == (104, None)


async def test_numbers_are_paged_by_cursors(meta: Meta) -> None:
    customer = await meta.connect("several_numbers")
    path, params = f"{customer.waba}/phone_numbers", {"limit": "2", "fields": "id"}
    first = await meta.graph("GET", path, customer.token, params=params)
    after = first.json["paging"]["cursors"]["after"]
    second = await meta.graph("GET", path, customer.token, params=params | {"after": after})
    assert [row["id"] for row in first.json["data"] + second.json["data"]] == customer.played["phoneNumberIds"]
    assert "next" in first.json["paging"]
    assert "next" not in second.json["paging"]
    followed = await meta.ask(
        "GET",
        first.json["paging"]["next"].removeprefix(meta.url),
        headers={"Authorization": f"Bearer {customer.token}"},
    )
    assert followed.json["data"] == second.json["data"]
    assert customer.token not in first.json["paging"]["next"]


async def test_a_broken_cursor_or_limit_is_an_error(meta: Meta) -> None:
    customer = await meta.connect()
    for params in ({"after": "%%%"}, {"after": "AAAA"}, {"limit": "0"}, {"limit": "many"}):
        answer = await meta.graph("GET", f"{customer.waba}/phone_numbers", customer.token, params=params)
        assert answer.codes == (100, None)


async def test_rate_and_trace_headers_come_with_every_answer(meta: Meta) -> None:
    customer = await meta.connect()
    headers = (await meta.graph("GET", customer.waba, customer.token)).headers
    assert headers["facebook-api-version"] == "v25.0"
    assert "call_count" in headers["X-App-Usage"]
    assert customer.waba in headers["X-Business-Use-Case-Usage"]
    assert headers["x-fb-trace-id"]


async def test_me_tells_the_customers_portfolio(meta: Meta) -> None:
    customer = await meta.connect()
    answer = await meta.graph("GET", "me", customer.token, params={"fields": "client_business_id"})
    assert answer.json["client_business_id"] == customer.played["businessId"]


async def test_registering_makes_a_fresh_number_able_to_send(meta: Meta) -> None:
    customer = await meta.connect()
    fields = {"fields": "status,platform_type,throughput,is_pin_enabled,health_status"}
    before = (await meta.graph("GET", customer.number, customer.token, params=fields)).json
    assert (await meta.register(customer)).json == {"success": True}
    after = (await meta.graph("GET", customer.number, customer.token, params=fields)).json
    assert (before["status"], before["platform_type"]) == ("PENDING", "NOT_APPLICABLE")
    assert before["health_status"]["can_send_message"] == "BLOCKED"
    assert (after["status"], after["platform_type"], after["throughput"]) == (
        "CONNECTED",
        "CLOUD_API",
        {"level": "STANDARD"},
    )
    assert after["health_status"]["can_send_message"] == "AVAILABLE"


async def test_the_pin_of_before_is_remembered_and_guessing_is_locked(meta: Meta) -> None:
    customer = await meta.connect("already_registered_pin")
    codes = [(await meta.register(customer, "111111")).codes[0] for _ in range(5)]
    assert codes == [133005, 133005, 133005, 133005, 133008]
    locked = await meta.register(customer, "654321")
    assert (locked.codes[0], "12 hours" in locked.error["error_data"]["details"]) == (133008, True)
    await meta.advance(12 * 3600)
    assert (await meta.register(customer, "654321")).json == {"success": True}


async def test_two_guesses_within_a_minute_are_too_fast(meta: Meta) -> None:
    customer = await meta.connect("pin_guessed_fast")
    assert [(await meta.register(customer, "111111")).codes[0] for _ in range(2)] == [133005, 133009]
    await meta.advance(61)
    assert (await meta.register(customer, "654321")).status == 200


async def test_an_incomplete_deregistration_is_done_again_first(meta: Meta) -> None:
    customer = await meta.connect("left_behind")
    assert (await meta.register(customer)).codes == (133000, None)
    assert (await meta.graph("POST", f"{customer.number}/deregister", customer.token)).status == 200
    assert (await meta.register(customer)).status == 200


async def test_thirty_numbers_are_two_pages(meta: Meta) -> None:
    customer = await meta.connect("many_numbers")
    first = (await meta.graph("GET", f"{customer.waba}/phone_numbers", customer.token)).json
    more = {"after": first["paging"]["cursors"]["after"]}
    second = (await meta.graph("GET", f"{customer.waba}/phone_numbers", customer.token, params=more)).json
    assert (len(first["data"]), len(second["data"]), "next" in second["paging"]) == (25, 5, False)


async def test_the_eleventh_registration_in_three_days_is_locked_until_they_are_over(meta: Meta) -> None:
    customer = await meta.connect()
    for _ in range(10):
        assert (await meta.register(customer)).status == 200
    assert (await meta.register(customer)).codes == (133016, None)
    await meta.advance(72 * 3600 + 1)
    assert (await meta.register(customer)).status == 200


@pytest.mark.parametrize("pin", ["12345", "1234567", "abcdef", ""])
async def test_a_pin_has_six_digits(meta: Meta, pin: str) -> None:
    customer = await meta.connect()
    assert (await meta.register(customer, pin)).codes == (100, None)


async def test_an_unverified_number_is_verified_by_code_and_then_registered(meta: Meta) -> None:
    customer = await meta.connect("unverified_number")
    assert (await meta.register(customer)).codes == (133006, None)
    wanted = {"code_method": "SMS", "language": "en_US"}
    assert (await meta.graph("POST", f"{customer.number}/request_code", customer.token, data=wanted)).status == 200
    for code, status in (("000000", 400), ("123-456", 200)):
        answer = await meta.graph("POST", f"{customer.number}/verify_code", customer.token, json={"code": code})
        assert answer.status == status
    assert (await meta.register(customer)).status == 200


async def test_a_name_in_review_blocks_registration_until_it_is_approved(meta: Meta) -> None:
    customer = await meta.connect("name_in_review")
    assert (await meta.register(customer)).codes == (131045, None)
    changed = await meta.ask("PATCH", f"/sandbox/phone-numbers/{customer.number}", json={"nameStatus": "APPROVED"})
    assert changed.json["nameStatus"] == "APPROVED"
    assert (await meta.register(customer)).status == 200


async def test_coexistence_numbers_are_neither_registered_nor_deregistered(meta: Meta) -> None:
    customer = await meta.connect("coexistence")
    fields = {"fields": "is_on_biz_app,platform_type"}
    shown = (await meta.graph("GET", customer.number, customer.token, params=fields)).json
    assert (shown["is_on_biz_app"], shown["platform_type"]) == (True, "CLOUD_API")
    assert (await meta.register(customer)).codes == (100, None)
    gone = await meta.graph("POST", f"{customer.number}/deregister", customer.token)
    assert gone.error["message"] == "Deregister endpoint is not available for API solution for SMB businesses."


async def test_each_sync_works_once_and_for_a_day_only(meta: Meta) -> None:
    customer = await meta.connect("coexistence")

    async def sync(kind: str) -> tuple[int, int | None]:
        body = {"messaging_product": "whatsapp", "sync_type": kind}
        answer = await meta.graph("POST", f"{customer.number}/smb_app_data", customer.token, json=body)
        return (0, None) if answer.status == 200 else answer.codes

    assert await sync("smb_app_state_sync") == (0, None)
    assert await sync("smb_app_state_sync") == (2593107, None)
    assert await sync("everything") == (100, None)
    await meta.advance(86401)
    assert await sync("history") == (2593108, None)


async def test_deregistering_disconnects_a_number_and_keeps_its_pin(meta: Meta) -> None:
    customer = await meta.connect()
    await meta.register(customer, "222222")
    assert (await meta.graph("POST", f"{customer.number}/deregister", customer.token)).json == {"success": True}
    assert (await meta.register(customer, "333333")).codes == (133005, None)
    assert (await meta.graph("POST", customer.number, customer.token, json={"pin": "333333"})).json == {"success": True}
    assert (await meta.register(customer, "333333")).json == {"success": True}


@asynccontextmanager
async def callback(answer: str | None) -> AsyncIterator[str]:
    """An address that answers Meta's challenge, rightly (None) or with other words."""

    async def endpoint(request: Request) -> Response:
        return PlainTextResponse(request.query_params["hub.challenge"] if answer is None else answer)

    async with listening(Starlette(routes=[Route("/hook", endpoint)])) as running:
        yield f"{running.url}/hook"


async def test_an_override_comes_after_the_plain_subscription_and_an_empty_post_removes_it(meta: Meta) -> None:
    customer = await meta.connect()
    path = f"{customer.waba}/subscribed_apps"
    async with callback(None) as hook:
        body = {"override_callback_uri": hook, "verify_token": "v"}
        early = await meta.graph("POST", path, customer.token, json=body)
        assert early.codes == (100, None)
        assert "Before override the current callback uri" in early.error["message"]
        assert (await meta.graph("POST", path, customer.token)).json == {"success": True}
        assert (await meta.graph("POST", path, customer.token, json=body)).json == {"success": True}
        assert (await meta.graph("GET", path, customer.token)).json["data"][0]["override_callback_uri"] == hook
    await meta.graph("POST", path, customer.token)
    assert "override_callback_uri" not in (await meta.graph("GET", path, customer.token)).json["data"][0]
    assert (await meta.graph("DELETE", path, customer.token)).json == {"success": True}
    assert (await meta.graph("GET", path, customer.token)).json == {"data": []}


async def test_an_override_that_fails_the_challenge_is_refused(meta: Meta) -> None:
    customer = await meta.connect()
    path = f"{customer.waba}/subscribed_apps"
    await meta.graph("POST", path, customer.token)
    async with callback("something else") as hook:
        body = {"override_callback_uri": hook, "verify_token": "v"}
        assert (await meta.graph("POST", path, customer.token, json=body)).codes == (2200, None)
    assert (await meta.graph("POST", path, customer.token, json=body)).codes == (2200, None)


async def test_a_missing_permission_stops_the_wabas_calls(meta: Meta) -> None:
    customer = await meta.connect("permission_missing")
    answer = await meta.graph("GET", f"{customer.waba}/phone_numbers", customer.token)
    assert (answer.status, answer.codes) == (403, (200, None))
    assert "whatsapp_business_management" not in (await meta.debug(customer.token))["scopes"]


async def test_messages_go_out_from_a_registered_number_only(meta: Meta) -> None:
    customer = await meta.connect()
    text = {"messaging_product": "whatsapp", "to": "+54 9 351 555", "type": "text", "text": {"body": "Hola"}}
    path = f"{customer.number}/messages"
    assert (await meta.graph("POST", path, customer.token, json=text)).codes == (133010, None)
    await meta.register(customer)
    sent = await meta.graph("POST", path, customer.token, json=text)
    assert sent.json["contacts"] == [{"input": "+54 9 351 555", "wa_id": "549351555"}]
    assert sent.json["messages"][0]["id"].startswith("wamid.")
    template = {
        "messaging_product": "whatsapp",
        "to": "54",
        "type": "template",
        "template": {"name": "hello_world", "language": {"code": "en_US"}},
    }
    assert (await meta.graph("POST", path, customer.token, json=template)).status == 200
    template["template"] = {"name": "unknown", "language": {"code": "en_US"}}
    assert (await meta.graph("POST", path, customer.token, json=template)).codes == (132001, None)
    read = {"messaging_product": "whatsapp", "status": "read", "message_id": sent.json["messages"][0]["id"]}
    assert (await meta.graph("POST", path, customer.token, json=read)).json == {"success": True}


async def test_a_new_waba_has_the_template_hello_world(meta: Meta) -> None:
    customer = await meta.connect()
    answer = await meta.graph("GET", f"{customer.waba}/message_templates", customer.token)
    assert [(row["name"], row["language"], row["status"]) for row in answer.json["data"]] == [
        ("hello_world", "en_US", "APPROVED")
    ]

"""Every scenario, played in one call: how the dialog ends and what reaches the page."""

from typing import Any

import pytest

from setuplinks.sandbox.scenarios import SCENARIOS
from tests.integration.sandbox.calls import Meta, query_of

ENDS = {
    "denied": "denied",
    "dev_mode_denial": "denied",
    "walked_away": "vanished",
    "cancel_with_error": "cancelled",
    "number_registered_elsewhere": "cancelled",
    "account_restricted": "cancelled",
    "waba_cap": "cancelled",
    "onboarding_cap": "cancelled",
    "number_cap": "cancelled",
    "dialog_error": "cancelled",
}
FLOW_ERRORS = {
    "cancel_with_error": "2388091",
    "number_registered_elsewhere": "3441049",
    "account_restricted": "2655089",
    "waba_cap": "2388098",
}
CANCELS = {
    "cancel_at_business": "BUSINESS_ACCOUNT_SELECTION",
    "cancel_at_number": "WABA_PHONE_PROFILE_PICKER",
    "cancel_at_profile": "WHATSAPP_BUSINESS_PROFILE_SETUP",
    "cancel_at_phone": "PHONE_NUMBER_SETUP",
    "cancel_at_verify": "PHONE_NUMBER_VERIFICATION",
    "cancel_at_permissions": "PERMISSIONS",
}


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("popup", [False, True], ids=["page", "popup"])
async def test_a_scenario_ends_the_dialog_as_it_says(meta: Meta, name: str, popup: bool) -> None:
    played = await meta.play(name, popup=popup)
    expected = "cancelled" if name in CANCELS else ENDS.get(name, "finished")
    assert (played["outcome"], played["scenario"]) == (expected, name)
    if popup:
        assert played["redirectUrl"] is None
        assert (played["code"] is not None) == (expected == "finished" and name != "message_without_code")
    elif expected == "vanished":
        assert played["redirectUrl"] is None
    else:
        assert ("code" if expected == "finished" else "error") in query_of(played["redirectUrl"])


@pytest.mark.parametrize(("name", "step"), CANCELS.items())
async def test_a_popup_that_is_cancelled_tells_its_step(meta: Meta, name: str, step: str) -> None:
    message = (await meta.play(name, popup=True))["message"]
    assert message == {"type": "WA_EMBEDDED_SIGNUP", "event": "CANCEL", "data": {"current_step": step}, "version": 3}


@pytest.mark.parametrize(("name", "code"), FLOW_ERRORS.items())
async def test_a_reported_error_comes_with_code_session_and_time_as_text(meta: Meta, name: str, code: str) -> None:
    data = (await meta.play(name, popup=True))["message"]["data"]
    assert data["error_code"] == code
    assert set(data) == {"error_message", "error_code", "session_id", "timestamp"}
    assert all(isinstance(value, str) for value in data.values())


async def test_a_good_popup_names_number_waba_and_business(meta: Meta) -> None:
    played = await meta.play(popup=True)
    assert played["order"] == ["message", "code"]
    assert played["message"]["event"] == "FINISH"
    assert played["message"]["data"] == {
        "phone_number_id": played["phoneNumberIds"][0],
        "waba_id": played["wabaIds"][0],
        "business_id": played["businessId"],
    }


async def test_coexistence_tells_the_waba_only(meta: Meta) -> None:
    message = (played := await meta.play("coexistence", popup=True))["message"]
    assert message["event"] == "FINISH_WHATSAPP_BUSINESS_APP_ONBOARDING"
    assert message["data"] == {"waba_id": played["wabaIds"][0]}


async def test_without_a_number_the_message_has_none(meta: Meta) -> None:
    played = await meta.play("no_number", popup=True)
    assert played["message"]["event"] == "FINISH_ONLY_WABA"
    assert set(played["message"]["data"]) == {"waba_id", "business_id"}
    assert played["phoneNumberIds"] == []


async def test_the_popups_two_results_come_in_either_order_or_one_is_missing(meta: Meta) -> None:
    assert (await meta.play("code_before_message", popup=True))["order"] == ["code", "message"]
    assert (await meta.play("code_without_message", popup=True))["message"] is None
    without = await meta.play("message_without_code", popup=True)
    assert (without["code"], without["message"]["event"]) == (None, "FINISH")


async def test_every_good_signup_is_a_fresh_business_waba_and_number(meta: Meta) -> None:
    played = [await meta.play() for _ in range(3)]
    for name in ("businessId", "wabaIds", "phoneNumberIds"):
        assert len({str(one[name]) for one in played}) == 3


async def test_two_wabas_are_granted_newest_first(meta: Meta) -> None:
    customer = await meta.connect("several_wabas")
    scopes = (await meta.debug(customer.token))["granular_scopes"]
    wabas = customer.played["wabaIds"]
    assert [scope["target_ids"] for scope in scopes[1:]] == [wabas, wabas]
    assert len(wabas) == 2
    assert wabas[0] > wabas[1]


async def test_a_token_may_reach_no_waba(meta: Meta) -> None:
    customer = await meta.connect("no_waba")
    scopes = (await meta.debug(customer.token))["granular_scopes"]
    assert [scope["target_ids"] for scope in scopes[1:]] == [[], []]


async def test_existing_waba_gives_the_newest_one_again(meta: Meta) -> None:
    await meta.connect()
    last = await meta.connect()
    again = await meta.connect("existing_waba")
    assert (again.waba, again.number) == (last.waba, last.number)
    assert again.token != last.token
    assert (await meta.graph("GET", last.waba, last.token)).status == 200


async def test_existing_waba_makes_one_where_the_person_has_none(meta: Meta) -> None:
    assert (await meta.connect("existing_waba")).number in meta.world.numbers


@pytest.mark.parametrize("by", ["wabaId", "phoneNumberId", "prefill"])
async def test_a_reconnect_chooses_the_same_waba(meta: Meta, by: str) -> None:
    first = await meta.connect()
    await meta.connect()
    body: dict[str, Any] = {"dialogUrl": meta.dialog_url()}
    if by == "prefill":
        extras = f'{{"setup":{{"whatsAppBusinessAccount":{{"ids":"{first.waba}"}}}}}}'
        body["dialogUrl"] = meta.dialog_url(extras=extras)
    else:
        body["choices"] = {by: first.waba if by == "wabaId" else first.number}
    played = (await meta.ask("POST", "/sandbox/signups", json=body)).json
    assert played["wabaIds"] == [first.waba]


async def test_a_number_of_the_app_is_found_again_by_its_digits(meta: Meta) -> None:
    first = await meta.connect("coexistence", phoneNumber="+54 9 351 555-0100")
    again = await meta.connect("coexistence", phoneNumber="+5493515550100")
    stranger = await meta.connect("coexistence", phoneNumber="+5493515550100", person="stranger")
    assert again.number == first.number
    assert stranger.number != first.number


async def test_the_wrong_account_ignores_what_was_asked_for(meta: Meta) -> None:
    first = await meta.connect()
    extras = f'{{"setup":{{"whatsAppBusinessAccount":{{"id":["{first.waba}"]}}}}}}'
    body = {"dialogUrl": meta.dialog_url(extras=extras), "scenario": "wrong_account"}
    played = (await meta.ask("POST", "/sandbox/signups", json=body)).json
    assert first.waba not in played["wabaIds"]


async def test_choices_name_business_number_and_name(meta: Meta) -> None:
    customer = await meta.connect(businessName="B", displayName="D", phoneNumber="+34 600 000 000")
    fields = {"fields": "display_phone_number,verified_name"}
    shown = (await meta.graph("GET", customer.number, customer.token, params=fields)).json
    assert (shown["display_phone_number"], shown["verified_name"]) == ("+34 600 000 000", "D")


async def test_choices_cancel_and_decline(meta: Meta) -> None:
    assert (await meta.play(popup=True, cancelAt="verify"))["message"]["data"] == {
        "current_step": "PHONE_NUMBER_VERIFICATION"
    }
    assert (await meta.play(deny=True))["outcome"] == "denied"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"dialogUrl": 5},
        {"dialogUrl": "URL", "scenario": "no such"},
        {"dialogUrl": "URL", "choices": []},
        {"dialogUrl": "URL", "choices": {"wabaId": "1"}},
        {"dialogUrl": "URL", "choices": {"code": "1"}},
    ],
)
async def test_a_wrong_request_to_play_is_told(meta: Meta, body: dict[str, Any]) -> None:
    sent = {key: meta.dialog_url() if value == "URL" else value for key, value in body.items()}
    answer = await meta.ask("POST", "/sandbox/signups", json=sent)
    assert answer.status == 422
    assert answer.json["error"]


async def test_a_dialog_that_does_not_open_cannot_be_played(meta: Meta) -> None:
    body = {"dialogUrl": meta.dialog_url(client_id="9")}
    answer = await meta.ask("POST", "/sandbox/signups", json=body)
    assert answer.status == 409
    assert "101" in answer.json["error"]


@pytest.mark.parametrize("call", ["debug_token", "phone_numbers", "subscribed_apps", "register"])
async def test_a_transient_error_is_over_after_two(meta: Meta, call: str) -> None:
    customer = await meta.connect(f"transient_{call}")

    async def once() -> int:
        if call == "register":
            return (await meta.register(customer)).status
        if call == "debug_token":
            path, token = f"debug_token?input_token={customer.token}", "1111222233334444|the-app-secret"
            return (await meta.graph("GET", path, token)).status
        method = "POST" if call == "subscribed_apps" else "GET"
        return (await meta.graph(method, f"{customer.waba}/{call}", customer.token)).status

    assert [await once() for _ in range(4)] == [500, 500, 200, 200]


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("register_rate_limited", [133016] * 4),
        ("register_pin_guesses", [133008] * 4),
        ("register_flaky", [133004, 133004, 0, 0]),
    ],
)
async def test_registering_may_be_refused(meta: Meta, name: str, codes: list[int]) -> None:
    customer = await meta.connect(name)
    answers = [await meta.register(customer) for _ in range(4)]
    assert [0 if answer.status == 200 else answer.codes[0] for answer in answers] == codes


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("app_only_install", "FINISH_GRANT_ONLY_API_ACCESS"),
        ("obo_migration", "FINISH_OBO_MIGRATION"),
        ("dialog_error", "ERROR"),
        ("more_ids", "FINISH"),
    ],
)
async def test_the_popups_message_has_every_kind_that_meta_names(meta: Meta, name: str, event: str) -> None:
    played = await meta.play(name, popup=True)
    message = played["message"]
    assert message["event"] == event
    assert (message["data"].get("error_code") == "2655093") == (event == "ERROR")
    assert message["data"].get("waba_ids") == (played["wabaIds"] if name == "more_ids" else None)


@pytest.mark.parametrize(("name", "code"), [("messages_rate_limited", 130429), ("pair_rate_limited", 131056)])
async def test_messages_may_be_throttled(meta: Meta, name: str, code: int) -> None:
    customer = await meta.connect(name)
    await meta.register(customer)
    text = {"messaging_product": "whatsapp", "to": "5493515550100", "type": "text", "text": {"body": "Hola"}}
    sent = [await meta.graph("POST", f"{customer.number}/messages", customer.token, json=text) for _ in range(3)]
    assert [answer.codes[0] if answer.status >= 400 else 200 for answer in sent] == [code, code, 200]


async def test_the_app_may_be_throttled(meta: Meta) -> None:
    customer = await meta.connect("app_throttled")
    path = f"{customer.waba}/phone_numbers"
    answers = [await meta.graph("GET", path, customer.token) for _ in range(3)]
    assert [answer.status for answer in answers] == [400, 400, 200]
    assert answers[0].codes == (4, None)


async def test_a_number_that_was_just_deleted_waits_once(meta: Meta) -> None:
    customer = await meta.connect("just_deleted")
    assert [(await meta.register(customer)).status for _ in range(2)] == [400, 200]

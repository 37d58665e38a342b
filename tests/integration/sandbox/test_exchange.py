"""Code for token, and what debug_token says of it (contract 2)."""

import hashlib
import hmac
from typing import Any

import pytest

from tests.integration.sandbox.calls import APP_ID, APP_SECRET, APP_TOKEN, CALLBACK, VERSION, Meta, running_meta


async def test_a_code_of_the_full_page_becomes_a_bearer_token_of_sixty_days(meta: Meta) -> None:
    played = await meta.play()
    answer = await meta.exchange(played["code"])
    assert answer.status == 200
    assert set(answer.json) == {"access_token", "token_type", "expires_in"}
    assert answer.json["token_type"] == "bearer"
    assert 5_183_000 < answer.json["expires_in"] <= 5_184_000


@pytest.mark.parametrize("how", ["form", "json"])
async def test_the_exchange_takes_its_parameters_in_the_body_too(meta: Meta, how: str) -> None:
    played = await meta.play()
    params = {"client_id": APP_ID, "client_secret": APP_SECRET, "code": played["code"], "redirect_uri": CALLBACK}
    body: dict[str, Any] = {"data": params} if how == "form" else {"json": params}
    answer = await meta.ask("POST", f"/{VERSION}/oauth/access_token", **body)
    assert answer.status == 200
    assert answer.json["access_token"].startswith("EAA")


async def test_a_code_works_once(meta: Meta) -> None:
    played = await meta.play()
    await meta.exchange(played["code"])
    again = await meta.exchange(played["code"])
    assert (again.status, again.codes, again.error["type"]) == (400, (100, 36009), "OAuthException")
    assert again.error["message"] == "This authorization code has been used."
    assert again.headers["WWW-Authenticate"].startswith('OAuth "Facebook Platform" "invalid_code"')


async def test_a_code_lives_thirty_seconds_of_the_sandbox_clock(meta: Meta) -> None:
    await meta.ask("POST", "/sandbox/clock", json={"frozen": True})
    young, old = await meta.play(), await meta.play()
    await meta.advance(25)
    assert (await meta.exchange(young["code"])).status == 200
    await meta.advance(10)
    assert (await meta.exchange(old["code"])).codes == (100, 36007)


async def test_a_page_code_wants_the_identical_redirect_uri(meta: Meta) -> None:
    played = await meta.play()
    for wrong in (None, "", CALLBACK + "/", CALLBACK.replace("?from=meta", "")):
        assert (await meta.exchange(played["code"], redirect_uri=wrong)).codes == (100, 36008)
    assert (await meta.exchange(played["code"])).status == 200


async def test_a_popup_code_wants_no_redirect_uri_at_all(meta: Meta) -> None:
    played = await meta.play(popup=True)
    for wrong in ("", CALLBACK):
        assert (await meta.exchange(played["code"], redirect_uri=wrong)).codes == (100, 36008)
    assert (await meta.exchange(played["code"], redirect_uri=None)).status == 200


async def test_a_mismatch_spends_the_code_where_the_setting_says_so(meta: Meta) -> None:
    await meta.ask("PUT", "/sandbox/settings", json={"mismatchBurnsCode": True})
    played = await meta.play()
    assert (await meta.exchange(played["code"], redirect_uri="http://other.test/")).codes == (100, 36008)
    assert (await meta.exchange(played["code"])).codes == (100, 36009)


async def test_wrong_app_secret_or_code_are_told_apart(meta: Meta) -> None:
    played = await meta.play()
    assert (await meta.exchange(played["code"], client_id="9")).codes == (101, None)
    assert (await meta.exchange(played["code"], client_secret="wrong")).codes == (1, None)
    assert (await meta.exchange("nonsense")).codes == (100, None)
    assert (await meta.exchange(played["code"])).status == 200


async def test_any_app_is_accepted_where_none_is_configured() -> None:
    async with running_meta(app_id=None, app_secret=None, config_id=None) as meta:
        body = {"dialogUrl": meta.dialog_url(client_id="42", config_id="43")}
        played = (await meta.ask("POST", "/sandbox/signups", json=body)).json
        assert (await meta.exchange(played["code"], client_id="42", client_secret="whatever")).status == 200


async def test_debug_token_names_the_waba_under_whatsapp_and_the_portfolio_under_business_management(
    meta: Meta,
) -> None:
    customer = await meta.connect()
    data = await meta.debug(customer.token)
    targets = {scope["scope"]: scope["target_ids"] for scope in data["granular_scopes"]}
    assert data["is_valid"] is True
    assert data["app_id"] == APP_ID
    assert targets["whatsapp_business_management"] == [customer.waba]
    assert targets["whatsapp_business_messaging"] == [customer.waba]
    assert targets["business_management"] == [customer.played["businessId"]]


async def test_debug_token_wants_the_apps_own_token(meta: Meta) -> None:
    customer = await meta.connect()
    for wrong in (customer.token, f"{APP_ID}|wrong", None):
        answer = await meta.graph("GET", "debug_token", wrong, params={"input_token": customer.token})
        assert (answer.status, answer.codes[0]) == (401, 190)


async def test_the_exchange_may_promise_nothing_but_the_token(meta: Meta) -> None:
    played = await meta.play("life_not_told")
    answer = (await meta.exchange(played["code"])).json
    assert list(answer) == ["access_token"]
    assert (await meta.debug(answer["access_token"]))["expires_at"] > 0


async def test_debug_token_without_granular_scopes(meta: Meta) -> None:
    described = await meta.debug((await meta.connect("no_granular_scopes")).token)
    assert ("granular_scopes" in described, described["is_valid"]) == (False, True)


async def test_debug_token_without_target_ids(meta: Meta) -> None:
    data = await meta.debug((await meta.connect("no_target_ids")).token)
    assert all("target_ids" not in scope for scope in data["granular_scopes"])


async def test_debug_token_with_the_scope_names_of_june_2026(meta: Meta) -> None:
    data = await meta.debug((await meta.connect("june_2026_scopes")).token)
    assert "whatsapp_business_manage_events" in data["scopes"]
    assert "whatsapp_business_management" not in data["scopes"]


async def test_a_token_without_an_end_says_zero_and_no_expires_in(meta: Meta) -> None:
    played = await meta.play("never_expiring")
    answer = await meta.exchange(played["code"])
    assert "expires_in" not in answer.json
    assert (await meta.debug(answer.json["access_token"]))["expires_at"] == 0


async def test_a_sixty_day_token_is_dead_after_its_sixty_days(meta: Meta) -> None:
    customer = await meta.connect("sixty_days")
    await meta.advance(61 * 86400)
    assert (await meta.graph("GET", customer.waba, customer.token)).codes == (190, 463)
    assert (await meta.debug(customer.token))["error"]["subcode"] == 463


async def test_an_unknown_token_is_described_as_invalid_with_status_200(meta: Meta) -> None:
    data = await meta.debug("EAAunknown")
    assert data["is_valid"] is False
    assert data["error"]["code"] == 190


@pytest.mark.parametrize(("scenario", "subcode"), [("dead_token", 460), ("expired_token", 463)])
async def test_a_token_may_be_dead_right_after_the_exchange(meta: Meta, scenario: str, subcode: int) -> None:
    customer = await meta.connect(scenario)
    answer = await meta.graph("GET", customer.waba, customer.token)
    assert (answer.status, answer.codes) == (401, (190, subcode))
    assert (await meta.debug(customer.token))["is_valid"] is False


async def test_the_token_of_another_app_says_so(meta: Meta) -> None:
    data = await meta.debug((await meta.connect("wrong_app")).token)
    assert data["is_valid"] is True
    assert data["app_id"] != APP_ID


@pytest.mark.parametrize(("scenario", "subcode"), [("code_expired", 36007), ("code_used", 36009)])
async def test_a_code_may_arrive_spoilt(meta: Meta, scenario: str, subcode: int) -> None:
    played = await meta.play(scenario)
    assert (await meta.exchange(played["code"])).codes == (100, subcode)


async def test_the_exchange_may_be_unavailable(meta: Meta) -> None:
    played = await meta.play("exchange_unavailable")
    answer = await meta.exchange(played["code"])
    assert (answer.status, answer.codes, answer.error["is_transient"]) == (500, (2, None), True)


async def test_a_given_appsecret_proof_must_be_right(meta: Meta) -> None:
    customer = await meta.connect()
    right = hmac.new(APP_SECRET.encode(), customer.token.encode(), hashlib.sha256).hexdigest()
    good = await meta.graph("GET", customer.waba, customer.token, params={"appsecret_proof": right})
    bad = await meta.graph("GET", customer.waba, customer.token, params={"appsecret_proof": "0" * 64})
    assert good.status == 200
    assert bad.error["message"] == "Invalid appsecret_proof provided in the API argument"


async def test_appsecret_proof_may_be_demanded(meta: Meta) -> None:
    await meta.ask("PUT", "/sandbox/settings", json={"requireAppsecretProof": True})
    customer = await meta.connect()
    proof = hmac.new(APP_SECRET.encode(), APP_TOKEN.encode(), hashlib.sha256).hexdigest()
    assert (await meta.graph("GET", customer.waba, customer.token)).codes == (100, None)
    params = {"input_token": customer.token, "appsecret_proof": proof}
    assert (await meta.graph("GET", "debug_token", APP_TOKEN, params=params)).status == 200

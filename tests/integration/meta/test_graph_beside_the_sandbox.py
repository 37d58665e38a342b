"""Our reading of Meta's documents against the sandbox's: two that were written apart must agree."""

import json

import pytest

from setuplinks.meta.embedded_signup import cancel_code, denial, parse_message
from setuplinks.meta.errors import OutcomeUnknown
from setuplinks.meta.graph import Graph
from setuplinks.meta.payloads import hears
from setuplinks.meta.secret import Secret
from tests.integration.meta.play import APP, CALLBACK, Play, failure

PIN = Secret("123456")


async def test_a_dedicated_signup_goes_from_code_to_first_message(play: Play) -> None:
    graph, signup = play.graph, await play.signup()
    grant = await graph.exchange_code(signup.code)
    token = grant.access_token
    info = await graph.debug_token(token)
    assert (info.is_valid, info.app_id, list(info.waba_ids)) == (True, APP, signup.waba_ids)
    [waba_id], [number_id] = signup.waba_ids, signup.number_ids
    waba = await graph.waba(token, waba_id)
    assert (waba.id, bool(waba.name), bool(waba.currency), bool(waba.business_id)) == (waba_id, True, True, True)
    [number] = await graph.phone_numbers(token, waba_id)
    assert (number.id, number.connection_type, number.needs_registration) == (number_id, "dedicated", True)
    assert not hears(await graph.subscribed_apps(token, waba_id), APP)
    await graph.subscribe(token, waba_id)
    assert hears(await graph.subscribed_apps(token, waba_id), APP)
    await graph.register(token, number_id, PIN)
    ready = await graph.phone_number(token, number_id)
    assert (ready.needs_registration, ready.status, ready.platform_type) == (False, "CONNECTED", "CLOUD_API")
    assert [t.name for t in await graph.message_templates(token, waba_id, name="hello_world")] == ["hello_world"]
    assert (await graph.send_text(token, number_id, "5493515550100", "Hola")).id.startswith("wamid.")
    await graph.deregister(token, number_id)
    await graph.unsubscribe(token, waba_id)
    assert not hears(await graph.subscribed_apps(token, waba_id), APP)


async def test_an_app_that_demands_the_proof_of_its_secret_is_served(play: Play) -> None:
    await play.control("PUT", "/sandbox/settings", {"requireAppsecretProof": True})
    token, signup = await play.connected()
    assert await play.graph.phone_numbers(token, signup.waba_ids[0])
    async with Graph(play.url, "v25.0", APP, Secret("another-secret")) as other:
        error = await failure(other.phone_numbers(token, signup.waba_ids[0]))
    assert (error.kind, error.who) == ("configuration", "operator")


async def test_a_page_code_needs_the_dialogs_own_redirect_address(play: Play) -> None:
    signup = await play.signup(popup=False)
    assert signup.redirect is not None
    assert denial({}) is None
    error = await failure(play.graph.exchange_code(signup.code, CALLBACK + "/"))
    assert (error.kind, error.subcode, error.retryable) == ("code_exchange", 36008, False)
    again = await play.signup(popup=False)
    assert (await play.graph.exchange_code(again.code, CALLBACK)).access_token


@pytest.mark.parametrize(("scenario", "subcode"), [("code_expired", 36007), ("code_used", 36009)])
async def test_a_code_that_is_late_or_spent_says_so(play: Play, scenario: str, subcode: int) -> None:
    signup = await play.signup(scenario)
    error = await failure(play.graph.exchange_code(signup.code))
    assert (error.kind, error.subcode, error.who) == ("code_exchange", subcode, "customer")


async def test_a_code_works_once(play: Play) -> None:
    _, signup = await play.connected()
    assert (await failure(play.graph.exchange_code(signup.code))).subcode == 36009


async def test_a_wrong_app_secret_is_the_operators_matter(play: Play) -> None:
    signup = await play.signup()
    async with Graph(play.url, "v25.0", APP, Secret("wrong")) as other:
        error = await failure(other.exchange_code(signup.code))
    assert (error.kind, error.who) == ("configuration", "operator")


@pytest.mark.parametrize(("scenario", "days"), [("never_expiring", None), ("sixty_days", 60)])
async def test_the_life_of_a_token_is_read(play: Play, scenario: str, days: int | None) -> None:
    token, _ = await play.connected(scenario)
    info = await play.graph.debug_token(token)
    assert (info.expires_at_us is None) == (days is None)


@pytest.mark.parametrize(("scenario", "told"), [("no_target_ids", False), ("june_2026_scopes", True)])
async def test_every_shape_of_scopes_is_read(play: Play, scenario: str, told: bool) -> None:
    token, signup = await play.connected(scenario)
    info = await play.graph.debug_token(token)
    assert (info.is_valid, list(info.waba_ids)) == (True, signup.waba_ids if told else [])
    assert await play.graph.portfolios_wabas(token) == signup.waba_ids
    # The proof of access is the call, whatever the scopes are called.
    assert await play.graph.phone_numbers(token, signup.waba_ids[0])


async def test_several_numbers_come_over_several_pages(play: Play) -> None:
    token, signup = await play.connected("several_numbers")
    numbers = await play.graph.phone_numbers(token, signup.waba_ids[0])
    assert len(numbers) > 1
    assert {number.id for number in numbers} >= set(signup.number_ids)


async def test_coexistence_is_read_from_graph_and_synchronised_once(play: Play) -> None:
    token, signup = await play.connected("coexistence", kind="coexistence")
    assert signup.message is not None
    claimed = parse_message(json.dumps(signup.message), play.url, play.url)
    assert (claimed.claims_coexistence, claimed.phone_number_id) == (True, None)
    [number] = await play.graph.phone_numbers(token, signup.waba_ids[0])
    assert (number.connection_type, number.needs_registration) == ("coexistence", False)
    assert await play.graph.sync_app_data(token, number.id, "smb_app_state_sync")
    error = await failure(play.graph.sync_app_data(token, number.id, "smb_app_state_sync"))
    assert (error.kind, error.code) == ("coexistence", 2593107)
    assert (await failure(play.graph.deregister(token, number.id))).code == 100


async def test_the_pin_of_an_earlier_registration_is_asked_for(play: Play) -> None:
    token, signup = await play.connected("already_registered_pin")
    [number_id] = signup.number_ids
    error = await failure(play.graph.register(token, number_id, PIN))
    assert (error.kind, error.code, error.who, error.retryable) == ("registration", 133005, "customer", False)
    await play.graph.register(token, number_id, Secret("654321"))


async def test_a_deregistration_that_stopped_half_way_is_done_again_first(play: Play) -> None:
    token, signup = await play.connected("left_behind")
    [number_id] = signup.number_ids
    await play.graph.register(token, number_id, PIN)
    assert not (await play.graph.phone_number(token, number_id)).needs_registration


@pytest.mark.parametrize(("scenario", "code"), [("register_rate_limited", 133016), ("register_pin_guesses", 133008)])
async def test_a_locked_registration_is_told_apart(play: Play, scenario: str, code: int) -> None:
    token, signup = await play.connected(scenario)
    error = await failure(play.graph.register(token, signup.number_ids[0], PIN))
    assert (error.code, error.locks_registration) == (code, True)


async def test_an_account_that_was_not_granted_is_not_found(play: Play) -> None:
    token, _ = await play.connected()
    error = await failure(play.graph.waba(token, "999999999999999"))
    assert (error.kind, error.code, error.subcode) == ("not_found", 100, 33)


@pytest.mark.parametrize(("subcode", "reason"), [(463, "token_expired"), (458, "app_removed"), (460, "token_revoked")])
async def test_a_dead_token_is_known_by_call_and_by_examination(play: Play, subcode: int, reason: str) -> None:
    token, signup = await play.connected()
    await play.control("POST", "/sandbox/tokens/kill", {"wabaId": signup.waba_ids[0], "subcode": subcode})
    error = await failure(play.graph.phone_numbers(token, signup.waba_ids[0]))
    info = await play.graph.debug_token(token)
    assert (error.kind, error.token_death) == ("relogin", reason)
    assert (info.is_valid, info.error_code, info.error_subcode) == (False, 190, subcode)


async def test_a_gateways_html_page_is_classified(play: Play) -> None:
    token, signup = await play.connected()
    await play.control("POST", "/sandbox/faults", {"call": "*", "status": 502, "body": "<html>", "times": 2})
    reading = await failure(play.graph.waba(token, signup.waba_ids[0]))
    sending = await failure(play.graph.send_text(token, signup.number_ids[0], "5493515550100", "Hola"))
    assert (reading.kind, reading.retryable, isinstance(sending, OutcomeUnknown)) == ("retry", True, True)


async def test_throttling_is_told_by_error_and_by_header(play: Play) -> None:
    token, signup = await play.connected()
    await play.control("POST", "/sandbox/faults", {"call": "waba", "code": 80007, "times": 1})
    error = await failure(play.graph.waba(token, signup.waba_ids[0]))
    assert (error.kind, error.throttled, error.retryable) == ("retry", True, True)
    await play.graph.waba(token, signup.waba_ids[0])
    assert play.graph.usage.app.at > 0
    assert [load.type for load in play.graph.usage.of(signup.waba_ids[0])]


async def test_the_message_of_a_finished_popup_names_what_graph_confirms(play: Play) -> None:
    signup = await play.signup()
    found = parse_message(json.dumps(signup.message), play.url, play.url)
    assert (found.finished, found.waba_id, found.phone_number_id) == (True, signup.waba_ids[0], signup.number_ids[0])


@pytest.mark.parametrize(("scenario", "step"), [("cancel_at_business", True), ("cancel_at_permissions", True)])
async def test_a_cancelled_popup_tells_its_step(play: Play, scenario: str, step: bool) -> None:
    signup = await play.signup(scenario)
    found = parse_message(json.dumps(signup.message), play.url, play.url)
    assert (found.stopped, cancel_code(found), bool(found.current_step)) == (True, "cancelled", step)


@pytest.mark.parametrize(
    ("scenario", "ours"),
    [("waba_cap", "waba_limit_reached"), ("account_restricted", "account_restricted")],
)
async def test_an_error_inside_the_flow_has_our_code(play: Play, scenario: str, ours: str) -> None:
    signup = await play.signup(scenario)
    found = parse_message(json.dumps(signup.message), play.url, play.url)
    assert cancel_code(found) == ours


async def test_a_denied_page_is_read_from_its_query(play: Play) -> None:
    signup = await play.signup("denied", popup=False)
    assert signup.redirect is not None
    query = dict(pair.split("=", 1) for pair in signup.redirect.partition("?")[2].removesuffix("#_=_").split("&"))
    found = denial(query)
    assert found is not None
    assert (found.error, found.error_code, found.reason) == ("access_denied", "200", "user_denied")

"""Rows 2 to 6 and 8 of the transition table: opening, starting, going to Meta, leaving, coming back in vain."""

import asyncio
import json
from urllib.parse import parse_qs, urlsplit

import pytest

from setuplinks.core.clock import HOUR, MINUTE, SECOND
from tests.integration.setup_links.desk import Desk
from tests.support.api import Api
from tests.support.customer import Customer, a_customer


def _state(dialog: str) -> str:
    return parse_qs(urlsplit(dialog).query)["state"][0]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_looking_at_a_link_moves_nothing(desk: Desk, method: str) -> None:
    link = await desk.link()
    before = await desk.row(link)
    scanner = Api(desk.service.url, None, desk.service.operator._session)
    for _ in range(3):
        assert (await scanner.call(method, urlsplit(link["url"]).path)).status == 200
    await desk.service.drain()
    assert await desk.row(link) == before
    assert await desk.types() == ["setup_link.created"]
    assert await desk.rows("visit") == []


async def test_the_pages_beacon_says_once_that_a_person_opened_it(desk: Desk, customer: Customer) -> None:
    link = await desk.link()
    await customer.open(link["url"])
    for _ in range(2):
        await customer.post_json(urlsplit(link["url"]).path + "/opened", {})
        desk.service.clock.advance(MINUTE)
    shown = await desk.of(link)
    assert shown["openedAt"] == "2026-05-18T12:00:00Z"
    assert (shown["phase"], shown["usedAt"]) == ("pending", None)
    assert await desk.types() == ["setup_link.created", "setup_link.opened"]


async def test_a_beacon_is_counted_where_the_link_moves_between_its_reads_and_its_writes(
    desk: Desk, customer: Customer
) -> None:
    link = await desk.link()
    await customer.open(link["url"])
    parts = desk.service.parts
    async with parts.db.transaction() as beacon:
        await parts.visits.opened(beacon, desk.acme.id, link["id"])
        await customer.press()
    shown = await desk.of(link)
    assert (shown["phase"], shown["openedAt"]) == ("authorizing", shown["usedAt"])


async def test_a_pressed_continue_starts_the_link_and_leads_to_a_url_without_the_secret(
    desk: Desk, customer: Customer
) -> None:
    link = await desk.link(allowedConnectionTypes=["dedicated", "coexistence"])
    await customer.open(link["url"])
    await customer.press()
    assert customer.page == "choose"
    assert customer.url == f"{desk.service.url}/signup/{link['id']}"
    shown = await desk.of(link)
    assert (shown["phase"], shown["status"], shown["usedAt"]) == ("started", "pending", "2026-05-18T12:00:00Z")
    assert [data["setup_link_id"] for data in await desk.told("setup_link.started")] == [link["id"]]
    await customer.press("/authorize", connection_type="dedicated")
    assert await desk.phase(link) == "authorizing"


async def test_a_start_that_no_page_of_ours_posted_is_refused(desk: Desk, customer: Customer) -> None:
    link = await desk.link()
    await customer.open(link["url"])
    path = urlsplit(link["url"]).path
    token = customer.forms[0].fields["form_token"]
    api = Api(desk.service.url, None, desk.service.operator._session)
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    for headers, body in (
        ({**form, "Origin": "https://evil.example"}, f"form_token={token}"),
        ({**form, "Origin": desk.service.url, "Sec_Fetch_Site": "cross-site"}, f"form_token={token}"),
        (form, f"form_token={token}"),
        ({**form, "Origin": desk.service.url}, "form_token=wrong"),
        ({**form, "Origin": desk.service.url}, ""),
    ):
        assert (await api.post(path, body.encode(), **headers)).status == 403
    assert await desk.phase(link) == "pending"


async def test_started_is_told_once_however_often_a_person_starts(desk: Desk, customer: Customer) -> None:
    link = await desk.link()
    for _ in range(3):
        await customer.go_to_meta(link["url"])
        desk.service.clock.advance(MINUTE)
    assert len(await desk.told("setup_link.started")) == 1
    assert (await desk.of(link))["usedAt"] == "2026-05-18T12:00:00Z"
    visits = await desk.rows("visit")
    assert [row["superseded"] for row in sorted(visits, key=lambda row: row["id"])] == [1, 1, 0]


async def test_the_twenty_first_start_fails_the_link(desk: Desk, customer: Customer) -> None:
    link = await desk.link()
    await customer.open(link["url"])
    for _ in range(20):
        await customer.open(link["url"])
        await customer.press()
    assert await desk.phase(link) == "authorizing"
    await customer.open(link["url"])
    await customer.press()
    assert customer.page == "failed"
    shown = await desk.of(link)
    assert (shown["status"], shown["failure"]["code"], shown["url"]) == ("failed", "visits_exhausted", None)
    [failed] = await desk.told("setup_link.failed")
    assert failed["failure"]["code"] == "visits_exhausted"
    query = parse_qs(urlsplit(await customer.leave()).query)
    assert (query["status"], query["error_code"]) == (["failed"], ["visits_exhausted"])


@pytest.mark.parametrize("step", ["business", "number", "profile", "phone", "verify", "permissions"])
async def test_leaving_the_full_page_ends_the_visit_and_the_link_stays_usable(
    desk: Desk, customer: Customer, step: str
) -> None:
    link = await desk.link()
    await customer.walk(link["url"], desk.service.sandbox, scenario=f"cancel_at_{step}")
    assert customer.page == "stopped"
    assert await desk.phase(link) == "started"
    [ended] = await desk.told("setup_link.visit_ended")
    assert (ended["code"], ended["retryable"], ended["phase"]) == ("meta_refused", True, "started")
    await desk.again(customer)
    assert await desk.phase(link) == "completed"


@pytest.mark.parametrize(
    ("scenario", "code", "step"),
    [
        ("cancel_at_phone", "cancelled", "PHONE_NUMBER_SETUP"),
        ("waba_cap", "waba_limit_reached", None),
        ("cancel_with_error", "verification_failed", None),
        ("account_restricted", "account_restricted", None),
        ("number_registered_elsewhere", "number_in_use", None),
        ("onboarding_cap", "meta_refused", None),
        ("number_cap", "meta_refused", None),
    ],
)
async def test_the_popup_tells_where_a_customer_stopped(
    desk: Desk, customer: Customer, scenario: str, code: str, step: str | None
) -> None:
    desk_link = await desk.link()
    played = await _popup(desk, customer, desk_link, scenario)
    assert played["message"] is not None
    await _post_cancel(customer, desk_link, played)
    await customer.open(f"{desk.service.url}/signup/{desk_link['id']}")
    assert customer.page == "stopped"
    [ended] = await desk.told("setup_link.visit_ended")
    assert ended["code"] == code
    assert step is None or ended["current_step"] == step
    assert await desk.phase(desk_link) == "started"


async def _popup(desk: Desk, customer: Customer, link: dict, scenario: str | None) -> dict:
    await customer.open(link["url"])
    await customer.press()
    assert customer.page == "signin"
    settings = desk.service.parts.settings
    dialog = (
        f"{settings.meta_dialog_url}/v25.0/dialog/oauth?client_id={settings.meta_app_id}"
        f"&config_id={settings.meta_config_id}&response_type=code&display=popup"
    )
    return await desk.service.sandbox.play(dialog, scenario=scenario, popup=True)


def _popup_state(customer: Customer) -> str:
    marker = 'data-state="'
    text = customer.reply.body.decode()
    assert marker in text, text[:3000]
    return text.split(marker)[1].split('"')[0]


async def _post_cancel(customer: Customer, link: dict, played: dict) -> None:
    body = {"state": _popup_state(customer), "message": json.dumps(played["message"])}
    reply = await customer.post_json(f"/signup/{link['id']}/cancel", body)
    assert reply.json == {"location": f"/signup/{link['id']}"}


async def test_a_message_of_an_older_window_does_not_end_the_newer_sign_in(desk: Desk, customer: Customer) -> None:
    link = await desk.link()
    played = await _popup(desk, customer, link, "cancel_at_phone")
    state = _popup_state(customer)
    await customer.press("/page")
    dialog = customer.left_to or ""
    body = {"state": state, "message": json.dumps(played["message"])}
    await customer.post_json(f"/signup/{link['id']}/cancel", body)
    assert await desk.phase(link) == "authorizing"
    finished = await desk.service.sandbox.play(dialog)
    await customer.open(finished["redirectUrl"].partition("#")[0])
    await desk.service.drain()
    assert await desk.phase(link) == "completed"


async def test_a_message_that_is_no_cancel_or_forged_ends_nothing(desk: Desk, customer: Customer) -> None:
    link = await desk.link()
    await _popup(desk, customer, link, "default")
    state = _popup_state(customer)
    for message in ('{"type":"WA_EMBEDDED_SIGNUP","event":"FINISH","data":{}}', "nonsense", "{}", "[]", None, 7):
        await customer.post_json(f"/signup/{link['id']}/cancel", {"state": state, "message": message})
    for body in ([], None, {"state": 5}, {"state": ""}, {"state": "x" * 300}):
        assert (await customer.post_json(f"/signup/{link['id']}/cancel", body)).status == 403
    assert await desk.phase(link) == "authorizing"


async def test_silence_is_told_after_an_hour_and_ends_the_visit_after_two(desk: Desk, customer: Customer) -> None:
    link = await desk.link()
    await customer.go_to_meta(link["url"])
    await desk.service.advance(59 * MINUTE)
    assert await desk.told("setup_link.abandoned") == []
    await desk.service.advance(MINUTE)
    assert len(await desk.told("setup_link.abandoned")) == 1
    assert await desk.phase(link) == "authorizing"
    await desk.service.advance(HOUR)
    assert await desk.phase(link) == "started"
    [ended] = await desk.told("setup_link.visit_ended")
    assert ended["code"] == "timed_out"
    await desk.service.advance(24 * HOUR)
    assert len(await desk.told("setup_link.abandoned")) == 1
    assert len(await desk.told("setup_link.visit_ended")) == 1


async def test_an_idle_choice_ends_after_two_hours_too(desk: Desk, customer: Customer) -> None:
    link = await desk.link(allowedConnectionTypes=["dedicated", "coexistence"])
    await customer.open(link["url"])
    await customer.press()
    await desk.service.advance(2 * HOUR)
    assert [data["code"] for data in await desk.told("setup_link.visit_ended")] == ["timed_out"]
    await customer.look_again()
    assert customer.page == "stopped"


async def test_a_cancel_without_a_new_start_is_abandoned_after_ten_minutes_once(desk: Desk, customer: Customer) -> None:
    link = await desk.link()
    await customer.walk(link["url"], desk.service.sandbox, scenario="denied")
    await desk.service.advance(10 * MINUTE - SECOND)
    assert await desk.told("setup_link.abandoned") == []
    await desk.service.advance(SECOND)
    await desk.service.advance(HOUR)
    [abandoned] = await desk.told("setup_link.abandoned")
    assert abandoned["setup_link_id"] == link["id"]


async def test_a_new_start_after_a_cancel_is_no_abandonment(desk: Desk, customer: Customer) -> None:
    link = await desk.link()
    await customer.walk(link["url"], desk.service.sandbox, scenario="denied")
    await desk.service.advance(9 * MINUTE)
    await customer.press("/start")
    await desk.service.advance(30 * MINUTE)
    assert await desk.told("setup_link.abandoned") == []


async def test_while_another_visit_is_at_meta_the_link_stays_authorizing(desk: Desk, customer: Customer) -> None:
    link = await desk.link()
    first = await customer.go_to_meta(link["url"])
    async with a_customer(desk.service.url) as other:
        await other.walk(link["url"], desk.service.sandbox, scenario="denied")
    assert await desk.phase(link) == "authorizing"
    played = await desk.service.sandbox.play(first)  # superseded, yet the first valid code wins
    await customer.open(played["redirectUrl"].partition("#")[0])
    await desk.service.drain()
    assert await desk.phase(link) == "completed"


async def test_a_callback_with_a_foreign_cookie_burns_nothing(desk: Desk, customer: Customer) -> None:
    link = await desk.link()
    played = await desk.service.sandbox.play(await customer.go_to_meta(link["url"]))
    back = played["redirectUrl"].partition("#")[0]
    async with a_customer(desk.service.url) as other:
        await other.open(back)
        assert other.page == "wrong_browser"
    assert await desk.phase(link) == "authorizing"
    assert await desk.service.sandbox.calls("exchange") == []
    await customer.open(back)
    await desk.service.drain()
    assert await desk.phase(link) == "completed"


@pytest.mark.parametrize("how", [{"method": "HEAD"}, {"Sec_Purpose": "prefetch"}, {"Purpose": "prefetch"}])
async def test_heads_and_prefetches_of_the_callback_do_nothing(desk: Desk, customer: Customer, how: dict) -> None:
    link = await desk.link()
    played = await desk.service.sandbox.play(await customer.go_to_meta(link["url"]))
    back = played["redirectUrl"].partition("#")[0]
    headers = {name.replace("_", "-"): value for name, value in how.items() if name != "method"}
    async with customer._session.request(how.get("method", "GET"), back, headers=headers) as answer:
        assert answer.status == 204
    assert await desk.service.sandbox.calls("exchange") == []
    await customer.open(back)
    await desk.service.drain()
    assert await desk.phase(link) == "completed"


@pytest.mark.parametrize("scenario", ["code_expired", "code_used", "exchange_unavailable"])
async def test_an_exchange_that_fails_ends_the_visit_and_is_never_tried_again(
    desk: Desk, customer: Customer, scenario: str
) -> None:
    link = await desk.link()
    await customer.walk(link["url"], desk.service.sandbox, scenario=scenario)
    assert customer.page == "stopped"
    assert len(await desk.service.sandbox.calls("exchange")) == 1
    [ended] = await desk.told("setup_link.visit_ended")
    assert (ended["code"], ended["phase"]) == ("code_exchange_failed", "started")
    await desk.service.advance(5 * MINUTE)
    assert len(await desk.service.sandbox.calls("exchange")) == 1
    await desk.again(customer)
    assert await desk.phase(link) == "completed"


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 502, "body": "<html>"}, {"status": 200, "body": "{}"}])
async def test_nothing_that_the_exchange_answers_makes_us_ask_twice(
    desk: Desk, customer: Customer, fault: dict
) -> None:
    link = await desk.link()
    await desk.service.sandbox.fault("exchange", times=1, **fault)
    await customer.walk(link["url"], desk.service.sandbox)
    assert customer.page == "stopped"
    assert len(await desk.service.sandbox.calls("exchange")) == 1
    assert [data["code"] for data in await desk.told("setup_link.visit_ended")] == ["code_exchange_failed"]


async def test_a_state_works_once_and_reloading_the_callback_shows_the_page(desk: Desk, customer: Customer) -> None:
    link = await desk.link()
    played = await desk.service.sandbox.play(await customer.go_to_meta(link["url"]))
    back = played["redirectUrl"].partition("#")[0]
    await asyncio.gather(*(customer.open(back) for _ in range(4)))
    await desk.service.drain()
    await customer.open(back)
    assert customer.page == "done"
    assert len(await desk.service.sandbox.calls("exchange")) == 1
    assert len(await desk.rows("provisioning")) == 1


@pytest.mark.parametrize("query", ["", "?state=x", "?code=x", "?state=x&code=y", "?code=%00&state=%ff", "?error=a"])
async def test_a_callback_that_nobody_awaits_is_a_404(desk: Desk, customer: Customer, query: str) -> None:
    reply = await customer.open(f"{desk.service.url}/meta/callback{query}")
    assert reply.status == 404
    assert await desk.service.sandbox.calls("exchange") == []


async def test_a_state_is_good_for_two_hours(desk: Desk, customer: Customer) -> None:
    link = await desk.link()
    dialog = await customer.go_to_meta(link["url"])
    await desk.service.advance(2 * HOUR)
    played = await desk.service.sandbox.play(dialog)
    reply = await customer.open(played["redirectUrl"].partition("#")[0])
    assert reply.status == 404
    assert await desk.service.sandbox.calls("exchange") == []
    assert await desk.phase(link) == "started"


async def test_unknown_malformed_and_wrong_secret_urls_give_one_404(desk: Desk, customer: Customer) -> None:
    link = await desk.link()
    good = urlsplit(link["url"]).path
    wrong = good[:-1] + ("a" if good[-1] != "a" else "b")
    other = "/signup/00000000-0000-4000-8000-000000000000-" + "a" * 26
    paths = [wrong, other, good + "x", good[:-1], good.upper(), "/signup/x", f"/signup/{link['id']}", "/signup/%00"]
    replies = [await customer.open(desk.service.url + path) for path in paths]
    assert {reply.status for reply in replies} == {404}
    assert {customer.page} == {"no_link"}
    assert len({len(reply.body) for reply in replies}) <= 2  # nonces differ, nothing else tells them apart

"""A connection that needs its customer asks: API, event and timeline tell it, an answer goes on, silence ends it."""

import asyncio

import pytest

from setuplinks.core.clock import DAY, HOUR, MINUTE, SECOND
from setuplinks.core.db.unit import Unit
from setuplinks.provisioning.questions import QuestionClosed
from tests.integration.provisioning.asking import PIN, asked, check, is_completed, nothing_is_left, pick
from tests.integration.setup_links.desk import Desk
from tests.support.customer import Customer


async def test_without_a_number_the_work_waits_and_everybody_is_told(desk: Desk, customer: Customer) -> None:
    link, _ = await asked(desk, customer, "no_number")
    question = link["actionRequired"]
    assert (question["kind"], question["reason"], question["whoMustAct"]) == ("no_number", "no_number", "customer")
    assert (question["since"], question["until"]) == ("2026-05-18T12:00:00Z", "2026-05-21T12:00:00Z")
    assert (question["options"], question["triesLeft"], question["lockedUntil"]) == ([], None, None)
    [told] = await desk.told("setup_link.action_required")
    assert (told["phase"], told["kind"], told["until"]) == ("action_required", "no_number", "2026-05-21T12:00:00Z")
    assert told["message"] == question["message"]
    assert "action_required" in await desk.steps(link)
    assert await desk.told("setup_link.visit_ended") == []
    [run] = await desk.rows("provisioning")
    assert (run["status"], run["token"] is None, run["lease_until"]) == ("running", False, None)


@pytest.mark.parametrize("how", ["the customer asks", "time", "a webhook"])
async def test_a_number_that_was_added_is_found(desk: Desk, customer: Customer, how: str) -> None:
    link, played = await asked(desk, customer, "no_number")
    [waba] = played["wabaIds"]
    await desk.service.sandbox.ask("POST", f"/sandbox/wabas/{waba}/phone-numbers")
    if how == "the customer asks":
        await check(desk, link)
    elif how == "time":
        await desk.service.advance(2 * MINUTE)
    else:
        await desk.service.db.unit(desk.service.parts.questions.look_again, waba)
        await desk.service.drain()
    await is_completed(desk, link)
    assert len(await desk.told("setup_link.action_required")) == 1
    assert len(await desk.service.sandbox.calls("exchange")) == 1
    [number] = await desk.numbers()
    assert (number["metaWabaId"], number["status"]) == (waba, "active")
    assert ("answered" if how == "the customer asks" else "went_on") in await desk.steps(link)


async def test_looking_in_vain_tells_nobody_again_and_comes_ever_more_rarely(desk: Desk, customer: Customer) -> None:
    link, _ = await asked(desk, customer, "no_number")
    await check(desk, link)
    assert await desk.phase(link) == "action_required"
    for _ in range(24):
        await desk.service.advance(HOUR)
    looks = len(await desk.service.sandbox.calls("phone_numbers"))
    assert 20 <= looks <= 40
    assert len(await desk.told("setup_link.action_required")) == 1
    shown = await desk.of(link)
    assert shown["actionRequired"]["until"] == link["actionRequired"]["until"]


async def test_meta_being_away_while_we_look_does_not_shorten_the_customers_time(
    desk: Desk, customer: Customer
) -> None:
    link, played = await asked(desk, customer, "no_number")
    await desk.service.sandbox.fault("debug_token", times=None, code=2)
    for _ in range(6):
        await desk.service.advance(5 * HOUR)
    assert await desk.phase(link) == "action_required"
    await desk.service.sandbox.no_more_faults()
    await desk.service.sandbox.ask("POST", f"/sandbox/wabas/{played['wabaIds'][0]}/phone-numbers")
    await desk.service.advance(HOUR)
    await is_completed(desk, link)


async def test_pressing_again_and_again_asks_meta_no_more_often(desk: Desk, customer: Customer) -> None:
    link, played = await asked(desk, customer, "no_number")
    before = len(await desk.service.sandbox.calls("debug_token"))
    for _ in range(5):
        await check(desk, link)
    assert len(await desk.service.sandbox.calls("debug_token")) == before + 1
    await desk.service.sandbox.ask("POST", f"/sandbox/wabas/{played['wabaIds'][0]}/phone-numbers")
    await desk.service.advance(10 * SECOND)
    await is_completed(desk, link)


SILENT = [
    ("no_number", "no_phone_number"),
    ("no_waba", "no_business_portfolio"),
    ("several_numbers", "timed_out"),
    ("several_wabas", "timed_out"),
    ("already_registered_pin", "pin_mismatch"),
]


@pytest.mark.parametrize(("scenario", "code"), SILENT)
async def test_a_question_without_an_answer_fails_the_link_after_72_hours(
    desk: Desk, customer: Customer, scenario: str, code: str
) -> None:
    link, played = await asked(desk, customer, scenario)
    await desk.service.advance(3 * DAY - SECOND)
    assert await desk.phase(link) == "action_required"
    await desk.service.advance(SECOND)
    shown = await desk.of(link)
    assert (shown["phase"], shown["failure"]["code"], shown["actionRequired"]) == ("failed", code, None)
    [failed] = await desk.told("setup_link.failed")
    assert failed["failure"]["code"] == code
    await desk.service.drain()
    await nothing_is_left(desk, played)
    await customer.look_again()
    assert customer.page == "failed"


@pytest.mark.parametrize("scenario", ["no_number", "several_wabas", "already_registered_pin"])
async def test_a_link_that_is_revoked_while_it_waits_is_cleaned_up(
    desk: Desk, customer: Customer, scenario: str
) -> None:
    link, played = await asked(desk, customer, scenario)
    assert (await desk.acme.api.post(f"/admin/setup-links/{link['id']}/revoke")).status == 200
    await desk.service.drain()
    shown = await desk.of(link)
    assert (shown["phase"], shown["actionRequired"]) == ("revoked", None)
    await nothing_is_left(desk, played)


async def test_a_suspended_tenants_open_question_fails_its_link(desk: Desk, customer: Customer) -> None:
    link, played = await asked(desk, customer, "already_registered_pin")
    patched = await desk.service.operator.patch(f"/admin/tenants/{desk.acme.id}", {"status": "suspended"})
    assert patched.status == 200
    await desk.service.drain()
    row = await desk.row(link)
    assert (row["phase"], row["failure_code"], row["action_required"]) == ("failed", "tenant_suspended", None)
    await nothing_is_left(desk, played)


async def test_the_customer_may_rather_choose_again_at_facebook(desk: Desk, customer: Customer) -> None:
    link, played = await asked(desk, customer, "no_waba")
    await desk.service.db.unit(desk.service.parts.questions.start_over, desk.acme.id, link["id"])
    await desk.service.drain()
    await nothing_is_left(desk, played)
    [ended] = await desk.told("setup_link.visit_ended")
    assert (ended["code"], ended["phase"]) == ("no_business_portfolio", "started")
    await customer.look_again()
    assert customer.page == "stopped"
    await desk.again(customer)
    assert await desk.phase(link) == "completed"


async def test_an_answer_begins_the_24_hours_of_work_anew(desk: Desk, customer: Customer) -> None:
    link, played = await asked(desk, customer, "several_numbers")
    await desk.service.advance(50 * HOUR)
    await desk.service.sandbox.fault("subscribed_apps", times=None, code=2)
    await pick(desk, link, played["phoneNumberIds"][0])
    await desk.service.advance(20 * HOUR)
    assert await desk.phase(link) == "provisioning"
    await desk.service.advance(4 * HOUR)
    assert (await desk.of(link))["failure"]["code"] == "meta_unavailable"


async def test_an_answer_in_two_browsers_counts_once(desk: Desk, customer: Customer) -> None:
    link, _ = await asked(desk, customer, "several_numbers")
    ids = [option["metaPhoneNumberId"] for option in link["actionRequired"]["options"]]
    questions = desk.service.parts.questions

    async def twice(tx: Unit) -> None:
        await questions.answer_numbers(tx, desk.acme.id, link["id"], ids[:1])

    await desk.service.db.unit(twice)
    with pytest.raises(QuestionClosed):
        await desk.service.db.unit(questions.answer_numbers, desk.acme.id, link["id"], ids[1:])
    await desk.service.drain()
    await is_completed(desk, link)
    assert len((await desk.of(link))["resultingPhoneNumberIds"]) == 1


async def test_a_link_that_is_revoked_between_steps_that_share_a_record_goes_no_further(
    desk: Desk, customer: Customer
) -> None:
    link = await desk.link()
    sandbox = desk.service.sandbox
    await sandbox.hold("waba")
    await customer.walk(link["url"], sandbox)
    working = asyncio.create_task(desk.service.drain())
    await sandbox.until_held("waba")
    assert (await desk.acme.api.post(f"/admin/setup-links/{link['id']}/revoke")).status == 200
    await sandbox.let_go("waba")
    await working
    assert {call["call"] for call in await sandbox.calls()} == {"exchange", "debug_token", "waba"}
    [run] = await desk.rows("provisioning")
    assert (run["status"], run["token"]) == ("revoked", None)


async def test_another_tenants_question_is_not_found(desk: Desk, customer: Customer) -> None:
    link, _ = await asked(desk, customer, "already_registered_pin")
    other = await desk.service.new_tenant("Other SaaS")
    with pytest.raises(QuestionClosed):
        await desk.service.db.unit(desk.service.parts.questions.answer_pin, other.id, link["id"], PIN)
    assert await desk.phase(link) == "action_required"


@pytest.mark.parametrize(("call", "code"), [("me", 100), ("owned_whatsapp_business_accounts", 200)])
async def test_a_portfolio_that_meta_does_not_show_is_no_end_of_the_link(
    desk: Desk, customer: Customer, call: str, code: int
) -> None:
    await desk.service.sandbox.fault(call, code=code, times=1)
    link, _ = await asked(desk, customer, "no_target_ids")
    assert (await desk.of(link))["actionRequired"]["kind"] == "no_number"
    await desk.service.advance(10 * MINUTE)
    await is_completed(desk, link)

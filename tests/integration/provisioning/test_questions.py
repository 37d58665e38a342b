"""A connection that needs its customer asks: API, event and timeline tell it, an answer goes on, silence ends it."""

from typing import Any

import pytest

from setuplinks.core.clock import DAY, HOUR, MINUTE, SECOND
from setuplinks.core.db.unit import Unit
from setuplinks.provisioning.questions import AnswerRefused, QuestionClosed
from tests.integration.setup_links.desk import Desk
from tests.support.customer import Customer, a_customer

PIN = "654321"  # of the sandbox's numbers that were registered before


async def asked(desk: Desk, customer: Customer, scenario: str, **fields: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A link whose work waits for the customer, and what the sandbox says of the signup."""
    link = await desk.link(**fields)
    played = await customer.walk(link["url"], desk.service.sandbox, scenario=scenario)
    await desk.service.drain()
    shown = await desk.of(link)
    assert (shown["phase"], shown["status"]) == ("action_required", "pending")
    return shown, played


async def pick(desk: Desk, link: dict[str, Any], *ids: str) -> None:
    await desk.service.db.unit(desk.service.parts.questions.answer_numbers, desk.acme.id, link["id"], ids)
    await desk.service.drain()


async def give_pin(desk: Desk, link: dict[str, Any], pin: str) -> None:
    await desk.service.db.unit(desk.service.parts.questions.answer_pin, desk.acme.id, link["id"], pin)
    await desk.service.drain()


async def check(desk: Desk, link: dict[str, Any]) -> None:
    await desk.service.db.unit(desk.service.parts.questions.check_again, desk.acme.id, link["id"])
    await desk.service.drain()


async def until_completed(desk: Desk, link: dict[str, Any]) -> None:
    assert await desk.phase(link) == "completed"
    shown = await desk.of(link)
    assert shown["actionRequired"] is None
    [run] = await desk.rows("provisioning")
    assert (run["status"], run["question"], run["token"], run["pin"]) == ("done", None, None, None)


async def nothing_is_left(desk: Desk, played: dict[str, Any]) -> None:
    [run] = await desk.rows("provisioning")
    assert (run["question"], run["token"], run["pin"], run["due_at"]) == (None, None, None, None)
    assert await desk.rows("credential") == []
    assert await desk.rows("connected_number") == []
    for waba in played["wabaIds"]:
        assert (await desk.service.sandbox.ask("GET", f"/sandbox/wabas/{waba}"))["subscribedApps"] == {}


# -- no number -------------------------------------------------------------------------------------------------------
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
    await until_completed(desk, link)
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
    await until_completed(desk, link)


async def test_pressing_again_and_again_asks_meta_no_more_often(desk: Desk, customer: Customer) -> None:
    link, played = await asked(desk, customer, "no_number")
    before = len(await desk.service.sandbox.calls("debug_token"))
    for _ in range(5):
        await check(desk, link)
    assert len(await desk.service.sandbox.calls("debug_token")) == before + 1
    await desk.service.sandbox.ask("POST", f"/sandbox/wabas/{played['wabaIds'][0]}/phone-numbers")
    await desk.service.advance(10 * SECOND)
    await until_completed(desk, link)


SILENT = [
    ("no_number", "no_phone_number"),
    ("no_waba", "no_business_portfolio"),
    ("no_target_ids", "no_business_portfolio"),
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


# -- several numbers -------------------------------------------------------------------------------------------------
async def test_ticked_numbers_of_several_accounts_are_all_connected(desk: Desk, customer: Customer) -> None:
    link, played = await asked(desk, customer, "several_wabas")
    options = link["actionRequired"]["options"]
    ids = [option["metaPhoneNumberId"] for option in options]
    assert sorted(ids) == sorted(played["phoneNumberIds"])
    assert [option["taken"] for option in options] == [False, False]
    await pick(desk, link, *ids)
    await until_completed(desk, link)
    numbers = {number["metaPhoneNumberId"]: number for number in await desk.numbers()}
    assert {number["status"] for number in numbers.values()} == {"active"}
    shown = await desk.of(link)
    assert shown["resultingPhoneNumberIds"] == [numbers[number]["id"] for number in ids]
    assert shown["resultingWabaId"] == numbers[ids[0]]["wabaId"]
    types = await desk.types()
    assert types.count("whatsapp.waba.created") == types.count("whatsapp.phone_number.created") == 2
    credentials = await desk.rows("credential")
    assert len({bytes(row["token"]) for row in credentials}) == len({row["waba_id"] for row in credentials}) == 2
    pins = [row["pin"] for row in await desk.rows("phone_number")]
    assert len({bytes(pin) for pin in pins}) == 2
    for waba in played["wabaIds"]:
        assert (await desk.service.sandbox.ask("GET", f"/sandbox/wabas/{waba}"))["subscribedApps"] != {}
    [completed] = await desk.told("setup_link.completed")
    assert completed["phone_number_ids"] == ids


async def test_what_is_not_ticked_is_kept_as_available(desk: Desk, customer: Customer) -> None:
    link, _ = await asked(desk, customer, "several_numbers")
    ids = [option["metaPhoneNumberId"] for option in link["actionRequired"]["options"]]
    await pick(desk, link, ids[2], ids[0])
    await until_completed(desk, link)
    statuses = {number["metaPhoneNumberId"]: number["status"] for number in await desk.numbers()}
    assert statuses == {ids[0]: "active", ids[1]: "available", ids[2]: "active"}
    assert len(await desk.service.sandbox.calls("register")) == 2
    assert len(await desk.rows("credential")) == 1


async def test_an_answer_that_is_none_is_refused_and_the_question_stays(desk: Desk, customer: Customer) -> None:
    link, _ = await asked(desk, customer, "several_numbers")
    refused = []
    for ids in ([], ["999"], [link["actionRequired"]["options"][0]["metaPhoneNumberId"], "999"]):
        with pytest.raises(AnswerRefused) as caught:
            await pick(desk, link, *ids)
        refused.append(caught.value.why)
    assert refused == ["nothing_chosen", "not_offered", "not_offered"]
    with pytest.raises(QuestionClosed):
        await give_pin(desk, link, PIN)
    with pytest.raises(QuestionClosed):
        await check(desk, link)
    assert await desk.phase(link) == "action_required"


async def test_a_number_that_another_customer_holds_cannot_be_ticked(desk: Desk, customer: Customer) -> None:
    first, _ = await asked(desk, customer, "several_numbers")
    ids = [option["metaPhoneNumberId"] for option in first["actionRequired"]["options"]]
    await pick(desk, first, ids[0])
    other = await desk.another_customer()
    body = {"allowedConnectionTypes": ["dedicated"]}
    link = await desk.acme.api.made(f"/admin/customers/{other}/setup-links", body)
    waba = (await desk.numbers())[0]["metaWabaId"]
    async with a_customer(desk.service.url) as second:
        await second.walk(link["url"], desk.service.sandbox, wabaId=waba)
        await desk.service.drain()
        question = (await desk.of(link))["actionRequired"]
        taken = {option["metaPhoneNumberId"]: option["taken"] for option in question["options"]}
        assert taken == {ids[0]: True, ids[1]: False, ids[2]: False}
        with pytest.raises(AnswerRefused) as caught:
            await pick(desk, link, ids[0], ids[1])
        assert caught.value.why == "taken"
        await pick(desk, link, ids[1])
    assert await desk.phase(link) == "completed"
    holders = {row["meta_phone_number_id"]: row["customer_id"] for row in await desk.rows("connected_number")}
    assert holders == {ids[0]: desk.clinic, ids[1]: other}


async def test_only_numbers_of_a_type_that_the_link_allows_are_offered(desk: Desk, customer: Customer) -> None:
    link, played = await asked(desk, customer, "several_numbers")
    [one, two, three] = played["phoneNumberIds"]
    await desk.service.sandbox.ask(
        "PATCH", f"/sandbox/phone-numbers/{three}", {"isOnBizApp": True, "platformType": "CLOUD_API"}
    )
    await desk.service.db.unit(desk.service.parts.questions.start_over, desk.acme.id, link["id"])
    await customer.look_again()
    await desk.again(customer, wabaId=played["wabaIds"][0])
    options = (await desk.of(link))["actionRequired"]["options"]
    assert sorted(option["metaPhoneNumberId"] for option in options) == sorted([one, two])


async def test_a_dedicated_and_a_coexistence_number_are_connected_side_by_side(desk: Desk, customer: Customer) -> None:
    both = {"allowedConnectionTypes": ["dedicated", "coexistence"]}
    link, played = await asked(desk, customer, "several_numbers", **both)
    [one, two, three] = played["phoneNumberIds"]
    on_app = {"isOnBizApp": True, "platformType": "CLOUD_API", "throughput": "STANDARD", "status": "CONNECTED"}
    await desk.service.sandbox.ask("PATCH", f"/sandbox/phone-numbers/{three}", on_app)
    await desk.service.db.unit(desk.service.parts.questions.start_over, desk.acme.id, link["id"])
    again = await desk.link(**both)
    dialog = await customer.go_to_meta(again["url"])
    back = await desk.service.sandbox.play(dialog, wabaId=played["wabaIds"][0])
    await customer.open(back["redirectUrl"].partition("#")[0])
    await desk.service.drain()
    await pick(desk, again, one, three)
    assert await desk.phase(again) == "completed"
    types = {number["metaPhoneNumberId"]: number["connectionType"] for number in await desk.numbers()}
    assert types == {one: "dedicated", two: "dedicated", three: "coexistence"}
    calls = await desk.service.sandbox.calls()
    registered = {call["path"].split("/")[-2] for call in calls if call["call"] == "register"}
    synced = {call["path"].split("/")[-2] for call in calls if call["call"] == "smb_app_data"}
    assert (registered, synced) == ({one}, {three})


async def test_a_grant_that_fails_late_takes_off_every_subscription_that_it_made(
    desk: Desk, customer: Customer
) -> None:
    link, played = await asked(desk, customer, "several_wabas")
    await desk.service.sandbox.fault("phone", times=None, code=190, subcode=460)
    await pick(desk, link, *played["phoneNumberIds"])
    await desk.service.drain()
    [ended] = await desk.told("setup_link.visit_ended")
    assert ended["code"] == "permission_missing"
    await nothing_is_left(desk, played)


# -- PIN -------------------------------------------------------------------------------------------------------------
async def test_the_right_pin_connects_and_is_kept(desk: Desk, customer: Customer) -> None:
    link, _ = await asked(desk, customer, "already_registered_pin")
    question = link["actionRequired"]
    assert (question["kind"], question["wrongPins"], question["triesLeft"]) == ("pin", 0, 7)
    assert question["displayPhoneNumber"].startswith("+")
    await give_pin(desk, link, PIN)
    await until_completed(desk, link)
    [row] = await desk.rows("phone_number")
    sealer = await desk.service.parts.vault.tenant(desk.acme.id)
    assert sealer.open(row["pin"], "phone_number", row["id"], "pin") == PIN.encode()


async def test_a_wrong_pin_is_one_try_and_the_question_says_how_many_remain(desk: Desk, customer: Customer) -> None:
    link, _ = await asked(desk, customer, "already_registered_pin")
    before = len(await desk.service.sandbox.calls("register"))
    await give_pin(desk, link, "111111")
    question = (await desk.of(link))["actionRequired"]
    assert (question["kind"], question["wrongPins"], question["triesLeft"]) == ("pin", 1, 6)
    assert question["until"] == link["actionRequired"]["until"]
    assert len(await desk.service.sandbox.calls("register")) == before + 1
    assert [told["wrong_pins"] for told in await desk.told("setup_link.action_required")] == [0, 1]
    for wrong in ("12345", "1234567", "12345a", "１２３４５６", ""):
        with pytest.raises(AnswerRefused) as caught:
            await give_pin(desk, link, wrong)
        assert caught.value.why == "not_six_digits"
    assert len(await desk.service.sandbox.calls("register")) == before + 1
    await give_pin(desk, link, PIN)
    await until_completed(desk, link)


@pytest.mark.parametrize("right_at_the_end", [True, False])
async def test_a_number_that_meta_locks_shows_until_when_and_goes_on_by_itself(
    desk: Desk, customer: Customer, right_at_the_end: bool
) -> None:
    link, _ = await asked(desk, customer, "already_registered_pin")
    await desk.service.sandbox.fault("register", times=1, code=133008)
    await give_pin(desk, link, PIN if right_at_the_end else "222222")
    question = (await desk.of(link))["actionRequired"]
    assert (question["kind"], question["whoMustAct"], question["wrongPins"]) == ("pin", "meta", 0)
    assert question["lockedUntil"] == "2026-05-19T00:00:00Z"
    with pytest.raises(AnswerRefused) as caught:
        await give_pin(desk, link, PIN)
    assert caught.value.why == "locked"
    tries = len(await desk.service.sandbox.calls("register"))
    await desk.service.advance(12 * HOUR - SECOND)
    assert len(await desk.service.sandbox.calls("register")) == tries
    await desk.service.advance(SECOND)
    if right_at_the_end:
        await until_completed(desk, link)
        return
    question = (await desk.of(link))["actionRequired"]
    assert (question["wrongPins"], question["lockedUntil"], question["whoMustAct"]) == (1, None, "customer")
    await give_pin(desk, link, PIN)
    await until_completed(desk, link)


async def test_a_lock_that_outlasts_the_question_completes_the_link_with_a_pending_number(
    desk: Desk, customer: Customer
) -> None:
    link, _ = await asked(desk, customer, "already_registered_pin")
    await desk.service.advance(HOUR)
    await desk.service.sandbox.fault("register", times=1, code=133016)
    await give_pin(desk, link, PIN)
    await until_completed(desk, link)
    [number] = await desk.numbers()
    assert number["status"] == "pending"
    await desk.service.advance(9 * HOUR)
    assert (await desk.numbers())[0]["status"] == "active"


async def test_too_many_wrong_pins_end_the_link_below_metas_own_limit(desk: Desk, customer: Customer) -> None:
    link, played = await asked(desk, customer, "already_registered_pin")
    for n in range(6):
        await desk.service.sandbox.fault("register", times=1, code=133005)
        await give_pin(desk, link, f"{n:06d}")
        assert await desk.phase(link) == "action_required"
    await desk.service.sandbox.fault("register", times=1, code=133005)
    await give_pin(desk, link, "777777")
    shown = await desk.of(link)
    assert (shown["phase"], shown["failure"]["code"]) == ("failed", "pin_mismatch")
    assert len(await desk.service.sandbox.calls("register")) == 8
    await desk.service.drain()
    await nothing_is_left(desk, played)


async def test_each_of_several_numbers_is_asked_for_its_own_pin(desk: Desk, customer: Customer) -> None:
    link, played = await asked(desk, customer, "several_numbers")
    [one, two, _] = played["phoneNumberIds"]
    for number, pin in ((one, "111222"), (two, "333444")):
        await desk.service.sandbox.ask("PATCH", f"/sandbox/phone-numbers/{number}", {"pin": pin})
    await pick(desk, link, one, two)
    first = (await desk.of(link))["actionRequired"]
    await desk.service.advance(HOUR)
    await give_pin(desk, link, "111222")
    second = (await desk.of(link))["actionRequired"]
    assert first["displayPhoneNumber"] != second["displayPhoneNumber"]
    assert (first["until"], second["until"]) == ("2026-05-21T12:00:00Z", "2026-05-21T13:00:00Z")
    await give_pin(desk, link, "333444")
    await until_completed(desk, link)
    assert sorted(number["status"] for number in await desk.numbers()) == ["active", "active", "available"]


async def test_a_reconnect_uses_the_pin_that_we_know(desk: Desk, customer: Customer) -> None:
    await desk.connected(customer)
    [number] = await desk.numbers()
    [before] = await desk.rows("phone_number")
    gone = {"platformType": "NOT_APPLICABLE", "throughput": "NOT_APPLICABLE", "status": "DISCONNECTED"}
    await desk.service.sandbox.ask("PATCH", f"/sandbox/phone-numbers/{number['metaPhoneNumberId']}", gone)
    link = await desk.link(reconnectPhoneNumberId=number["id"])
    await customer.walk(link["url"], desk.service.sandbox)
    await desk.service.drain()
    assert await desk.phase(link) == "completed"
    assert [call["status"] for call in await desk.service.sandbox.calls("register")] == [200, 200]
    [after] = await desk.rows("phone_number")
    sealer = await desk.service.parts.vault.tenant(desk.acme.id)
    pins = {sealer.open(row["pin"], "phone_number", row["id"], "pin") for row in (before, after)}
    assert len(pins) == 1


# -- the clock of the work, and the unit -----------------------------------------------------------------------------
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
    await until_completed(desk, link)
    assert len((await desk.of(link))["resultingPhoneNumberIds"]) == 1


async def test_another_tenants_question_is_not_found(desk: Desk, customer: Customer) -> None:
    link, _ = await asked(desk, customer, "already_registered_pin")
    other = await desk.service.new_tenant("Other SaaS")
    with pytest.raises(QuestionClosed):
        await desk.service.db.unit(desk.service.parts.questions.answer_pin, other.id, link["id"], PIN)
    assert await desk.phase(link) == "action_required"

"""A number with a PIN from before: one try for each answer, Meta's locks, and PINs that we know already."""

import pytest

from setuplinks.core.clock import HOUR, MINUTE, SECOND
from setuplinks.provisioning.questions import AnswerRefused
from tests.integration.provisioning.asking import PIN, asked, give_pin, is_completed, nothing_is_left, pick
from tests.integration.setup_links.desk import Desk
from tests.support.customer import Customer


async def test_the_right_pin_connects_and_is_kept(desk: Desk, customer: Customer) -> None:
    link, _ = await asked(desk, customer, "already_registered_pin")
    question = link["actionRequired"]
    assert (question["kind"], question["wrongPins"], question["triesLeft"]) == ("pin", 0, 7)
    assert question["displayPhoneNumber"].startswith("+")
    await give_pin(desk, link, PIN)
    await is_completed(desk, link)
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
    await is_completed(desk, link)


@pytest.mark.parametrize("right_at_the_end", [True, False])
@pytest.mark.parametrize(
    ("code", "lock", "until"),
    [(133008, 12 * HOUR, "2026-05-19T00:00:00Z"), (133009, 5 * MINUTE, "2026-05-18T12:05:00Z")],
)
async def test_a_number_that_meta_locks_shows_until_when_and_goes_on_by_itself(
    desk: Desk, customer: Customer, right_at_the_end: bool, code: int, lock: int, until: str
) -> None:
    link, _ = await asked(desk, customer, "already_registered_pin")
    await desk.service.sandbox.fault("register", times=1, code=code)
    await give_pin(desk, link, PIN if right_at_the_end else "222222")
    question = (await desk.of(link))["actionRequired"]
    assert (question["kind"], question["whoMustAct"], question["wrongPins"]) == ("pin", "meta", 0)
    assert question["lockedUntil"] == until
    with pytest.raises(AnswerRefused) as caught:
        await give_pin(desk, link, PIN)
    assert caught.value.why == "locked"
    tries = len(await desk.service.sandbox.calls("register"))
    await desk.service.advance(lock - SECOND)
    assert len(await desk.service.sandbox.calls("register")) == tries
    await desk.service.advance(SECOND)
    if right_at_the_end:
        await is_completed(desk, link)
        return
    question = (await desk.of(link))["actionRequired"]
    assert (question["wrongPins"], question["lockedUntil"], question["whoMustAct"]) == (1, None, "customer")
    await give_pin(desk, link, PIN)
    await is_completed(desk, link)


async def test_a_lock_that_outlasts_the_question_completes_the_link_with_a_pending_number(
    desk: Desk, customer: Customer
) -> None:
    link, _ = await asked(desk, customer, "already_registered_pin")
    await desk.service.advance(HOUR)
    await desk.service.sandbox.fault("register", times=1, code=133016)
    await give_pin(desk, link, PIN)
    await is_completed(desk, link)
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
    await is_completed(desk, link)
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

"""An open question in the customer's browser: its page, its answer by a plain form, and what else may come of it."""

from typing import Any

import pytest

from setuplinks.core.clock import HOUR, MINUTE, SECOND
from tests.integration.setup_links.desk import Desk
from tests.support.customer import Customer, a_customer

PIN, WRONG = "654321", "111111"


async def asked(desk: Desk, customer: Customer, scenario: str, **fields: Any) -> dict[str, Any]:
    """A link whose question is before the customer."""
    link = await desk.link(**fields)
    played = await customer.walk(link["url"], desk.service.sandbox, scenario=scenario)
    assert customer.page == "finishing"
    await desk.service.drain()
    await customer.look_again()
    return {**link, "played": played}


async def finished(desk: Desk, customer: Customer) -> None:
    """After a good answer: the finishing page, then done."""
    assert customer.page == "finishing"
    await desk.service.drain()
    await customer.look_again()
    assert customer.page == "done"


async def status(customer: Customer, link: dict[str, Any]) -> dict[str, Any]:
    """What the pages' scripts read."""
    page = customer.url
    reply = await customer.open(f"{customer.origin}/signup/{link['id']}/status")
    await customer.open(page)
    found: dict[str, Any] = reply.json
    return found


# -- the PIN ---------------------------------------------------------------------------------------------------------
async def test_the_right_pin_goes_on_to_the_end(desk: Desk, customer: Customer) -> None:
    link = await asked(desk, customer, "already_registered_pin")
    assert customer.page == "pin"
    assert "was set up on WhatsApp before, with a six-digit PIN" in customer.text
    await customer.press("/pin", pin=f" {PIN[:3]} {PIN[3:]} ")
    assert customer.url == f"{customer.origin}/signup/{link['id']}"
    await finished(desk, customer)


async def test_a_wrong_pin_is_one_try_and_the_page_counts_what_is_left(desk: Desk, customer: Customer) -> None:
    await asked(desk, customer, "already_registered_pin")
    before = len(await desk.service.sandbox.calls("register"))
    await customer.press("/pin", pin=WRONG)
    await desk.service.drain()
    await customer.look_again()
    assert customer.page == "pin"
    assert "WhatsApp did not accept this PIN." in customer.text
    assert "tries are left." in customer.text
    assert WRONG not in customer.reply.body.decode()
    assert len(await desk.service.sandbox.calls("register")) == before + 1
    await customer.press("/pin", pin=PIN)
    await finished(desk, customer)


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "12345a", "١٢٣٤٥٦"])
async def test_what_has_no_six_digits_is_never_sent_to_meta(desk: Desk, customer: Customer, typed: str) -> None:
    await asked(desk, customer, "already_registered_pin")
    before = len(await desk.service.sandbox.calls("register"))
    await customer.press("/pin", pin=typed)
    assert customer.page == "pin"
    assert "The PIN has six digits. Nothing was sent to WhatsApp." in customer.text
    assert len(await desk.service.sandbox.calls("register")) == before


async def test_whoever_turned_the_pin_off_says_so_and_a_new_one_is_set(desk: Desk, customer: Customer) -> None:
    link = await asked(desk, customer, "already_registered_pin")
    [number] = link["played"]["phoneNumberIds"]
    await desk.service.sandbox.ask("PATCH", f"/sandbox/phone-numbers/{number}", {"pin": None})
    await customer.press("/turned-off")
    await finished(desk, customer)
    assert (await desk.service.sandbox.ask("GET", f"/sandbox/phone-numbers/{number}"))["pin"] not in {None, PIN}


async def test_a_locked_number_says_when_it_goes_on_and_takes_no_pin_before(desk: Desk, customer: Customer) -> None:
    await asked(desk, customer, "already_registered_pin")
    await desk.service.sandbox.fault("register", code=133008, times=1)
    form = next(form for form in customer.forms if form.action.endswith("/pin"))
    await customer.press("/pin", pin=PIN)
    await desk.service.drain()
    await customer.look_again()
    assert customer.page == "pin"
    assert "WhatsApp takes no PIN for now" in customer.text
    assert "The PIN that you gave is tried then, by itself." in customer.text
    assert not customer.forms
    customer.forms.append(form)  # a tab that was opened before
    await customer.press("/pin", pin=WRONG)
    assert "WhatsApp takes no PIN for now" in customer.text


# -- which numbers ---------------------------------------------------------------------------------------------------
async def test_the_numbers_that_are_ticked_are_connected_and_no_other(desk: Desk, customer: Customer) -> None:
    link = await asked(desk, customer, "several_numbers")
    assert customer.page == "numbers"
    assert "Your business has three. Tick one or more." in customer.text
    first, _, third = (await desk.of(link))["actionRequired"]["options"]
    await customer.press("/numbers", number=[first["metaPhoneNumberId"], third["metaPhoneNumberId"]])
    await finished(desk, customer)
    connected = {n["metaPhoneNumberId"] for n in await desk.numbers() if n["status"] != "available"}
    assert connected == {first["metaPhoneNumberId"], third["metaPhoneNumberId"]}


@pytest.mark.parametrize(
    ("ticked", "says"),
    [([], "Nothing is ticked."), (["999"], "can no longer be connected"), (["x" * 40], "can no longer be connected")],
)
async def test_ticks_that_cannot_be_taken_are_said_so(
    desk: Desk, customer: Customer, ticked: list[str], says: str
) -> None:
    link = await asked(desk, customer, "several_numbers")
    await customer.press("/numbers", number=ticked)
    assert customer.page == "numbers"
    assert says in customer.text
    assert await desk.phase(link) == "action_required"


async def test_numbers_of_several_accounts_stand_below_their_accounts(desk: Desk, customer: Customer) -> None:
    await asked(desk, customer, "several_wabas")
    assert customer.page == "numbers"
    assert customer.reply.body.decode().count("<fieldset") == 2
    assert customer.reply.body.decode().count("<legend>") == 2


# -- no number yet ---------------------------------------------------------------------------------------------------
async def test_a_number_that_was_added_meanwhile_is_found_when_she_asks(desk: Desk, customer: Customer) -> None:
    link = await asked(desk, customer, "no_number")
    assert customer.page == "no_number"
    assert "Your business has no number yet" in customer.text
    await customer.press("/look")
    assert customer.page == "finishing"
    await desk.service.drain()
    told = await status(customer, link)
    assert told["location"] == f"/signup/{link['id']}"
    looked = (await customer.open(f"{customer.origin}/signup/{link['id']}/status?looked")).json
    assert looked["location"] == f"/signup/{link['id']}?looked"
    await customer.open(customer.origin + looked["location"])
    assert "There is still nothing." in customer.text
    [waba] = link["played"]["wabaIds"]
    await desk.service.sandbox.ask("POST", f"/sandbox/wabas/{waba}/phone-numbers")
    await customer.press("/look")  # pressed again at once: Meta is asked a little later, by itself
    assert customer.page == "no_number"
    await desk.service.advance(10 * SECOND)
    await customer.look_again()
    assert customer.page == "done"


async def test_whoever_would_rather_choose_otherwise_goes_to_facebook_again(desk: Desk, customer: Customer) -> None:
    link = await asked(desk, customer, "no_waba")
    assert "Your business has no WhatsApp account yet" in customer.text
    await customer.press("/choose-again")
    assert customer.page == "signin"
    await customer.press("/page")
    played = await desk.service.sandbox.play(customer.left_to or "")
    await customer.open(played["redirectUrl"].partition("#")[0])
    await finished(desk, customer)
    assert (await desk.of(link))["status"] == "completed"


# -- any question ----------------------------------------------------------------------------------------------------
async def test_the_scripts_learn_which_question_is_open(desk: Desk, customer: Customer) -> None:
    link = await asked(desk, customer, "already_registered_pin")
    open_now = await status(customer, link)
    assert open_now["asks"] in customer.reply.body.decode()
    assert open_now["location"] == f"/signup/{link['id']}"
    await customer.press("/pin", pin=WRONG)
    answered = await status(customer, link)
    assert (answered["asks"], answered["location"]) == (None, None)
    await desk.service.drain()
    asked_anew = await status(customer, link)
    assert asked_anew["asks"] not in {None, open_now["asks"]}


@pytest.mark.parametrize(
    ("scenario", "page"),
    [("already_registered_pin", "pin"), ("several_numbers", "numbers"), ("no_number", "no_number")],
)
async def test_any_browser_that_presses_continue_sees_the_question_and_may_answer(
    desk: Desk, customer: Customer, scenario: str, page: str
) -> None:
    link = await asked(desk, customer, scenario)
    async with a_customer(desk.service.url) as other:
        await other.open(f"{other.origin}/signup/{link['id']}")
        assert (other.reply.status, other.page) == (404, "no_link")  # without the link's secret it is nobody's
        await other.open(link["url"])
        assert other.page == "resume"
        assert "One question is left" in other.text
        await other.press()
        assert other.page == page
        if page == "pin":
            await other.press("/pin", pin=PIN)
            await finished(desk, other)
            await customer.press("/pin", pin=WRONG)  # the first browser comes too late
            assert customer.page == "done"


async def test_another_browser_may_watch_the_work(desk: Desk, customer: Customer) -> None:
    link = await desk.link()
    await customer.walk(link["url"], desk.service.sandbox)
    async with a_customer(desk.service.url) as other:
        await other.open(link["url"])
        assert other.page == "resume"
        assert "Your connection is being finished" in other.text
        assert (await desk.steps(link)).count("joined") == 0
        await other.press()
        await finished(desk, other)
    assert (await desk.steps(link)).count("joined") == 1


async def test_forms_of_a_question_are_a_persons_own_or_change_nothing(desk: Desk, customer: Customer) -> None:
    link = await asked(desk, customer, "several_numbers")
    here = f"/signup/{link['id']}"
    for path in ("/numbers", "/pin", "/turned-off", "/look", "/choose-again"):
        reply = await customer.post_json(here + path, {"number": "1"})
        assert reply.status == 403
        await customer.open(customer.origin + here + path)
        assert customer.reply.status in {404, 405}
    assert await desk.phase(link) == "action_required"
    await customer.open(customer.origin + here)
    form = next(form for form in customer.forms if form.action.endswith("/numbers"))
    form.fields["form_token"] = "0." + "a" * 32
    await customer.press("/numbers", number=["1"])
    assert (customer.reply.status, customer.page) == (403, "trouble")
    async with a_customer(desk.service.url) as stranger:
        stranger.forms.append(form)
        stranger.url = customer.url
        assert (await stranger.press("/numbers")).status == 404
    assert await desk.phase(link) == "action_required"


async def test_looking_at_a_question_moves_nothing(desk: Desk, customer: Customer) -> None:
    link = await asked(desk, customer, "already_registered_pin")
    before = await desk.rows("provisioning"), await desk.steps(link)
    for query in ("", "?looked", "?not-six", "?gone", "?" + "x" * 500):
        await customer.open(f"{customer.origin}/signup/{link['id']}{query}")
        assert customer.page == "pin"
    await status(customer, link)
    assert (await desk.rows("provisioning"), await desk.steps(link)) == before


async def test_a_question_that_nobody_answers_ends_on_the_failed_page(desk: Desk, customer: Customer) -> None:
    link = await asked(desk, customer, "already_registered_pin")
    assert "21 May 2026" in customer.text
    await desk.service.advance(72 * HOUR + MINUTE)
    await customer.look_again()
    assert (customer.page, (await desk.of(link))["failure"]["code"]) == ("failed", "pin_mismatch")
    assert "The number’s PIN was not entered" in customer.text.replace("'", "’")


async def test_she_may_leave_for_the_company_while_a_question_waits(desk: Desk, customer: Customer) -> None:
    link = await asked(desk, customer, "several_numbers", successRedirectUrl="https://your-app.com/onboarding/success")
    left = await customer.leave()
    assert "status=pending" in left
    assert await desk.phase(link) == "action_required"

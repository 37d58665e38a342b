"""kill -9 around a question: what was asked, and what was answered, is there when the next process looks."""

from typing import Any

from tests.recovery.mortal import Mortal
from tests.support.customer import Customer

RUNS = "SELECT status, step, question, token, pin FROM provisioning"
PIN = "654321"


async def _asked(mortal: Mortal, scenario: str) -> tuple[dict[str, Any], Customer]:
    link, customer = await mortal.link(), await mortal.customer()
    await customer.walk(link["url"], mortal.sandbox, scenario=scenario)
    await mortal.until_phase(link, "action_required")
    await customer.look_again()
    return link, customer


async def _dies_and_comes_back(mortal: Mortal) -> None:
    mortal.kill()
    await mortal.sandbox.no_more_faults()
    await mortal.let_leases_end()
    await mortal.start()


async def _completed(mortal: Mortal, link: dict[str, Any]) -> list[str]:
    await mortal.until_phase(link, "completed")
    assert [tuple(run.values())[2:] for run in await mortal.rows(RUNS)] == [(None, None, None)]
    assert len(await mortal.sandbox.calls("exchange")) == 1
    types = await mortal.events()
    assert [types.count(name) for name in ("setup_link.completed", "setup_link.failed")] == [1, 0]
    return types


async def test_a_question_outlives_the_process_that_asked_it(mortal: Mortal) -> None:
    link, customer = await _asked(mortal, "already_registered_pin")
    await _dies_and_comes_back(mortal)
    await customer.look_again()
    assert customer.page == "pin"
    await customer.press("/pin", pin=PIN)
    types = await _completed(mortal, link)
    assert types.count("setup_link.action_required") == 1


async def test_a_death_before_the_question_is_recorded_asks_it_once(mortal: Mortal) -> None:
    link, customer = await mortal.link(), await mortal.customer()
    await mortal.hold("register")
    await customer.walk(link["url"], mortal.sandbox, scenario="already_registered_pin")
    await mortal.until_held()
    await _dies_and_comes_back(mortal)
    await mortal.until_phase(link, "action_required")
    await customer.look_again()
    await customer.press("/pin", pin=PIN)
    types = await _completed(mortal, link)
    assert types.count("setup_link.action_required") == 1


async def test_a_pin_that_was_given_is_not_lost_by_a_death_while_meta_judges_it(mortal: Mortal) -> None:
    link, customer = await _asked(mortal, "already_registered_pin")
    await mortal.hold("register")
    await customer.press("/pin", pin=PIN)
    await mortal.until_held()
    [run] = await mortal.rows(RUNS)
    assert (run["status"], run["step"], run["question"]) == ("running", "register_number", None)
    await _dies_and_comes_back(mortal)
    types = await _completed(mortal, link)
    assert types.count("setup_link.action_required") == 1


async def test_ticked_numbers_survive_a_death_between_their_registrations(mortal: Mortal) -> None:
    link, customer = await _asked(mortal, "several_wabas")
    ids = [option["metaPhoneNumberId"] for option in (await mortal.of(link))["actionRequired"]["options"]]
    await mortal.hold("register", passing=1)
    await customer.press("/numbers", number=ids)
    await mortal.until_held()
    [run] = await mortal.rows(RUNS)
    assert (run["status"], run["step"], run["pin"] is None) == ("running", "register_number", False)
    await _dies_and_comes_back(mortal)
    types = await _completed(mortal, link)
    assert types.count("whatsapp.phone_number.created") == 2
    connected = await mortal.rows("SELECT meta_phone_number_id, meta_waba_id FROM connected_number")
    assert {row["meta_phone_number_id"] for row in connected} == set(ids)
    assert len({row["meta_waba_id"] for row in connected}) == 2
    registered = [call["path"] for call in await mortal.sandbox.calls("register")]
    assert registered.count(registered[0]) == 1  # what was recorded is not done again
    assert len(await mortal.rows("SELECT * FROM credential")) == 2


async def test_a_death_while_we_look_for_a_number_leaves_the_question_open(mortal: Mortal) -> None:
    link, customer = await mortal.link(), await mortal.customer()
    played = await customer.walk(link["url"], mortal.sandbox, scenario="no_number")
    await mortal.until_phase(link, "action_required")
    await customer.look_again()
    mortal.kill()
    await mortal.write("UPDATE provisioning SET due_at = 1")  # the time of the next look
    await mortal.hold("phone_numbers")
    await mortal.start()
    await mortal.until_held()
    [run] = await mortal.rows(RUNS)
    assert (run["status"], run["question"] is None, run["token"] is None) == ("running", False, False)
    await mortal.sandbox.ask("POST", f"/sandbox/wabas/{played['wabaIds'][0]}/phone-numbers")
    await _dies_and_comes_back(mortal)
    types = await _completed(mortal, link)
    assert types.count("setup_link.action_required") == 1

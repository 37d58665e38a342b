"""The desk: a person picks what happens next by forms; each form does what the control API does."""

from typing import Any

import pytest

from setuplinks.sandbox.desk import KILL_EVENTS
from setuplinks.sandbox.scenario_groups import GROUPS
from setuplinks.sandbox.scenarios import SCENARIOS
from tests.integration.sandbox.calls import Answer, Meta
from tests.integration.sandbox.hearing import Heard, hearing


async def submit(meta: Meta, form: str, **fields: Any) -> Answer:
    """Sends a form and reads the page that it leads back to."""
    sent = await meta.ask("POST", f"/sandbox/desk/{form}", data=fields)
    assert sent.status == 200, sent.text
    return sent


async def past_partner_added(heard: Heard) -> None:
    assert (await heard.next_value("account_update"))["event"] == "PARTNER_ADDED"


def test_every_scenario_stands_in_one_group_with_what_to_expect() -> None:
    listed = [name for group in GROUPS for name in group.expect]
    assert sorted(listed) == sorted(SCENARIOS)
    assert all(expect.endswith(".") for group in GROUPS for expect in group.expect.values())


async def test_the_home_page_leads_to_the_desk_and_the_desk_shows_every_scenario(meta: Meta) -> None:
    home, desk = await meta.ask("GET", "/sandbox"), await meta.ask("GET", "/sandbox/desk")
    assert 'href="/sandbox/desk"' in home.text
    assert [name for name in SCENARIOS if f'value="{name}"' not in desk.text] == []


async def test_a_scenario_is_picked_for_the_next_signup_or_for_all(meta: Meta) -> None:
    page = await submit(meta, "scenario", name="no_number", how="next")
    assert "The next signup is no_number." in page.text
    await submit(meta, "scenario", name="several_numbers", how="standing")
    assert [(await meta.play())["scenario"] for _ in range(3)] == ["no_number", "several_numbers", "several_numbers"]
    await submit(meta, "scenario", clear="yes")
    assert (await meta.play())["scenario"] == "default"


async def test_what_was_said_is_said_once(meta: Meta) -> None:
    await submit(meta, "scenario", name="no_number", how="next")
    assert "The next signup is no_number." not in (await meta.ask("GET", "/sandbox/desk")).text


async def test_the_clock_goes_forward_and_stands_still(meta: Meta) -> None:
    before = meta.world.clock.now()
    await submit(meta, "clock", seconds="86400")
    assert 86_399 < meta.world.clock.now() - before < 86_460
    assert "stands still" in (await submit(meta, "clock", frozen="yes")).text
    assert meta.world.clock.frozen
    assert "whole number" in (await submit(meta, "clock", seconds="soon")).text


async def test_an_end_user_writes() -> None:
    async with hearing() as (heard, meta):
        customer = await meta.connect()
        await meta.graph("POST", f"{customer.waba}/subscribed_apps", customer.token)
        await meta.register(customer)
        sent = {"number": customer.number, "from": "+54 9 351 555-0100", "text": "Hola <b>"}
        assert "has written to" in (await submit(meta, "inbound", **sent)).text
        assert (await heard.next_value("messages"))["messages"][0]["text"] == {"body": "Hola <b>"}


@pytest.mark.parametrize("event", ["", *KILL_EVENTS])
async def test_a_token_is_killed_with_or_without_word_of_it(event: str) -> None:
    async with hearing() as (heard, meta):
        customer = await meta.connect()
        await past_partner_added(heard)
        page = await submit(meta, "kill", waba=customer.waba, subcode="460", event=event)
        assert "answer 190/460" in page.text
        assert (await meta.graph("GET", "me", customer.token)).codes == (190, 460)
        if event:
            told = await heard.next_value("account_update")
            assert (told["event"], "waba_info" in told) == (event, False)


async def test_a_name_is_approved_and_the_service_is_told() -> None:
    async with hearing() as (heard, meta):
        customer = await meta.connect("name_in_review")
        await submit(meta, "name", number=customer.number, verdict="APPROVED")
        assert (await heard.next_value("phone_number_name_update"))["decision"] == "APPROVED"
        assert (await meta.register(customer)).status == 200


async def test_something_happens_to_an_account() -> None:
    async with hearing() as (heard, meta):
        customer = await meta.connect()
        await past_partner_added(heard)
        await submit(meta, "account", waba=customer.waba, event="ACCOUNT_OFFBOARDED")
        assert (await heard.next_value("account_update"))["event"] == "ACCOUNT_OFFBOARDED"


async def test_a_person_removes_the_app_and_the_services_answer_is_shown() -> None:
    async with hearing() as (heard, meta):
        customer = await meta.connect()
        await heard.post()
        page = await submit(meta, "person", waba=customer.waba, kind="deauthorize")
        assert (await heard.form())[0] == "/meta/deauthorize"
        assert "The service answered 200" in page.text
        page = await submit(meta, "person", waba=customer.waba, kind="data_deletion")
        assert "Meta wants JSON with url and confirmation_code" in page.text


async def test_the_weather_turns(meta: Meta) -> None:
    assert "One call in ten goes wrong." in (await submit(meta, "sky", sky="bad")).text
    assert meta.world.forecast.weather is not None
    await submit(meta, "sky", sky="calm")
    assert meta.world.forecast.weather is None


@pytest.mark.parametrize(
    ("form", "fields"),
    [
        ("scenario", {"name": "rain", "how": "next"}), ("inbound", {"number": "1", "from": "1", "text": "x"}),
        ("kill", {"waba": "1", "subcode": "463"}), ("account", {"waba": "1"}), ("person", {"kind": "deauthorize"}),
        ("sky", {"sky": "blue"}), ("name", {}), ("sending", {}), ("template", {"template": "1", "status": "APPROVED"}),
    ],
)  # fmt: skip
async def test_a_form_that_asks_for_what_cannot_be_is_told_so(meta: Meta, form: str, fields: dict[str, str]) -> None:
    assert 'class="problem said"' in (await submit(meta, form, **fields)).text


async def test_the_24_hours_and_the_limits_are_switched_and_a_template_is_reviewed() -> None:
    async with hearing() as (heard, meta):
        customer = await meta.connect()
        assert "always arrive" in (await submit(meta, "sending", window="off")).text
        assert "130429" in (await submit(meta, "sending", limits="on")).text
        switched = (await meta.ask("GET", "/sandbox/settings")).json
        await submit(meta, "sending", window="on")
        await submit(meta, "sending", limits="off")
        back = (await meta.ask("GET", "/sandbox/settings")).json
        [template] = meta.world.wabas[customer.waba].templates
        assert (
            "hello_world is paused" in (await submit(meta, "template", template=template["id"], status="PAUSED")).text
        )
        told = await heard.next_value("message_template_status_update")
    assert (switched["serviceWindowHours"], switched["limits"]) == (0, True)
    assert (back["serviceWindowHours"], back["limits"]) == (24, False)
    assert told["event"] == "PAUSED"

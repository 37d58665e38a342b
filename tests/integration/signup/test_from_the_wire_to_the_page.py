"""What Meta says on the wire, from there to the customer's page, the API and the event: one table for each way in."""

import json
import re
from typing import Any
from urllib.parse import urlencode

import pytest

from setuplinks.core.clock import HOUR, MINUTE
from tests.integration.setup_links.desk import Desk
from tests.support.customer import Customer
from tests.support.sandbox import APP_ID, CONFIG_ID

# Our code → what the page says: the heading, the cause, and who acts how.
PAGES = {
    "cancelled": ("You left Facebook before the end", "nothing has changed", "You can go on whenever you like."),
    "waba_limit_reached": (
        "Your business has reached its limit", "no further WhatsApp account",
        "Someone with full control of the business",
    ),
    "verification_failed": ("The number was not confirmed", "The code did not come", "keep the phone near you"),
    "account_restricted": (
        "WhatsApp has restricted this account", "can see the reason", "Someone with full control of the business",
    ),
    "number_in_use": ("This number is in use elsewhere", "belongs to another company", "or choose another number"),
    "meta_refused": (
        "Facebook did not finish the connection", "no reason that we can pass on", "You can try again; if it happens",
    ),
    "permission_missing": ("A permission is missing", "needs every permission", "leave all of them ticked"),
    "number_mismatch": ("That was another number", "renews the connection of one number", "choose that number"),
    "connection_type_not_allowed": (
        "This number is set up in another way", "does not offer the way", "Choose another number, or ask",
    ),
    "code_exchange_failed": (
        "The connection was not finished", "good for a few seconds only", "When you go on, Facebook asks you once",
    ),
}  # fmt: skip
CANCELS = [
    ("cancelled", [None]),
    ("waba_limit_reached", ["2388098", "2494067", "1690114"]),
    ("verification_failed", ["2388091", "2388093", "2494158", "3441033"]),
    ("account_restricted", ["2655089"]),
    ("number_in_use", ["3441049", "3441030"]),
    ("meta_refused", ["2655049", "2494028", "3441045", "3441042", "4563015", "2655093", "524126", "9990010"]),
]


def words(customer: Customer) -> tuple[str, str]:
    """The page's heading and all that it says, without the marks around names and line breaks."""
    html = re.sub(r"</?bdi[^>]*>", "", customer.reply.body.decode())
    heading = re.search(r"<h1[^>]*>(.*?)</h1>", html, re.DOTALL)
    assert heading is not None
    return heading[1], " ".join(re.sub(r"<[^>]+>", " ", html).split())


def says(customer: Customer, code: str) -> None:
    """The stopped page of that code: heading, cause, who acts, and one button that leads to Facebook."""
    assert customer.page == "stopped"
    heading, text = words(customer)
    wanted, cause, act = PAGES[code]
    assert heading == wanted
    assert cause in text
    assert act in text
    [form] = customer.forms
    assert form.action.endswith("/start")
    assert customer.reply.body.decode().count('class="button to-facebook"') == 1


def state_of(customer: Customer) -> str:
    found = re.search(r'data-state="([0-9a-f]+)"', customer.reply.body.decode())
    assert found is not None
    return found[1]


async def played_in_a_popup(desk: Desk, scenario: str) -> dict[str, Any]:
    """A person in the window that the page's SDK opens; code and message as the page gets them."""
    query = {"client_id": APP_ID, "config_id": CONFIG_ID, "response_type": "code", "display": "popup",
             "override_default_response_type": "true", "extras": '{"setup":{}}'}  # fmt: skip
    url = f"{desk.service.sandbox.url}/v25.0/dialog/oauth?{urlencode(query)}"
    played = await desk.service.sandbox.play(url, scenario=scenario, popup=True)
    return {**played, "message": json.dumps(played["message"]) if played["message"] else None}


async def at_the_window(desk: Desk, customer: Customer, **fields: Any) -> dict[str, Any]:
    """A link whose customer has the sign-in page before her."""
    link = await desk.link(**fields)
    await customer.open(link["url"])
    await customer.press()
    assert customer.page == "signin"
    return link


@pytest.mark.parametrize(("ours", "metas"), CANCELS, ids=[ours for ours, _ in CANCELS])
async def test_a_window_that_ends_with_metas_code_stops_with_ours_and_the_link_stays_good(
    desk: Desk, customer: Customer, ours: str, metas: list[str | None]
) -> None:
    link = await at_the_window(desk, customer)
    for number, code in enumerate(metas, 1):
        data: dict[str, Any] = {"current_step": "PHONE_NUMBER_SETUP"} if code is None else {
            "error_message": "A sentence of Meta's", "error_code": code, "session_id": "f1", "timestamp": "1790000000",
        }  # fmt: skip
        said = {"type": "WA_EMBEDDED_SIGNUP", "event": "CANCEL", "data": data, "version": 3}
        # Once as a string, as Meta documents it, once as the object.
        message = json.dumps(said) if number % 2 else said
        here = f"/signup/{link['id']}"
        reply = await customer.post_json(f"{here}/cancel", {"state": state_of(customer), "message": message})
        assert reply.json == {"location": here}
        await customer.open(customer.origin + here)
        says(customer, ours)
        assert "A sentence of Meta's" not in customer.text
        assert ("Adding the number" in customer.text) is (code is None)
        ended = (await desk.told("setup_link.visit_ended"))[-1]
        assert (ended["code"], ended["retryable"]) == (ours, ours != "account_restricted")
        shown = await desk.of(link)
        assert (shown["status"], shown["phase"], shown["failure"]) == ("pending", "started", None)
        await customer.press("/start")
        assert customer.page == "signin"
    assert len(await desk.told("setup_link.visit_ended")) == len(metas)


@pytest.mark.parametrize("scenario", ["denied", "dev_mode_denial"])
async def test_a_refusal_on_the_way_back_is_worded_without_a_guess(
    desk: Desk, customer: Customer, scenario: str
) -> None:
    link = await desk.link()
    await customer.walk(link["url"], desk.service.sandbox, scenario=scenario)
    says(customer, "meta_refused")
    assert [data["code"] for data in await desk.told("setup_link.visit_ended")] == ["meta_refused"]


@pytest.mark.parametrize(
    ("scenario", "code"),
    [
        ("code_expired", "code_exchange_failed"),
        ("code_used", "code_exchange_failed"),
        ("wrong_app", "permission_missing"),
        ("permission_missing", "permission_missing"),
        ("dead_token", "permission_missing"),
        ("expired_token", "permission_missing"),
        ("subscribe_refused", "permission_missing"),
        ("coexistence", "connection_type_not_allowed"),
        ("unverified_number", "verification_failed"),
    ],
)
async def test_a_grant_that_cannot_be_used_says_why_on_the_page(
    desk: Desk, customer: Customer, scenario: str, code: str
) -> None:
    link = await desk.link()
    await customer.walk(link["url"], desk.service.sandbox, scenario=scenario)
    await desk.service.drain()
    await desk.service.advance(MINUTE)
    await customer.look_again()
    says(customer, code)
    assert (await desk.of(link))["phase"] == "started"


async def test_a_number_that_is_taken_and_another_than_the_reconnects_say_so(desk: Desk, customer: Customer) -> None:
    await desk.connected(customer)
    [number] = await desk.numbers()
    other = await desk.another_customer()
    link = await desk.acme.api.made(f"/admin/customers/{other}/setup-links", {"allowedConnectionTypes": ["dedicated"]})
    await customer.walk(link["url"], desk.service.sandbox, scenario="existing_waba")
    await desk.service.drain()
    await desk.service.advance(MINUTE)
    await customer.look_again()
    says(customer, "number_in_use")
    link = await desk.link(reconnectPhoneNumberId=number["id"])
    await customer.walk(link["url"], desk.service.sandbox, scenario="wrong_account")
    await desk.service.drain()
    await customer.look_again()
    says(customer, "number_mismatch")
    assert [data["code"] for data in await desk.told("setup_link.visit_ended")] == ["number_in_use", "number_mismatch"]


FAILED = {
    "account_restricted": ("WhatsApp has restricted this account", "Someone with full control of the business"),
    "meta_refused": ("WhatsApp did not accept the connection", "can send you a new link"),
    "meta_unavailable": ("WhatsApp could not be reached", "We tried for a day."),
}


@pytest.mark.parametrize(
    ("code", "call", "fault"),
    [
        ("account_restricted", "waba", {"code": 368}),
        ("meta_refused", "phone_numbers", {"code": 100}),
        ("meta_unavailable", "phone_numbers", {"status": 503}),
    ],
)
async def test_what_meta_refuses_for_good_fails_the_link_with_its_page(
    desk: Desk, customer: Customer, code: str, call: str, fault: dict[str, Any]
) -> None:
    link = await desk.link()
    await desk.service.sandbox.fault(call, times=None, **fault)
    await customer.walk(link["url"], desk.service.sandbox)
    await desk.service.drain()
    for _ in range(30 if code == "meta_unavailable" else 1):
        await desk.service.advance(HOUR)
    await customer.look_again()
    assert customer.page == "failed"
    heading, text = words(customer)
    assert heading == FAILED[code][0]
    assert FAILED[code][1] in text
    assert "Nothing was connected." in text
    assert f"Tell Acme SaaS this word: {code}" in text
    assert "Back to Acme SaaS" in text
    shown = await desk.of(link)
    assert (shown["status"], shown["failure"]["code"]) == ("failed", code)
    [failed] = await desk.told("setup_link.failed")
    assert failed["failure"]["code"] == code


# -- how a window finishes -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("scenario", "event"),
    [
        ("default", "FINISH"),
        ("obo_migration", "FINISH_OBO_MIGRATION"),
        ("app_only_install", "FINISH_GRANT_ONLY_API_ACCESS"),
        ("more_ids", "FINISH"),
        ("code_without_message", None),
    ],
)
async def test_every_way_to_finish_a_window_connects_the_number(
    desk: Desk, customer: Customer, scenario: str, event: str | None
) -> None:
    link = await at_the_window(desk, customer)
    played = await played_in_a_popup(desk, scenario)
    assert (json.loads(played["message"])["event"] if played["message"] else None) == event
    posted = {"state": state_of(customer), "code": played["code"], "message": played["message"]}
    await customer.post_json(f"/signup/{link['id']}/complete", posted)
    await desk.service.drain()
    await customer.look_again()
    assert customer.page == "done"
    assert (await desk.of(link))["status"] == "completed"


async def test_a_window_that_finishes_without_a_number_leads_to_the_question(desk: Desk, customer: Customer) -> None:
    link = await at_the_window(desk, customer)
    played = await played_in_a_popup(desk, "no_number")
    assert json.loads(played["message"])["event"] == "FINISH_ONLY_WABA"
    posted = {"state": state_of(customer), "code": played["code"], "message": played["message"]}
    await customer.post_json(f"/signup/{link['id']}/complete", posted)
    await desk.service.drain()
    await customer.look_again()
    assert customer.page == "no_number"


async def test_the_accounts_that_a_message_names_are_found_though_the_token_names_none(
    desk: Desk, customer: Customer
) -> None:
    link = await at_the_window(desk, customer)
    played = await played_in_a_popup(desk, "no_target_ids")
    message = json.loads(played["message"])
    message["data"] = {"waba_ids": [message["data"]["waba_id"], "404"]}
    posted = {"state": state_of(customer), "code": played["code"], "message": message}
    await customer.post_json(f"/signup/{link['id']}/complete", posted)
    await desk.service.drain()
    await customer.look_again()
    assert customer.page == "done"


async def test_a_message_alone_ends_nothing_and_proves_nothing(desk: Desk, customer: Customer) -> None:
    link = await at_the_window(desk, customer)
    played = await played_in_a_popup(desk, "message_without_code")
    assert played["code"] is None
    state = state_of(customer)
    posted = {"state": state, "code": None, "message": played["message"]}
    await customer.post_json(f"/signup/{link['id']}/complete", posted)
    await customer.post_json(f"/signup/{link['id']}/cancel", {"state": state, "message": played["message"]})
    await customer.look_again()
    assert customer.page == "signin"
    assert (await desk.of(link))["phase"] == "authorizing"
    assert await desk.service.sandbox.calls("exchange") == []

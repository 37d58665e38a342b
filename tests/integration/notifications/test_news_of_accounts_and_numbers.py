"""Reviews, bans, restrictions, names, quality and limits: our rows follow, and the tenant hears old and new values."""

from typing import Any

import pytest

from tests.integration.notifications.conftest import Connected, connect
from tests.support.customer import Customer
from tests.support.inbox import Inbox
from tests.support.service import RunningService, Tenant

UPDATED, WABA_UPDATED = "whatsapp.phone_number.updated", "whatsapp.waba.updated"


@pytest.mark.parametrize(
    ("sample", "changes"),
    [
        ("account_review_update", {"account_review_status": {"old": "APPROVED", "new": "REJECTED"}}),
        ("account_update_disabled", {"status": {"old": "active", "new": "disabled"}}),
        ("account_update_account_deleted", {"status": {"old": "active", "new": "disabled"}}),
        ("account_update_scheduled_for_disable", {}),
        ("account_update_violation", {}),
        ("account_update_restriction", {}),
        ("account_update_ad_account_linked", {}),
    ],
)
async def test_news_of_an_account_is_told_whole(connected: Connected, sample: str, changes: dict[str, Any]) -> None:
    told = connected.sample(sample)
    [event] = [one for one in await connected.tell(told) if one.type == WABA_UPDATED]
    change = told["entry"][0]["changes"][0]
    assert (event.data["changes"], event.data["field"], event.data["value"]) == (
        changes, change["field"], change["value"],
    )  # fmt: skip
    waba = (await connected.tenant.api.get(f"/admin/wabas/{event.data['internal_waba_id']}")).json
    shown = {"account_review_status": waba["accountReviewStatus"], "status": waba["status"]}
    assert {name: shown[name] for name in changes} == {name: both["new"] for name, both in changes.items()}


async def test_an_account_that_is_reinstated_is_active_again(connected: Connected) -> None:
    await connected.tell("account_update_disabled", "account_update_reinstated")  # within one second
    moves = [event.data["changes"]["status"] for event in connected.inbox.of_type(WABA_UPDATED)]
    assert sorted((move["old"], move["new"]) for move in moves) == [("active", "disabled"), ("disabled", "active")]
    assert (await connected.of_number())["status"] == "active"


async def test_quality_and_limit_of_a_number(connected: Connected) -> None:
    [event] = await connected.tell("phone_number_quality_update")
    assert event.type == UPDATED
    assert event.data["changes"] == {
        "quality_rating": {"old": "GREEN", "new": "RED"},
        "messaging_limit": {"old": "TIER_250", "new": "TIER_1K"},
    }
    number = await connected.of_number()
    assert (number["qualityRating"], number["messagingLimit"]) == ("RED", "TIER_1K")


async def test_what_changes_nothing_is_passed_on_as_it_came(connected: Connected) -> None:
    again = connected.sample("phone_number_quality_update")
    again["entry"][0]["time"] += 60
    await connected.tell("phone_number_quality_update", again)
    assert len(connected.inbox.of_type(UPDATED)) == 1
    [event] = connected.inbox.of_type("whatsapp.notification")
    assert event.data["field"] == "phone_number_quality_update"
    assert event.data["phone_number_id"] == connected.number


async def test_a_limit_of_the_business_holds_for_its_numbers(connected: Connected) -> None:
    told = await connected.tell("business_capability_update")
    assert sorted(one.type for one in told) == [UPDATED, WABA_UPDATED]
    assert (await connected.of_number())["messagingLimit"] == "TIER_2K"


async def test_a_new_name_is_taken_over(connected: Connected) -> None:
    old = (await connected.of_number())["verifiedName"]
    [event] = await connected.tell("phone_number_name_update")
    assert event.data["changes"] == {"verified_name": {"old": old, "new": "Demo Bakery"}}
    assert (await connected.of_number())["verifiedName"] == "Demo Bakery"


async def test_a_refused_new_name_leaves_the_number_with_its_old_one(connected: Connected) -> None:
    before = await connected.of_number()
    [event] = await connected.tell("phone_number_name_update_declined")
    assert event.type == "whatsapp.notification"
    assert event.data["value"]["rejection_reason"] == "NAME_NOT_CONSISTENT"
    assert await connected.of_number() == before


async def test_an_approved_name_makes_a_waiting_number_ready(
    service: RunningService, acme: Tenant, clinic: int, customer: Customer, inbox: Inbox
) -> None:
    await service.sandbox.change_settings(notifications=False)
    played = await connect(service, acme, clinic, customer, scenario="name_in_review")
    await acme.api.made(f"/admin/tenants/{acme.id}/webhook-endpoints", {"url": inbox.url})
    [number] = (await acme.api.get(f"/admin/customers/{clinic}/phone-numbers")).json["data"]
    assert number["status"] == "pending"
    waiting = Connected(
        service, acme, clinic, inbox, played["wabaIds"][0], number["metaPhoneNumberId"],
        number["displayPhoneNumber"], number["id"],
    )  # fmt: skip
    path = f"/sandbox/phone-numbers/{waiting.number}"
    await service.sandbox.ask("PATCH", path, {"nameStatus": "APPROVED"})
    told = await waiting.tell("phone_number_name_update")
    event = next(one for one in told if one.type == UPDATED)  # another may follow: what a look at Meta then shows
    assert event.data["changes"]["name_status"] == {"old": "PENDING_REVIEW", "new": "APPROVED"}
    assert "whatsapp.phone_number.ready" in {one.type for one in told}  # registered at once, not hours later
    assert (await waiting.of_number())["status"] == "active"
    assert await waiting.connection() == "connected"


async def test_a_number_that_is_not_connected_is_not_told_of(connected: Connected) -> None:
    assert await connected.tell(connected.sample("phone_number_quality_update", display="+1 555 000 0000")) == []

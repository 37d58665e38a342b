"""Connections are looked at from time to time: what changed at Meta is found, mended where we can, and told."""

import asyncio
from typing import Any

import pytest

from setuplinks.core.clock import HOUR, MINUTE, SECOND
from setuplinks.meta.secret import Secret
from tests.integration.provisioning.standing import (
    A_DAY_OF_LOOKS,
    DISCONNECTED,
    READY,
    RECONNECTED,
    UPDATED,
    Standing,
)
from tests.support import notices
from tests.support.customer import Customer
from tests.support.service import RunningService

GONE = {"times": None, "code": 100, "subcode": 33}


async def app_taken_off(standing: Standing) -> None:
    """Somebody takes our app off the account at Meta, and Meta tells nobody."""
    service = standing.service
    row = await service.db.one("SELECT * FROM credential")
    assert row is not None
    sealer = await service.parts.vault.tenant(standing.tenant.id)
    token = Secret(sealer.open(row["token"], "credential", row["waba_id"], "token").decode())
    await service.parts.graph.unsubscribe(token, standing.waba)
    await service.sandbox.forget_calls()


async def test_a_look_that_finds_nothing_new_tells_nothing_and_costs_four_calls(standing: Standing) -> None:
    before = await standing.shown()
    assert await standing.pass_time(HOUR) == []
    asked = [call["call"] for call in await standing.service.sandbox.calls()]
    assert sorted(asked) == ["debug_token", "phone_numbers", "subscribed_apps", "waba"]
    assert await standing.shown() == before
    await standing.service.sandbox.forget_calls()
    for _ in range(10):
        await standing.pass_time(HOUR)
    assert await standing.calls() == 0, "half a day has not passed"
    await standing.pass_time(A_DAY_OF_LOOKS - 10 * HOUR)
    assert await standing.calls() == 4


@pytest.mark.parametrize(
    ("at_meta", "shown", "changes"),
    [
        ({"qualityRating": "RED"}, {"qualityRating": "RED"}, {"quality_rating": {"old": "GREEN", "new": "RED"}}),
        (
            {"messagingLimit": "TIER_2K"}, {"messagingLimit": "TIER_2K"},
            {"messaging_limit": {"old": "TIER_250", "new": "TIER_2K"}},
        ),
        (
            {"throughput": "HIGH"}, {"throughputTier": "HIGH"},
            {"throughput_tier": {"old": "STANDARD", "new": "HIGH"}},
        ),
        (
            {"status": "FLAGGED"}, {"metaStatus": "FLAGGED"},
            {
                "meta_status": {"old": "CONNECTED", "new": "FLAGGED"},
                "failing_checks": {"old": [], "new": ["can_send"]},
            },
        ),
    ],
)  # fmt: skip
async def test_what_changed_at_meta_is_found_and_told_with_old_and_new_values(
    standing: Standing, at_meta: dict[str, str], shown: dict[str, str], changes: dict[str, Any]
) -> None:
    await standing.pass_time(HOUR)
    await standing.at_meta(**at_meta)
    [event] = await standing.pass_time(A_DAY_OF_LOOKS)
    assert event.type == UPDATED
    assert event.data["changes"] == changes
    assert event.data["phone_number_id"] == standing.number
    number = await standing.shown()
    assert {name: number[name] for name in shown} == shown
    assert number["status"] == "active"


async def test_a_review_of_the_account_is_found_and_told(standing: Standing) -> None:
    await standing.service.sandbox.ask("PATCH", f"/sandbox/wabas/{standing.waba}", {"reviewStatus": "REJECTED"})
    [event] = await standing.pass_time(HOUR)
    assert event.type == "whatsapp.waba.updated"
    assert event.data["changes"] == {"account_review_status": {"old": "APPROVED", "new": "REJECTED"}}
    assert event.data["account_review_status"] == "REJECTED"
    assert await standing.pass_time(A_DAY_OF_LOOKS) == []


async def test_an_app_that_was_taken_off_the_account_is_subscribed_again_and_that_is_told(standing: Standing) -> None:
    await app_taken_off(standing)
    told = {event.type: event for event in await standing.pass_time(HOUR)}
    assert set(told) == {UPDATED, READY}
    assert told[UPDATED].data["changes"] == {"failing_checks": {"old": ["subscribed"], "new": []}}
    made = [(call["method"], call["call"]) for call in await standing.service.sandbox.calls("subscribed_apps")]
    assert made == [("GET", "subscribed_apps"), ("POST", "subscribed_apps")]
    [check] = [row for row in (await standing.shown())["readiness"] if row["check"] == "subscribed"]
    assert check["passed"] is True
    assert check["since"] == "2026-05-18T13:00:00Z"
    assert "subscribed again" in check["message"]


async def test_an_app_that_cannot_be_subscribed_again_fails_its_check_until_it_can(standing: Standing) -> None:
    await app_taken_off(standing)
    await standing.service.sandbox.ask(
        "POST", "/sandbox/faults", {"call": "subscribed_apps", "method": "POST", "times": None, "code": 200}
    )
    await standing.pass_time(HOUR)
    assert await standing.failing() == ["subscribed"]
    await standing.service.sandbox.no_more_faults()
    told = await standing.pass_time(20 * MINUTE)
    assert {event.type for event in told} == {UPDATED, READY}
    assert await standing.failing() == []


@pytest.mark.parametrize(
    ("subcode", "reason"), [(463, "token_expired"), (460, "token_revoked"), (458, "app_removed"), (None, None)]
)
async def test_a_dead_token_cuts_the_number_off_with_its_reason_and_a_way_back(
    standing: Standing, subcode: int | None, reason: str | None
) -> None:
    if subcode is None:  # debug_token fails for our own app's fault: that says nothing of the customer's token
        await standing.service.sandbox.fault("debug_token", times=None, code=190)
        assert await standing.pass_time(HOUR) == []
        assert (await standing.shown())["status"] == "active"
        return
    await standing.service.sandbox.ask("POST", "/sandbox/tokens/kill", {"wabaId": standing.waba, "subcode": subcode})
    told = {event.type: event for event in await standing.pass_time(HOUR)}
    assert told[DISCONNECTED].data["reason"] == reason
    assert "/signup/" in told[DISCONNECTED].data["reconnect_url"]
    assert (await standing.shown())["disconnectReason"] == reason
    assert [call["call"] for call in await standing.service.sandbox.calls()] == ["debug_token"]


async def test_a_number_that_may_not_send_fails_its_check_and_is_ready_when_it_may_again(standing: Standing) -> None:
    await standing.at_meta(status="RESTRICTED")
    [updated] = await standing.pass_time(HOUR)
    assert updated.data["changes"]["failing_checks"] == {"old": [], "new": ["can_send"]}
    assert (await standing.shown())["status"] == "active"
    await standing.at_meta(status="CONNECTED")
    told = await standing.pass_time(A_DAY_OF_LOOKS)
    assert {event.type for event in told} == {UPDATED, READY}
    assert await standing.failing() == []


async def test_a_number_that_meta_does_not_find_is_cut_off_only_after_a_second_look(standing: Standing) -> None:
    for call in ("phone", "phone_numbers"):
        await standing.service.sandbox.fault(call, **GONE)
    assert await standing.pass_time(HOUR) == []
    assert (await standing.shown())["status"] == "active"
    assert await standing.pass_time(10 * MINUTE) == []
    told = {event.type: event for event in await standing.pass_time(6 * MINUTE)}
    assert told[DISCONNECTED].data["reason"] == "number_removed"
    await standing.service.sandbox.no_more_faults()
    again = {event.type: event for event in await standing.pass_time(A_DAY_OF_LOOKS)}
    assert again[RECONNECTED].data["previous_reason"] == "number_removed"
    assert (await standing.shown())["status"] == "active"


async def test_a_number_that_is_back_at_the_second_look_was_never_gone(standing: Standing) -> None:
    for call in ("phone", "phone_numbers"):
        await standing.service.sandbox.fault(call, **{**GONE, "times": 1})
    assert await standing.pass_time(HOUR) == []
    assert await standing.pass_time(16 * MINUTE) == []
    assert (await standing.shown())["status"] == "active"
    for call in ("phone", "phone_numbers"):
        await standing.service.sandbox.fault(call, **{**GONE, "times": 1})
    assert await standing.pass_time(A_DAY_OF_LOOKS) == [], "a second look counts from the last time it was missing"


async def test_near_metas_limit_nothing_is_looked_at_until_there_is_room(standing: Standing) -> None:
    await standing.service.sandbox.change_settings(appUsage=60)
    standing.service.clock.advance(HOUR - 5 * MINUTE)
    await standing.service.parts.graph.debug_token(Secret("any"))
    await standing.pass_time(5 * MINUTE + SECOND)
    assert len(await standing.service.sandbox.calls("phone_numbers")) == 0
    await standing.service.sandbox.change_settings(appUsage=10)
    await standing.pass_time(10 * MINUTE)
    assert len(await standing.service.sandbox.calls("phone_numbers")) == 1


async def test_an_account_that_meta_closed_is_left_alone_for_as_long(standing: Standing) -> None:
    await standing.service.sandbox.change_settings(businessUsage=100, regainMinutes=90)
    await standing.pass_time(HOUR)
    await standing.service.sandbox.forget_calls()
    await standing.service.db.bulk("UPDATE credential SET due_at = 0")
    for _ in range(8):
        await standing.pass_time(10 * MINUTE)
    assert await standing.calls() == 0
    await standing.service.sandbox.change_settings(businessUsage=1, regainMinutes=0)
    for _ in range(4):
        await standing.pass_time(10 * MINUTE)
    assert await standing.calls() == 4


@pytest.mark.parametrize("fault", [{"code": 80007}, {"code": 4}, {"status": 502, "body": "<html>"}, {"code": 2}])
async def test_a_meta_that_fails_is_asked_ever_more_rarely_and_far_below_its_budget(
    standing: Standing, fault: dict[str, Any]
) -> None:
    await standing.service.sandbox.fault("*", times=None, **fault)
    await standing.pass_time(HOUR)
    most = 0
    for _ in range(8):
        await standing.service.sandbox.forget_calls()
        for _ in range(12):
            await standing.pass_time(5 * MINUTE)
        most = max(most, await standing.calls())
    assert 0 < most <= 24
    number = await standing.shown()
    assert (number["status"], await standing.failing()) == ("active", [])
    await standing.service.sandbox.no_more_faults()
    await standing.at_meta(qualityRating="YELLOW")
    told = [event.type for event in await standing.pass_time(A_DAY_OF_LOOKS)]
    assert told == [UPDATED]


async def held_back(standing: Standing, call: str, microseconds: int) -> asyncio.Task[None]:
    """Time passes and the next look begins; Meta has its question and keeps the answer until it is let go."""
    await standing.service.sandbox.hold(call)
    looking = asyncio.create_task(standing.service.advance(microseconds))
    while not await standing.service.db.read("SELECT 1 FROM credential WHERE lease_until IS NOT NULL"):
        assert not looking.done()
        await asyncio.sleep(0.01)
    return looking


async def test_a_slow_old_answer_does_not_overwrite_what_a_notification_told_meanwhile(standing: Standing) -> None:
    await standing.pass_time(HOUR)
    looking = await held_back(standing, "phone_numbers", A_DAY_OF_LOOKS)
    told = notices.sample(
        "phone_number_quality_update", waba=standing.waba, display=(await standing.shown())["displayPhoneNumber"]
    )
    told["entry"][0]["time"] = standing.service.clock.now() // SECOND
    assert await notices.post(standing.service.url, notices.body_of(told)) == 200
    [news] = [runner for runner in standing.service.parts.workers.runners if runner.name == "notifications"]
    while (await standing.shown())["qualityRating"] != "RED":
        assert not looking.done()
        await news.run_once()
    await standing.service.sandbox.let_go("phone_numbers")
    await looking  # Meta's own answer says GREEN: it is older than the news
    assert (await standing.shown())["qualityRating"] == "RED"
    [event] = standing.inbox.of_type(UPDATED)
    assert event.data["changes"]["quality_rating"] == {"old": "GREEN", "new": "RED"}
    await standing.at_meta(qualityRating="YELLOW")
    await standing.pass_time(5 * MINUTE)
    assert (await standing.shown())["qualityRating"] == "YELLOW", "it is asked again soon"


async def test_a_notification_that_comes_late_does_not_overwrite_what_meta_was_seen_to_say_since(
    standing: Standing,
) -> None:
    shown = (await standing.shown())["displayPhoneNumber"]
    late = notices.sample("phone_number_quality_update", waba=standing.waba, display=shown)
    late["entry"][0]["time"] = standing.service.clock.now() // SECOND
    await standing.pass_time(HOUR)
    assert await notices.post(standing.service.url, notices.body_of(late)) == 200
    await standing.service.drain()
    assert (await standing.shown())["qualityRating"] == "GREEN"
    assert standing.inbox.of_type(UPDATED) == []
    assert len(standing.inbox.of_type("whatsapp.notification")) == 1, "it is passed on all the same"


async def test_the_death_of_the_old_token_does_not_cut_off_who_reconnected_meanwhile(
    standing: Standing, customer: Customer
) -> None:
    link = (await standing.tenant.api.post(f"/admin/phone-numbers/{standing.phone_id}/reconnect-link", {})).json
    await standing.service.sandbox.ask("POST", "/sandbox/tokens/kill", {"wabaId": standing.waba, "subcode": 460})
    looking = await held_back(standing, "debug_token", HOUR)
    await customer.walk(link["url"], standing.service.sandbox, phoneNumberId=standing.number)
    [connecting] = [runner for runner in standing.service.parts.workers.runners if runner.name == "provisioning"]
    while (await standing.tenant.api.get(f"/admin/setup-links/{link['id']}")).json["status"] != "completed":
        assert not looking.done()
        await connecting.run_once()
    await standing.service.sandbox.let_go("debug_token")
    await looking
    assert (await standing.shown())["status"] == "active"
    assert standing.inbox.of_type(DISCONNECTED) == []


async def test_all_numbers_of_an_account_are_seen_by_the_same_four_calls(standing: Standing) -> None:
    service = standing.service
    text = (
        "INSERT INTO phone_number (tenant_id, id, customer_id, waba_id, meta_waba_id, meta_phone_number_id, "
        "connection_type, status, created_at, updated_at) SELECT tenant_id, $2, customer_id, waba_id, meta_waba_id, "
        "$3, connection_type, 'available', created_at, updated_at FROM phone_number WHERE id = $1"
    )
    await service.db.bulk(text, standing.phone_id, 9_001, "1")
    await standing.pass_time(HOUR)
    assert await standing.calls() == 4


async def test_an_account_without_a_living_number_is_asked_nothing(standing: Standing) -> None:
    told = notices.sample("account_update_disabled", waba=standing.waba)
    told["entry"][0]["time"] = standing.service.clock.now() // SECOND
    assert await notices.post(standing.service.url, notices.body_of(told)) == 200
    await standing.pass_time(HOUR)
    await standing.pass_time(A_DAY_OF_LOOKS)
    assert await standing.calls() == 0
    assert (await standing.shown())["disconnectReason"] == "account_disabled"


async def test_a_token_that_lives_again_brings_its_number_back(standing: Standing, service: RunningService) -> None:
    await service.sandbox.fault("phone_numbers", times=1, code=190, subcode=460)
    await standing.pass_time(HOUR)
    assert (await standing.shown())["disconnectReason"] == "token_revoked"
    told = [event.type for event in await standing.pass_time(A_DAY_OF_LOOKS)]
    assert told == [RECONNECTED]
    assert (await standing.shown())["status"] == "active"

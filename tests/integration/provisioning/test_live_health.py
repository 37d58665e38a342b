"""`GET /admin/phone-numbers/{id}/health`: Meta is asked now, but never more than its budget allows; never a 500."""

import asyncio
from typing import Any

import pytest

from setuplinks.core.clock import HOUR, MINUTE, SECOND
from setuplinks.provisioning.health import HealthChecks
from setuplinks.provisioning.live_health import LiveHealth
from setuplinks.provisioning.observing import Observer
from tests.integration.provisioning.standing import DISCONNECTED, UPDATED, Standing
from tests.support.customer import Customer
from tests.support.service import RunningService, Tenant

CHECKS = ["token", "subscribed", "registered", "name", "can_send"]


def passed(health: dict[str, Any]) -> dict[str, bool | None]:
    return {check["check"]: check["passed"] for check in health["checks"]}


async def test_every_check_is_made_now_and_written_down(standing: Standing) -> None:
    standing.service.clock.advance(10 * MINUTE)
    health = await standing.health()
    assert set(health) == {
        "phoneNumberId", "metaPhoneNumberId", "status", "disconnectReason", "canSend", "checks", "checkedAt"
    }  # fmt: skip
    assert [check["check"] for check in health["checks"]] == CHECKS
    assert set(health["checks"][0]) == {"check", "passed", "since", "whoMustAct", "message"}
    assert set(passed(health).values()) == {True}
    assert (health["canSend"], health["checkedAt"]) == (True, "2026-05-18T12:10:00Z")
    assert health["phoneNumberId"] == standing.phone_id
    assert (await standing.shown())["metaStatus"] == "CONNECTED"
    asked = sorted(call["call"] for call in await standing.service.sandbox.calls())
    assert asked == ["debug_token", "phone_numbers", "subscribed_apps"]


async def test_what_a_live_look_finds_is_told_like_the_runners_finds(standing: Standing) -> None:
    await standing.at_meta(status="RESTRICTED", qualityRating="RED")
    health = await standing.health()
    assert (health["canSend"], passed(health)["can_send"]) == (False, False)
    [check] = [one for one in health["checks"] if not one["passed"]]
    assert (check["whoMustAct"], check["since"]) == ("customer", "2026-05-18T12:00:00Z")
    await standing.service.drain()
    [event] = standing.inbox.of_type(UPDATED)
    assert event.data["changes"]["quality_rating"] == {"old": "GREEN", "new": "RED"}
    assert (await standing.shown())["qualityRating"] == "RED"


async def test_who_polls_gets_the_last_answer_and_meta_is_asked_once_a_minute(standing: Standing) -> None:
    first = await standing.health()
    asked = await standing.calls()
    for _ in range(5):
        standing.service.clock.advance(10 * SECOND)
        assert await standing.health() == first
    assert await standing.calls() == asked
    standing.service.clock.advance(10 * SECOND)
    assert (await standing.health())["checkedAt"] == "2026-05-18T12:01:00Z"
    assert await standing.calls() == 2 * asked
    for _ in range(60):
        standing.service.clock.advance(20 * SECOND)
        await standing.health()
    of_the_account = [call for call in await standing.service.sandbox.calls() if call["call"] != "debug_token"]
    assert len(of_the_account) <= 2 * 22, "twenty minutes; in an hour a third below Meta's two hundred"


@pytest.mark.parametrize("fault", [{"code": 2}, {"status": 502, "body": "<html>"}, {"status": 200, "body": "nonsense"}])
async def test_a_meta_that_does_not_answer_is_told_as_such_beside_what_was_known(
    standing: Standing, fault: dict[str, Any]
) -> None:
    await standing.service.sandbox.fault("*", times=None, **fault)
    for _ in range(2):  # the second time from what the first one left
        health = await standing.health()
        assert passed(health) == dict.fromkeys(CHECKS)
        assert (health["canSend"], health["checkedAt"]) == (None, None)
        for check in health["checks"]:
            assert check["whoMustAct"] == "meta"
            assert check["message"].startswith("Meta could not be asked: ")
            assert "Before that: " in check["message"]
    assert (await standing.shown())["status"] == "active"
    assert await standing.failing() == []


async def test_one_question_that_fails_spoils_only_its_own_check(standing: Standing) -> None:
    await standing.service.sandbox.fault("subscribed_apps", times=1, code=2)
    assert passed(await standing.health()) == {**dict.fromkeys(CHECKS, True), "subscribed": None}
    standing.service.clock.advance(MINUTE)
    assert set(passed(await standing.health()).values()) == {True}


async def test_a_meta_that_keeps_its_answer_is_not_waited_for(standing: Standing) -> None:
    parts = standing.service.parts
    observer = Observer(parts.clock, parts.events)
    checks = HealthChecks(parts.db, parts.clock, parts.vault, parts.graph, observer, parts.disconnects)
    hasty = LiveHealth(parts.db, parts.clock, checks, longest=0.3)
    await standing.service.sandbox.hold("phone_numbers")
    health = await hasty.of(standing.tenant.id, standing.phone_id)
    assert {check.passed for check in health.checks} == {None}
    assert "did not answer in time" in health.checks[0].message
    await standing.service.sandbox.let_go("phone_numbers")
    standing.service.clock.advance(MINUTE)
    assert set(passed(await standing.health()).values()) == {True}, "nothing is left leased"


async def test_many_who_ask_at_once_are_served_by_one_look(standing: Standing) -> None:
    answers = await asyncio.gather(*(standing.health() for _ in range(8)))
    assert {answer["canSend"] for answer in answers} == {True}
    assert await standing.calls() == 3


async def test_a_dead_token_is_found_at_once(standing: Standing) -> None:
    await standing.service.sandbox.ask("POST", "/sandbox/tokens/kill", {"wabaId": standing.waba, "subcode": 460})
    health = await standing.health()
    assert (health["status"], health["disconnectReason"], health["canSend"]) == (
        "disconnected", "token_revoked", False,
    )  # fmt: skip
    assert passed(health)["token"] is False
    await standing.service.drain()
    [event] = standing.inbox.of_type(DISCONNECTED)
    assert event.data["reconnect_url"]


async def test_a_number_that_is_not_found_is_said_to_be_looked_for_once_more(standing: Standing) -> None:
    for call in ("phone", "phone_numbers"):
        await standing.service.sandbox.fault(call, times=None, code=100, subcode=33)
    health = await standing.health()
    assert (passed(health)["registered"], health["canSend"], health["status"]) == (None, None, "active")
    await standing.pass_time(15 * MINUTE)
    health = await standing.health()
    assert (health["status"], health["disconnectReason"]) == ("disconnected", "number_removed")


async def test_near_metas_limit_nothing_is_asked_for_a_caller_either(standing: Standing) -> None:
    await standing.service.sandbox.change_settings(businessUsage=95)
    await standing.health()
    await standing.service.sandbox.forget_calls()
    standing.service.clock.advance(2 * MINUTE)
    health = await standing.health()
    assert await standing.calls() == 0
    assert "rate limit" in health["checks"][0]["message"]


async def test_a_token_that_cannot_be_opened_is_no_500(standing: Standing) -> None:
    async with standing.service.db.transaction() as tx:
        tx.add("UPDATE credential SET token = $1", b"damaged")
    health = await standing.health()
    assert (health["canSend"], set(passed(health).values())) == (None, {None})


async def test_a_cut_off_number_shows_why_and_meta_is_not_asked(standing: Standing) -> None:
    await standing.service.sandbox.ask("POST", "/sandbox/tokens/kill", {"wabaId": standing.waba, "subcode": 463})
    await standing.pass_time(HOUR)
    await standing.service.sandbox.forget_calls()
    standing.service.clock.advance(HOUR)
    health = await standing.health()
    assert (health["disconnectReason"], health["canSend"], passed(health)["token"]) == ("token_expired", False, False)
    assert await standing.calls() == 0


async def test_a_number_that_was_only_seen_has_no_health_and_a_deleted_one_is_gone(
    service: RunningService, acme: Tenant, standing: Standing, customer: Customer
) -> None:
    await service.db.bulk(
        "UPDATE phone_number SET status = 'available' WHERE id = $1", standing.phone_id
    )  # fmt: skip
    seen = await acme.api.get(f"/admin/phone-numbers/{standing.phone_id}/health")
    assert (seen.status, seen.code) == (409, "number_not_connected")
    await service.db.bulk("UPDATE phone_number SET status = 'deleted' WHERE id = $1", standing.phone_id)
    assert (await acme.api.get(f"/admin/phone-numbers/{standing.phone_id}/health")).status == 404


async def test_a_key_that_only_reads_may_ask(standing: Standing) -> None:
    api = standing.tenant.api
    made = await api.made(f"/admin/tenants/{standing.tenant.id}/api-keys", {"name": "reads", "scopes": ["read"]})
    reply = await api.with_key(made["key"]).get(f"/admin/phone-numbers/{standing.phone_id}/health")
    assert (reply.status, reply.json["canSend"]) == (200, True)

"""A token of 60 days: its end is told 14, 7 and 1 day before, once each, with a way back; then it cuts off."""

import asyncio

import pytest

from setuplinks.core.clock import DAY, HOUR, MINUTE
from tests.integration.provisioning.standing import DISCONNECTED, EXPIRING, RECONNECTED, Standing, connected
from tests.support.customer import Customer
from tests.support.inbox import Inbox, Received
from tests.support.service import RunningService, Tenant


async def days(standing: Standing, count: int) -> list[Received]:
    """What is told of the token in so many days, looked at twice a day."""
    told: list[Received] = []
    for _ in range(2 * count):
        told += await standing.pass_time(DAY // 2)
    return [event for event in told if event.type in {EXPIRING, DISCONNECTED, RECONNECTED}]


async def test_the_end_is_told_three_times_and_then_the_number_is_cut_off(standing: Standing) -> None:
    assert await days(standing, 45) == []
    [first] = await days(standing, 1)
    assert first.type == EXPIRING
    assert (first.data["days_left"], first.data["expires_at"]) == (14, "2026-07-17T12:00:00Z")
    assert first.data["phone_number_id"] == standing.number
    link = (await standing.tenant.api.get(f"/admin/setup-links/{first.data['reconnect_setup_link_id']}")).json
    assert (link["url"], link["purpose"], link["status"]) == (first.data["reconnect_url"], "reconnect", "pending")
    assert [event.data["days_left"] for event in await days(standing, 13)] == [7, 1]
    assert (await standing.shown())["status"] == "active"
    told = await days(standing, 1)
    assert [event.type for event in told] == [DISCONNECTED]
    assert told[0].data["reason"] == "token_expired"
    assert told[0].data["reconnect_url"]
    assert await days(standing, 20) == []


async def test_it_is_told_to_the_minute_though_nothing_else_is_due(standing: Standing) -> None:
    await standing.pass_time(46 * DAY - MINUTE)
    assert standing.inbox.of_type(EXPIRING) == []
    assert EXPIRING in {event.type for event in await standing.pass_time(MINUTE)}


@pytest.mark.parametrize(("asleep", "days_left"), [(50, 14), (53, 7), (58, 7), (59, 1)])
async def test_after_a_downtime_only_the_nearest_is_told(standing: Standing, asleep: int, days_left: int) -> None:
    told = [event for event in await standing.pass_time(asleep * DAY + HOUR) if event.type == EXPIRING]
    assert [event.data["days_left"] for event in told] == [days_left]
    assert await standing.service.drain() == 0


async def test_who_slept_through_the_end_is_told_of_the_end_alone(standing: Standing) -> None:
    told = [event.type for event in await standing.pass_time(61 * DAY) if event.type in {EXPIRING, DISCONNECTED}]
    assert told == [DISCONNECTED]


async def test_a_token_without_an_end_is_never_told_of(
    service: RunningService, acme: Tenant, clinic: int, customer: Customer, inbox: Inbox
) -> None:
    standing = await connected(service, acme, clinic, customer, inbox, scenario="never_expiring")
    assert (await standing.shown())["tokenExpiresAt"] is None
    assert await days(standing, 70) == []


async def test_a_reconnect_begins_the_count_anew(standing: Standing, customer: Customer) -> None:
    [first] = await days(standing, 47)
    await customer.walk(first.data["reconnect_url"], standing.service.sandbox, phoneNumberId=standing.number)
    await standing.service.drain()
    assert (await standing.shown())["tokenExpiresAt"] == "2026-09-02T12:00:00Z"
    told = await days(standing, 40)
    assert [event.type for event in told] == []
    assert [event.data["days_left"] for event in await days(standing, 19)] == [14, 7, 1]


async def test_an_end_that_meta_moves_is_taken_over(standing: Standing) -> None:
    soon = standing.service.clock.now() + 10 * DAY
    await standing.service.db.bulk("UPDATE credential SET token_expires_at = $1, warn_at = $2", soon, soon - 7 * DAY)
    await standing.pass_time(HOUR)
    assert (await standing.shown())["tokenExpiresAt"] == "2026-07-17T12:00:00Z"
    assert await days(standing, 40) == []


async def test_an_end_that_was_not_known_is_told_at_once_where_it_is_near(standing: Standing) -> None:
    await standing.service.db.bulk("UPDATE credential SET token_expires_at = NULL, warn_at = NULL, due_at = NULL")
    await standing.pass_time(50 * DAY)
    await standing.service.db.bulk("UPDATE credential SET due_at = 0")
    told = [event for event in await standing.pass_time(MINUTE) if event.type == EXPIRING]
    assert [event.data["days_left"] for event in told] == [14]


async def test_each_number_of_the_account_is_told_of_with_one_way_back(standing: Standing) -> None:
    service = standing.service
    columns = (
        "tenant_id, customer_id, waba_id, meta_waba_id, connection_type, readiness, link_id, created_at, updated_at"
    )
    await service.db.bulk(
        f"INSERT INTO phone_number (id, meta_phone_number_id, status, {columns}) "  # noqa: S608 - columns of our own
        f"SELECT 9001, '9001', 'active', {columns} FROM phone_number WHERE id = $1", standing.phone_id,
    )  # fmt: skip
    service.clock.advance(46 * DAY)
    [telling] = [runner for runner in service.parts.workers.runners if runner.name == "token-expiry"]
    await telling.run_once()
    await service.drain()
    told = standing.inbox.of_type(EXPIRING)
    assert {event.data["internal_phone_number_id"] for event in told} == {standing.phone_id, 9001}
    assert len({event.data["reconnect_url"] for event in told}) == 1


async def test_two_processes_tell_it_once(standing: Standing) -> None:
    service = standing.service
    service.clock.advance(46 * DAY)
    [telling] = [runner for runner in service.parts.workers.runners if runner.name == "token-expiry"]
    await asyncio.gather(*(telling.run_once() for _ in range(4)))
    await service.drain()
    assert len(standing.inbox.of_type(EXPIRING)) == 1


async def test_the_links_secret_is_sealed_in_the_database(standing: Standing) -> None:
    await standing.pass_time(46 * DAY)
    [event] = standing.inbox.of_type(EXPIRING)
    secret = event.data["reconnect_url"].rpartition("-")[2]
    rows = await standing.service.db.read("SELECT body FROM event_payload")
    assert all(secret.encode() not in bytes(row["body"]) for row in rows)


async def test_an_inactive_customers_token_is_told_of_without_a_link(standing: Standing) -> None:
    await standing.tenant.api.patch(f"/admin/customers/{standing.customer_id}", {"status": "inactive"})
    await standing.pass_time(46 * DAY)
    [event] = standing.inbox.of_type(EXPIRING)
    assert (event.data["reconnect_url"], event.data["days_left"]) == (None, 14)

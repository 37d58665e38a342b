"""From Meta to the tenant without a claim: handed over once it is stored, and sent once it is told."""

import asyncio
from typing import Any

import pytest

from setuplinks.core.clock import MINUTE
from setuplinks.notifications.messages import Messages
from setuplinks.notifications.runner import LEASE as HELD
from setuplinks.notifications.runner import NotificationRunner
from setuplinks.webhooks.first_tries import FirstTries, FirstTry
from setuplinks.webhooks.places import LEASE, MOST_AT_ONCE, PROVEN, Places
from setuplinks.webhooks.runner import SLOTS, DeliveryRunner
from tests.integration.notifications.conftest import Connected
from tests.integration.notifications.test_many_at_once import message, told_ids
from tests.support import notices
from tests.support.inbox import Answer

RECEIVED = "whatsapp.message.received"


def runner(connected: Connected, kind: type[Any]) -> Any:
    """The service's runner of that kind."""
    return next(one for one in connected.service.parts.workers.runners if isinstance(one, kind))


async def stored(connected: Connected, *numbers: int) -> None:
    """Meta tells these messages, and nobody handles them yet."""
    for number in numbers:
        assert await notices.post(connected.service.url, notices.body_of(message(connected, number))) == 200


async def told_only(connected: Connected) -> None:
    """Notifications are handled, and what is sent by that is waited for. No delivery is claimed."""
    await runner(connected, NotificationRunner).run_once()
    await runner(connected, DeliveryRunner).finish()


async def deliveries(connected: Connected) -> list[dict[str, Any]]:
    """All rows, the eldest first."""
    return [dict(row) for row in await connected.service.db.read("SELECT * FROM delivery ORDER BY id")]


async def change(connected: Connected, sets: str) -> None:
    """The endpoint's state as the test needs it."""
    await connected.service.db.bulk(f"UPDATE endpoint_state SET {sets}")  # noqa: S608 - a test's own words


@pytest.fixture
async def proven(connected: Connected) -> Connected:
    """Its endpoint has answered often."""
    await change(connected, f"at_once = {MOST_AT_ONCE}")
    return connected


async def test_messages_of_a_proven_endpoint_are_sent_without_a_claim(proven: Connected) -> None:
    await stored(proven, 1, 2, 3)
    db = proven.service.db
    assert [row["tries"] for row in await db.read("SELECT tries FROM notification")] == [1, 1, 1]
    await told_only(proven)
    assert told_ids(proven) == ["wamid.0001", "wamid.0002", "wamid.0003"]
    rows = await deliveries(proven)
    assert {(row["status"], row["attempts"], row["lease_until"]) for row in rows} == {("delivered", 1, None)}
    assert [row["number"] for row in await db.read("SELECT number FROM attempt")] == [1, 1, 1]
    assert await proven.states() == [("handled", 1)] * 3
    await proven.service.drain()
    assert len(proven.inbox.of_type(RECEIVED)) == 3


async def test_while_it_is_under_way_it_is_leased_like_any_other(proven: Connected) -> None:
    gate = asyncio.Event()
    proven.inbox.answer_next(Answer(hold=gate))
    await stored(proven, 1)
    now = proven.service.clock.now()
    await runner(proven, NotificationRunner).run_once()
    [row] = await deliveries(proven)
    assert (row["status"], row["attempts"], row["due_at"]) == ("pending", 1, now + LEASE)
    [state] = await proven.service.db.read("SELECT next_due FROM endpoint_state")
    assert state["next_due"] == now + LEASE
    gate.set()
    await runner(proven, DeliveryRunner).finish()
    [row] = await deliveries(proven)
    assert row["status"] == "delivered"


@pytest.mark.parametrize(
    "state",
    [
        f"at_once = {PROVEN - 1}",
        f"at_once = {MOST_AT_ONCE}, next_due = 1",
        f"at_once = {MOST_AT_ONCE}, parked = 1, next_due = 9000000000000000",
        f"at_once = {MOST_AT_ONCE}, breaker_until = 9000000000000000",
    ],
)
async def test_an_endpoint_that_is_new_or_has_something_waiting_gets_it_by_a_claim(
    connected: Connected, state: str
) -> None:
    await change(connected, state)
    await stored(connected, 1)
    await told_only(connected)
    [row] = await deliveries(connected)
    assert (row["status"], row["attempts"], row["lease_until"]) == ("pending", 0, None)
    assert told_ids(connected) == []


@pytest.mark.parametrize("special", [{"ordered": True}, {"rateLimit": 100}])
async def test_an_endpoint_with_an_order_or_a_limit_gets_it_by_a_claim(
    proven: Connected, special: dict[str, Any]
) -> None:
    [endpoint] = (await proven.tenant.api.get(f"/admin/tenants/{proven.tenant.id}/webhook-endpoints")).json["data"]
    changed = await proven.tenant.api.call("PATCH", f"/admin/webhook-endpoints/{endpoint['id']}", special)
    assert changed.status == 200
    await stored(proven, 1)
    await told_only(proven)
    assert [row["attempts"] for row in await deliveries(proven)] == [0]
    await proven.service.drain()
    assert told_ids(proven) == ["wamid.0001"]


async def test_more_than_an_endpoint_may_have_at_once_waits_for_a_claim(proven: Connected) -> None:
    gate = asyncio.Event()
    proven.inbox.otherwise = Answer(hold=gate)
    await change(proven, f"at_once = {PROVEN}")
    await stored(proven, *range(PROVEN + 3))
    await runner(proven, NotificationRunner).run_once()
    assert sorted(row["attempts"] for row in await deliveries(proven)) == [0] * 3 + [1] * PROVEN
    gate.set()
    await proven.service.drain()
    assert len(told_ids(proven)) == PROVEN + 3


async def test_a_try_that_fails_is_repeated_like_any_other(proven: Connected) -> None:
    proven.inbox.answer_next(Answer(500))
    await stored(proven, 1)
    await told_only(proven)
    [row] = await deliveries(proven)
    assert (row["status"], row["attempts"], row["lease_until"], row["last_status"]) == ("pending", 1, None, 500)
    await proven.service.advance(MINUTE)
    [row] = await deliveries(proven)
    assert (row["status"], row["attempts"]) == ("delivered", 2)
    assert len({one.headers["webhook-id"] for one in proven.inbox.of_type(RECEIVED)}) == 1


async def test_what_a_process_that_is_killed_has_told_and_not_sent_is_claimed_when_its_lease_ends(
    proven: Connected,
) -> None:
    parts = proven.service.parts

    async def dies(_: FirstTry) -> None:
        """Right after the commit."""

    def first_tries() -> FirstTries:
        return FirstTries(parts.clock, Places(SLOTS, lambda: 0.0), dies)

    other = NotificationRunner(
        parts.db, parts.clock, runner(proven, NotificationRunner)._router,
        Messages(parts.db, parts.clock, parts.events, first_tries), days=7,
    )  # fmt: skip
    parts.handover.close()
    await stored(proven, 1)
    assert await other.run_once() == 1
    await proven.service.drain()
    assert told_ids(proven) == []
    await parts.db.bulk("UPDATE delivery SET lease_until = 1")  # the database's clock is not in the test's hand
    await proven.service.advance(LEASE)
    assert told_ids(proven) == ["wamid.0001"]
    assert [(row["status"], row["attempts"]) for row in await deliveries(proven)] == [("delivered", 2)]


async def test_a_claim_under_way_learns_of_what_is_born_taken_meanwhile(proven: Connected) -> None:
    """It would else note that nothing is left, and nobody would look when the lease ends."""
    parts, parked = proven.service.parts, proven.service.clock.now() + LEASE
    audience = (await parts.events.load_each({proven.tenant.id}))[proven.tenant.id]
    told = parts.events.told(audience, RECEIVED, {}, customer_id=proven.customer_id, phone_id=proven.phone_id)
    await change(proven, f"parked = 1, next_due = {parked}")
    async with runner(proven, DeliveryRunner).first_tries() as firsts, parts.db.transaction() as tx:
        parts.events.emit_each(tx, [told], firsts)
    [state] = await parts.db.read("SELECT next_due FROM endpoint_state")
    assert state["next_due"] == parked - 1
    await runner(proven, DeliveryRunner).finish()
    assert len(proven.inbox.of_type(RECEIVED)) == 1


async def test_what_a_process_that_is_killed_had_in_hand_is_claimed_when_its_lease_ends(proven: Connected) -> None:
    await stored(proven, 1)
    assert len(proven.service.parts.handover.take(9)) == 1  # and with it the memory is gone
    await proven.service.drain()
    assert told_ids(proven) == []
    await proven.service.advance(HELD)
    assert told_ids(proven) == ["wamid.0001"]
    assert await proven.states() == [("handled", 2)]


async def test_a_repeat_is_told_once_and_leaves_nothing(proven: Connected) -> None:
    nobodys = proven.sample("messages_text", number="1999999999")
    for told in (message(proven, 1), nobodys):
        for _ in range(2):
            assert await notices.post(proven.service.url, notices.body_of(told)) == 200
    assert proven.service.parts.handover.in_hand == 4
    await proven.service.drain()
    assert told_ids(proven) == ["wamid.0001"]
    assert sorted(await proven.states()) == [("handled", 1), ("unrouted", 1)]
    db = proven.service.db
    mentioned = {row["notification_id"] for row in await db.read("SELECT notification_id FROM notification_mention")}
    assert mentioned <= {row["id"] for row in await db.read("SELECT id FROM notification")}


async def test_a_process_that_ends_handles_what_is_in_its_hand_and_leaves_the_rest_to_others(
    proven: Connected,
) -> None:
    await stored(proven, 1)
    await runner(proven, NotificationRunner).finish()
    await stored(proven, 2)
    assert proven.service.parts.handover.in_hand == 0
    await runner(proven, DeliveryRunner).finish()
    assert told_ids(proven) == ["wamid.0001"]
    rows = await proven.service.db.read("SELECT tries, lease_until FROM notification ORDER BY id")
    assert [(row["tries"], row["lease_until"]) for row in rows] == [(1, None), (0, None)]
    await proven.service.drain()
    assert told_ids(proven) == ["wamid.0001", "wamid.0002"]


async def test_what_is_due_in_the_database_is_taken_beside_what_is_handed_over(proven: Connected) -> None:
    handover, handling = proven.service.parts.handover, runner(proven, NotificationRunner)
    await stored(proven, 1)
    await handling.run_once()
    handover.close()
    await stored(proven, 2)
    handover.open(lambda: None)
    await stored(proven, 3)
    assert await handling.run_once() == 2
    assert [tries for _, tries in await proven.states()] == [1, 1, 1]

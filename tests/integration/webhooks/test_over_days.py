"""What takes days finds what was written days ago, in whichever partition it stands."""

from itertools import pairwise
from typing import Any

import pytest

from setuplinks.core.clock import DAY, HOUR, MINUTE
from setuplinks.webhooks.days import Days
from setuplinks.webhooks.retention import kept_days
from tests.integration.webhooks.room import Room
from tests.support.inbox import Answer, Inbox


def days_of(room: Room) -> Days:
    return Days(room.db, room.clock, kept_days(message_days=7, attempt_days=30, event_days=90))


async def listed(room: Room, query: str) -> list[str]:
    """All pages of the tenant's events, two to a page."""
    path, found = f"/admin/tenants/{room.tenant_id}/events?limit=2{query}", []
    page: dict[str, Any] = (await room.call("GET", path)).json()
    while page["data"]:
        assert all(event["data"] is not None for event in page["data"])
        found += [event["id"] for event in page["data"]]
        if page["nextCursor"] is None:
            break
        page = (await room.call("GET", f"{path}&after={page['nextCursor']}")).json()
    return found


@pytest.mark.parametrize("event_type", ["setup_link.created", "whatsapp.message.received"])
async def test_a_try_after_two_days_sends_the_same_bytes(room: Room, inbox: Inbox, event_type: str) -> None:
    await days_of(room).run_once()
    endpoint = await room.endpoint(inbox.url)
    inbox.answer_next(Answer(500))
    await room.emit(event_type)
    await room.drain()
    room.clock.advance(2 * DAY)
    await days_of(room).run_once()
    await room.drain()
    first, second = inbox.received
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    one = await room.the_delivery(endpoint)
    assert [attempt["httpStatus"] for attempt in one["attempts"]] == [500, 200]


async def test_events_of_many_days_are_listed_in_their_order_with_their_data(room: Room) -> None:
    made: list[str] = []
    for gap in (0, MINUTE, DAY, DAY, 5 * DAY, HOUR, HOUR, HOUR, 9 * DAY):
        room.clock.advance(gap)
        await days_of(room).run_once()
        made.append(await room.emit("setup_link.opened" if gap == HOUR else "setup_link.created"))
    room.clock.advance(MINUTE)
    assert all(before < after for before, after in pairwise(made))
    assert await listed(room, "") == made[::-1]
    assert await listed(room, "&order=oldest") == made
    assert await listed(room, "&type=setup_link.opened") == made[7:4:-1]


async def test_a_replay_reaches_over_days(room: Room, inbox: Inbox) -> None:
    endpoint = await room.endpoint(inbox.url)
    for _ in range(3):
        await days_of(room).run_once()
        await room.emit()
        room.clock.advance(2 * DAY)
    await room.drain()
    first = [one.headers["webhook-id"] for one in inbox.received]
    asked = {"since": "2026-05-18T00:00:00Z", "until": "2026-05-23T00:00:00Z"}
    await room.call("POST", f"/admin/webhook-endpoints/{endpoint['id']}/replay", asked)
    await room.drain()
    assert sorted(one.headers["webhook-id"] for one in inbox.received[3:]) == sorted(first)

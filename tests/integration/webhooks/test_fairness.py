"""Who hangs, fails or is unknown keeps few places: others do not wait for it, and it gets more once it answers."""

import asyncio

from setuplinks.core.clock import SECOND
from setuplinks.webhooks.ledger import Ledger
from setuplinks.webhooks.models import Parcel
from setuplinks.webhooks.places import DRAGS, FIRST_AT_ONCE, MOST_AT_ONCE, PROVEN
from setuplinks.webhooks.retry import BREAKER_OPENS_AFTER, Verdict
from setuplinks.webhooks.runner import SLICE
from setuplinks.webhooks.sender import Result
from tests.integration.webhooks.room import LINK, Room
from tests.support.inbox import Answer, Inbox, running_inbox

TYPE = "setup_link.created"
HUNG = 12


async def test_hung_endpoints_of_one_tenant_keep_nobody_else_waiting(room: Room, inbox: Inbox) -> None:
    release = asyncio.Event()
    async with running_inbox() as hung:
        hung.otherwise = Answer(hold=release)
        for _ in range(HUNG):
            await room.endpoint(hung.url)
        for _ in range(MOST_AT_ONCE):
            await room.emit()
        rounds = asyncio.create_task(room.drain())
        await hung.wait_for(TYPE, HUNG * FIRST_AT_ONCE)
        other = await room.api.tenant("Other")
        await room.api.call("POST", f"/admin/tenants/{other['id']}/webhook-endpoints", {"url": inbox.url})
        async with room.db.transaction() as tx:
            room.events.emit(tx, await room.events.load(tx, other["id"]), TYPE, LINK)
        await inbox.wait_for(TYPE)
        assert len(hung.received) == HUNG * FIRST_AT_ONCE
        release.set()
        await rounds
        assert len(hung.received) == HUNG * MOST_AT_ONCE


async def test_an_endpoint_that_answers_gets_more_at_once_until_it_has_all(room: Room, inbox: Inbox) -> None:
    endpoint = await room.endpoint(inbox.url)
    assert (await room.state(endpoint))["at_once"] == FIRST_AT_ONCE
    for _ in range(PROVEN - FIRST_AT_ONCE):
        await room.emit()
        await room.drain()
    assert (await room.state(endpoint))["at_once"] == PROVEN, "proven by few, one after the other"
    await room.emit()
    await room.drain()
    assert (await room.state(endpoint))["at_once"] == PROVEN, "and it has enough"
    for _ in range(3 * MOST_AT_ONCE):
        await room.emit()
    await room.drain()
    assert (await room.state(endpoint))["at_once"] == MOST_AT_ONCE


async def test_failures_that_drag_on_halve_what_an_endpoint_may_have_and_quick_ones_do_not(
    room: Room, inbox: Inbox
) -> None:
    endpoint = await room.endpoint(inbox.url)
    await room.db.bulk("UPDATE endpoint_state SET at_once = $1", MOST_AT_ONCE)
    for _ in range(2):
        await room.emit()
    await room.park()
    quick, slow = [
        Parcel(room.tenant_id, endpoint["id"], r["id"], r["event_id"], r["event_type"], 1, 0)
        for r in await room.take(endpoint)
    ]
    ledger, now = Ledger(room.db, room.clock, room.events), room.clock.now()
    assert await ledger.record(Result(quick, Verdict.RETRY, now, DRAGS - 1, words="answered 500"))
    assert (await room.state(endpoint))["at_once"] == MOST_AT_ONCE
    assert await ledger.record(Result(slow, Verdict.RETRY, now, DRAGS, words="no answer within 15 s"))
    assert (await room.state(endpoint))["at_once"] == MOST_AT_ONCE // 2


async def test_events_for_an_endpoint_that_is_left_alone_wake_nobody_before_its_time(room: Room, inbox: Inbox) -> None:
    endpoint = await room.endpoint(inbox.url)
    inbox.otherwise = Answer(500)
    for _ in range(BREAKER_OPENS_AFTER):
        await room.emit()
    await room.drain()
    until = room.clock.now() + 5 * SECOND
    assert (await room.state(endpoint))["breaker_until"] == until
    await room.emit()
    assert (await room.state(endpoint))["next_due"] == until
    assert await room.park() == []
    room.clock.advance(5 * SECOND)
    assert await room.drain() == 1, "the probe"


async def test_an_event_that_comes_while_a_claim_looks_is_seen_by_the_next_one(room: Room, inbox: Inbox) -> None:
    endpoint = await room.endpoint(inbox.url)
    now = room.clock.now()
    await room.db.bulk("UPDATE endpoint_state SET next_due = $1, breaker_until = $2", now, now + 60 * SECOND)
    assert len(await room.park()) == 1
    await room.emit()
    assert (await room.state(endpoint))["next_due"] == now, "TAKE would take the parked time for nothing new"
    await room.take(endpoint)
    assert (await room.state(endpoint))["next_due"] == now
    assert len(await room.park()) == 1
    await room.take(endpoint)
    assert (await room.state(endpoint))["next_due"] == now + 60 * SECOND


async def test_enabling_begins_anew_with_few_at_once(room: Room, inbox: Inbox) -> None:
    endpoint = await room.endpoint(inbox.url)
    await room.db.bulk("UPDATE endpoint_state SET at_once = $1", MOST_AT_ONCE)
    await room.call("POST", f"/admin/webhook-endpoints/{endpoint['id']}/enable")
    assert (await room.state(endpoint))["at_once"] == FIRST_AT_ONCE


async def test_what_waits_for_a_deleted_endpoint_is_ended_in_slices_while_others_get_theirs(
    room: Room, inbox: Inbox
) -> None:
    gone = await room.endpoint(inbox.url)
    await room.emit()
    now = room.clock.now()
    await room.db.bulk(
        "INSERT INTO delivery (tenant_id, id, endpoint_id, event_id, event_type, status, due_at, created_at) "
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $4) "
        "SELECT $1, $5 || i, $2, 'an event', 'setup_link.created', 'pending', $3, $3 FROM n",
        room.tenant_id, gone["id"], now, 2 * SLICE, "01970000-0000-7000-8000-",
    )  # fmt: skip
    assert (await room.call("DELETE", f"/admin/webhook-endpoints/{gone['id']}")).status_code == 204
    await room.endpoint(inbox.url)
    told = await room.emit()
    assert await room.runner.run_once() >= SLICE
    [row] = await room.db.read("SELECT count(*) AS n FROM delivery WHERE endpoint_id = $1 AND due_at > 0", gone["id"])
    assert row["n"] == SLICE + 1, "one slice at a time"
    await room.drain()
    rows = await room.db.read("SELECT status, last_error, count(*) AS n FROM delivery GROUP BY status, last_error")
    found = {(row["status"], row["last_error"]): row["n"] for row in rows}
    assert found == {("failed", "endpoint deleted"): 2 * SLICE + 1, ("delivered", None): 1}
    assert [one.headers["webhook-id"] for one in inbox.received] == [told]

"""Several runners at one database, and runners that are killed: nothing is lost, nothing recorded twice."""

import asyncio
from collections import Counter

from setuplinks.core.clock import SECOND
from setuplinks.webhooks.ledger import Ledger
from setuplinks.webhooks.models import Parcel
from setuplinks.webhooks.places import FIRST_AT_ONCE, LEASE
from setuplinks.webhooks.retry import BREAKER_OPENS_AFTER, Verdict
from setuplinks.webhooks.sender import Result
from tests.integration.webhooks.room import Room
from tests.support.inbox import Answer, Inbox, running_inbox


async def claim(room: Room, endpoint: dict[str, object]) -> list[Parcel]:
    """What a process takes that is killed before it sends."""
    await room.park()
    rows = await room.take(endpoint)
    return [
        Parcel(room.tenant_id, int(str(endpoint["id"])), r["id"], r["event_id"], r["event_type"], r["attempts"], 0)
        for r in rows
    ]


async def test_what_a_killed_process_had_taken_is_sent_by_another_after_the_lease_with_the_same_id(
    room: Room, inbox: Inbox
) -> None:
    endpoint = await room.endpoint(inbox.url)
    event_id = await room.emit()
    assert len(await claim(room, endpoint)) == 1
    assert await room.drain() == 0, "leased"
    room.clock.advance(LEASE)
    assert await room.drain() == 0, "this process's clock may be ahead; the lease lives by the database's"
    await room.end_leases()
    assert await room.drain() == 1
    assert [one.headers["webhook-id"] for one in inbox.received] == [event_id]
    delivery = await room.the_delivery(endpoint)
    assert (delivery["status"], delivery["attemptCount"]) == ("delivered", 2)


async def test_a_process_killed_between_parking_and_taking_loses_nothing(room: Room, inbox: Inbox) -> None:
    await room.endpoint(inbox.url)
    await room.emit()
    assert len(await room.park()) == 1
    assert await room.drain() == 0
    room.clock.advance(LEASE)
    assert await room.drain() == 1


async def test_an_event_that_commits_between_parking_and_taking_is_not_missed(room: Room, inbox: Inbox) -> None:
    endpoint = await room.endpoint(inbox.url)
    await room.emit()
    await room.park()
    await room.emit()
    assert len(await room.take(endpoint, 1)) == 1
    assert (await room.state(endpoint))["next_due"] == room.clock.now()
    assert await room.drain() == 1


async def test_a_late_result_of_a_lost_lease_changes_nothing_but_is_logged(room: Room, inbox: Inbox) -> None:
    endpoint = await room.endpoint(inbox.url)
    await room.emit()
    [first] = await claim(room, endpoint)
    await room.end_leases()
    room.clock.advance(LEASE)
    [second] = await claim(room, endpoint)
    assert (first.attempt, second.attempt) == (1, 2)
    ledger = Ledger(room.db, room.clock, room.events)
    assert await ledger.record(Result(first, Verdict.FINAL, room.clock.now(), words="too late"))
    assert (await room.the_delivery(endpoint))["status"] == "pending"
    assert await ledger.record(Result(second, Verdict.DELIVERED, room.clock.now(), http_status=200))
    assert await ledger.record(Result(second, Verdict.FINAL, room.clock.now(), words="said twice"))
    delivery = await room.the_delivery(endpoint)
    assert (delivery["status"], delivery["lastStatus"]) == ("delivered", 200)
    assert [(one["number"], one["error"]) for one in delivery["attempts"]] == [(1, "too late"), (2, None)]


async def test_a_result_that_the_database_refuses_takes_no_other_endpoints_along(room: Room, inbox: Inbox) -> None:
    endpoints = [await room.endpoint(inbox.url) for _ in range(3)]
    await room.emit()
    parcels = [parcel for endpoint in endpoints for parcel in await claim(room, endpoint)]
    ledger, now = Ledger(room.db, room.clock, room.events), room.clock.now()
    # The first is written at once; the others wait for it and go together, one with an address that nothing stores.
    addresses = ("192.0.2.1", "192.0.2.2", "192.0.2.3\0")
    records = (
        ledger.record(Result(parcel, Verdict.DELIVERED, now, http_status=204, address=address))
        for parcel, address in zip(parcels, addresses, strict=True)
    )
    assert await asyncio.gather(*records) == [True, True, False]
    found = [await room.the_delivery(endpoint) for endpoint in endpoints]
    assert [one["status"] for one in found] == ["delivered", "delivered", "pending"]


async def test_the_cap_of_an_endpoint_holds_over_all_processes(room: Room, inbox: Inbox) -> None:
    release = asyncio.Event()
    inbox.otherwise = Answer(hold=release)
    await room.endpoint(inbox.url)
    for _ in range(2 * FIRST_AT_ONCE):
        await room.emit()
    runners = [room.another_runner() for _ in range(3)]
    rounds = [asyncio.create_task(room.drain(runner)) for runner in runners]
    await inbox.wait_for("setup_link.created", FIRST_AT_ONCE)
    [row] = await room.db.read("SELECT count(*) AS n FROM delivery WHERE lease_until IS NOT NULL")
    assert row["n"] == FIRST_AT_ONCE
    assert len(inbox.received) == FIRST_AT_ONCE
    release.set()
    done = sum(await asyncio.gather(*rounds))
    done += await room.drain()
    assert done == 2 * FIRST_AT_ONCE
    assert set(Counter(one.headers["webhook-id"] for one in inbox.received).values()) == {1}


async def test_events_emitted_while_many_runners_work_all_arrive_exactly_once(room: Room, inbox: Inbox) -> None:
    async with running_inbox() as second:
        await room.endpoint(inbox.url)
        await room.endpoint(second.url)
        sent: list[str] = []

        async def produce() -> None:
            sent.extend([await room.emit() for _ in range(30)])

        async def work(stop: asyncio.Event) -> None:
            runner = room.another_runner()
            while not stop.is_set():
                if not await runner.run_once():
                    await asyncio.sleep(0.001)
            await runner.finish()

        stop = asyncio.Event()
        workers = [asyncio.create_task(work(stop)) for _ in range(3)]
        await asyncio.gather(*(produce() for _ in range(4)))
        for one in (inbox, second):
            await one.wait_for("setup_link.created", len(sent))
        stop.set()
        await asyncio.gather(*workers)
        for one in (inbox, second):
            assert Counter(came.headers["webhook-id"] for came in one.received) == Counter(sent)
    rows = await room.db.read("SELECT status, attempts FROM delivery")
    assert {(row["status"], row["attempts"]) for row in rows} == {("delivered", 1)}


async def test_a_probe_is_one_over_all_processes(room: Room, inbox: Inbox) -> None:
    endpoint = await room.endpoint(inbox.url)
    inbox.otherwise = Answer(500)
    for _ in range(2 * FIRST_AT_ONCE):
        await room.emit()
    await room.drain()
    tried = len(inbox.received)
    # So many are under way at once; up to four more may begin before the fifth failure opens the breaker.
    assert FIRST_AT_ONCE <= tried < FIRST_AT_ONCE + BREAKER_OPENS_AFTER
    room.clock.advance(5 * SECOND)
    release = asyncio.Event()
    inbox.otherwise = Answer(500, hold=release)
    rounds = [asyncio.create_task(room.drain(room.another_runner())) for _ in range(3)]
    await inbox.wait_for("setup_link.created", tried + 1)
    release.set()
    assert sum(await asyncio.gather(*rounds)) == 1
    assert len(inbox.received) == tried + 1
    assert (await room.state(endpoint))["breaker_step"] == 2

"""From an event to the tenant's server: what arrives, what is retried, what the log says."""

import asyncio

from setuplinks.core.clock import DAY, HOUR, MINUTE, SECOND
from setuplinks.core.vault import KeyRing, Vault
from setuplinks.webhooks.models import EVENT_TYPES
from setuplinks.webhooks.places import FIRST_AT_ONCE, MOST_AT_ONCE
from setuplinks.webhooks.runner import DeliveryRunner
from tests.integration.webhooks.room import LINK, LINK_ID, Room
from tests.support.inbox import Answer, Inbox, running_inbox

LADDER = [5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR]


async def test_an_event_arrives_signed_with_its_envelope_and_is_logged(room: Room, inbox: Inbox) -> None:
    endpoint = await room.endpoint(inbox.url, headers={"X-Tenant": "acme"})
    event_id = await room.emit()
    assert await room.drain() == 1
    [came] = inbox.received
    assert came.json == {
        "type": "setup_link.created",
        "timestamp": "2026-05-18T12:00:00Z",
        "data": {"tenant_id": room.tenant_id, **LINK},
    }
    assert came.signed_by(endpoint["secret"])
    assert (came.headers["webhook-id"], came.headers["x-tenant"]) == (event_id, "acme")
    assert came.headers["content-type"] == "application/json"
    delivery = await room.the_delivery(endpoint)
    assert (delivery["status"], delivery["eventId"], delivery["attemptCount"]) == ("delivered", event_id, 1)
    [attempt] = delivery["attempts"]
    assert (attempt["httpStatus"], attempt["error"], attempt["address"]) == (200, None, "127.0.0.1")


async def test_a_failed_unit_tells_nobody(room: Room, inbox: Inbox) -> None:
    await room.endpoint(inbox.url)
    try:
        async with room.db.transaction() as tx:
            audience = await room.events.load(tx, room.tenant_id)
            room.events.emit(tx, audience, "setup_link.created", LINK)
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert await room.drain() == 0
    assert inbox.received == []


async def test_a_failing_server_is_tried_ten_times_by_the_ladder_with_one_id_and_one_body(
    room: Room, inbox: Inbox
) -> None:
    endpoint = await room.endpoint(inbox.url)
    inbox.otherwise = Answer(503, body=b"busy")
    event_id = await room.emit()
    waits = []
    for _ in range(9):
        assert await room.drain() == 1
        delivery = await room.the_delivery(endpoint)
        assert delivery["status"] == "pending"
        [row] = await room.db.read("SELECT due_at FROM delivery")
        waits.append(row["due_at"] - room.clock.now())
        room.clock.advance(waits[-1])
    assert waits == LADDER
    assert await room.drain() == 1
    delivery = await room.the_delivery(endpoint)
    assert (delivery["status"], delivery["attemptCount"], delivery["lastError"]) == ("failed", 10, "answered 503")
    assert [one["number"] for one in delivery["attempts"]] == list(range(1, 11))
    assert {one["responseStart"] for one in delivery["attempts"]} == {"busy"}
    assert {one.headers["webhook-id"] for one in inbox.received} == {event_id}
    assert len({one.body for one in inbox.received}) == 1
    assert all(one.signed_by(endpoint["secret"]) for one in inbox.received)
    room.clock.advance(30 * DAY)
    assert await room.drain() == 0


async def test_a_retry_that_succeeds_ends_it(room: Room, inbox: Inbox) -> None:
    endpoint = await room.endpoint(inbox.url)
    inbox.answer_next(Answer(500), Answer(302, {"location": "/elsewhere"}))
    await room.emit()
    for wait in (0, 5 * SECOND, 5 * MINUTE):
        room.clock.advance(wait)
        assert await room.drain() == 1
    delivery = await room.the_delivery(endpoint)
    assert delivery["status"] == "delivered"
    assert [one["error"] for one in delivery["attempts"]] == ["answered 500", "answered 302", None]
    assert (await room.state(endpoint))["failures"] == 0


async def test_retry_after_is_waited_for(room: Room, inbox: Inbox) -> None:
    await room.endpoint(inbox.url)
    inbox.answer_next(Answer(429, {"retry-after": "120"}))
    await room.emit()
    await room.drain()
    assert await room.runner.next_due() == room.clock.now() + 30 * SECOND  # the lease's end is looked at, in vain
    room.clock.advance(119 * SECOND)
    assert await room.drain() == 0
    room.clock.advance(1 * SECOND)
    assert await room.drain() == 1
    assert len(inbox.received) == 2


async def test_a_refused_address_is_final_and_never_tried_again(room: Room, inbox: Inbox) -> None:
    endpoint = await room.endpoint(inbox.url)
    await room.db.bulk("UPDATE webhook_endpoint SET url = $1", "http://169.254.169.254/latest/meta-data")
    await room.emit()
    assert await room.drain() == 1
    delivery = await room.the_delivery(endpoint)
    assert (delivery["status"], delivery["lastError"]) == ("failed", "refused: link-local address")
    assert delivery["attempts"][0]["address"] == "169.254.169.254"
    room.clock.advance(DAY)
    assert await room.drain() == 0


async def test_410_disables_the_endpoint_and_the_others_are_told(room: Room, inbox: Inbox) -> None:
    async with running_inbox() as second:
        leaving = await room.endpoint(inbox.url)
        staying = await room.endpoint(second.url)
        inbox.answer_next(Answer(410))
        await room.emit()
        await room.drain()
        got = (await room.call("GET", f"/admin/webhook-endpoints/{leaving['id']}")).json()
        assert (got["status"], got["disabledReason"]) == ("disabled", "gone")
        [told] = second.of_type("webhook_endpoint.disabled")
        assert told.data == {
            "tenant_id": room.tenant_id, "endpoint_id": leaving["id"], "url": inbox.url, "reason": "gone",
            "failing_since": "2026-05-18T12:00:00Z",
        }  # fmt: skip
        assert told.signed_by(staying["secret"])
        await room.emit()
        await room.drain()
    assert len(inbox.received) == 1
    assert [one.type for one in second.received].count("setup_link.created") == 2


async def test_five_days_of_nothing_but_failure_disable_an_endpoint(room: Room, inbox: Inbox) -> None:
    endpoint = await room.endpoint(inbox.url)
    inbox.otherwise = Answer(500)
    for _ in range(5):
        await room.emit()
        await room.drain()
        assert (await room.call("GET", f"/admin/webhook-endpoints/{endpoint['id']}")).json()["status"] == "enabled"
        room.clock.advance(DAY)
    await room.emit()
    await room.drain()
    got = (await room.call("GET", f"/admin/webhook-endpoints/{endpoint['id']}")).json()
    assert (got["status"], got["disabledReason"]) == ("disabled", "failing")


async def test_the_breaker_opens_after_five_failures_and_charges_no_waiting_delivery(room: Room, inbox: Inbox) -> None:
    endpoint = await room.endpoint(inbox.url)
    inbox.otherwise = Answer(500)
    for _ in range(5):
        await room.emit()
    assert await room.drain() == 5
    for _ in range(3):
        await room.emit()
    assert await room.drain() == 0
    fresh = [one for one in await room.deliveries(endpoint) if one["attemptCount"] == 0]
    assert len(fresh) == 3
    room.clock.advance(5 * SECOND)
    assert await room.drain() == 1, "one probe"
    room.clock.advance(9 * SECOND)
    assert await room.drain() == 0
    inbox.otherwise = Answer(200)
    room.clock.advance(1 * SECOND)
    assert await room.drain() >= 7, "the probe succeeded, and all that waited went on"
    assert (await room.state(endpoint))["breaker_until"] is None
    room.clock.advance(10 * MINUTE)
    await room.drain()
    assert {one["status"] for one in await room.deliveries(endpoint)} == {"delivered"}


async def test_filters_by_type_prefix_customer_and_tenant_decide_who_hears(room: Room, inbox: Inbox) -> None:
    customer = (await room.call("POST", f"/admin/tenants/{room.tenant_id}/customers", {"name": "Clínica"})).json()["id"]
    links = await room.endpoint(inbox.url, eventTypes=["setup_link.*"])
    exact = await room.endpoint(inbox.url, eventTypes=["whatsapp.phone_number.created"])
    theirs = await room.endpoint(inbox.url, customerId=customer)
    other = await room.api.tenant("Other")
    await room.api.call("POST", f"/admin/tenants/{other['id']}/webhook-endpoints", {"url": inbox.url})
    await room.emit("setup_link.completed", customer_id=customer)
    await room.emit("whatsapp.phone_number.created", customer_id=customer + 1)
    assert await room.drain() == 3
    heard = {one["id"]: [d["eventType"] for d in await room.deliveries(one)] for one in (links, exact, theirs)}
    assert heard == {
        links["id"]: ["setup_link.completed"],
        exact["id"]: ["whatsapp.phone_number.created"],
        theirs["id"]: ["setup_link.completed"],
    }


async def test_a_payload_with_a_secret_is_sealed_at_rest_and_open_on_the_way(room: Room, inbox: Inbox) -> None:
    await room.endpoint(inbox.url)
    await room.emit(secret=True)
    [row] = await room.db.read("SELECT sealed, body FROM event_payload")
    assert row["sealed"] == 1
    assert LINK_ID.encode() not in bytes(row["body"])
    await room.drain()
    assert inbox.received[0].data["setup_link_id"] == LINK_ID


async def test_an_erased_payload_ends_its_delivery_without_a_call(room: Room, inbox: Inbox) -> None:
    endpoint = await room.endpoint(inbox.url)
    await room.emit()
    await room.db.bulk("DELETE FROM event_payload")
    assert await room.drain() == 1
    delivery = await room.the_delivery(endpoint)
    assert (delivery["status"], delivery["lastError"], inbox.received) == ("failed", "payload erased", [])
    assert (await room.state(endpoint))["failures"] == 0


async def test_a_slow_endpoint_does_not_hold_up_another_one(room: Room, inbox: Inbox) -> None:
    release = asyncio.Event()
    async with running_inbox() as slow:
        slow.otherwise = Answer(hold=release)
        await room.endpoint(slow.url)
        await room.endpoint(inbox.url)
        for _ in range(MOST_AT_ONCE + 5):
            await room.emit()
        while len(inbox.received) < MOST_AT_ONCE + 5:
            await room.runner.run_once()
        await slow.wait_for("setup_link.created", FIRST_AT_ONCE)
        assert len(slow.received) == FIRST_AT_ONCE, "the cap of one that nobody knows yet"
        release.set()
        await room.drain()
        assert len(slow.received) == MOST_AT_ONCE + 5


async def test_a_new_event_wakes_a_round_that_waits_for_a_slow_receiver(room: Room, inbox: Inbox) -> None:
    release = asyncio.Event()
    async with running_inbox() as slow:
        slow.otherwise = Answer(hold=release)
        await room.endpoint(slow.url, eventTypes=["setup_link.created"])
        await room.endpoint(inbox.url, eventTypes=["setup_link.completed"])
        await room.emit("setup_link.created")
        round_ = asyncio.create_task(room.runner.run_once())
        await slow.wait_for("setup_link.created")
        await room.emit("setup_link.completed")
        assert await round_ == 1
        assert len(inbox.received) == 1
        release.set()
        assert await room.drain() == 1


async def test_every_type_of_the_registry_can_be_told(room: Room, inbox: Inbox) -> None:
    await room.endpoint(inbox.url)
    for event_type in EVENT_TYPES:
        await room.emit(event_type)
    assert await room.drain() == len(EVENT_TYPES)
    assert {one.type for one in inbox.received} == set(EVENT_TYPES)


async def test_what_a_receiver_echoes_is_kept_without_a_links_secret(room: Room, inbox: Inbox) -> None:
    endpoint = await room.endpoint(inbox.url)
    url = f"https://a.example/signup/{LINK_ID}-0123456789abcdefghjkmnpqrs"
    inbox.otherwise = Answer(400, body=f"bad url {url} \0".encode())
    await room.emit()
    await room.drain()
    [attempt] = (await room.the_delivery(endpoint))["attempts"]
    assert "0123456789abcdefghjkmnpqrs" not in attempt["responseStart"]
    assert attempt["responseStart"].startswith("bad url https://a.example/signup/")


async def test_a_rate_limit_is_held_over_bursts_and_without_loss(room: Room, inbox: Inbox) -> None:
    limited = await room.endpoint(inbox.url, rateLimit=2)
    for _ in range(7):
        await room.emit()
    arrived = []
    for _ in range(5):
        await room.drain()
        arrived.append(len(inbox.received))
        due = await room.runner.next_due()
        assert due is not None
        room.clock.advance(max(0, min(due - room.clock.now(), 1 * SECOND)))
    assert arrived == [2, 3, 4, 5, 6], "two at once, then one each half second"
    room.clock.advance(1 * SECOND)
    await room.drain()
    assert {one["status"] for one in await room.deliveries(limited)} == {"delivered"}


async def test_enabling_closes_an_open_breaker_at_once(room: Room, inbox: Inbox) -> None:
    endpoint = await room.endpoint(inbox.url)
    inbox.otherwise = Answer(500)
    for _ in range(6):
        await room.emit()
    await room.drain()
    await room.emit()
    assert await room.drain() == 0
    inbox.otherwise = Answer(200)
    await room.call("POST", f"/admin/webhook-endpoints/{endpoint['id']}/enable")
    assert await room.drain() == 1
    assert (await room.state(endpoint))["failures"] == 0


async def test_what_a_process_without_the_master_key_takes_is_not_lost(room: Room, inbox: Inbox) -> None:
    endpoint = await room.endpoint(inbox.url)
    await room.emit()
    vault = Vault(room.db, KeyRing({"k9": b"\x09" * 32}), room.clock)
    blind = DeliveryRunner(room.db, vault, room.clock, room.events, room.outbound)
    assert await room.drain(blind) == 1
    delivery = await room.the_delivery(endpoint)
    assert (delivery["status"], delivery["attempts"][0]["error"]) == ("pending", "not sent: its secrets stay closed")
    assert (await room.state(endpoint))["failures"] == 0, "the receiver has no part in it"
    room.clock.advance(MINUTE)
    assert await room.drain() == 1
    assert (await room.the_delivery(endpoint))["status"] == "delivered"

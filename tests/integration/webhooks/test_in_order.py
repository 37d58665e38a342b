"""`ordered`: one number's deliveries go one after the other; other numbers and other endpoints do not wait for them."""

import asyncio

from setuplinks.core.clock import MINUTE, SECOND
from tests.integration.webhooks.room import Room
from tests.support.inbox import Answer, Inbox

TYPE = "whatsapp.message.received"


def ids_of(inbox: Inbox) -> list[str]:
    """What arrived, in its order."""
    return [one.headers["webhook-id"] for one in inbox.received]


async def test_a_failed_one_holds_up_its_number_until_its_retry_succeeds(room: Room, inbox: Inbox) -> None:
    await room.endpoint(inbox.url, ordered=True)
    inbox.answer_next(Answer(500))
    first, second, third = [await room.emit(TYPE, phone_id=7) for _ in range(3)]
    await room.drain()
    assert ids_of(inbox) == [first], "the number's later ones wait"
    other = await room.emit(TYPE, phone_id=8)
    await room.drain()
    assert ids_of(inbox) == [first, other], "another number's does not"
    assert await room.drain() == 0, "and nothing is asked again and again meanwhile"
    room.clock.advance(5 * SECOND)
    await room.drain()
    assert [one for one in ids_of(inbox) if one != other] == [first, first, second, third]


async def test_only_one_of_a_number_is_under_way_over_all_processes(room: Room, inbox: Inbox) -> None:
    await room.endpoint(inbox.url, ordered=True)
    release = asyncio.Event()
    inbox.otherwise = Answer(hold=release)
    sent = [await room.emit(TYPE, phone_id=7) for _ in range(4)]
    rounds = [asyncio.create_task(room.drain(room.another_runner())) for _ in range(3)]
    await inbox.wait_for(TYPE)
    await asyncio.gather(*(room.db.read("SELECT 1 AS one FROM delivery") for _ in range(20)))
    assert ids_of(inbox) == sent[:1]
    release.set()
    await asyncio.gather(*rounds)
    await room.drain()
    assert ids_of(inbox) == sent


async def test_one_that_fails_for_good_lets_the_next_go(room: Room, inbox: Inbox) -> None:
    made = await room.endpoint(inbox.url, ordered=True)
    await room.emit(TYPE, phone_id=7)
    await room.db.bulk("DELETE FROM message_payload")
    second = await room.emit(TYPE, phone_id=7)
    await room.drain()
    assert ids_of(inbox) == [second]
    assert sorted(one["status"] for one in await room.deliveries(made)) == ["delivered", "failed"]


async def test_without_it_and_without_a_number_nothing_waits(room: Room, inbox: Inbox) -> None:
    await room.endpoint(inbox.url, ordered=True, eventTypes=["setup_link.*"])
    await room.endpoint(inbox.url, eventTypes=[TYPE])
    inbox.answer_next(Answer(500), Answer(500))
    for _ in range(2):
        await room.emit(TYPE, phone_id=7)
        await room.emit("setup_link.created")
    await room.drain()
    assert len(set(ids_of(inbox))) == 4


async def test_many_numbers_under_failure_keep_their_order_and_lose_nothing(room: Room, inbox: Inbox) -> None:
    await room.endpoint(inbox.url, ordered=True)
    inbox.answer_next(*(Answer(500 if number in {0, 5} else 200) for number in range(8)))
    sent = {phone: [await room.emit(TYPE, phone_id=phone) for _ in range(5)] for phone in (1, 2, 3)}
    for _ in range(12):
        await room.drain()
        room.clock.advance(MINUTE)
    arrived = ids_of(inbox)
    for phone, ids in sent.items():
        of_phone = [one for one in arrived if one in ids]
        assert list(dict.fromkeys(of_phone)) == ids, f"number {phone} in its order"
        assert of_phone == sorted(of_phone, key=ids.index), "a retry stands before what comes after it"

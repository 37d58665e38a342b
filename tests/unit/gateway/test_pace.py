"""The pace of a number: never more in a second than Meta takes, in order, and at no other number's cost."""

import asyncio
import json
from collections import deque
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setuplinks.core.clock import SECOND, ManualClock
from setuplinks.gateway import pace
from setuplinks.gateway.models import Target
from setuplinks.gateway.pace import PAIR_BURST, PAIR_EVERY, PATIENCE, Pace, Pairs, Second, per_second
from setuplinks.gateway.refusals import Refusal

START = 1_779_105_600 * SECOND
GAPS = st.lists(st.integers(0, 400_000), min_size=1, max_size=200)


def target(number: str = "101", tier: str | None = "STANDARD", kind: str = "dedicated") -> Target:
    """A number."""
    return Target("phone_number", number, 1, 2, 3, "4", 5, number, kind, tier, "active")


def message(to: str = "5493515550999", **more: str) -> bytes:
    """A send."""
    return json.dumps({"messaging_product": "whatsapp", "to": to, **more}).encode()


# -- what is remembered ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "to", [b'"' + b"9" * 100_000 + b'"', b"9" * 5_000]
)  # fmt: skip
async def test_what_can_be_no_persons_number_is_not_remembered(to: bytes) -> None:
    turns = Pace(ManualClock(START))
    async with turns.turn(target(), b'{"messaging_product":"whatsapp","to":' + to + b"}"):
        assert not turns._pairs.whole_at


# -- the second ------------------------------------------------------------------------------------------------------
@given(gaps=GAPS, most=st.integers(1, 20))
def test_no_second_sees_more_than_the_limit_wherever_it_begins(gaps: list[int], most: int) -> None:
    second, now, sent = Second(), START, []
    for gap in gaps:
        now += gap
        wait = second.reserve(most, now)
        if wait is not None:
            sent.append(now + wait)
    window: deque[int] = deque()
    for at in sent:
        while window and window[0] <= at - SECOND:
            window.popleft()
        window.append(at)
        assert len(window) <= most


@given(gaps=GAPS, most=st.integers(1, 20))
def test_turns_come_in_the_order_of_asking_and_none_waits_longer_than_a_second(gaps: list[int], most: int) -> None:
    second, now, last = Second(), START, 0
    for gap in gaps:
        now += gap
        wait = second.reserve(most, now)
        if wait is None:
            continue
        assert 0 <= wait <= PATIENCE
        assert now + wait >= last
        last = now + wait


@given(gaps=GAPS, most=st.integers(1, 20))
def test_who_keeps_below_the_limit_never_waits(gaps: list[int], most: int) -> None:
    second, now = Second(), START
    for gap in gaps:
        now += gap + SECOND // most + 1
        assert second.reserve(most, now) == 0


@given(gaps=GAPS, most=st.integers(1, 20))
def test_a_refusal_costs_nothing_and_a_second_later_there_is_room(gaps: list[int], most: int) -> None:
    second, now = Second(), START
    for gap in gaps:
        now += gap
        before = list(second.moments)
        if second.reserve(most, now) is None:
            assert list(second.moments) == before
    assert second.reserve(most, now + SECOND) is not None


@given(limits=st.lists(st.integers(1, 30), min_size=1, max_size=100), back=st.integers(0, 10**15))
def test_a_changed_limit_or_a_clock_that_was_set_back_blocks_nobody(limits: list[int], back: int) -> None:
    second, last = Second(), 0
    for most in limits:
        wait = second.reserve(most, START)
        if wait is not None:
            assert START + wait >= last
            last = START + wait
    earlier = START - 2 * SECOND - back
    assert second.reserve(5, earlier) == 0


def test_eighty_go_at_once_eighty_wait_and_the_next_is_refused() -> None:
    second = Second()
    waits = [second.reserve(80, START) for _ in range(161)]
    assert waits == [0] * 80 + [SECOND] * 80 + [None]


# -- pairs -----------------------------------------------------------------------------------------------------------
@given(gaps=st.lists(st.integers(0, 8 * SECOND), min_size=1, max_size=300))
def test_a_person_gets_a_burst_and_then_one_in_six_seconds(gaps: list[int]) -> None:
    pairs, now, sent = Pairs(), START, []
    for gap in gaps:
        now += gap
        wait = pairs.wait(("1", "2"), now)
        if not wait:
            pairs.take(("1", "2"), now)
            sent.append(now)
        else:
            assert 0 < wait <= PAIR_EVERY
            assert pairs.wait(("1", "2"), now + wait) == 0
    for first in range(len(sent)):
        for count, at in enumerate(sent[first:], 1):
            assert count <= PAIR_BURST + (at - sent[first]) // PAIR_EVERY


def test_one_person_owes_nothing_for_another_and_nothing_after_the_clock_was_set_back() -> None:
    pairs = Pairs()
    for _ in range(PAIR_BURST):
        pairs.take(("1", "2"), START)
    assert pairs.wait(("1", "2"), START) == PAIR_EVERY
    assert pairs.wait(("1", "3"), START) == 0
    assert pairs.wait(("2", "2"), START) == 0
    assert pairs.wait(("1", "2"), START - 3600 * SECOND) == 0


def test_the_pairs_that_are_remembered_have_an_end() -> None:
    pairs = Pairs(kept=100)
    for person in range(1_000):
        pairs.take(("1", str(person)), START)
    assert len(pairs.whole_at) == 100


# -- numbers ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("tier", "kind", "most"),
    [("STANDARD", "dedicated", 80), ("HIGH", "dedicated", 1000), (None, "dedicated", 80), ("HIGH", "coexistence", 20)],
)
def test_the_limit_is_that_of_the_number(tier: str | None, kind: str, most: int) -> None:
    assert per_second(target(tier=tier, kind=kind)) == most


async def take(paced: Pace, which: Target, body: bytes) -> int | None:
    """One turn; the code of its refusal."""
    try:
        async with paced.turn(which, body):
            return None
    except Refusal as refused:
        return refused.code


def at_once(turn: Coroutine[Any, Any, int | None]) -> int | None:
    """The turn's end, which must come without any waiting."""
    with pytest.raises(StopIteration) as ended:
        turn.send(None)
    code: int | None = ended.value.value
    return code


async def test_a_flood_of_one_number_delays_no_other_and_is_told_so() -> None:
    paced, slow = Pace(ManualClock(START)), target(kind="coexistence")
    flood = [asyncio.ensure_future(take(paced, slow, message(str(person)))) for person in range(100)]
    await asyncio.sleep(0)
    assert [one.done() and one.result() for one in flood] == [None] * 20 + [False] * 20 + [130429] * 60
    assert await take(paced, target("102"), message()) is None
    assert not flood[20].done()  # the other number did not wait for those that wait
    assert await asyncio.gather(*flood) == [None] * 40 + [130429] * 60


async def test_the_refusals_are_in_metas_words() -> None:
    paced = Pace(ManualClock(START))
    for _ in range(PAIR_BURST):
        assert await take(paced, target(), message()) is None
    with pytest.raises(Refusal) as refused:
        async with paced.turn(target(), message()):
            raise AssertionError("the pair has had its burst")
    answer = refused.value.answer()
    error = json.loads(answer.body)["error"]
    assert (answer.status, error["code"], error["type"]) == (400, 131056, "OAuthException")
    assert (b"retry-after", b"6") in answer.headers
    assert (pace.rate_limit().status, pace.rate_limit().message) == (429, "(#130429) Rate limit hit")


async def test_a_person_who_is_refused_takes_no_turn_of_the_number() -> None:
    paced, which = Pace(ManualClock(START)), target()
    for _ in range(PAIR_BURST):
        assert await take(paced, which, message()) is None
    assert [await take(paced, which, message()) for _ in range(50)] == [131056] * 50
    # These are the rest of the eighty.
    assert [at_once(take(paced, which, message(str(person)))) for person in range(80 - PAIR_BURST)] == [None] * 35


@pytest.mark.parametrize(
    "body",
    [message(status="read"), json.dumps({"status": "read", "message_id": "wamid.1"}).encode(), b"status=read&to=1"],
)
async def test_what_only_tells_of_a_message_counts_for_none(body: bytes) -> None:
    paced = Pace(ManualClock(START))
    assert [await take(paced, target(kind="coexistence"), body) for _ in range(200)] == [None] * 200


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"to": {"a": 1}}', b"\xff\xfe", b"to", b"&" * 100, b'{"to": 1}'])
async def test_a_body_that_says_nothing_still_takes_a_turn(body: bytes) -> None:
    paced = Pace(ManualClock(START))
    assert await take(paced, target(), body) is None
    [lane] = paced._lanes.values()
    assert len(lane.second.moments) == 1


async def test_a_form_names_its_person_too() -> None:
    paced = Pace(ManualClock(START))
    body = b"messaging_product=whatsapp&to=5493515550999&text=%7B%7D"
    assert [await take(paced, target(), body) for _ in range(PAIR_BURST + 1)] == [None] * PAIR_BURST + [131056]


async def test_sends_that_hang_take_no_more_than_their_share_of_the_connections() -> None:
    clock = ManualClock(START)
    paced, high = Pace(clock), target(tier="HIGH")
    async with AsyncExitStack() as hanging:
        for person in range(pace.UNDER_WAY_AT_MOST):
            await hanging.enter_async_context(paced.turn(high, message(str(person))))
        refused = asyncio.ensure_future(take(paced, high, message("next")))
        await asyncio.sleep(0)
        assert await take(paced, target("102"), message()) is None
        assert not refused.done()
        assert await refused == 130429
    assert await take(paced, high, message("later")) is None


async def test_a_send_that_is_given_up_leaves_its_place() -> None:
    paced, which = Pace(ManualClock(START)), target(kind="coexistence")
    for person in range(20):
        await take(paced, which, message(str(person)))
    waiting = asyncio.ensure_future(take(paced, which, message("late")))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    [lane] = paced._lanes.values()
    assert (lane.inside, lane.under_way._value) == (0, pace.UNDER_WAY_AT_MOST)


async def test_numbers_that_rest_are_forgotten() -> None:
    clock = ManualClock(START)
    paced = Pace(clock, kept=10)
    for number in range(100):
        assert await take(paced, target(str(number)), message()) is None
        clock.advance(2 * SECOND)
    assert len(paced._lanes) == 10

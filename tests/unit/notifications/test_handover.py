"""What is handed from storing to handling in memory, and what is left to be claimed."""

import pytest

from setuplinks.notifications.handover import LARGE, MOST, MOST_BYTES, Handover

BODY = b"a message"


def opened() -> Handover:
    """Open; what says "account" changes one."""
    handover = Handover(lambda body: b"account" in body)
    handover.open(lambda: None)
    return handover


def test_what_is_put_is_taken_once_the_eldest_first() -> None:
    stirred: list[None] = []
    handover = Handover(lambda _: False)
    handover.open(lambda: stirred.append(None))
    for number in range(3):
        assert handover.reserve(BODY)
        handover.put(f"n{number}", number, BODY)
    assert len(stirred) == handover.in_hand == 3
    first, second = handover.take(2), handover.take(2)
    assert [dict(row) for row in first] == [
        {"id": f"n{number}", "received_at": number, "tries": 1, "body": BODY} for number in range(2)
    ]
    assert [row["id"] for row in second] == ["n2"]
    assert (handover.take(2), handover.in_hand) == ([], 0)


def test_nothing_is_taken_over_before_somebody_handles_and_after() -> None:
    handover = Handover(lambda _: False)
    assert not handover.reserve(BODY)
    handover.open(lambda: None)
    assert handover.reserve(BODY)
    handover.close()
    assert not handover.reserve(BODY)
    handover.put("n", 1, BODY)  # it was under way
    assert [row["id"] for row in handover.take(9)] == ["n"]


@pytest.mark.parametrize("body", [b'{"field": "account_update"}', b"x" * (LARGE + 1)])
def test_what_changes_an_account_and_what_is_large_is_claimed(body: bytes) -> None:
    assert not opened().reserve(body)


def test_there_is_room_for_so_many_and_for_so_many_bytes() -> None:
    handover = opened()
    assert [handover.reserve(BODY) for _ in range(MOST + 1)] == [True] * MOST + [False]
    handover.release(BODY)  # it was not stored
    assert handover.reserve(BODY)
    large, heavy = b"x" * LARGE, opened()
    held = MOST_BYTES // LARGE
    assert [heavy.reserve(large) for _ in range(held + 1)] == [True] * held + [False]

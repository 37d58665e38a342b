"""Which deliveries are born taken, and what becomes of their places."""

from contextlib import suppress

from setuplinks.core.clock import SECOND, ManualClock
from setuplinks.webhooks.first_tries import FRESH, FirstTries, FirstTry
from setuplinks.webhooks.models import Listener, Parcel, Standing
from setuplinks.webhooks.places import LEASE, MOST_AT_ONCE, PROVEN, Candidate, Places

NOW = 1_000 * SECOND
AHEAD = 7 * SECOND  # of the database's clock


class Stage:
    """Places for some tries, and who has begun."""

    def __init__(self, count: int = 1024) -> None:
        self.clock, self.seconds = ManualClock(NOW), 100.0
        self.places = Places(count, lambda: self.seconds)
        self.count, self.begun = count, list[FirstTry]()

    def tries(self) -> FirstTries:
        """For one unit."""
        return FirstTries(self.clock, self.places, self._begin)

    async def _begin(self, first: FirstTry) -> None:
        self.begun.append(first)


def listener(at_once: int = MOST_AT_ONCE) -> Listener:
    """An endpoint that nothing is due for."""
    return Listener(5, None, None, None, standing=Standing(3, at_once, NOW + AHEAD, NOW))


def parcel(number: int = 0) -> Parcel:
    """One for that endpoint."""
    return Parcel(1, 5, f"d{number}", f"e{number}", "whatsapp.message.received", 1, 0)


async def test_they_are_begun_after_the_unit_with_a_lease_by_the_databases_time() -> None:
    stage = Stage()
    async with stage.tries() as firsts:
        assert firsts.take(listener(), parcel(1), b"one") == (NOW + LEASE, NOW + AHEAD + LEASE)
        firsts.take(listener(), parcel(2), b"two")
        assert stage.begun == []
    assert [(one.parcel.delivery_id, one.body, one.version) for one in stage.begun] == [
        ("d1", b"one", 3), ("d2", b"two", 3)
    ]  # fmt: skip
    assert stage.places.free == stage.count - 2


async def test_a_unit_that_is_not_written_gives_its_places_back() -> None:
    stage = Stage()
    with suppress(ZeroDivisionError):
        async with stage.tries() as firsts:
            firsts.take(listener(), parcel(), b"")
            assert 1 / 0
    assert (stage.begun, stage.places.free) == ([], stage.count)


async def test_where_one_cannot_be_begun_the_places_of_those_behind_it_are_free() -> None:
    stage = Stage()

    async def never(first: FirstTry) -> None:
        stage.places.leave(first.place)
        assert 1 / 0

    with suppress(ZeroDivisionError):
        async with FirstTries(stage.clock, stage.places, never) as firsts:
            for number in range(3):
                firsts.take(listener(), parcel(number), b"")
    assert stage.places.free == stage.count


async def test_an_endpoint_that_is_not_proven_or_has_something_due_gets_none() -> None:
    stage = Stage()
    async with stage.tries() as firsts:
        assert firsts.take(listener(PROVEN - 1), parcel(), b"") is None
        assert firsts.take(Listener(5, None, None, None), parcel(), b"") is None
        assert firsts.take(listener(PROVEN), parcel(), b"") is not None


async def test_an_endpoint_gets_no_more_than_it_may_have_at_once() -> None:
    stage = Stage()
    async with stage.tries() as firsts:
        taken = [firsts.take(listener(PROVEN), parcel(number), b"") for number in range(PROVEN + 1)]
    assert [one is None for one in taken] == [False] * PROVEN + [True]
    stage.places.leave(stage.begun[0].place)
    async with stage.tries() as firsts:
        assert firsts.take(listener(PROVEN), parcel(), b"") is not None


async def test_what_was_read_too_long_ago_makes_no_lease() -> None:
    stage = Stage()
    stage.clock.advance(FRESH + 1)
    async with stage.tries() as firsts:
        assert firsts.take(listener(), parcel(), b"") is None


async def test_an_endpoint_whose_tries_drag_on_gets_none() -> None:
    stage = Stage()
    stage.places.take(Candidate(1, 5, MOST_AT_ONCE))
    stage.seconds += 2
    async with stage.tries() as firsts:
        assert firsts.take(listener(), parcel(), b"") is None


async def test_a_tenant_gets_no_more_than_its_share() -> None:
    stage = Stage(64)
    for endpoint in range(10, 42):  # half of all places
        stage.places.take(Candidate(1, endpoint, MOST_AT_ONCE))
    async with stage.tries() as firsts:
        assert firsts.take(listener(), parcel(), b"") is None

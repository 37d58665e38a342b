"""Who gets a place while others keep theirs: shares of tenants, of the unproven, of those that drag on."""

import json

from setuplinks.webhooks.places import FIRST_AT_ONCE, MOST_AT_ONCE, PROVEN, Candidate, Places
from setuplinks.webhooks.runner import SLOTS as COUNT


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def new(tenant: int, endpoint: int) -> Candidate:
    """An endpoint that nobody knows yet."""
    return Candidate(tenant, endpoint, FIRST_AT_ONCE)


def proven(tenant: int, endpoint: int) -> Candidate:
    """One that has answered for long."""
    return Candidate(tenant, endpoint, MOST_AT_ONCE)


def fill(places: Places, due: list[Candidate]) -> int:
    """Takes all that each has room for; how many that were."""
    rooms = places.rooms(due)
    for one, room in zip(due, rooms, strict=True):
        for _ in range(room):
            places.take(one)
    return sum(rooms)


def test_one_endpoint_with_all_the_traffic_gets_all_that_one_may_have() -> None:
    assert Places(COUNT, Clock()).rooms([proven(1, 1)]) == [MOST_AT_ONCE]


def test_a_tenant_alone_gets_half_and_leaves_the_other_half_to_others() -> None:
    places = Places(COUNT, Clock())
    mine = [proven(1, number) for number in range(50)]
    assert fill(places, mine) == COUNT // 2
    assert json.loads(places.barred().tenants) == [1]
    assert fill(places, mine) == 0
    assert places.rooms([proven(2, 90)]) == [MOST_AT_ONCE]


def test_where_half_is_taken_each_tenant_gets_a_quarter() -> None:
    places = Places(COUNT, Clock())
    assert fill(places, [proven(1, number) for number in range(50)]) == COUNT // 2
    assert fill(places, [proven(2, number) for number in range(50, 100)]) == COUNT // 4
    assert json.loads(places.barred().tenants) == [1, 2]


def test_fifty_new_endpoints_of_fifty_tenants_leave_places_to_the_proven() -> None:
    places = Places(COUNT, Clock())
    assert fill(places, [new(number, number) for number in range(50)]) == 50 * FIRST_AT_ONCE
    assert places.rooms([proven(90, 90)]) == [MOST_AT_ONCE]


def test_the_unproven_together_get_half_however_many_they_are() -> None:
    places = Places(COUNT, Clock())
    taken = sum(
        fill(places, [new(number, number) for number in range(some, some + 50)]) for some in range(0, COUNT, 50)
    )
    assert taken == COUNT // 2
    barred = places.barred()
    assert (barred.least_at_once, barred.tenants) == (PROVEN, "[]")
    assert places.rooms([new(900, 900), proven(901, 901)]) == [0, MOST_AT_ONCE]


def test_proven_endpoints_that_hang_are_doubtful_after_a_second() -> None:
    clock = Clock()
    places = Places(COUNT, clock)
    hung = [proven(number, number) for number in range(10)]
    assert fill(places, hung) == 10 * MOST_AT_ONCE
    assert places.fresh == 10 * MOST_AT_ONCE
    assert places.barred().endpoints == "[]"
    clock.now += 1
    assert places.fresh == 0, "no end of theirs is near"
    assert json.loads(places.barred().endpoints) == list(range(10))
    assert places.rooms([*hung, proven(90, 90)]) == [0] * 10 + [(COUNT - 10 * MOST_AT_ONCE) // 11]


def test_nobody_waits_for_the_end_of_what_is_doubtful_from_its_start() -> None:
    places = Places(COUNT, Clock())
    held = [places.take(one) for one in (new(1, 1), proven(1, 2))]
    assert places.fresh == 1
    places.leave(held[1])
    assert places.fresh == 0
    places.leave(held[0])
    assert places.fresh == 0


def test_a_place_that_is_left_is_as_if_it_had_never_been_taken() -> None:
    clock = Clock()
    places = Places(4, clock)
    held = [places.take(one) for one in (new(1, 1), proven(1, 2), proven(2, 3))]
    clock.now += 2
    assert places.barred().least_at_once == PROVEN
    held.append(places.take(proven(2, 3)))
    assert (places.free, places.fresh) == (0, 1)
    for one in held:
        places.leave(one)
    assert (places.free, places.fresh) == (4, 0)
    barred = places.barred()
    assert (barred.least_at_once, barred.tenants, barred.endpoints) == (0, "[]", "[]")

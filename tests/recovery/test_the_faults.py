"""The fault program's own checks: a good run is found good, and each thing that is planted wrong is found."""

from dataclasses import replace
from typing import Any

import pytest

from benchmarks.faults.meta import Line, Notification, Try
from benchmarks.faults.receiver import Arrival
from benchmarks.faults.verdicts import Ended, all_of
from setuplinks.core.clock import SECOND

LINE = Line("north", "524126980791429", "106540352242922", "15550783881")
MESSAGE = b'{"type":"whatsapp.message.received","data":{"message":{"id":"wamid.1"}}}'
FIRST = Arrival("north", "event-1", b"digest", sent_at=100, at=100.2, signed=True)


def a_run(**changed: Any) -> Ended:
    """One message that was told at second 99, tried twice, recorded at 131; its first worker was killed."""
    told = Notification(LINE, ["wamid.1"], b"{}", [Try(99.0, 99.1, 503), Try(99.6, 99.7, 200)], 99.7)
    delivery = {
        "tenant_id": 1, "id": "delivery-1", "event_id": "event-1", "status": "delivered", "attempts": 2,
        "ended_at": 131 * SECOND, "lease_until": None,
    }  # fmt: skip
    good = Ended(
        told=[told],
        arrivals=[FIRST, replace(FIRST, sent_at=130, at=130.1)],
        tenants={1: "north"},
        events=[{"tenant_id": 1, "id": "event-1", "type": "whatsapp.message.received"}],
        messages=[{"tenant_id": 1, "event_id": "event-1", "body": MESSAGE}],
        deliveries=[{**delivery, **changed.pop("delivery", {})}],
        attempts=[{"tenant_id": 1, "delivery_id": "delivery-1", "number": 2, "http_status": 200}],
        notifications=[{"id": "notification-1", "status": "handled"}],
    )
    return replace(good, **changed)


def wrong(run: Ended) -> set[str]:
    """The checks that found something."""
    return {verdict.what for verdict in all_of(run) if verdict.wrong}


def test_a_death_between_sending_and_recording_is_nothing_wrong() -> None:
    assert wrong(a_run()) == set()


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"messages": []}, {"what was answered with 200 is an event, once"}),
        ({"messages": [{"tenant_id": 1, "event_id": "e", "body": MESSAGE}] * 2},
         {"what was answered with 200 is an event, once"}),
        ({"arrivals": []}, {"every committed event has arrived"}),
        ({"arrivals": [FIRST, replace(FIRST, event_id="event-2", digest=b"other")]},
         {"every committed event has arrived"}),
        ({"arrivals": [FIRST, replace(FIRST, event_id="event-2")]},
         {"duplicates carry the same id", "every committed event has arrived"}),
        ({"arrivals": [FIRST, replace(FIRST, digest=b"other")]}, {"duplicates have the same body, all are signed"}),
        ({"arrivals": [replace(FIRST, signed=False)]}, {"duplicates have the same body, all are signed"}),
        ({"arrivals": [FIRST, replace(FIRST, sent_at=132)]}, {"no recorded success is sent again"}),
        ({"arrivals": [FIRST] * 3}, {"no recorded success is sent again"}),
        ({"attempts": []}, {"the log holds each success that counts"}),
        ({"delivery": {"status": "pending", "ended_at": None}}, {"nothing waits"}),
        ({"notifications": [{"id": "notification-1", "status": "stored"}]}, {"nothing waits"}),
        ({"logs": {"worker.log": "Traceback (most recent call last)\n"}}, {"no program has crashed"}),
    ],
)  # fmt: skip
def test_what_is_planted_is_found(changed: dict[str, Any], found: set[str]) -> None:
    assert wrong(a_run(**changed)) == found

"""What must hold at the end of a run: nothing lost, duplicates the same, no recorded success sent again.

Owns the checks, over what Meta told, what stands in the database and what arrived. They are functions of values, so
that a test can plant what is wrong.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from benchmarks.faults.meta import Notification
from benchmarks.faults.receiver import Arrival
from benchmarks.trial import Verdict
from setuplinks.core.clock import SECOND

RECEIVED = "whatsapp.message.received"
Rows = list[dict[str, Any]]
Key = tuple[str, str]  # tenant's name, event's id


@dataclass(frozen=True)
class Ended:
    """A run that has ended: Meta's side, the database's, the receivers'."""

    told: list[Notification]
    arrivals: list[Arrival]
    tenants: dict[int, str]
    events: Rows
    messages: Rows  # the payloads of events that tell of a message
    deliveries: Rows
    attempts: Rows
    notifications: Rows
    logs: dict[str, str] = field(default_factory=dict)


TABLES = {
    "events": "SELECT tenant_id, id, type FROM event",
    "messages": "SELECT tenant_id, event_id, body FROM message_payload",
    "deliveries": "SELECT tenant_id, id, event_id, status, attempts, ended_at, lease_until FROM delivery",
    "attempts": "SELECT tenant_id, delivery_id, number, http_status FROM attempt",
    "notifications": "SELECT id, status FROM notification",
}


def all_of(run: Ended) -> list[Verdict]:
    """Every check."""
    return [_told(run), _arrived(run), _once(run), _same(run), _not_doubled(run), _log(run), _rest(run), _crashes(run)]


def _keys(run: Ended, rows: Iterable[dict[str, Any]], column: str) -> set[Key]:
    return {(run.tenants[row["tenant_id"]], row[column]) for row in rows}


def _told(run: Ended) -> Verdict:
    """Each message of a notification that was answered with 200 stands as one event."""
    made: Counter[str] = Counter()
    for row in run.messages:
        told = msgspec.json.decode(bytes(row["body"]))
        if told["type"] == RECEIVED:
            made[told["data"]["message"]["id"]] += 1
    items = [item for told in run.told if told.accepted_at is not None for item in told.items]
    wrong = [f"{item} of an accepted notification made {made[item]} events" for item in items if made[item] != 1]
    tries = sum(len(told.tries) for told in run.told)
    seen = f"{len(run.told):,} notifications with {len(items):,} messages, accepted in {tries:,} tries"
    return Verdict("what was answered with 200 is an event, once", seen, wrong)


def _arrived(run: Ended) -> Verdict:
    """Each event in the database came at least once, and nothing came that is not there."""
    here = {(one.tenant, one.event_id) for one in run.arrivals}
    there, sent = _keys(run, run.events, "id"), _keys(run, run.deliveries, "event_id")
    wrong = [f"{tenant} never got {event}" for tenant, event in sorted(sent - here)]
    wrong += [f"{tenant} got {event}, which is not in the database" for tenant, event in sorted(here - there)]
    silent = Counter(row["type"] for row in run.events if (run.tenants[row["tenant_id"]], row["id"]) not in sent)
    # Made before the tenant had an endpoint: nobody listened to them.
    seen = f"{len(sent):,} events, {sum(silent.values())} before there was an endpoint"
    wrong += [f"{count} times {kind} has no delivery" for kind, count in silent.items() if kind == RECEIVED]
    return Verdict("every committed event has arrived", seen, wrong)


def _once(run: Ended) -> Verdict:
    """A message is never told under two ids."""
    wrong, at_all = [], Counter((one.tenant, one.event_id) for one in run.arrivals)
    twice = {key: count for key, count in at_all.items() if count > 1}
    bodies: dict[bytes, set[Key]] = defaultdict(set)
    for one in run.arrivals:
        bodies[one.digest].add((one.tenant, one.event_id))
    wrong += [f"one body under {len(keys)} ids" for keys in bodies.values() if len(keys) > 1]
    seen = f"{len(run.arrivals):,} came, {len(twice)} events more than once, at most {max(at_all.values(), default=0)}"
    return Verdict("duplicates carry the same id", seen, wrong)


def _same(run: Ended) -> Verdict:
    """One id, one body; and each is signed by the endpoint's secret."""
    bodies: dict[Key, set[bytes]] = defaultdict(set)
    for one in run.arrivals:
        bodies[one.tenant, one.event_id].add(one.digest)
    wrong = [f"{key} came with {len(found)} bodies" for key, found in bodies.items() if len(found) > 1]
    unsigned = sum(not one.signed for one in run.arrivals)
    wrong += [f"{unsigned} without a good signature"] if unsigned else []
    return Verdict("duplicates have the same body, all are signed", f"{len(bodies):,} ids", wrong)


def _not_doubled(run: Ended) -> Verdict:
    """No try begins after a success was recorded, and none arrives that was not claimed.

    A webhook carries when its try began; the delivery says when its success was recorded. A success that was sent and
    could not be recorded (its worker was killed, or cut off for longer than its lease) is sent again: that is at least
    once, and is no recorded success.
    """
    came: dict[Key, list[Arrival]] = defaultdict(list)
    for one in run.arrivals:
        came[one.tenant, one.event_id].append(one)
    wrong = []
    for row in run.deliveries:
        key = (run.tenants[row["tenant_id"]], row["event_id"])
        if row["status"] == "delivered":
            late = [one for one in came[key] if one.sent_at > row["ended_at"] // SECOND]
            wrong += [f"{key} was sent again after its success was recorded"] if late else []
        if len(came[key]) > row["attempts"]:
            wrong.append(f"{key} came {len(came[key])} times in {row['attempts']} tries")
    return Verdict("no recorded success is sent again", f"{len(run.deliveries):,} deliveries", wrong)


def _log(run: Ended) -> Verdict:
    """The last try of what is delivered is in the log as a success, and no try is there twice."""
    good: dict[tuple[int, str], set[int]] = defaultdict(set)
    for row in run.attempts:
        if row["http_status"] is not None and 200 <= row["http_status"] < 300:
            good[row["tenant_id"], row["delivery_id"]].add(row["number"])
    wrong = [
        f"delivery {row['id']} is delivered and its try {row['attempts']} is not in the log"
        for row in run.deliveries
        if row["status"] == "delivered" and row["attempts"] not in good[row["tenant_id"], row["id"]]
    ]
    claimed = sum(row["attempts"] for row in run.deliveries)
    twice = sum(len(numbers) > 1 for numbers in good.values())
    seen = f"{len(run.attempts):,} of {claimed:,} tries recorded, {twice} deliveries with two successes"
    return Verdict("the log holds each success that counts", seen, wrong)


def _rest(run: Ended) -> Verdict:
    """Nothing waits any more."""
    left = Counter(f"delivery {row['status']}" for row in run.deliveries if row["status"] != "delivered")
    left += Counter(
        f"notification {row['status']}" for row in run.notifications if row["status"] not in {"handled", "unrouted"}
    )
    left += Counter("notification never accepted" for told in run.told if told.accepted_at is None)
    return Verdict(
        "nothing waits", f"{len(run.notifications):,} notifications stored", [f"{n} {k}" for k, n in left.items()]
    )


def _crashes(run: Ended) -> Verdict:
    """Bad weather is no crash: no program has printed a traceback."""
    wrong = []
    for name, text in run.logs.items():
        wrong += [f"{name}: {line[:200]}" for line in text.splitlines() if "Traceback" in line]
    return Verdict(
        "no program has crashed", f"{sum(text.count(chr(10)) for text in run.logs.values()):,} log lines", wrong
    )

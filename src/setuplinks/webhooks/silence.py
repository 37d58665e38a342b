"""Why an event was not sent to an endpoint: values in, one plain sentence out.

Owns the cure for "my webhook never arrives" where no delivery was ever made. What was tried and failed stands in the
log of attempts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Row
from setuplinks.webhooks.models import META, Endpoint, listens
from setuplinks.webhooks.retention import LAST_ID, before

SHOWN = 5
EVENT = "SELECT id, type, created_at, customer_id, phone_id FROM event WHERE tenant_id = $1 AND id = $2"
# Tests are for the endpoint that was tested; what Meta sent is told beside the events for its items.
_HAPPENED = (
    "SELECT id, type, created_at, customer_id, phone_id FROM event WHERE tenant_id = $1 AND id >= $2 AND id < $3 "
    "AND format = 'events' AND type <> 'webhook.test' AND (CAST($4 AS TEXT) IS NULL OR type = $4) "
    "AND (CAST($5 AS BIGINT) IS NULL OR customer_id = $5) ORDER BY id DESC LIMIT $6"
)


@dataclass(frozen=True, slots=True)
class Happened:
    """An event without its data."""

    id: str
    type: str
    created_at: int
    customer_id: int | None
    phone_id: int | None

    @classmethod
    def of(cls, row: Row) -> "Happened":
        """From a row of `event`."""
        return cls(row["id"], row["type"], row["created_at"], row["customer_id"], row["phone_id"])


async def happened(
    db: Database, tenant_id: int, since: int | None, until: int | None, event_type: str | None, customer_id: int | None
) -> list[Happened]:
    """The newest events of a range (µs) that somebody could have been told of."""
    first = "" if since is None else before(since)
    last = LAST_ID if until is None else before(until)
    rows = await db.read(_HAPPENED, tenant_id, first, last, event_type, customer_id, SHOWN)
    return [Happened.of(row) for row in rows]


def why_silent(endpoint: Endpoint, event: Happened | None, wanted_type: str | None = None) -> str:
    """Why `endpoint` was not told of `event`; without one, whether it would be told of `wanted_type`."""
    if endpoint.status != "enabled":
        return "It is disabled: nothing is sent to it until you enable it."
    kind = wanted_type if event is None else event.type
    if kind is not None and not listens(endpoint.event_types, kind):
        return f"It takes only {_listed(endpoint.event_types or ())}, so never {kind}."
    if event is None:
        return "It is enabled and listens; no such event has happened."
    if endpoint.customer_id is not None and endpoint.customer_id != event.customer_id:
        return f"It is only for customer {endpoint.customer_id}; this event is about another."
    if endpoint.phone_id is not None and endpoint.phone_id != event.phone_id:
        return f"It is only for phone number {endpoint.phone_id}; this event is about another."
    if endpoint.format == META:
        return "It takes Meta’s own format, in which only what Meta sends is told."
    if endpoint.created_at > event.created_at:
        return "It was made after this event. Replay sends it what happened before."
    return "It was not listening at that time: disabled then, or with other filters. Replay sends it now."


def _listed(patterns: Sequence[str]) -> str:
    shown = ", ".join(patterns[:3])
    return shown if len(patterns) <= 3 else f"{shown} and {len(patterns) - 3} more"

"""What the pages of deliveries show, and the body that was sent as it may be shown.

Owns the shapes. What was sent with a link's secret in it is not shown.
"""

import json
from dataclasses import dataclass
from typing import ClassVar

from setuplinks.core.db.database import Database
from setuplinks.dashboard.asked import Asked
from setuplinks.dashboard.views import Frame, Said
from setuplinks.dashboard.words import State
from setuplinks.webhooks.service import payload
from setuplinks.webhooks.silence import Happened

SENT_AGAIN = Said(
    "pass", "It goes again", "With the same webhook-id. What comes of it stands below; load the page anew to see it."
)
ERASED = "Its data was erased: its retention is over, or its customer was off-boarded."
SECRET = "It carries a setup link’s address, which is secret, and so it is not shown here."  # noqa: S105 - words
LONGEST_BODY = 20_000


@dataclass(frozen=True)
class Named:
    """Something with an id and a name."""

    id: int
    name: str


@dataclass(frozen=True)
class DeliveryLine:
    """A delivery among others; `next_at` where it will be tried again."""

    id: str
    type: str
    endpoint_id: int
    endpoint: str
    state: State
    attempts: int
    error: str | None
    created_at: int
    next_at: int | None


@dataclass(frozen=True)
class SilentEndpoint:
    """An endpoint that was told nothing, and why."""

    id: int
    name: str
    why: str


@dataclass(frozen=True)
class Silence:
    """Why a list is empty. `others`: deliveries of another status are there; `events` are what happened, `customers`
    the names of those that they are about."""

    status: str | None
    others: bool
    events: tuple[Happened, ...]
    customers: dict[int, str]
    endpoints: tuple[SilentEndpoint, ...]


@dataclass(frozen=True)
class DeliveriesPage:
    """The log, with its filters."""

    template: ClassVar[str] = "deliveries.html"
    frame: Frame
    asked: Asked
    rows: tuple[DeliveryLine, ...]
    older: str | None
    endpoints: tuple[Named, ...]
    silence: Silence | None


@dataclass(frozen=True)
class AttemptLine:
    """One attempt. `duration` in µs; `since` is the distance to the one before, in words."""

    number: int
    result: State
    duration: int
    at: int
    since: str | None
    address: str | None
    detail: str | None
    answer: str | None


@dataclass(frozen=True)
class DeliveryPage:
    """One delivery with its attempts. `may_go_again`: there is an endpoint that would take it.

    `held`: why it waits, or cannot go again; `cure`: what may be done about its last failure.
    """

    template: ClassVar[str] = "delivery.html"
    frame: Frame
    id: str
    event_id: str
    type: str
    endpoint: str
    endpoint_id: int | None
    state: State
    outcome: str
    created_at: int
    next_at: int | None
    about: Named | None
    attempts: tuple[AttemptLine, ...]
    sent: "Sent"
    may_go_again: bool
    error: str | None
    held: str
    cure: str


@dataclass(frozen=True)
class Sent:
    """What was sent: the body, or in `words` why it is not shown."""

    body: str | None
    words: str = ""


async def sent_words(db: Database, tenant_id: int, event_id: str, event_type: str) -> Sent:
    """The body of an event's deliveries, laid out for reading."""
    row = await payload(db, tenant_id, event_id, event_type)
    if row is None:
        return Sent(None, ERASED)
    if row["sealed"]:
        return Sent(None, SECRET)
    body = json.dumps(json.loads(bytes(row["body"])), ensure_ascii=False, indent=2)
    return Sent(body if len(body) <= LONGEST_BODY else f"{body[:LONGEST_BODY]}\n…")

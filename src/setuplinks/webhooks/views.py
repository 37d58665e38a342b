"""The bodies and answers of this room's routes, and how rows become answers."""

from typing import Annotated, Any, Literal

import msgspec

from setuplinks.core import wire
from setuplinks.core.clock import MILLISECOND
from setuplinks.core.db.unit import Row
from setuplinks.webhooks import signing
from setuplinks.webhooks.deliveries import Recovered, Told
from setuplinks.webhooks.models import Endpoint
from setuplinks.webhooks.service import Sent

Url = Annotated[str, msgspec.Meta(description="https; http only to addresses that the operator has opened.")]
Types = Annotated[
    list[str], msgspec.Meta(description="Types or prefixes such as setup_link.*; null is all.", max_length=100)
]
Headers = Annotated[dict[str, str], msgspec.Meta(description="Sent with every delivery; at most 20.")]


Format = Annotated[
    Literal["events", "meta"],
    msgspec.Meta(description="`meta`: messages, templates and history in Meta's own envelope, signed as Meta signs."),
]
Ordered = Annotated[
    bool,
    msgspec.Meta(
        description="Deliveries of one number go one after the other; one that fails holds up those after it."
    ),
]
Asymmetric = Annotated[
    bool, msgspec.Meta(description="Signed by ed25519 (`v1a`) as well; `publicKey` of the answer checks it.")
]
Verify = Annotated[
    bool, msgspec.Meta(description="Made only if the URL answers a challenge with its value; refused otherwise.")
]


class NewWebhookEndpoint(wire.Body):
    """A webhook endpoint to be made."""

    url: Url
    description: str = ""
    event_types: Types | None = None
    customer_id: wire.Id | None = None
    phone_number_id: wire.Id | None = None
    format: Format = "events"
    headers: Headers | None = None
    rate_limit: int | None = None
    ordered: Ordered = False
    asymmetric: Asymmetric = False
    verify: Verify = False


class WebhookEndpointPatch(wire.Body):
    """What may change of an endpoint. Null clears a field; `status: enabled` also clears its record of failures."""

    url: Url | msgspec.UnsetType = msgspec.UNSET
    description: str | msgspec.UnsetType = msgspec.UNSET
    event_types: Types | msgspec.UnsetType | None = msgspec.UNSET
    customer_id: wire.Id | msgspec.UnsetType | None = msgspec.UNSET
    phone_number_id: wire.Id | msgspec.UnsetType | None = msgspec.UNSET
    format: Format | msgspec.UnsetType = msgspec.UNSET
    headers: Headers | msgspec.UnsetType | None = msgspec.UNSET
    rate_limit: int | msgspec.UnsetType | None = msgspec.UNSET
    ordered: Ordered | msgspec.UnsetType = msgspec.UNSET
    asymmetric: Asymmetric | msgspec.UnsetType = msgspec.UNSET
    status: Literal["enabled", "disabled"] | msgspec.UnsetType = msgspec.UNSET


class RecoverSince(wire.Body):
    """From when on to send again what failed or was missed."""

    since: wire.Instant


class WebhookEndpointView(wire.View):
    """A webhook endpoint. `secret` and `headers` are null for keys without the scope `admin`, and in lists."""

    id: int
    tenant_id: int
    url: str
    description: str
    event_types: list[str] | None
    customer_id: int | None
    phone_number_id: int | None
    format: str
    headers: dict[str, str] | None
    rate_limit: int | None
    status: Literal["enabled", "disabled"]
    disabled_reason: str | None
    ordered: bool
    public_key: str | None
    secret: str | None
    previous_secret_expires_at: wire.Moment | None
    created_at: wire.Moment
    updated_at: wire.Moment
    warnings: list[str]


class DeliveryView(wire.View):
    """One event on its way to one endpoint. `eventId` is the `webhook-id` of every try."""

    id: str
    tenant_id: int
    endpoint_id: int
    event_id: str
    event_type: str
    status: Literal["pending", "delivered", "failed"]
    attempt_count: int
    next_attempt_at: wire.Moment | None
    last_status: int | None
    last_error: str | None
    created_at: wire.Moment
    ended_at: wire.Moment | None


class AttemptView(wire.View):
    """One try: what answered, or in words why nothing did, and the first 2 KB of the answer."""

    number: int
    started_at: wire.Moment
    duration_ms: int
    http_status: int | None
    error: str | None
    error_detail: str | None
    address: str | None
    response_start: str | None


class DeliveryWithAttemptsView(DeliveryView):
    """A delivery with its log, first try first."""

    attempts: list[AttemptView]


class SentTestView(wire.View):
    """A test event and its delivery; read the delivery to see what came of it."""

    event_id: str
    delivery_id: str


class ReplayRange(wire.Body):
    """Which events to send again: from `since` to before `until` (now), of these types or prefixes (all)."""

    since: wire.Instant
    until: wire.Instant | None = None
    event_types: Types | None = None


class ReplayedView(wire.View):
    """How many deliveries go again, and how many events go that were never sent."""

    again: int
    missed: int


class RecoveredView(wire.View):
    """How many failed deliveries go again, and how many events go that were never sent."""

    failed_again: int
    missed: int


class EventView(wire.View):
    """An event; `data` is as delivered, null once its payload is erased."""

    id: str
    type: str
    timestamp: wire.Moment
    customer_id: int | None
    phone_number_id: int | None
    setup_link_id: str | None
    data: dict[str, Any] | None


def show_endpoint(endpoint: Endpoint, now: int, *, open_secrets: bool, warnings: list[str]) -> WebhookEndpointView:
    """An endpoint as answered; its secrets only where the key may see them."""
    until = endpoint.secret_previous_until
    return WebhookEndpointView(
        id=endpoint.id,
        tenant_id=endpoint.tenant_id,
        url=endpoint.url,
        description=endpoint.description,
        event_types=None if endpoint.event_types is None else list(endpoint.event_types),
        customer_id=endpoint.customer_id,
        phone_number_id=endpoint.phone_id,
        format=endpoint.format,
        headers=endpoint.headers if open_secrets else None,
        rate_limit=endpoint.rate_limit,
        status=endpoint.status,
        disabled_reason=endpoint.disabled_reason,
        ordered=endpoint.ordered,
        public_key=None if endpoint.signing_key is None else signing.public_key(endpoint.signing_key),
        secret=endpoint.secret if open_secrets else None,
        previous_secret_expires_at=wire.instant(until) if until is not None and until > now else None,
        created_at=wire.instant(endpoint.created_at),
        updated_at=wire.instant(endpoint.updated_at),
        warnings=warnings,
    )


def _delivery_fields(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "tenant_id": row["tenant_id"],
        "endpoint_id": row["endpoint_id"],
        "event_id": row["event_id"],
        "event_type": row["event_type"],
        "status": row["status"],
        "attempt_count": row["attempts"],
        "next_attempt_at": wire.instant_or_none(row["due_at"]),
        "last_status": row["last_status"],
        "last_error": row["last_error"],
        "created_at": wire.instant(row["created_at"]),
        "ended_at": wire.instant_or_none(row["ended_at"]),
    }


def show_delivery(row: Row) -> DeliveryView:
    """A row of `delivery` as answered."""
    return DeliveryView(**_delivery_fields(row))


def show_delivery_with_attempts(row: Row, attempts: list[Row]) -> DeliveryWithAttemptsView:
    """A delivery and its log as answered."""
    return DeliveryWithAttemptsView(**_delivery_fields(row), attempts=[_show_attempt(one) for one in attempts])


def _show_attempt(row: Row) -> AttemptView:
    start = row["response_start"]
    return AttemptView(
        number=row["number"],
        started_at=wire.instant(row["started_at"]),
        duration_ms=row["duration_us"] // MILLISECOND,
        http_status=row["http_status"],
        error=row["error"],
        error_detail=row["error_detail"],
        address=row["address"],
        response_start=None if start is None else bytes(start).decode("utf-8", "replace"),
    )


def show_event(told: Told) -> EventView:
    """An event as answered."""
    data = None if told.body is None else msgspec.json.decode(told.body)["data"]
    return EventView(
        id=told.id,
        type=told.type,
        timestamp=wire.instant(told.created_at),
        customer_id=told.customer_id,
        phone_number_id=told.phone_id,
        setup_link_id=told.link_id,
        data=data,
    )


def show_sent(sent: Sent) -> SentTestView:
    """A test event as answered."""
    return SentTestView(sent.event_id, sent.delivery_id)


def show_recovered(recovered: Recovered) -> RecoveredView:
    """What recovering came to."""
    return RecoveredView(recovered.again, recovered.missed)


def show_replayed(replayed: Recovered) -> ReplayedView:
    """What playing a range again came to."""
    return ReplayedView(replayed.again, replayed.missed)

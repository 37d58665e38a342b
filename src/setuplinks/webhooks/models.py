"""What a tenant is told and where: event types, endpoints, deliveries, as values and rules.

Owns the registry of event types and the matching of an event with an endpoint's filters. It touches no table (`store`).
"""

from dataclasses import dataclass, field
from typing import Literal

import msgspec

from setuplinks.core.db.unit import Row
from setuplinks.core.problems import Conflict

WEBHOOK_TEST = "webhook.test"
ENDPOINT_DISABLED = "webhook_endpoint.disabled"

EVENT_TYPES: dict[str, str] = {
    "whatsapp.phone_number.created": "A number is connected; one event for each number.",
    "whatsapp.phone_number.ready": "A number passed every readiness check: registered, subscribed, named, can send.",
    "whatsapp.phone_number.disconnected": "A number was cut off; carries the reason and a ready reconnect link.",
    "whatsapp.phone_number.reconnected": "A number's token was refreshed.",
    "whatsapp.phone_number.updated": "Quality, limit, name or status changed; carries old and new values.",
    "whatsapp.phone_number.token_expiring": "A number's token expires in 14, 7 or 1 days.",
    "whatsapp.phone_number.deleted": "A number was off-boarded, or its owner said that it is not theirs.",
    "whatsapp.waba.created": "A WhatsApp Business Account is connected.",
    "whatsapp.waba.updated": "A WhatsApp Business Account was reviewed, restricted or banned.",
    "setup_link.created": "A setup link was made.",
    "setup_link.opened": "A person's browser showed the setup link's page for the first time.",
    "setup_link.started": "A person pressed Continue on a setup link for the first time.",
    "setup_link.visit_ended": "One browser's go at a setup link ended without a connection; the link stays usable.",
    "setup_link.abandoned": "A person left a setup link mid-way; carries the step of Meta's dialog.",
    "setup_link.action_required": "Provisioning waits for an answer of the customer.",
    "setup_link.completed": "A setup link did its work.",
    "setup_link.failed": "A setup link failed for good; carries the code.",
    "setup_link.expired": "A setup link's time is over.",
    "setup_link.revoked": "A setup link was taken back, or a newer one replaced it.",
    "setup_link.renewal_requested": "The customer asks for a new link in place of an expired one.",
    ENDPOINT_DISABLED: "A webhook endpoint was disabled; told to the tenant's other endpoints.",
    WEBHOOK_TEST: "A test event, sent on request to one endpoint.",
    "whatsapp.message.received": "An end user sent a message.",
    "whatsapp.message.status": "A sent message was delivered, read, or failed.",
    "whatsapp.message.echo": "The customer sent a message from the WhatsApp Business app.",
    "whatsapp.history": "Chat history of a number in coexistence.",
    "whatsapp.contacts.synced": "Contacts of a number in coexistence.",
    "whatsapp.template.updated": "A message template's status, category or quality changed.",
    "whatsapp.account.alert": "Meta raised an alert about an account.",
    "whatsapp.notification": "A notification of Meta's whose field we do not know.",
}

MESSAGE_TYPES = frozenset({
    "whatsapp.message.received", "whatsapp.message.status", "whatsapp.message.echo", "whatsapp.history",
    "whatsapp.contacts.synced", "whatsapp.notification",
})  # fmt: skip
"""What end users wrote, or may have: kept for fewer days than the rest, in a table of its own."""

EVENTS = "events"
META = "meta"
FORMATS = (EVENTS, META)
EndpointStatus = Literal["enabled", "disabled"]
DeliveryStatus = Literal["pending", "delivered", "failed"]
DELIVERY_STATUSES: tuple[DeliveryStatus, ...] = ("pending", "delivered", "failed")


class EndpointDisabled(Conflict):
    """The endpoint takes nothing until it is enabled."""

    code = "endpoint_disabled"
    title = "The webhook endpoint is disabled."


class EndpointBusy(Conflict):
    """The endpoint was changed while its events were played, or another recovery or replay runs there."""

    code = "endpoint_busy"
    title = "The endpoint was changed, or another recovery or replay of it is running."


class EndpointLimit(Conflict):
    """The tenant has as many endpoints as one may have."""

    code = "endpoint_limit"
    title = "The tenant has too many webhook endpoints."


class PayloadErased(Conflict):
    """The event's data was erased, so it cannot be sent again."""

    code = "payload_erased"
    title = "The event's data was erased."


def filter_fault(pattern: str) -> str | None:
    """What is wrong with one entry of `eventTypes`; None for a known type or a prefix of one, `setup_link.*`."""
    if pattern in EVENT_TYPES:
        return None
    if pattern.endswith(".*") and any(name.startswith(pattern[:-1]) for name in EVENT_TYPES):
        return None
    return f"{pattern!r} is no event type, and no prefix of one such as setup_link.*"


def listens(patterns: tuple[str, ...] | None, event_type: str) -> bool:
    """Whether an endpoint with these `eventTypes` (None: all) hears of the type."""
    if patterns is None:
        return True
    return any(
        event_type.startswith(pattern[:-1]) if pattern.endswith(".*") else event_type == pattern for pattern in patterns
    )


@dataclass(frozen=True, slots=True)
class Standing:
    """Of an endpoint that takes what it gets, for which nothing is due: its row's version, how many tries it may have
    at once, and when that was read (µs), by the database's time and by this process's."""

    version: int
    at_once: int
    now: int
    seen_at: int


@dataclass(frozen=True, slots=True)
class Listener:
    """What `emit` needs to know of an endpoint. One that is disabled hears, but nothing is sent to it."""

    id: int
    event_types: tuple[str, ...] | None
    customer_id: int | None
    phone_id: int | None
    format: str = EVENTS
    ordered: bool = False
    enabled: bool = True
    standing: Standing | None = None

    @classmethod
    def of(cls, row: Row, standing: Standing | None = None) -> "Listener":
        """From a row of `webhook_endpoint`."""
        return cls(
            row["id"], patterns_of(row["event_types"]), row["customer_id"], row["phone_id"], row["format"],
            bool(row["ordered"]), row["status"] == "enabled", standing,
        )  # fmt: skip

    def hears(self, event_type: str, customer_id: int | None, phone_id: int | None) -> bool:
        """Whether an event of this type, about this customer and number, is for the endpoint, whatever its format."""
        if self.customer_id is not None and self.customer_id != customer_id:
            return False
        if self.phone_id is not None and self.phone_id != phone_id:
            return False
        return listens(self.event_types, event_type)

    def lane(self, phone_id: int | None) -> int | None:
        """Those with one lane are sent one after the other, but for lane 0; None where no order is kept."""
        return (phone_id or 0) if self.ordered else None


def patterns_of(column: str | None) -> tuple[str, ...] | None:
    """The `event_types` column as a tuple; None is all types."""
    return None if column is None else tuple(msgspec.json.decode(column, type=list[str]))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A tenant's webhook URL with its filters. `secret` and `headers` are sealed in the row and open here."""

    tenant_id: int
    id: int
    url: str
    description: str
    event_types: tuple[str, ...] | None
    customer_id: int | None
    phone_id: int | None
    format: str
    headers: dict[str, str] = field(repr=False)
    rate_limit: int | None
    ordered: bool
    secret: str = field(repr=False)
    secret_previous_until: int | None
    signing_key: bytes | None = field(repr=False)
    status: EndpointStatus
    disabled_reason: str | None
    version: int
    created_at: int
    updated_at: int

    @property
    def asymmetric(self) -> bool:
        """Whether it is signed with a key of its own, too, of which the receiver has the public half."""
        return self.signing_key is not None


class Payload(msgspec.Struct, frozen=True):
    """An event's stored bytes, sealed or as they are sent."""

    sealed: bool
    body: bytes


class Parcel(msgspec.Struct, frozen=True):
    """One claimed try of one delivery.

    `attempt` is its number over the delivery's life, and the fence of its result; `base` counts the tries before the
    delivery was last sent again by hand, where the ladder began anew. With a `lane` others wait for its end.
    """

    tenant_id: int
    endpoint_id: int
    delivery_id: str
    event_id: str
    event_type: str
    attempt: int
    base: int
    lane: int | None = None

    @property
    def key(self) -> tuple[int, int]:
        """The endpoint that it goes to."""
        return self.tenant_id, self.endpoint_id

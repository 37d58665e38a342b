"""Telling the tenant: an event, its payload and its deliveries are appended to the unit of the change they tell of.

Owns what `emit` writes. It does not own what happens to a delivery then (`runner`), nor the verbs on endpoints and on
deliveries (`endpoints`, `deliveries`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from setuplinks.core import wire
from setuplinks.core.clock import Clock
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Unit
from setuplinks.core.ids import uuid7
from setuplinks.core.vault import Sealer, Vault
from setuplinks.webhooks import store
from setuplinks.webhooks.models import EVENT_TYPES, WEBHOOK_TEST, Listener

CHANNEL = "deliveries"
"""The wake-up channel of whoever sends deliveries."""


@dataclass(frozen=True, slots=True)
class Audience:
    """Who listens to a tenant's events now, and how a payload is sealed; read once for each unit."""

    tenant_id: int
    listeners: tuple[Listener, ...]
    sealer: Sealer

    def without(self, endpoint_id: int) -> "Audience":
        """Everybody but one endpoint."""
        rest = tuple(one for one in self.listeners if one.id != endpoint_id)
        return Audience(self.tenant_id, rest, self.sealer)


@dataclass(frozen=True, slots=True)
class Sent:
    """A test event: the event, and its one delivery."""

    event_id: str
    delivery_id: str


@dataclass(slots=True)
class _Dues:
    """The endpoints that a unit gives work to: each one's `next_due` is written once, when the unit ends."""

    tx: Unit
    earliest: dict[tuple[int, int], int] = field(default_factory=dict)

    def note(self, tenant_id: int, endpoint_id: int, due: int) -> None:
        key = (tenant_id, endpoint_id)
        self.earliest[key] = min(due, self.earliest.get(key, due))

    def write(self) -> None:
        for (tenant_id, endpoint_id), due in sorted(self.earliest.items()):  # one order for all: no deadlocks
            self.tx.add(store.EARLIER_DUE, tenant_id, endpoint_id, due)
        self.tx.wake(CHANNEL)


class Events:
    """Built once by the composition root."""

    def __init__(self, db: Database, vault: Vault, clock: Clock) -> None:
        self._db, self._vault, self._clock = db, vault, clock

    async def load(self, tx: Unit, tenant_id: int) -> Audience:
        """Reads the tenant's enabled endpoints and its sealer; before `emit`, in the same unit."""
        sealer = await self._vault.tenant(tenant_id)
        rows = await tx.all(store.LISTENERS, tenant_id)
        return Audience(tenant_id, tuple(Listener.of(row) for row in rows), sealer)

    def emit(
        self,
        tx: Unit,
        audience: Audience,
        type: str,  # noqa: A002 - the envelope's own word
        data: dict[str, Any],
        *,
        customer_id: int | None = None,
        phone_id: int | None = None,
        link_id: str | None = None,
        secret: bool = False,
    ) -> str:
        """Appends the event, its payload and a delivery for each endpoint that listens; gives the event's id.

        `data` is JSON-ready, in snake_case, and gets `tenant_id`. `secret` seals the stored payload (it carries a URL's
        secret). The id is the `webhook-id` of every try at every endpoint.
        """
        if type not in EVENT_TYPES:
            raise ValueError(f"{type} is no registered event type")
        heard = [one.id for one in audience.listeners if one.hears(type, customer_id, phone_id)]
        event_id = uuid7(self._clock.now())
        self._append(
            tx, audience, event_id, type, data, customer_id=customer_id, phone_id=phone_id, link_id=link_id,
            secret=secret,
        )  # fmt: skip
        self.deliver(tx, audience.tenant_id, event_id, type, heard)
        return event_id

    def emit_test(self, tx: Unit, audience: Audience, endpoint_id: int, data: dict[str, Any]) -> Sent:
        """Appends a `webhook.test` event with a delivery to this endpoint alone, whatever its filters."""
        event_id = uuid7(self._clock.now())
        self._append(tx, audience, event_id, WEBHOOK_TEST, data)
        [delivery_id] = self.deliver(tx, audience.tenant_id, event_id, WEBHOOK_TEST, [endpoint_id])
        return Sent(event_id, delivery_id)

    def deliver(
        self, tx: Unit, tenant_id: int, event_id: str, event_type: str, endpoint_ids: Iterable[int]
    ) -> list[str]:
        """Appends a delivery of a stored event to each endpoint, due now; gives their ids."""
        now = self._clock.now()
        made: list[str] = []
        for endpoint_id in endpoint_ids:
            delivery_id = uuid7(now)
            tx.add(store.ADD_DELIVERY, tenant_id, delivery_id, endpoint_id, event_id, event_type, now)
            _dues(tx).note(tenant_id, endpoint_id, now)
            made.append(delivery_id)
        return made

    def _append(
        self,
        tx: Unit,
        audience: Audience,
        event_id: str,
        event_type: str,
        data: dict[str, Any],
        *,
        customer_id: int | None = None,
        phone_id: int | None = None,
        link_id: str | None = None,
        secret: bool = False,
    ) -> None:
        now = self._clock.now()
        tenant_id = audience.tenant_id
        body = envelope(event_type, now, {"tenant_id": tenant_id, **data})
        if secret:
            body = audience.sealer.seal(body, "event_payload", event_id, "body")
        tx.add(store.ADD_EVENT, tenant_id, event_id, event_type, now, customer_id, phone_id, link_id)
        tx.add(store.ADD_PAYLOAD, tenant_id, event_id, customer_id, int(secret), body)


def _dues(tx: Unit) -> _Dues:
    def make() -> _Dues:
        dues = _Dues(tx)
        tx.at_commit(dues.write)
        return dues

    return tx.gather("webhooks.next_due", make)


def envelope(event_type: str, at: int, data: dict[str, Any]) -> bytes:
    """The bytes that are stored, signed and sent, the same at every try: `{"type", "timestamp", "data"}`."""
    return wire.encode({"type": event_type, "timestamp": wire.instant(at), "data": data})


def opened(body: bytes, sealed: bool, sealer: Sealer, event_id: str) -> bytes:
    """A stored payload as it is sent."""
    return sealer.open(body, "event_payload", event_id, "body") if sealed else bytes(body)

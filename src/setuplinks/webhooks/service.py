"""Telling the tenant: an event, its payload and its deliveries are appended to the unit of the change they tell of.

Owns what `emit` writes. It does not own what happens to a delivery then (`runner`), nor the verbs on endpoints and on
deliveries (`endpoints`, `deliveries`).
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from setuplinks.core import wire
from setuplinks.core.clock import Clock
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Row, Unit
from setuplinks.core.ids import uuid7
from setuplinks.core.vault import Sealer, Vault, VaultClosed
from setuplinks.meta import sample
from setuplinks.webhooks import store
from setuplinks.webhooks.first_tries import FirstTries
from setuplinks.webhooks.models import (
    EVENT_TYPES,
    EVENTS,
    MESSAGE_TYPES,
    META,
    WEBHOOK_TEST,
    Listener,
    Parcel,
    Standing,
)

CHANNEL = "deliveries"
"""The wake-up channel of whoever sends deliveries."""


@dataclass(frozen=True, slots=True)
class Audience:
    """Who listens to a tenant's events now, and how a payload is sealed; read once for each unit."""

    tenant_id: int
    listeners: tuple[Listener, ...]
    sealer: Sealer

    @property
    def takes_changes(self) -> bool:
        """Whether anybody takes what Meta sent in Meta's own format."""
        return any(one.format == META for one in self.listeners)

    @property
    def keeps_order(self) -> bool:
        """Whether anybody wants events one after the other."""
        return any(one.ordered for one in self.listeners)

    def heard(self, event_type: str, customer_id: int | None, phone_id: int | None) -> tuple[Listener, ...]:
        """To whom an event of ours is sent."""
        return tuple([
            one for one in self.listeners
            if one.format == EVENTS and one.enabled and one.hears(event_type, customer_id, phone_id)
        ])  # fmt: skip

    def without(self, endpoint_id: int) -> "Audience":
        """Everybody but one endpoint."""
        rest = tuple(one for one in self.listeners if one.id != endpoint_id)
        return Audience(self.tenant_id, rest, self.sealer)


@dataclass(frozen=True, slots=True)
class Sent:
    """A test event: the event, and its one delivery."""

    event_id: str
    delivery_id: str


@dataclass(frozen=True, slots=True)
class MetaChange:
    """One change as Meta sent it: `body` is its own notification, `type` that of the event for its first new item."""

    type: str
    body: bytes
    customer_id: int | None
    phone_id: int | None


@dataclass(frozen=True, slots=True)
class Told:
    """An event that is ready to be written: `body` is the envelope's bytes, `heard` who gets it. Nothing is sealed."""

    tenant_id: int
    type: str
    body: bytes
    customer_id: int | None
    phone_id: int | None
    heard: tuple[Listener, ...]


@dataclass(slots=True)
class _Dues:
    """The endpoints that a unit gives work to: each one's `next_due` is written once, when the unit ends."""

    tx: Unit
    earliest: dict[tuple[int, int], int] = field(default_factory=dict)
    anything: bool = False

    def note(self, tenant_id: int, endpoint_id: int, due: int, *, taken: bool = False) -> None:
        key = (tenant_id, endpoint_id)
        self.earliest[key] = min(due, self.earliest.get(key, due))
        self.anything |= not taken

    def write(self) -> None:
        for (tenant_id, endpoint_id), due in sorted(self.earliest.items()):  # one order for all: no deadlocks
            self.tx.add(store.EARLIER_DUE, tenant_id, endpoint_id, due)
        if self.anything:  # what is under way wakes nobody
            self.tx.wake(CHANNEL)


class Events:
    """Built once by the composition root."""

    def __init__(self, db: Database, vault: Vault, clock: Clock) -> None:
        self._db, self._vault, self._clock = db, vault, clock

    async def load(self, tx: Unit | Database, tenant_id: int) -> Audience:
        """Reads the tenant's enabled endpoints and its sealer; before `emit`, in the same unit or right before it."""
        sealer = await self._vault.tenant(tenant_id)
        rows = await (tx.all if isinstance(tx, Unit) else tx.few)(store.LISTENERS, tenant_id)
        return Audience(tenant_id, tuple(Listener.of(row) for row in rows), sealer)

    async def load_each(self, tenant_ids: set[int]) -> dict[int, Audience]:
        """As `load`, for several tenants by one read. Without those whose data key stays closed."""
        found: dict[int, tuple[Sealer, list[Listener]]] = {}
        for tenant_id in tenant_ids:
            with suppress(VaultClosed):
                found[tenant_id] = (await self._vault.tenant(tenant_id), [])
        now = self._clock.now()
        text = store.LISTENERS_BY_DIALECT[self._db.dialect]
        for row in await self._db.few(text, self._db.listed(sorted(found)), now):
            standing = Standing(row["version"], row["at_once"], row["now"], now) if row["waits_for_nothing"] else None
            found[row["tenant_id"]][1].append(Listener.of(row, standing))
        return {one: Audience(one, tuple(listeners), sealer) for one, (sealer, listeners) in found.items()}

    def told(
        self,
        audience: Audience,
        type: str,  # noqa: A002 - the envelope's own word
        data: dict[str, Any],
        *,
        customer_id: int | None,
        phone_id: int | None,
    ) -> Told:
        """An event of end users' messages, for `emit_each`."""
        if type not in MESSAGE_TYPES:
            raise ValueError(f"{type} is no message")
        body = envelope(type, self._clock.now(), {"tenant_id": audience.tenant_id, **data})
        heard = audience.heard(type, customer_id, phone_id)
        return Told(audience.tenant_id, type, body, customer_id, phone_id, heard)

    def emit_each(self, tx: Unit, told: Sequence[Told], firsts: FirstTries) -> list[str]:
        """Appends all as `emit` does, but table by table, so that many rows go in one statement; gives their ids.

        Their deliveries are born taken where `firsts` has a place for them.
        """
        now = self._clock.now()
        ids = [uuid7(now) for _ in told]
        tx.add_each(
            store.ADD_EVENT,
            [
                (one.tenant_id, event_id, one.type, now, one.customer_id, one.phone_id, None)
                for event_id, one in zip(ids, told, strict=True)
            ],
        )
        tx.add_each(
            store.ADD_MESSAGE,
            [(one.tenant_id, event_id, one.customer_id, one.body) for event_id, one in zip(ids, told, strict=True)],
        )
        self._deliver_each(tx, list(zip(ids, told, strict=True)), firsts, now)
        return ids

    def _deliver_each(self, tx: Unit, told: list[tuple[str, Told]], firsts: FirstTries, now: int) -> None:
        rows: list[tuple[object, ...]] = []
        dues = _dues(tx)
        for event_id, one in told:
            for endpoint in one.heard:
                delivery_id, lane = uuid7(now), endpoint.lane(one.phone_id)
                parcel = Parcel(one.tenant_id, endpoint.id, delivery_id, event_id, one.type, 1, 0)
                lease = firsts.take(endpoint, parcel, one.body)
                due, lease_until = lease or (now, None)
                rows.append((one.tenant_id, delivery_id, endpoint.id, event_id, one.type, now, due, lease_until, lane))
                dues.note(*parcel.key, due, taken=lease is not None)
        tx.add_each(store.ADD_DELIVERY, rows)

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
        heard = audience.heard(type, customer_id, phone_id)
        event_id = uuid7(self._clock.now())
        self._append(
            tx, audience, event_id, type, data, customer_id=customer_id, phone_id=phone_id, link_id=link_id,
            secret=secret,
        )  # fmt: skip
        self.deliver(tx, audience.tenant_id, event_id, type, heard, phone_id)
        return event_id

    def emit_change(self, tx: Unit, tenant_id: int, change: MetaChange, heard: Sequence[Listener]) -> str:
        """Appends what Meta sent, in Meta's own envelope, with a delivery to each who listens; gives its id.

        It is no event of `/events`: there the items stand by themselves.
        """
        return self._keep_change(tx, tenant_id, change, heard).event_id

    def _keep_change(self, tx: Unit, tenant_id: int, change: MetaChange, heard: Sequence[Listener]) -> Sent:
        event_id, now = uuid7(self._clock.now()), self._clock.now()
        tx.add(store.ADD_CHANGE, tenant_id, event_id, change.type, now, change.customer_id, change.phone_id)
        if change.type in MESSAGE_TYPES:
            tx.add(store.ADD_MESSAGE, tenant_id, event_id, change.customer_id, change.body)
        else:
            tx.add(store.ADD_PAYLOAD, tenant_id, event_id, change.customer_id, 0, change.body)
        enabled = [one for one in heard if one.enabled]
        made = self.deliver(tx, tenant_id, event_id, change.type, enabled, change.phone_id)
        return Sent(event_id, made[0] if made else "")

    def emit_test(self, tx: Unit, audience: Audience, endpoint: Listener, data: dict[str, Any]) -> Sent:
        """Appends a `webhook.test` event with a delivery to this endpoint alone, whatever its filters.

        In Meta's format it is the message that Meta's own Test button sends.
        """
        if endpoint.format == META:
            change = MetaChange(WEBHOOK_TEST, sample.button_notification(), None, None)
            return self._keep_change(tx, audience.tenant_id, change, [endpoint])
        event_id = uuid7(self._clock.now())
        self._append(tx, audience, event_id, WEBHOOK_TEST, data)
        [delivery_id] = self.deliver(tx, audience.tenant_id, event_id, WEBHOOK_TEST, [endpoint], None)
        return Sent(event_id, delivery_id)

    def deliver(
        self, tx: Unit, tenant_id: int, event_id: str, event_type: str, to: Iterable[Listener], phone_id: int | None
    ) -> list[str]:
        """Appends a delivery of a stored event to each endpoint, due now; gives their ids."""
        now = self._clock.now()
        made: list[str] = []
        for endpoint in to:
            delivery_id, lane = uuid7(now), endpoint.lane(phone_id)
            tx.add(store.ADD_DELIVERY, tenant_id, delivery_id, endpoint.id, event_id, event_type, now, now, None, lane)
            _dues(tx).note(tenant_id, endpoint.id, now)
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
        if event_type in MESSAGE_TYPES:
            tx.add(store.ADD_MESSAGE, tenant_id, event_id, customer_id, body)
        else:
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


async def payload(reads: Unit | Database, tenant_id: int, event_id: str, event_type: str) -> Row | None:
    """The stored payload of an event: `sealed` and `body`; None once it was erased."""
    text = store.MESSAGE if event_type in MESSAGE_TYPES else store.PAYLOAD
    return await reads.one(text, tenant_id, event_id)

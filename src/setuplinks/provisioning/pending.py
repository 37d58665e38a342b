"""Brings pending numbers on after their link has completed: a name in review, a registration that Meta had locked.

Owns the due-row runner over `phone_number` and its pace. When every readiness check passes the number becomes active
and `whatsapp.phone_number.ready` is told. Meta counts registrations (ten in 72 hours), so they are tried sparingly and
never while the name is still being reviewed.
"""

import asyncio
import logging
import secrets
from dataclasses import dataclass, replace
from typing import Any

from setuplinks.core.clock import HOUR, MINUTE, SECOND, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Row, Unit
from setuplinks.core.logs import act
from setuplinks.core.problems import Problem
from setuplinks.core.vault import Sealer, Vault
from setuplinks.customers import store as customers
from setuplinks.meta import payloads
from setuplinks.meta.errors import GraphError
from setuplinks.meta.graph import Graph
from setuplinks.meta.secret import Secret
from setuplinks.provisioning.disconnect import Disconnects
from setuplinks.provisioning.steps import PIN_DIFFERS
from setuplinks.setup_links import store as links
from setuplinks.setup_links.models import SetupLink
from setuplinks.webhooks.service import Events
from setuplinks.whatsapp import readiness
from setuplinks.whatsapp import store as whatsapp
from setuplinks.whatsapp.disconnection import REASONS
from setuplinks.whatsapp.models import PhoneNumber, normalized
from setuplinks.whatsapp.tell import number_data

CHANNEL = "pending"
LEASE = MINUTE
AT_ONCE = 16
LOOK_AGAIN = (15 * MINUTE, HOUR, 2 * HOUR)  # then every two hours: reviews take days
REGISTER_AGAIN = 8 * HOUR  # nine tries in 72 hours: one below Meta's limit

log = logging.getLogger("setuplinks.pending")


@dataclass(frozen=True)
class _Looked:
    """What one look at Meta came to: the number as Meta has it, whether it is registered, and when to look again."""

    seen: payloads.PhoneNumber
    registered: bool
    wait: int


class PendingRunner:
    """One of the worker's runners."""

    name = "pending-numbers"
    channel = CHANNEL

    def __init__(
        self, db: Database, clock: Clock, vault: Vault, graph: Graph, events: Events, disconnects: Disconnects
    ) -> None:
        self._db, self._clock, self._vault, self._graph = db, clock, vault, graph
        self._events, self._disconnects = events, disconnects

    async def run_once(self) -> int:
        """Takes what is due, at most `AT_ONCE`; how many were taken."""
        now = self._clock.now()
        rows = await self._db.claim(whatsapp.CLAIM_PENDING, now, now + LEASE, AT_ONCE)
        await asyncio.gather(*(self._look(row) for row in rows))
        return len(rows)

    async def _look(self, row: Row) -> None:
        tenant_id, phone_id = row["tenant_id"], row["id"]
        try:
            found = await self._db.one(whatsapp.FIND_NUMBER, tenant_id, phone_id)
            credential = await self._db.one(whatsapp.FIND_CREDENTIAL, tenant_id, row["waba_id"])
            if found is None or credential is None:
                return
            number = PhoneNumber.of(found)
            sealer = await self._vault.tenant(tenant_id)
            token = Secret(sealer.open(credential["token"], "credential", number.waba_id, "token").decode())
            try:
                looked = await self._ask(number, token, sealer, row["tries"])
            except GraphError as error:
                await self._failed(number, error, row["tries"])
                return
            await self._db.unit(self._record, tenant_id, phone_id, looked)
        except Problem as error:
            act(log, "pending.put_off", logging.WARNING, phone=phone_id, why=error.code)

    async def _ask(self, number: PhoneNumber, token: Secret, sealer: Sealer, tries: int) -> _Looked:
        """Reads the number, and registers it where that is due."""
        wait = LOOK_AGAIN[min(tries - 1, len(LOOK_AGAIN) - 1)]
        seen = await self._graph.phone_number(token, number.meta_phone_number_id)
        if number.registered or not seen.needs_registration:
            return _Looked(seen, True, wait)
        if seen.name_in_review:
            return _Looked(seen, False, wait)
        pin = await self._pin(number, sealer)
        try:
            await self._graph.register(token, number.meta_phone_number_id, pin)
        except GraphError as error:
            act(log, "pending.not_registered", phone=number.id, error=str(error))
            if error.token_death is not None:
                raise
            waits = max(REGISTER_AGAIN, (error.wait_s or 0) * SECOND)
            return _Looked(seen, False, 365 * 24 * HOUR if error.code == PIN_DIFFERS else waits)
        return _Looked(await self._graph.phone_number(token, number.meta_phone_number_id), True, wait)

    async def _pin(self, number: PhoneNumber, sealer: Sealer) -> Secret:
        """The number's PIN; a fresh one is committed before Meta may learn it."""
        if number.pin is not None:
            return Secret(sealer.open(number.pin, "phone_number", number.id, "pin").decode())
        text = f"{secrets.randbelow(1_000_000):06d}"
        sealed = sealer.seal(text.encode(), "phone_number", number.id, "pin")
        async with self._db.transaction() as tx:
            whatsapp.change_number(tx, number, self._clock.now(), {"pin": sealed})
        return Secret(text)

    async def _record(self, tx: Unit, tenant_id: int, phone_id: int, looked: _Looked) -> None:
        now = self._clock.now()
        number = await whatsapp.number(tx, tenant_id, phone_id)
        if number is None or number.status != "pending":
            return
        checks = readiness.checks(_facts(number, looked))
        ready = readiness.is_ready(checks)
        values: dict[str, Any] = {
            "display_phone_number": looked.seen.display_phone_number or number.display_phone_number,
            "verified_name": looked.seen.verified_name or number.verified_name,
            "name_status": looked.seen.name_status,
            "quality_rating": looked.seen.quality_rating or number.quality_rating,
            "throughput_tier": looked.seen.throughput_level or number.throughput_tier,
            "messaging_limit": looked.seen.messaging_limit or number.messaging_limit,
            "registered": looked.registered,
            "readiness": readiness.rows(checks, number.readiness, now),
            "status": "active" if ready else "pending",
            "due_at": None if ready else now + looked.wait,
            "lease_until": None,
        }
        values["display_phone_number_normalized"] = normalized(values["display_phone_number"])
        whatsapp.change_number(tx, number, now, values)
        if ready:
            changed = {name: value for name, value in values.items() if name in PhoneNumber.__dataclass_fields__}
            await self._tell(tx, replace(number, **changed))

    async def _tell(self, tx: Unit, number: PhoneNumber) -> None:
        """The number is ready: the customer's connection follows, the tenant is told."""
        waba = await whatsapp.waba(tx, number.tenant_id, number.waba_id)
        customer = await customers.find(tx, number.tenant_id, number.customer_id)
        row = await tx.one(links.FIND_LINK, number.tenant_id, number.link_id) if number.link_id else None
        if waba is None or customer is None:
            return
        customers.set_connection(tx, customer, "connected")
        audience = await self._events.load(tx, number.tenant_id)
        data = number_data(number, waba, customer, SetupLink.of(row) if row else None)
        self._events.emit(
            tx, audience, "whatsapp.phone_number.ready", data, customer_id=number.customer_id, phone_id=number.id,
            link_id=number.link_id,
        )  # fmt: skip
        act(log, "pending.ready", phone=number.id, tenant=number.tenant_id)

    async def _failed(self, number: PhoneNumber, error: GraphError, tries: int) -> None:
        """Meta did not answer as hoped: a dead token cuts the number off, all else is looked at again."""
        act(log, "pending.failed", logging.WARNING, phone=number.id, error=str(error))
        reason = next((known for known in REASONS if known == error.token_death), None)
        if reason is not None:
            await self._db.unit(self._disconnects.disconnect, number.tenant_id, number.waba_id, reason)
            return
        wait = max(LOOK_AGAIN[min(tries - 1, len(LOOK_AGAIN) - 1)], (error.wait_s or 0) * SECOND)
        async with self._db.transaction() as tx:
            tx.add(whatsapp.LOOK_LATER, number.tenant_id, number.id, self._clock.now() + wait)


def _facts(number: PhoneNumber, looked: _Looked) -> readiness.Facts:
    seen = looked.seen
    subscribed = next((row["passed"] for row in number.readiness if row["check"] == "subscribed"), True)
    return readiness.Facts(
        token_valid=True,
        subscribed=bool(subscribed),
        registered=looked.registered or number.is_coexistence,
        name_status=seen.name_status,
        meta_status=seen.status,
        can_send=seen.health.can_send_message if seen.health else None,
    )

"""Brings pending numbers on after their link has completed: a name in review, a registration that Meta had locked.

Owns the due-row runner over `phone_number` and its pace. When every readiness check passes the number becomes active
and `whatsapp.phone_number.ready` is told. Meta counts registrations (ten in 72 hours), so they are tried sparingly and
never while the name is still being reviewed.
"""

import asyncio
import logging
import secrets
from dataclasses import dataclass, replace

from setuplinks.core.clock import HOUR, MINUTE, SECOND, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Row, Unit
from setuplinks.core.logs import act
from setuplinks.core.problems import Conflict, Problem, RaceLost, Unavailable
from setuplinks.core.vault import Sealer, Vault
from setuplinks.meta import payloads
from setuplinks.meta.errors import GraphError
from setuplinks.meta.graph import Graph
from setuplinks.meta.secret import Secret
from setuplinks.provisioning.disconnect import Disconnects
from setuplinks.provisioning.observing import Observer, Sight
from setuplinks.provisioning.steps import PIN_DIFFERS
from setuplinks.whatsapp import store as whatsapp
from setuplinks.whatsapp.disconnection import REASONS
from setuplinks.whatsapp.models import PhoneNumber

CHANNEL = "pending"
LEASE = MINUTE
AT_ONCE = 16
LOOK_AGAIN = (15 * MINUTE, HOUR, 2 * HOUR)  # then every two hours: reviews take days
OVERTAKEN = MINUTE  # somebody wrote while Meta was asked: the answer is dropped, Meta is asked again
REGISTER_AGAIN = 8 * HOUR  # nine tries in 72 hours: one below Meta's limit

log = logging.getLogger("setuplinks.pending")


@dataclass(frozen=True)
class _Looked:
    """What one look at Meta came to: the number as Meta has it, whether it is registered, and when to look again.

    `number` is our row as it stood when the question left.
    """

    number: PhoneNumber
    sent_at: int
    seen: payloads.PhoneNumber
    registered: bool
    wait: int


class PendingRunner:
    """One of the worker's runners."""

    name = "pending-numbers"
    channel = CHANNEL

    def __init__(
        self, db: Database, clock: Clock, vault: Vault, graph: Graph, observer: Observer, disconnects: Disconnects
    ) -> None:
        self._db, self._clock, self._vault, self._graph = db, clock, vault, graph
        self._observer, self._disconnects = observer, disconnects

    async def run_once(self) -> int:
        """Takes what is due, at most `AT_ONCE`; how many were taken."""
        now = self._clock.now()
        rows = await self._db.claim(whatsapp.CLAIM_PENDING, now, now + LEASE, AT_ONCE)
        await asyncio.gather(*(self._look(row) for row in rows))
        return len(rows)

    async def _look(self, row: Row) -> None:
        """One number; whatever goes wrong with it holds up no other."""
        try:
            await self._look_at(row)
        except (
            Unavailable,
            Conflict,
            RaceLost,
        ) as error:  # a database away, a race: the lease ends
            act(log, "pending.put_off", logging.WARNING, phone=row["id"], why=error.code)
        except Exception:  # a token that cannot be opened, a fault of ours
            log.exception("pending.crashed", extra={"fields": {"phone": row["id"]}})
            await self._put_off(row, _wait(row["tries"]))

    async def _look_at(self, row: Row) -> None:
        tenant_id, phone_id = row["tenant_id"], row["id"]
        found = await self._db.one(whatsapp.FIND_NUMBER, tenant_id, phone_id)
        credential = await self._db.one(whatsapp.FIND_CREDENTIAL, tenant_id, row["waba_id"])
        if found is None or credential is None:
            await self._put_off(row, LOOK_AGAIN[-1])
            return
        number = PhoneNumber.of(found)
        sealer = await self._vault.tenant(tenant_id)
        token = Secret(sealer.open(credential["token"], "credential", number.waba_id, "token").decode())
        try:
            looked = await self._ask(number, token, sealer, row["tries"])
        except GraphError as error:
            await self._failed(row, credential, error)
            return
        if not await self._db.unit(self._record, looked):
            act(log, "pending.overtaken", phone=phone_id)
            await self._put_off(row, OVERTAKEN)

    async def _ask(self, number: PhoneNumber, token: Secret, sealer: Sealer, tries: int) -> _Looked:
        """Reads the number, and registers it where that is due."""
        wait, sent_at = _wait(tries), self._clock.now()
        seen = await self._graph.phone_number(token, number.meta_phone_number_id)
        if number.registered or not seen.needs_registration:
            return _Looked(number, sent_at, seen, True, wait)
        if seen.name_in_review:
            return _Looked(number, sent_at, seen, False, wait)
        pin, number = await self._pin(number, sealer)
        try:
            await self._graph.register(token, number.meta_phone_number_id, pin)
        except GraphError as error:
            act(log, "pending.not_registered", phone=number.id, error=str(error))
            if error.token_death is not None:
                raise
            waits = max(REGISTER_AGAIN, (error.wait_s or 0) * SECOND)
            return _Looked(number, sent_at, seen, False, 365 * 24 * HOUR if error.code == PIN_DIFFERS else waits)
        sent_at = self._clock.now()
        seen = await self._graph.phone_number(token, number.meta_phone_number_id)
        return _Looked(number, sent_at, seen, True, wait)

    async def _pin(self, number: PhoneNumber, sealer: Sealer) -> tuple[Secret, PhoneNumber]:
        """The number's PIN, and its row then; a fresh one is committed before Meta may learn it."""
        if number.pin is not None:
            return Secret(sealer.open(number.pin, "phone_number", number.id, "pin").decode()), number
        text = f"{secrets.randbelow(1_000_000):06d}"
        sealed = sealer.seal(text.encode(), "phone_number", number.id, "pin")
        async with self._db.transaction() as tx:
            whatsapp.change_number(tx, number, self._clock.now(), {"pin": sealed})
        return Secret(text), replace(number, pin=sealed, version=number.version + 1)

    async def _record(self, tx: Unit, looked: _Looked) -> bool:
        sight = Sight(looked.sent_at, looked.seen, token_valid=True, registered=looked.registered)
        later = {"due_at": self._clock.now() + looked.wait, "lease_until": None}
        return await self._observer.number(tx, looked.number, sight, later)

    async def _failed(self, row: Row, credential: Row, error: GraphError) -> None:
        """Meta did not answer as hoped: a dead token cuts the number off, all else is looked at again."""
        act(log, "pending.failed", logging.WARNING, phone=row["id"], error=str(error))
        reason = next((known for known in REASONS if known == error.token_death), None)
        if reason is None:
            await self._put_off(row, max(_wait(row["tries"]), (error.wait_s or 0) * SECOND))
            return
        async with self._db.transaction() as tx:
            whatsapp.same_token(tx, credential)  # another one meanwhile: it says nothing of that
            await self._disconnects.disconnect(tx, row["tenant_id"], row["waba_id"], reason)

    async def _put_off(self, row: Row, wait: int) -> None:
        try:
            async with self._db.transaction() as tx:
                tx.add(whatsapp.LOOK_LATER, row["tenant_id"], row["id"], self._clock.now() + wait)
        except Problem as error:
            act(log, "pending.put_off", logging.WARNING, phone=row["id"], why=error.code)


def _wait(tries: int) -> int:
    return LOOK_AGAIN[min(tries - 1, len(LOOK_AGAIN) - 1)]

"""How a connection ends by our own hand: a number is deleted, a customer leaves, "this is not mine".

Owns what is written when numbers leave, and the runner that unsubscribes a WABA when its last customer has left. A
number is deregistered only where that is asked for: as it is, the customer may use it elsewhere at once.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from setuplinks.core.clock import DAY, SECOND, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Row, Unit
from setuplinks.core.ids import uuid7
from setuplinks.core.logs import act
from setuplinks.core.problems import NotFound, Problem, RaceLost, Unavailable
from setuplinks.core.vault import Vault
from setuplinks.customers import store as customers
from setuplinks.customers.models import Connection, Customer
from setuplinks.meta.errors import GraphError
from setuplinks.meta.graph import Graph
from setuplinks.meta.secret import Secret
from setuplinks.provisioning import orphans, store
from setuplinks.provisioning.machine import BACKOFF
from setuplinks.provisioning.service import Provisionings
from setuplinks.setup_links import store as links
from setuplinks.setup_links.models import LinkEnded, SetupLink
from setuplinks.tenants import audit
from setuplinks.webhooks import store as webhooks
from setuplinks.webhooks.service import Audience, Events
from setuplinks.whatsapp import store as whatsapp
from setuplinks.whatsapp import waba_keys
from setuplinks.whatsapp.models import PhoneNumber
from setuplinks.whatsapp.tell import number_data

Forget = Callable[[Unit, Iterable[str]], None]
"""Erases what else is kept of accounts and numbers, by Meta's ids; the rooms above this one keep raw notifications."""

CHANNEL = "offboarding"
LEASE = 60 * SECOND
TRIED_FOR = 7 * DAY
NOT_MINE_FOR = 15 * 60 * SECOND

log = logging.getLogger("setuplinks.offboarding")


class Offboarding:
    """The verbs of leaving. Each runs in a unit of its caller."""

    def __init__(
        self, db: Database, clock: Clock, vault: Vault, events: Events, provisionings: Provisionings, forget: Forget
    ) -> None:
        self._db, self._clock, self._vault, self._events = db, clock, vault, events
        self._provisionings, self._forget = provisionings, forget

    async def number(
        self, tx: Unit, tenant_id: int, phone_id: int, actor: str, reason: str = "deleted", *, deregister: bool = False
    ) -> None:
        """Deletes one number. Raises NotFound; one that is deleted already stays so.

        `deregister` also takes it off the Cloud API at Meta, which is not done for numbers in coexistence.
        """
        number = await whatsapp.number(tx, tenant_id, phone_id)
        if number is None or number.status == "deleted":
            raise NotFound("There is no such number.")
        await self._leave(tx, tenant_id, number.customer_id, [number], actor, reason, deregister=deregister)

    async def not_mine(self, tx: Unit, link: SetupLink) -> list[PhoneNumber]:
        """The customer says that it was the wrong business or number: the numbers of this link are off-boarded.

        Answers those that left; none where they had left before.
        """
        rows = await whatsapp.numbers(tx, whatsapp.NUMBERS_OF_LINK, link.tenant_id, link.id)
        leaving = [number for number in rows if number.is_connected and number.id in link.resulting_phone_ids]
        if leaving:
            links.add_step(tx, link, self._clock.now(), "not_mine")
            await self._leave(tx, link.tenant_id, link.customer_id, leaving, "customer", "not_mine")
        return leaving

    async def customer(
        self, tx: Unit, tenant_id: int, customer_id: int, actor: str, *, deregister: bool = False
    ) -> None:
        """Off-boards a customer: links revoked, numbers deleted, secrets and payloads erased; the audit lines stay.

        The `…deleted` events of this unit are still delivered. `deregister` as in `number`. Raises NotFound.
        """
        now = self._clock.now()
        customer = await customers.find(tx, tenant_id, customer_id)
        if customer is None:
            raise NotFound("There is no such customer.")
        told_from = uuid7(now)  # events that are made from here on stay
        await links.close_slot(tx, tenant_id, customer_id)
        await self._revoke(tx, tenant_id, links.OPEN_OF_CUSTOMER, customer_id, actor, "customer_deleted")
        rows = await whatsapp.numbers(tx, whatsapp.NUMBERS_OF_CUSTOMER, tenant_id, customer_id)
        await self._leave(
            tx, tenant_id, customer_id, rows, actor, "customer_deleted", closing=True, deregister=deregister
        )
        tx.then()
        customers.erase(tx, RaceLost(), tenant_id, customer_id, customer.version, now)
        links.erase_of_customer(tx, tenant_id, customer_id)
        waba_keys.erase_of_customer(tx, tenant_id, customer_id)
        tx.add(store.ERASE_OF_CUSTOMER, tenant_id, customer_id)
        tx.add(store.ERASE_WABAS, tenant_id, customer_id)
        orphans.erase_of_customer(tx, tenant_id, customer_id)
        self._forget(tx, await self._names_at_meta(tx, tenant_id, customer_id))
        webhooks.erase_customer(tx, tenant_id, customer_id, told_from, now)
        audit.add(tx, now, tenant_id, actor, "customer.deleted", "customer", str(customer_id), {})

    async def _names_at_meta(self, tx: Unit, tenant_id: int, customer_id: int) -> set[str]:
        """Meta's ids of the customer's numbers, and of its WABAs where nobody else has connected them."""
        numbers = await whatsapp.numbers(tx, whatsapp.ALL_OF_CUSTOMER, tenant_id, customer_id)
        named = {number.meta_phone_number_id for number in numbers}
        for meta_waba_id in {number.meta_waba_id for number in numbers}:
            rows = await tx.all(whatsapp.WABAS_OF_META, meta_waba_id)
            if all((row["tenant_id"], row["customer_id"]) == (tenant_id, customer_id) for row in rows):
                named.add(meta_waba_id)
        return named

    async def _leave(
        self, tx: Unit, tenant_id: int, customer_id: int, leaving: list[PhoneNumber], actor: str, reason: str,
        *, closing: bool = False, deregister: bool = False,
    ) -> None:  # fmt: skip
        now = self._clock.now()
        customer = await customers.find(tx, tenant_id, customer_id)
        audience = await self._events.load(tx, tenant_id)
        gone = {number.id for number in leaving}
        for waba_id in sorted({number.waba_id for number in leaving}):
            rows = await whatsapp.numbers(tx, whatsapp.NUMBERS_OF_WABA, tenant_id, waba_id)
            off = [n.meta_phone_number_id for n in leaving if n.waba_id == waba_id and _is_ours_to_deregister(n)]
            off = off if deregister else []
            closes = not any(number.is_connected and number.id not in gone for number in rows)
            if closes:
                tx.add(whatsapp.CLOSE_WABA, tenant_id, waba_id, now)
                tx.then()
                await waba_keys.revoke_all(tx, tenant_id, waba_id, now=now, actor=actor, reason=reason)
            elif reason == "not_mine":
                for link_id in {n.link_id for n in leaving if n.waba_id == waba_id and n.link_id}:
                    await waba_keys.revoke_of_link(tx, tenant_id, waba_id, link_id, now=now, actor=actor, reason=reason)
            if closes or off:
                await self._hand_over(tx, tenant_id, waba_id, rows[0].meta_waba_id, off, now, closes=closes)
        for number in leaving:
            if not closing:  # a link that would reconnect it has nothing left to reconnect
                await self._revoke(tx, tenant_id, links.OPEN_OF_NUMBER, number.id, actor, "number_deleted")
            await self._one_leaves(tx, audience, customer, number, reason, now)
            audit.add(
                tx, now, tenant_id, actor, "phone_number.deleted", "phone_number", str(number.id), {"reason": reason}
            )
        if not closing and customer is not None:
            every = await whatsapp.numbers(tx, whatsapp.NUMBERS_OF_CUSTOMER, tenant_id, customer_id)
            left = [number for number in every if number.id not in gone]
            customers.set_connection(tx, customer, connection_of(left))

    async def _revoke(self, tx: Unit, tenant_id: int, text: str, owner_id: int, actor: str, reason: str) -> None:
        for row in await tx.all(text, tenant_id, owner_id):
            with suppress(LinkEnded):  # its time is over: the sweeper is about to write so
                await self._provisionings.revoke(tx, tenant_id, row["id"], actor, reason)

    async def _one_leaves(
        self, tx: Unit, audience: Audience, customer: Customer | None, number: PhoneNumber, reason: str, now: int
    ) -> None:
        values: dict[str, Any] = {"status": "deleted", "disconnect_reason": None, "pin": None, "readiness": []}
        whatsapp.change_number(tx, number, now, values)
        if not number.is_connected:
            return
        tx.add(whatsapp.LET_GO, number.meta_phone_number_id, number.tenant_id, number.customer_id)
        waba = await whatsapp.waba(tx, number.tenant_id, number.waba_id)
        row = await tx.one(links.FIND_LINK, number.tenant_id, number.link_id) if number.link_id else None
        if waba is not None and customer is not None:
            data = number_data(replace(number, status="deleted"), waba, customer, SetupLink.of(row) if row else None)
            self._events.emit(
                tx, audience, "whatsapp.phone_number.deleted", {**data, "reason": reason},
                customer_id=number.customer_id, phone_id=number.id, link_id=number.link_id,
            )  # fmt: skip

    async def _hand_over(
        self, tx: Unit, tenant_id: int, waba_id: int, meta_waba_id: str, deregister: list[str], now: int,
        *, closes: bool,
    ) -> None:  # fmt: skip
        """The credential goes to the off-boarding, sealed for the installation, so that it outlives the tenant's key
        only until the WABA is unsubscribed; whether it must be is decided there, when everybody's rows are written.
        A WABA that stays keeps its own."""
        credential = await tx.one(whatsapp.FIND_CREDENTIAL, tenant_id, waba_id)
        if credential is None:
            return
        mine, installation = await self._vault.tenant(tenant_id), await self._vault.installation()
        token = mine.open(credential["token"], "credential", waba_id, "token")
        row_id = await self._db.next_id("offboarding")
        sealed = installation.seal(token, "offboarding", row_id, "token")
        if closes:
            tx.add(whatsapp.ERASE_CREDENTIAL, tenant_id, waba_id)
            tx.wake(whatsapp.CREDENTIALS)
        tx.add(store.ADD_OFFBOARDING, tenant_id, row_id, meta_waba_id, sealed, " ".join(deregister), now)
        tx.wake(CHANNEL)


def _is_ours_to_deregister(number: PhoneNumber) -> bool:
    """Meta refuses it for numbers in coexistence; one that was never connected is not ours."""
    return number.is_connected and not number.is_coexistence and number.registered


def connection_of(numbers: list[PhoneNumber]) -> Connection:
    """A customer's connection, as its numbers make it: the best of them counts."""
    statuses = {number.status for number in numbers}
    if "active" in statuses:
        return "connected"
    if "pending" in statuses:
        return "pending"
    return "disconnected" if "disconnected" in statuses else "none"


class OffboardingRunner:
    """Unsubscribes WABAs whose last customer has left, then erases the token; one of the worker's runners."""

    name = "offboarding"
    channel = CHANNEL

    def __init__(self, db: Database, clock: Clock, vault: Vault, graph: Graph) -> None:
        self._db, self._clock, self._vault, self._graph = db, clock, vault, graph

    async def run_once(self) -> int:
        """Takes what is due, at most 16; how many were taken."""
        now = self._clock.now()
        rows = await self._db.claim(store.CLAIM_OFFBOARDING, now, now + LEASE, 16)
        await asyncio.gather(*(self._leave(row) for row in rows))
        return len(rows)

    async def _leave(self, row: Row) -> None:
        try:
            await self._unsubscribe(row)
        except GraphError as error:
            # Not retryable is a dead token or a WABA that is gone: there is nothing left to take off.
            act(log, "offboarding.failed", logging.WARNING, offboarding=row["id"], error=str(error))
            await self._again_or_given_up(row, str(error), again=error.retryable, wait_s=error.wait_s)
        except Unavailable as error:  # the database is away: the lease ends by itself
            act(log, "offboarding.put_off", logging.WARNING, offboarding=row["id"], why=error.code)
        except Exception:  # a token that cannot be opened, a fault of ours: it holds up nobody else
            log.exception("offboarding.crashed", extra={"fields": {"offboarding": row["id"]}})
            await self._again_or_given_up(row, "internal", again=True)

    async def _again_or_given_up(self, row: Row, why: str, *, again: bool, wait_s: int | None = None) -> None:
        now = self._clock.now()
        wait = (wait_s or BACKOFF[min(row["tries"], len(BACKOFF) - 1)]) * SECOND
        try:
            async with self._db.transaction() as tx:
                if again and now - row["created_at"] < TRIED_FOR:
                    tx.add(store.OFFBOARDING_AGAIN, row["tenant_id"], row["id"], now + wait, why, now)
                else:
                    tx.add(store.OFFBOARDING_DONE, row["tenant_id"], row["id"], "given_up", why, now)
        except Problem as error:
            act(log, "offboarding.put_off", logging.WARNING, offboarding=row["id"], why=error.code)

    async def _unsubscribe(self, row: Row) -> None:
        held = await self._db.one(whatsapp.HELD_OF_WABA, row["meta_waba_id"])
        others = await self._db.one(store.OTHERS_ON_WABA, row["meta_waba_id"], "running", 0, 0)
        if row["deregister"] and others and others["n"]:  # a signup may be registering the same number again
            await self._again_or_given_up(row, "a signup of this account is under way", again=True, wait_s=60)
            return
        if row["token"] is not None:
            sealer = await self._vault.installation()
            token = Secret(sealer.open(row["token"], "offboarding", row["id"], "token").decode())
            await self._deregister(row, token)
            if held is None and not (others and others["n"]):
                await self._graph.unsubscribe(token, row["meta_waba_id"])
        async with self._db.transaction() as tx:
            tx.add(store.OFFBOARDING_DONE, row["tenant_id"], row["id"], "done", None, self._clock.now())
        act(log, "offboarding.done", offboarding=row["id"], tenant=row["tenant_id"], unsubscribed=held is None)

    async def _deregister(self, row: Row, token: Secret) -> None:
        """Those numbers that nobody has connected again meanwhile. What Meta refuses for good is told and left: the
        number is away all the same, and its tries are counted."""
        for meta_id in row["deregister"].split():
            if await self._db.one(whatsapp.WHO_HOLDS, meta_id) is not None:
                continue
            try:
                await self._graph.deregister(token, meta_id)
            except GraphError as error:
                if error.retryable:
                    raise
                act(log, "offboarding.not_deregistered", logging.WARNING, offboarding=row["id"], error=str(error))

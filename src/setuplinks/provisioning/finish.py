"""The last step: WABA, numbers, credential, link, events and deliveries in one unit.

Owns what is written when a signup is complete. Either all of it is committed or nothing; a number that another customer
took first sends the run back to the customer.
"""

from dataclasses import dataclass, replace
from typing import Any

from setuplinks.core.clock import MINUTE, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Unit
from setuplinks.core.problems import NotFound
from setuplinks.core.vault import Sealer
from setuplinks.customers import store as customers
from setuplinks.customers.models import Connection, Customer
from setuplinks.number_pool import reservations
from setuplinks.provisioning import store
from setuplinks.provisioning.models import Facts, Provisioning, RunMoved, SeenNumber
from setuplinks.setup_links import store as links
from setuplinks.setup_links.announce import announce
from setuplinks.setup_links.machine import Act, Phase, after
from setuplinks.setup_links.models import LinkMoved, SetupLink
from setuplinks.webhooks.service import Audience, Events
from setuplinks.whatsapp import readiness
from setuplinks.whatsapp import store as whatsapp
from setuplinks.whatsapp.disconnection import RENEWED_BY_GRANT, restored
from setuplinks.whatsapp.models import PhoneNumber, Waba, normalized
from setuplinks.whatsapp.tell import number_data, waba_data

FIRST_LOOK = 5 * MINUTE


@dataclass(frozen=True)
class FreshIds:
    """Ids made before the unit: one WABA's, and one for each number that may be new."""

    waba: int
    numbers: dict[str, int]


@dataclass
class _Finish:
    """What the parts of one finish share."""

    tx: Unit
    audience: Audience
    sealer: Sealer
    now: int
    run: Provisioning
    link: SetupLink
    customer: Customer
    waba: Waba
    told: list[tuple[str, PhoneNumber, str | None]]  # event type, number, reason


class Finisher:
    """Writes a finished provisioning."""

    def __init__(self, db: Database, clock: Clock, events: Events) -> None:
        self._db, self._clock, self._events = db, clock, events

    async def fresh_ids(self, facts: Facts) -> FreshIds:
        """Ids for whatever may be new; unused ones leave gaps, which is fine."""
        waba_id = facts.waba().id
        numbers = {n.id: await self._db.next_id("phone_number") for n in facts.numbers if n.waba == waba_id}
        return FreshIds(await self._db.next_id("waba"), numbers)

    async def finish(self, tx: Unit, sealer: Sealer, tenant_id: int, provisioning_id: int, fresh: FreshIds) -> None:
        """Row 13, in one unit. Raises RunMoved or LinkMoved where the run or link went another way, NumberTaken where
        another customer took the number."""
        now = self._clock.now()
        run = await store.find(tx, tenant_id, provisioning_id)
        link = await links.find(tx, tenant_id, run.link_id) if run else None
        if run is None or run.status != "running" or run.token is None:
            raise RunMoved()
        if link is None or after(link.phase, Act.COMPLETE) is None or link.provisioning_id != run.id:
            raise LinkMoved()
        customer = await customers.find(tx, tenant_id, run.customer_id)
        if customer is None:
            raise NotFound("There is no such customer.")
        audience = await self._events.load(tx, tenant_id)
        waba, new_waba = await self._write_waba(tx, run, fresh, now)
        done = _Finish(tx, audience, sealer, now, run, link, customer, waba, [])
        token = sealer.open(run.token, "provisioning", run.id, "token")
        sealed = sealer.seal(token, "credential", waba.id, "token")
        tx.add(whatsapp.PUT_CREDENTIAL, tenant_id, waba.id, sealed, run.token_expires_at, now, run.facts.user_id)
        chosen = await self._write_numbers(done, fresh)
        if new_waba:
            self._emit(done, "whatsapp.waba.created", waba_data(waba, customer, link))
        for event_type, number, _ in done.told:
            self._emit(done, event_type, number_data(number, waba, customer, link), number.id)
        await self._complete(done, chosen)
        store.change(
            tx, run, now, status="done", step=run.step.value, due_at=None, lease_until=None, token=None, pin=None,
            facts=run.facts.without_person(), ended_at=now,
        )  # fmt: skip

    async def _write_waba(self, tx: Unit, run: Provisioning, fresh: FreshIds, now: int) -> tuple[Waba, bool]:
        seen, chosen = run.facts.waba(), run.facts.number()
        old = await whatsapp.waba_by_meta(tx, run.tenant_id, run.customer_id, seen.id)
        values = (seen.name, seen.currency, seen.timezone_id, seen.business_id, seen.account_review_status)
        waba = Waba(
            run.tenant_id, old.id if old else fresh.waba, run.customer_id, seen.id, *values, "active",
            chosen.connection_type, 0, old.created_at if old else now, now,
        )  # fmt: skip
        if old is None:
            row = (run.tenant_id, waba.id, run.customer_id, seen.id, *values, chosen.connection_type, now)
            tx.must(RunMoved(), whatsapp.ADD_WABA, *row)
        else:
            renewed = (run.tenant_id, old.id, old.version, *values, chosen.connection_type, now)
            tx.must(RunMoved(), whatsapp.RENEW_WABA, *renewed)
        tx.then()  # numbers and the credential refer to the WABA's row
        return waba, old is None or old.status == "deleted"

    async def _write_numbers(self, done: _Finish, fresh: FreshIds) -> list[PhoneNumber]:
        """All numbers of the WABA are kept; connected is the chosen one. A renewed token revives those that had died
        of it. Answers the connected ones of this link."""
        run, tx = done.run, done.tx
        # Of all WABAs of the customer: a number that was moved at Meta is the same one, and has one row.
        rows = await whatsapp.numbers(tx, whatsapp.ALL_OF_CUSTOMER, run.tenant_id, run.customer_id)
        old = {number.meta_phone_number_id: number for number in rows}
        connected: list[PhoneNumber] = []
        for seen in run.facts.numbers:
            if seen.waba != done.waba.meta_waba_id:
                continue
            before = old.get(seen.id)
            if seen.id == run.facts.chosen:
                connected.append(await self._connect(done, seen, before, fresh.numbers[seen.id]))
            elif before is None:
                values = _columns(seen, done, None) | {"status": "available", "link_id": None}
                whatsapp.add_number(tx, run.tenant_id, fresh.numbers[seen.id], done.now, values)
            elif before.status == "disconnected" and before.disconnect_reason in RENEWED_BY_GRANT:
                values = restored(before, done.now)
                whatsapp.change_number(tx, before, done.now, values | _look(values["status"], done.now))
                done.told.append(("whatsapp.phone_number.reconnected", replace(before, **values), None))
        return connected

    async def _connect(self, done: _Finish, seen: SeenNumber, before: PhoneNumber | None, fresh: int) -> PhoneNumber:
        run, tx = done.run, done.tx
        values = _columns(seen, done, before)
        phone_id = before.id if before else fresh
        if run.pin is not None:  # also where it could not be used yet: Meta may know it
            pin = done.sealer.open(run.pin, "provisioning", run.id, "pin")
            values["pin"] = done.sealer.seal(pin, "phone_number", phone_id, "pin")
        held = await tx.one(whatsapp.WHO_HOLDS, seen.id)
        mine = held is not None and (held["tenant_id"], held["customer_id"]) == (run.tenant_id, run.customer_id)
        if mine and before is not None and before.meta_waba_id != done.waba.meta_waba_id:
            tx.add(whatsapp.MOVE_HOLD, seen.id, run.tenant_id, run.customer_id, done.waba.meta_waba_id)
        if not mine:
            whatsapp.hold(tx, run.tenant_id, run.customer_id, phone_id, seen.id, done.waba.meta_waba_id)
        if before is None:
            whatsapp.add_number(tx, run.tenant_id, phone_id, done.now, values | _look(values["status"], done.now))
        else:
            whatsapp.change_number(tx, before, done.now, values | _look(values["status"], done.now))
        number = PhoneNumber(
            tenant_id=run.tenant_id, id=phone_id, created_at=before.created_at if before else done.now,
            updated_at=done.now, version=0, token_expires_at=run.token_expires_at,
            **{"pin": None, **values},
        )  # fmt: skip
        again = before is not None and before.is_connected
        kind = "reconnected" if again else "created"
        done.told.append((f"whatsapp.phone_number.{kind}", number, None))
        if number.status == "active" and all(row["passed"] for row in number.readiness):
            was_ready = before is not None and again and all(row["passed"] for row in before.readiness)
            if not was_ready or before is None or before.status == "disconnected":
                done.told.append(("whatsapp.phone_number.ready", number, None))
        return number

    async def _complete(self, done: _Finish, chosen: list[PhoneNumber]) -> None:
        """The link's own part; its URL's secret is erased with it."""
        link, now = done.link, done.now
        ids = [number.id for number in chosen]
        columns: dict[str, Any] = {
            "phase": Phase.COMPLETED, "completed_at": now, "ended_at": now, "due_at": None, "url_secret": None,
            "resulting_waba_id": done.waba.id, "resulting_phone_ids": ids,
        }  # fmt: skip
        if link.phone_provisioning:
            connected = [number.display_phone_number_normalized for number in chosen]
            await reservations.settle(done.tx, link.id, connected, now)
        links.change(done.tx, link, now, **columns)
        display = chosen[0].display_phone_number if chosen else None
        active = any(number.status == "active" for number in chosen) or done.customer.connection == "connected"
        connection: Connection = "connected" if active else "pending"
        links.add_step(done.tx, link, now, "connected", number=display)
        customers.set_connection(done.tx, done.customer, connection)
        await announce(
            self._events, done.tx, done.audience, "setup_link.completed", replace(link, **columns), now,
            external_id=done.customer.external_id, waba_id=done.waba.meta_waba_id,
            phone_number_ids=[number.meta_phone_number_id for number in chosen],
            internal_waba_id=done.waba.id, internal_phone_number_ids=ids,
        )  # fmt: skip

    def _emit(self, done: _Finish, event_type: str, data: dict[str, Any], phone_id: int | None = None) -> None:
        self._events.emit(
            done.tx, done.audience, event_type, data, customer_id=done.run.customer_id, phone_id=phone_id,
            link_id=done.link.id,
        )  # fmt: skip


def _look(status: str, now: int) -> dict[str, int | None]:
    """When a worker looks at the number again: soon where it waits for Meta, else not at all."""
    return {"due_at": now + FIRST_LOOK if status == "pending" else None}


def _columns(seen: SeenNumber, done: _Finish, before: PhoneNumber | None) -> dict[str, Any]:
    """The number's row as Meta has it now."""
    facts = done.run.facts
    checks = readiness.checks(
        readiness.Facts(
            token_valid=True,
            subscribed=facts.subscribed,
            registered=facts.registered or seen.coexistence,
            name_status=seen.name_status,
            meta_status=seen.status,
            can_send=seen.can_send,
        )
    )
    return {
        "customer_id": done.run.customer_id,
        "waba_id": done.waba.id,
        "meta_waba_id": done.waba.meta_waba_id,
        "meta_phone_number_id": seen.id,
        "display_phone_number": seen.display,
        "display_phone_number_normalized": normalized(seen.display),
        "verified_name": seen.verified_name,
        "name_status": seen.name_status,
        "quality_rating": seen.quality,
        "throughput_tier": seen.throughput,
        "messaging_limit": seen.limit,
        "connection_type": seen.connection_type,
        "is_coexistence": seen.coexistence,
        "is_official_business_account": seen.official,
        "status": "active" if readiness.is_ready(checks) else "pending",
        "disconnect_reason": None,
        "readiness": readiness.rows(checks, before.readiness if before else [], done.now),
        "registered": facts.registered or seen.coexistence,
        "link_id": done.link.id,
        "connected_at": done.now,
    }

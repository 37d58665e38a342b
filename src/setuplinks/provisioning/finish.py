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
from setuplinks.provisioning import orphans, store
from setuplinks.provisioning.models import Facts, Provisioning, RunMoved, SeenNumber, SeenWaba, opened_pins
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
    """Ids made before the unit, by Meta's ids: one for each WABA and number that may be new."""

    wabas: dict[str, int]
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
    pins: dict[str, str]
    fresh: FreshIds
    told: list[tuple[str, PhoneNumber, Waba]]  # event type, number, its WABA


class Finisher:
    """Writes a finished provisioning."""

    def __init__(self, db: Database, clock: Clock, events: Events) -> None:
        self._db, self._clock, self._events = db, clock, events

    async def fresh_ids(self, facts: Facts) -> FreshIds:
        """Ids for whatever may be new; unused ones leave gaps, which is fine."""
        wabas = {waba.id: await self._db.next_id("waba") for waba in facts.chosen_wabas()}
        numbers = {n.id: await self._db.next_id("phone_number") for n in facts.numbers if n.waba in wabas}
        return FreshIds(wabas, numbers)

    async def finish(self, tx: Unit, sealer: Sealer, run: Provisioning, fresh: FreshIds) -> None:
        """Row 13, in one unit; `run` with the facts of its last steps. Raises RunMoved or LinkMoved where the run or
        link went another way, NumberTaken where another customer took a number."""
        now = self._clock.now()
        stored = await store.find(tx, run.tenant_id, run.id)
        if stored is None or stored.status != "running" or stored.version != run.version or run.token is None:
            raise RunMoved()
        link = await links.find(tx, run.tenant_id, run.link_id)
        if link is None or after(link.phase, Act.COMPLETE) is None or link.provisioning_id != run.id:
            raise LinkMoved()
        customer = await customers.find(tx, run.tenant_id, run.customer_id)
        if customer is None:
            raise NotFound("There is no such customer.")
        audience = await self._events.load(tx, run.tenant_id)
        done = _Finish(tx, audience, sealer, now, run, link, customer, opened_pins(sealer, run), fresh, [])
        wabas = [await self._write_waba(done, seen) for seen in run.facts.chosen_wabas()]
        tx.then()  # numbers and credentials refer to the WABAs' rows
        token = sealer.open(run.token, "provisioning", run.id, "token")
        for waba, _ in wabas:  # each has a credential of its own: one of them may be renewed or leave alone
            sealed = sealer.seal(token, "credential", waba.id, "token")
            owner = (run.tenant_id, waba.id)
            # The grant is as old as the run: what Meta tells meanwhile (a removal) is news of this one.
            tx.add(whatsapp.PUT_CREDENTIAL, *owner, sealed, run.token_expires_at, run.started_at, run.facts.user_id)
            tx.wake(whatsapp.CREDENTIALS)
            orphans.connected(tx, waba.meta_waba_id, now)
        chosen = await self._write_numbers(done, {waba.meta_waba_id: waba for waba, _ in wabas})
        for waba, is_new in wabas:
            if is_new:
                self._emit(done, "whatsapp.waba.created", waba_data(waba, customer, link))
        for event_type, number, waba in done.told:
            self._emit(done, event_type, number_data(number, waba, customer, link), number.id)
        await self._complete(done, chosen, wabas[0][0])
        store.change(
            tx, run, now, status="done", step=run.step.value, due_at=None, lease_until=None, token=None, pin=None,
            facts=run.facts.without_person(), token_expires_at=run.token_expires_at, ended_at=now,
        )  # fmt: skip

    async def _write_waba(self, done: _Finish, seen: SeenWaba) -> tuple[Waba, bool]:
        tx, run, now = done.tx, done.run, done.now
        kind = next(number.connection_type for number in run.facts.chosen_numbers() if number.waba == seen.id)
        old = await whatsapp.waba_by_meta(tx, run.tenant_id, run.customer_id, seen.id)
        values = (seen.name, seen.currency, seen.timezone_id, seen.business_id, seen.account_review_status)
        waba = Waba(
            run.tenant_id, old.id if old else done.fresh.wabas[seen.id], run.customer_id, seen.id, *values, "active",
            kind, 0, old.created_at if old else now, now,
        )  # fmt: skip
        if old is None:
            row = (run.tenant_id, waba.id, run.customer_id, seen.id, *values, kind, now)
            tx.must(RunMoved(), whatsapp.ADD_WABA, *row)
        else:
            renewed = (run.tenant_id, old.id, old.version, *values, kind, now)
            tx.must(RunMoved(), whatsapp.RENEW_WABA, *renewed)
        return waba, old is None or old.status == "deleted"

    async def _write_numbers(self, done: _Finish, wabas: dict[str, Waba]) -> list[PhoneNumber]:
        """All numbers of these WABAs are kept; connected are the chosen ones, answered in the order of the choice. A
        renewed token revives those that had died of it."""
        run, tx = done.run, done.tx
        # Of all WABAs of the customer: a number that was moved at Meta is the same one, and has one row.
        rows = await whatsapp.numbers(tx, whatsapp.ALL_OF_CUSTOMER, run.tenant_id, run.customer_id)
        old = {number.meta_phone_number_id: number for number in rows}
        connected: dict[str, PhoneNumber] = {}
        for seen in run.facts.numbers:
            waba = wabas.get(seen.waba)
            if waba is None:
                continue
            before = old.get(seen.id)
            if seen.id in run.facts.chosen:
                connected[seen.id] = await self._connect(done, waba, seen, before)
            elif before is None:
                values = _columns(seen, done, waba, None) | {"status": "available", "link_id": None}
                whatsapp.add_number(tx, run.tenant_id, done.fresh.numbers[seen.id], done.now, values)
            elif before.status == "disconnected" and before.disconnect_reason in RENEWED_BY_GRANT:
                values = restored(before, done.now)
                whatsapp.change_number(tx, before, done.now, values | _look(values["status"], done.now))
                done.told.append(("whatsapp.phone_number.reconnected", replace(before, **values), waba))
        return [connected[number] for number in run.facts.chosen if number in connected]

    async def _connect(self, done: _Finish, waba: Waba, seen: SeenNumber, before: PhoneNumber | None) -> PhoneNumber:
        run, tx = done.run, done.tx
        values = _columns(seen, done, waba, before)
        phone_id = before.id if before else done.fresh.numbers[seen.id]
        if seen.id in done.pins:  # also where it could not be used yet: Meta may know it
            values["pin"] = done.sealer.seal(done.pins[seen.id].encode(), "phone_number", phone_id, "pin")
        held = await tx.one(whatsapp.WHO_HOLDS, seen.id)
        mine = held is not None and (held["tenant_id"], held["customer_id"]) == (run.tenant_id, run.customer_id)
        if mine and before is not None and before.meta_waba_id != waba.meta_waba_id:
            tx.add(whatsapp.MOVE_HOLD, seen.id, run.tenant_id, run.customer_id, waba.meta_waba_id)
        if not mine:
            whatsapp.hold(tx, run.tenant_id, run.customer_id, phone_id, seen.id, waba.meta_waba_id)
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
        done.told.append((f"whatsapp.phone_number.{kind}", number, waba))
        if number.status == "active" and all(row["passed"] for row in number.readiness):
            was_ready = before is not None and again and all(row["passed"] for row in before.readiness)
            if not was_ready or before is None or before.status == "disconnected":
                done.told.append(("whatsapp.phone_number.ready", number, waba))
        return number

    async def _complete(self, done: _Finish, chosen: list[PhoneNumber], waba: Waba) -> None:
        """The link's own part; its URL's secret is erased with it. `waba`: the first number's."""
        link, now = done.link, done.now
        ids = [number.id for number in chosen]
        columns: dict[str, Any] = {
            "phase": Phase.COMPLETED, "completed_at": now, "ended_at": now, "due_at": None, "url_secret": None,
            "resulting_waba_id": waba.id, "resulting_phone_ids": ids,
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
            external_id=done.customer.external_id, waba_id=waba.meta_waba_id,
            phone_number_ids=[number.meta_phone_number_id for number in chosen],
            internal_waba_id=waba.id, internal_phone_number_ids=ids,
        )  # fmt: skip

    def _emit(self, done: _Finish, event_type: str, data: dict[str, Any], phone_id: int | None = None) -> None:
        self._events.emit(
            done.tx, done.audience, event_type, data, customer_id=done.run.customer_id, phone_id=phone_id,
            link_id=done.link.id,
        )  # fmt: skip


def _look(status: str, now: int) -> dict[str, int | None]:
    """When a worker looks at the number again: soon where it waits for Meta, else not at all."""
    return {"due_at": now + FIRST_LOOK if status == "pending" else None}


def _columns(seen: SeenNumber, done: _Finish, waba: Waba, before: PhoneNumber | None) -> dict[str, Any]:
    """The number's row as Meta has it now."""
    facts = done.run.facts
    checks = readiness.checks(
        readiness.Facts(
            token_valid=True,
            subscribed=seen.waba in facts.subscribed,
            registered=facts.is_registered(seen),
            name_status=seen.name_status,
            meta_status=seen.status,
            can_send=seen.can_send,
        )
    )
    return {
        "customer_id": done.run.customer_id,
        "waba_id": waba.id,
        "meta_waba_id": waba.meta_waba_id,
        "meta_phone_number_id": seen.id,
        "display_phone_number": seen.display,
        "display_phone_number_normalized": normalized(seen.display),
        "verified_name": seen.verified_name,
        "name_status": seen.name_status,
        "quality_rating": seen.quality,
        "throughput_tier": seen.throughput,
        "messaging_limit": seen.limit,
        "meta_status": seen.status,
        "missing_since": None,
        "connection_type": seen.connection_type,
        "is_coexistence": seen.coexistence,
        "is_official_business_account": seen.official,
        "status": "active" if readiness.is_ready(checks) else "pending",
        "disconnect_reason": None,
        "readiness": readiness.rows(checks, before.readiness if before else [], done.now),
        "registered": facts.is_registered(seen),
        "link_id": done.link.id,
        "connected_at": done.now,
    }

"""What a notification changes of a WABA or a number, and the event that tells of it, in one unit.

Owns reviews, bans, restrictions, names, quality and limits as they are told by Meta. Cutting off and bringing back is
`provisioning/disconnect`'s; messages and what is only passed on stand in `routing`.
"""

from dataclasses import replace
from typing import Any

from setuplinks.core.clock import MINUTE, Clock
from setuplinks.core.db.unit import Unit
from setuplinks.customers import store as customers
from setuplinks.customers.models import Customer
from setuplinks.meta.notices import CONNECTS, Change, Cut, Restored, number_values, review_decision, verdict
from setuplinks.notifications.owners import Owner
from setuplinks.provisioning.disconnect import Disconnects, Outcome
from setuplinks.provisioning.offboard import connection_of
from setuplinks.setup_links import store as links
from setuplinks.setup_links.models import SetupLink
from setuplinks.webhooks.service import Audience, Events
from setuplinks.whatsapp import readiness
from setuplinks.whatsapp import store as whatsapp
from setuplinks.whatsapp.disconnection import REASONS, Reason
from setuplinks.whatsapp.models import PhoneNumber, Waba, normalized
from setuplinks.whatsapp.tell import number_data, waba_data

# The numbers' own events say these; PARTNER_ADDED says what our own finish has told.
_TOLD_BY_NUMBERS = CONNECTS | {
    "PARTNER_REMOVED", "PARTNER_APP_UNINSTALLED", "ACCOUNT_OFFBOARDED", "ACCOUNT_RECONNECTED",
}  # fmt: skip
# Meta's reads may lag a little behind its own news; what comes later than this is older than the last look.
LATE = 5 * MINUTE


# What these mean for sending stands in Meta's health_status: the account is looked at, at once.
_SEEN_BY_A_LOOK = frozenset({"ACCOUNT_RESTRICTION", "ACCOUNT_VIOLATION"})


class Accounts:
    """Verbs that append to the unit of one item for one customer; each answers the id of the first event, or None."""

    def __init__(self, clock: Clock, events: Events, disconnects: Disconnects, app_id: str) -> None:
        self._clock, self._events, self._disconnects, self._app_id = clock, events, disconnects, app_id

    async def account_event(self, tx: Unit, owner: Owner, change: Change) -> str | None:
        """`account_update`: numbers cut off or brought back where it means that; else `whatsapp.waba.updated`."""
        judged = verdict(change, self._app_id)
        outcome = Outcome()
        if isinstance(judged, Cut):
            outcome = await self._disconnects.disconnect(
                tx, owner.tenant_id, owner.waba_id, _reason(judged.reason), phone_id=owner.phone_id,
                told_at=change.told_at, detail=change.value,
            )  # fmt: skip
        elif isinstance(judged, Restored):
            outcome = await self._disconnects.bring_back(
                tx, owner.tenant_id, owner.waba_id, _reason(judged.reason), told_at=change.told_at,
                detail=change.value,
            )  # fmt: skip
        if change.event in _TOLD_BY_NUMBERS:
            return None
        waba = await whatsapp.waba(tx, owner.tenant_id, owner.waba_id)
        if waba is None:
            return None
        if change.event in _SEEN_BY_A_LOOK:
            tx.add(whatsapp.LOOK_SOON, owner.tenant_id, owner.waba_id, self._clock.now())
        changed: dict[str, Any] = {}
        if outcome.waba_status is not None:
            old, new = outcome.waba_status
            changed["status"] = {"old": old, "new": new}
            waba = replace(waba, status=new)
        return await self._tell_waba(tx, owner, waba, change, changed)

    async def review(self, tx: Unit, owner: Owner, change: Change) -> str | None:
        """`account_review_update`: the WABA's review status."""
        waba = await whatsapp.waba(tx, owner.tenant_id, owner.waba_id)
        if waba is None:
            return None
        decision, changed = review_decision(change), {}
        if decision is not None and decision != waba.account_review_status:
            changed["account_review_status"] = {"old": waba.account_review_status, "new": decision}
            whatsapp.change_waba(tx, waba, self._clock.now(), {"account_review_status": decision})
            waba = replace(waba, account_review_status=decision)
        return await self._tell_waba(tx, owner, waba, change, changed)

    async def number_news(self, tx: Unit, owner: Owner, change: Change) -> str | None:
        """Name, quality or limit of the number that is printed so; one event with old and new values.

        What changes nothing that we keep is passed on as it came. None where the number is not connected.
        """
        shown = normalized(change.display_phone_number)
        rows = await whatsapp.numbers(tx, whatsapp.NUMBERS_OF_WABA, owner.tenant_id, owner.waba_id)
        number = next((n for n in rows if n.is_connected and n.display_phone_number_normalized == shown), None)
        waba = await whatsapp.waba(tx, owner.tenant_id, owner.waba_id)
        if number is None or waba is None or shown is None:
            return None
        audience = await self._events.load(tx, owner.tenant_id)
        told = await self._change_number(tx, audience, owner.customer, waba, number, change)
        if told is not None:
            return told
        data = {**replace(owner, number=number).ids(), "field": change.field, "value": change.value}
        return self._events.emit(
            tx, audience, "whatsapp.notification", data, customer_id=owner.customer.id, phone_id=number.id
        )

    async def capability(self, tx: Unit, owner: Owner, change: Change) -> str | None:
        """`business_capability_update`: the limit of every connected number, and the account's own."""
        rows = await whatsapp.numbers(tx, whatsapp.NUMBERS_OF_WABA, owner.tenant_id, owner.waba_id)
        waba = await whatsapp.waba(tx, owner.tenant_id, owner.waba_id)
        if waba is None:
            return None
        audience = await self._events.load(tx, owner.tenant_id)
        for number in rows:
            if number.is_connected:
                await self._change_number(tx, audience, owner.customer, waba, number, change)
        return await self._tell_waba(tx, owner, waba, change, {})

    async def _change_number(
        self, tx: Unit, audience: Audience, customer: Customer, waba: Waba, number: PhoneNumber, change: Change
    ) -> str | None:
        now = self._clock.now()
        if number.observed_at is not None and change.told_at is not None and change.told_at < number.observed_at - LATE:
            return None  # Meta itself was asked since: what it said then is newer
        told = {name: new for name, new in number_values(change).items() if getattr(number, name) != new}
        if number.name_status in readiness.NAME_OK and told.get("name_status") not in readiness.NAME_OK:
            told.pop("name_status", None)  # a new name was refused or waits; the number keeps the one that it has
        if not told:
            return None
        changed = {name: {"old": getattr(number, name), "new": new} for name, new in told.items()}
        values: dict[str, Any] = dict(told)
        if "name_status" in told:
            values["readiness"] = _with_name(number, told["name_status"], now)
        checks = values.get("readiness", [])
        ready = number.status == "pending" and bool(checks) and all(row["passed"] for row in checks)
        if ready:
            values["status"] = "active"
            changed["status"] = {"old": "pending", "new": "active"}
            await self._settle_customer(tx, number)
        if number.status == "pending" and "name_status" in told:
            values["due_at"] = None if ready else now  # a registration that waited for the name goes on at once
        whatsapp.change_number(tx, number, now, values)
        moved = replace(number, **{name: value for name, value in values.items() if name != "due_at"})
        row = await tx.one(links.FIND_LINK, number.tenant_id, number.link_id) if number.link_id else None
        data = number_data(moved, waba, customer, SetupLink.of(row) if row else None)
        more = {"changes": changed, "field": change.field, "value": change.value}
        ids: dict[str, Any] = {"customer_id": customer.id, "phone_id": number.id, "link_id": number.link_id}
        event_id = self._events.emit(tx, audience, "whatsapp.phone_number.updated", {**data, **more}, **ids)
        if ready:
            self._events.emit(tx, audience, "whatsapp.phone_number.ready", data, **ids)
        return event_id

    async def _settle_customer(self, tx: Unit, active: PhoneNumber) -> None:
        """The customer is read here, before its numbers: a unit that runs again sees what another one has written."""
        customer = await customers.find(tx, active.tenant_id, active.customer_id)
        rows = await whatsapp.numbers(tx, whatsapp.NUMBERS_OF_CUSTOMER, active.tenant_id, active.customer_id)
        after = [replace(number, status="active") if number.id == active.id else number for number in rows]
        if customer is not None:
            customers.set_connection(tx, customer, connection_of(after))

    async def _tell_waba(
        self, tx: Unit, owner: Owner, waba: Waba, change: Change, changed: dict[str, Any]
    ) -> str:  # fmt: skip
        audience = await self._events.load(tx, owner.tenant_id)
        more = {"event": change.event, "changes": changed, "field": change.field, "value": change.value}
        data = {**waba_data(waba, owner.customer, None), **more}
        return self._events.emit(tx, audience, "whatsapp.waba.updated", data, customer_id=owner.customer.id)


def _reason(named: str) -> Reason:
    return next(reason for reason in REASONS if reason == named)


def _with_name(number: PhoneNumber, name_status: str, now: int) -> list[dict[str, Any]]:
    """The checks with the one of the name made anew."""
    facts = readiness.Facts(True, True, True, name_status, None, None)
    named = [check for check in readiness.checks(facts) if check.check == "name"]
    return readiness.rows(named, number.readiness, now)

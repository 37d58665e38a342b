"""What a look at Meta showed of a number or a WABA is written down: columns, checks, and the events that tell of it.

Owns the rule that a slow old answer never overwrites a newer one: what was read before the question left must still
stand when its answer is written. Every verb runs in a unit of its caller's; who asked Meta, and when, is theirs.
"""

from dataclasses import dataclass, replace
from typing import Any

from setuplinks.core.clock import Clock
from setuplinks.core.db.unit import Unit
from setuplinks.customers import store as customers
from setuplinks.customers.models import Customer
from setuplinks.meta import payloads
from setuplinks.provisioning.offboard import connection_of
from setuplinks.setup_links import store as links
from setuplinks.setup_links.models import SetupLink
from setuplinks.webhooks.service import Events
from setuplinks.whatsapp import readiness
from setuplinks.whatsapp import store as whatsapp
from setuplinks.whatsapp.models import NumberMoved, PhoneNumber, Waba, normalized
from setuplinks.whatsapp.tell import number_data, waba_data

# Meta's documents have two lists of words for a number's state; the one that real answers use is kept.
_ONE_WORD = {"LINKED": "CONNECTED", "UNLINKED": "DISCONNECTED"}
_TOLD = ("quality_rating", "messaging_limit", "throughput_tier", "verified_name", "name_status", "meta_status")


@dataclass(frozen=True)
class Sight:
    """One number as a look showed it. `sent_at` (µs): when the first question of the look left.

    None is what the look could not learn: of it the row says what it said. `repaired`: the app was missing on the
    account and is subscribed again.
    """

    sent_at: int
    seen: payloads.PhoneNumber | None = None
    token_valid: bool | None = None
    subscribed: bool | None = None
    registered: bool | None = None
    repaired: bool = False


class Observer:
    """Writes sights down."""

    def __init__(self, clock: Clock, events: Events) -> None:
        self._clock, self._events = clock, events

    async def number(self, tx: Unit, before: PhoneNumber, sight: Sight, also: dict[str, Any] | None = None) -> bool:
        """One number, as it was read before the look. False where somebody wrote since: the sight is dropped.

        `also` are columns that go with it, such as the next look's time.
        """
        number = await whatsapp.number(tx, before.tenant_id, before.id)
        if number is None or number.version != before.version or number.status not in {"pending", "active"}:
            return False
        now = self._clock.now()
        values = {**_facts(number, sight), "readiness": _checks(number, sight, now)}
        ready = all(row["passed"] for row in values["readiness"])
        if number.status == "pending" and ready:
            values |= {"status": "active", "due_at": None, "lease_until": None}
        elif also:
            values |= also
        changed = _changed(number, values, repaired=sight.repaired)
        if not changed and not also and all(getattr(number, name) == value for name, value in values.items()):
            if sight.seen is not None:
                tx.add(whatsapp.SEEN_AGAIN, number.tenant_id, number.id, number.version, sight.sent_at)
            return True
        seen_at = {"observed_at": sight.sent_at} if sight.seen is not None else {}
        whatsapp.change_number(tx, number, now, {**values, **seen_at})
        if changed:
            own = {name: value for name, value in values.items() if name in PhoneNumber.__dataclass_fields__}
            was_ready = number.status == "active" and not readiness.failing(number.readiness) and not sight.repaired
            await self._tell(tx, number, replace(number, **own), changed, ready=ready and not was_ready)
        return True

    async def waba(self, tx: Unit, before: Waba, seen: payloads.Waba) -> bool:
        """The account's name and review, as it was read before the look. False where somebody wrote since."""
        waba = await whatsapp.waba(tx, before.tenant_id, before.id)
        if waba is None or waba.version != before.version or waba.status == "deleted":
            return False
        seen_values = {"account_review_status": seen.account_review_status, "name": seen.name}
        values: dict[str, Any] = {
            name: new for name, new in seen_values.items() if new is not None and new != getattr(waba, name)
        }
        if not values:
            return True
        customer = await customers.find(tx, waba.tenant_id, waba.customer_id)
        whatsapp.change_waba(tx, waba, self._clock.now(), values)
        if customer is not None:
            changes = {name: {"old": getattr(waba, name), "new": new} for name, new in values.items()}
            data = {**waba_data(replace(waba, **values), customer, None), "event": None, **_by_look(changes)}
            audience = await self._events.load(tx, waba.tenant_id)
            self._events.emit(tx, audience, "whatsapp.waba.updated", data, customer_id=customer.id)
        return True

    async def _tell(
        self, tx: Unit, before: PhoneNumber, number: PhoneNumber, changed: dict[str, Any], *, ready: bool
    ) -> None:
        waba = await whatsapp.waba(tx, number.tenant_id, number.waba_id)
        customer = await customers.find(tx, number.tenant_id, number.customer_id)
        if waba is None or customer is None:
            raise NumberMoved()  # it is just being off-boarded
        if number.status != before.status:
            await self._settle(tx, customer, number)
        row = await tx.one(links.FIND_LINK, number.tenant_id, number.link_id) if number.link_id else None
        audience = await self._events.load(tx, number.tenant_id)
        data = number_data(number, waba, customer, SetupLink.of(row) if row else None)
        ids: dict[str, Any] = {"customer_id": customer.id, "phone_id": number.id, "link_id": number.link_id}
        self._events.emit(tx, audience, "whatsapp.phone_number.updated", {**data, **_by_look(changed)}, **ids)
        if ready:
            self._events.emit(tx, audience, "whatsapp.phone_number.ready", data, **ids)

    async def _settle(self, tx: Unit, customer: Customer, moved: PhoneNumber) -> None:
        rows = await whatsapp.numbers(tx, whatsapp.NUMBERS_OF_CUSTOMER, customer.tenant_id, customer.id)
        customers.set_connection(tx, customer, connection_of([moved if row.id == moved.id else row for row in rows]))


def _by_look(changes: dict[str, Any]) -> dict[str, Any]:
    """The keys that news by a notification has: here there is no field of Meta's behind it."""
    return {"changes": changes, "field": None, "value": None}


def _facts(number: PhoneNumber, sight: Sight) -> dict[str, Any]:
    """The columns as Meta has them now; what Meta leaves out stays."""
    seen = sight.seen
    if seen is None:
        return {}
    shown = seen.display_phone_number or number.display_phone_number
    meta_status = _ONE_WORD.get(seen.status or "", seen.status)
    official = seen.is_official_business_account
    return {
        "display_phone_number": shown,
        "display_phone_number_normalized": normalized(shown),
        "verified_name": seen.verified_name or number.verified_name,
        "name_status": seen.name_status or number.name_status,
        "quality_rating": seen.quality_rating or number.quality_rating,
        "throughput_tier": seen.throughput_level or number.throughput_tier,
        "messaging_limit": seen.messaging_limit or number.messaging_limit,
        "is_official_business_account": number.is_official_business_account if official is None else official,
        "meta_status": meta_status or number.meta_status,
        "registered": number.registered if sight.registered is None else sight.registered,
        "missing_since": None,
    }


def _checks(number: PhoneNumber, sight: Sight, now: int) -> list[dict[str, Any]]:
    seen = sight.seen
    health = seen.health if seen else None
    facts = readiness.Facts(
        token_valid=sight.token_valid is True,
        subscribed=sight.subscribed is True,
        registered=number.is_coexistence or sight.registered is True,
        name_status=seen.name_status if seen else None,
        meta_status=_ONE_WORD.get(seen.status or "", seen.status) if seen else None,
        can_send=health.can_send_message if health else None,
        error_codes=health.error_codes if health else (),
        set_in_again=sight.repaired,
        was_active=number.status == "active",
    )
    unknown = {
        name
        for name, known in (
            ("token", sight.token_valid), ("subscribed", sight.subscribed), ("registered", sight.registered),
            ("name", seen), ("can_send", seen),
        )
        if known is None
    }  # fmt: skip
    made = [check for check in readiness.checks(facts) if check.check not in unknown]
    return readiness.rows(made, number.readiness, now)


def _changed(number: PhoneNumber, values: dict[str, Any], *, repaired: bool) -> dict[str, dict[str, Any]]:
    """Old and new of what tenants hear about. What was never known before is no change."""
    changed = {
        name: {"old": old, "new": values[name]}
        for name in (*_TOLD, "status")
        if name in values and (old := getattr(number, name)) is not None and old != values[name]
    }
    failed = readiness.failing(number.readiness)
    if repaired and "subscribed" not in failed:
        failed = ["subscribed", *failed]
    fails = readiness.failing(values["readiness"])
    if failed != fails:
        changed["failing_checks"] = {"old": failed, "new": fails}
    return changed

"""What a dead connection means: numbers are cut off, the customer's state follows, the tenant gets a way back.

Owns row 19 of the transition table and what undoes it without a new signup. Every verb appends to its caller's unit;
who found out (a notification, a deauthorisation, a refused token) is the caller's matter.
"""

from dataclasses import dataclass, replace
from typing import Any

from setuplinks.core.clock import SECOND, Clock
from setuplinks.core.db.unit import Unit
from setuplinks.core.problems import Conflict, NotFound
from setuplinks.core.vault import Vault
from setuplinks.core.wire import Id
from setuplinks.customers import store as customers
from setuplinks.customers.models import Customer
from setuplinks.provisioning.offboard import connection_of
from setuplinks.setup_links import store as links
from setuplinks.setup_links.models import CustomerInactive, SetupLink, TenantSuspended
from setuplinks.setup_links.request import NewSetupLink
from setuplinks.setup_links.service import Made, SetupLinks
from setuplinks.webhooks.service import Audience, Events
from setuplinks.whatsapp import store as whatsapp
from setuplinks.whatsapp.disconnection import Reason, cut_off, is_cut_by, restored
from setuplinks.whatsapp.models import PhoneNumber, Waba
from setuplinks.whatsapp.tell import number_data

SYSTEM = "system"
# Meta's clock and ours may differ by so much before a late notification counts as older than the token.
SKEW = 5 * SECOND
_WABA_STATUS = {"account_disabled": "disabled", "number_removed": "disabled"}


class NumberNotConnected(Conflict):
    """Only a number that a customer holds can be reconnected; for any other a plain setup link is right."""

    code = "number_not_connected"
    title = "This number is not connected; make a plain setup link for it."


@dataclass(frozen=True)
class Outcome:
    """What became of a WABA: its numbers that changed, and its own status where that changed (old, new).

    `stale`: the news is older than the connection that stands now, and nothing was changed.
    """

    numbers: tuple[PhoneNumber, ...] = ()
    waba_status: tuple[str, str] | None = None
    stale: bool = False


@dataclass(frozen=True)
class _Account:
    """A WABA with its customer and all numbers, as read."""

    waba: Waba
    customer: Customer
    numbers: list[PhoneNumber]
    account_event_at: int | None
    obtained_at: int | None

    def is_older(self, told_at: int | None) -> bool:
        """True for news from before the token was granted, or from before the account event that we know."""
        known = max(self.account_event_at or 0, (self.obtained_at or 0) - SKEW)
        return told_at is not None and told_at < known


class Disconnects:
    """The verbs of cutting off and of bringing back."""

    def __init__(self, clock: Clock, vault: Vault, events: Events, setup_links: SetupLinks) -> None:
        self._clock, self._vault, self._events, self._links = clock, vault, events, setup_links

    async def disconnect(
        self, tx: Unit, tenant_id: int, waba_id: int, reason: Reason, *, phone_id: int | None = None,
        told_at: int | None = None, detail: dict[str, Any] | None = None,
    ) -> Outcome:  # fmt: skip
        """Row 19: the WABA's connected numbers (or the one) are cut off; one `disconnected` event for each.

        The event carries `detail`, the reason and a reconnect link: the WABA's open one, else a new one. `told_at` (µs)
        is when Meta says that it happened; news from before the present grant changes nothing. Numbers that are off
        already stay as they are, but for a reason that would pass by itself. Raises NumberMoved.
        """
        now = self._clock.now()
        account = await self._account(tx, tenant_id, waba_id)
        if account is None or account.is_older(told_at):
            return Outcome(stale=account is not None)
        cut = [
            number for number in account.numbers if phone_id in {None, number.id} and is_cut_by(number, reason)
        ]  # fmt: skip
        status = _WABA_STATUS.get(reason) if phone_id is None else None
        moved = self._move_waba(tx, account.waba, status, told_at, now)
        off = [self._change(tx, number, cut_off(number, reason, now), now) for number in cut]
        if off:
            await self._settle_customer(tx, account.customer, off)
            way_back = await self.way_back(tx, off[0])
            audience = await self._events.load(tx, tenant_id)
            more = {"reason": reason, **way_back, "detail": detail or {}}
            for number in off:
                await self._tell(tx, audience, account, "whatsapp.phone_number.disconnected", number, more)
        return Outcome(tuple(off), moved)

    async def bring_back(
        self, tx: Unit, tenant_id: int, waba_id: int, reason: Reason, *, phone_id: int | None = None,
        told_at: int | None = None, detail: dict[str, Any] | None = None,
    ) -> Outcome:  # fmt: skip
        """Meta takes back what it took: numbers (or the one) that were cut off for this reason live again.

        One `reconnected` each; the token is the one that they had. Raises NumberMoved.
        """
        now = self._clock.now()
        account = await self._account(tx, tenant_id, waba_id)
        if account is None or account.is_older(told_at):
            return Outcome(stale=account is not None)
        dead = [
            n
            for n in account.numbers
            if n.status == "disconnected" and n.disconnect_reason == reason and phone_id in {None, n.id}
        ]
        status = "active" if reason in _WABA_STATUS and phone_id is None else None
        moved = self._move_waba(tx, account.waba, status, told_at, now)
        alive = [self._change(tx, number, restored(number, now), now) for number in dead]
        if alive:
            await self._settle_customer(tx, account.customer, alive)
            audience = await self._events.load(tx, tenant_id)
            more = {"previous_reason": reason, "detail": detail or {}}
            for number in alive:
                await self._tell(tx, audience, account, "whatsapp.phone_number.reconnected", number, more)
        return Outcome(tuple(alive), moved)

    async def reconnect_link(self, tx: Unit, tenant_id: int, phone_id: int, actor: str) -> Made:
        """The way back for a connected number: the WABA's open reconnect link, never superseded, else a new one.

        A new one has the tenant's default redirects, theme and language. Raises NotFound, NumberNotConnected,
        CustomerInactive, TenantSuspended.
        """
        number = await whatsapp.number(tx, tenant_id, phone_id)
        if number is None or number.status == "deleted":
            raise NotFound("There is no such phone number.")
        if not number.is_connected:
            raise NumberNotConnected()
        sealer = await self._vault.tenant(tenant_id)
        slot = await tx.one(links.FIND_SLOT, tenant_id, number.customer_id, "reconnect", number.waba_id)
        open_one = await links.find(tx, tenant_id, slot["link_id"]) if slot and slot["link_id"] else None
        if open_one is not None and open_one.is_open(self._clock.now()):
            return Made(open_one, self._links.url(open_one, sealer))
        body = NewSetupLink(reconnect_phone_number_id=Id(number.id))
        return await self._links.create(tx, sealer, tenant_id, number.customer_id, body, actor)

    async def way_back(self, tx: Unit, number: PhoneNumber) -> dict[str, Any]:
        """What an event says of the way back: `reconnect_url` and the link's id.

        Both are None where nobody gets links: the tenant is suspended, or the customer is not active.
        """
        try:
            made = await self.reconnect_link(tx, number.tenant_id, number.id, SYSTEM)
        except (CustomerInactive, TenantSuspended):
            return {"reconnect_url": None, "reconnect_setup_link_id": None}
        return {"reconnect_url": made.url, "reconnect_setup_link_id": made.link.id}

    async def _account(self, tx: Unit, tenant_id: int, waba_id: int) -> _Account | None:
        waba = await whatsapp.waba(tx, tenant_id, waba_id)
        customer = await customers.find(tx, tenant_id, waba.customer_id) if waba else None
        if waba is None or waba.status == "deleted" or customer is None:
            return None
        times = await tx.one(whatsapp.WABA_TIMES, tenant_id, waba_id)
        numbers = await whatsapp.numbers(tx, whatsapp.NUMBERS_OF_WABA, tenant_id, waba_id)
        event_at, obtained_at = (times["account_event_at"], times["obtained_at"]) if times else (None, None)
        return _Account(waba, customer, numbers, event_at, obtained_at)

    def _move_waba(
        self, tx: Unit, waba: Waba, status: str | None, told_at: int | None, now: int
    ) -> tuple[str, str] | None:
        """Notes when the event happened, so that an older one that comes late is known for what it is."""
        values: dict[str, Any] = {} if told_at is None else {"account_event_at": told_at}
        changes = status is not None and status != waba.status
        if changes:
            values["status"] = status
        if values:
            whatsapp.change_waba(tx, waba, now, values)
        return (waba.status, status) if changes and status is not None else None

    def _change(self, tx: Unit, number: PhoneNumber, values: dict[str, Any], now: int) -> PhoneNumber:
        # Whatever waits for Meta again is looked at again, at once.
        looks = {"due_at": now} if values.get("status") == "pending" else {}
        whatsapp.change_number(tx, number, now, values | looks)
        return replace(number, **values)

    async def _settle_customer(self, tx: Unit, customer: Customer, changed: list[PhoneNumber]) -> None:
        every = await whatsapp.numbers(tx, whatsapp.NUMBERS_OF_CUSTOMER, customer.tenant_id, customer.id)
        moved = {number.id: number for number in changed}
        connection = connection_of([moved.get(number.id, number) for number in every])
        customers.set_connection(tx, customer, connection)

    async def _tell(
        self, tx: Unit, audience: Audience, account: _Account, event_type: str, number: PhoneNumber,
        more: dict[str, Any],
    ) -> None:  # fmt: skip
        row = await tx.one(links.FIND_LINK, number.tenant_id, number.link_id) if number.link_id else None
        data = number_data(number, account.waba, account.customer, SetupLink.of(row) if row else None)
        self._events.emit(
            tx, audience, event_type, {**data, **more}, customer_id=number.customer_id, phone_id=number.id,
            link_id=number.link_id, secret="reconnect_url" in more,
        )  # fmt: skip

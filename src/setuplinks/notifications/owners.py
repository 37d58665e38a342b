"""Whom a notification is about: from Meta's ids to our customers, through the directory; never by guess.

Owns the look-ups and the ids that every passed-on event carries. One WABA may lead to several customers, a connected
number to one.
"""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from setuplinks.core.db.database import Database
from setuplinks.customers import store as customers
from setuplinks.customers.models import Customer
from setuplinks.meta.notices import Change
from setuplinks.whatsapp import store as whatsapp
from setuplinks.whatsapp.models import PhoneNumber, Waba, normalized

T = TypeVar("T")


@dataclass(frozen=True)
class Owner:
    """A customer with the WABA that it connected, and the number where the notification is about one."""

    tenant_id: int
    customer: Customer
    waba_id: int
    meta_waba_id: str
    number: PhoneNumber | None = None

    @property
    def customer_id(self) -> int:
        """Our id of the customer."""
        return self.customer.id

    @property
    def phone_id(self) -> int | None:
        """Our id of the number, where there is one."""
        return None if self.number is None else self.number.id

    def ids(self) -> dict[str, Any]:
        """Our ids beside Meta's, as every event of this room begins."""
        return {
            "customer_id": self.customer.id,
            "external_id": self.customer.external_id,
            "waba_id": self.meta_waba_id,
            "phone_number_id": None if self.number is None else self.number.meta_phone_number_id,
            "internal_waba_id": self.waba_id,
            "internal_phone_number_id": self.phone_id,
        }


class Holder(msgspec.Struct, frozen=True):
    """Who holds a number, by the ids that its messages carry: an Owner without the rows around them."""

    tenant_id: int
    customer_id: int
    external_id: str | None
    waba_id: int
    meta_waba_id: str
    phone_id: int
    meta_phone_number_id: str

    def ids(self) -> dict[str, Any]:
        """As an Owner's."""
        return {
            "customer_id": self.customer_id,
            "external_id": self.external_id,
            "waba_id": self.meta_waba_id,
            "phone_number_id": self.meta_phone_number_id,
            "internal_waba_id": self.waba_id,
            "internal_phone_number_id": self.phone_id,
        }


class Round:
    """What was looked up once need not be looked up again for the other notifications of one round."""

    def __init__(self) -> None:
        self._found: dict[Hashable, asyncio.Future[Any]] = {}

    async def once(self, key: Hashable, look: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What `look` gives; those who ask for the same at the same time wait for one answer."""
        if key not in self._found:
            self._found[key] = asyncio.ensure_future(look())
        found: T = await asyncio.shield(self._found[key])
        return found


class Owners:
    """The look-ups; each reads committed state, that of a message's number once in a `Round`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def of_number(self, meta_phone_number_id: str) -> Owner | None:
        """The customer that holds the number, whatever its status; None where nobody does."""
        row = await self._db.one(whatsapp.HELD_NUMBER, meta_phone_number_id)
        return None if row is None else await self._holder(PhoneNumber.of(row))

    async def holders(self, meta_phone_number_ids: set[str]) -> dict[str, Holder]:
        """Who holds these numbers, by Meta's id; one read for all of them."""
        rows = await self._db.few(
            whatsapp.HOLDERS_BY_DIALECT[self._db.dialect], self._db.listed(sorted(meta_phone_number_ids))
        )
        return {row["meta_phone_number_id"]: Holder(*(row[at] for at in range(7))) for row in rows}

    async def by_display(self, display: str) -> Owner | None:
        """The holder of the connected number that is printed so; None where none or several have these digits."""
        rows = await self._db.read(whatsapp.HELD_BY_DISPLAY, normalized(display) or "")
        return await self._holder(PhoneNumber.of(rows[0])) if len(rows) == 1 else None

    async def of_waba(self, meta_waba_id: str) -> list[Owner]:
        """Every customer that has connected the WABA."""
        found = []
        for row in await self._db.read(whatsapp.WABAS_OF_META, meta_waba_id):
            waba = Waba.of(row)
            customer = await customers.find(self._db, waba.tenant_id, waba.customer_id)
            if customer is not None:
                found.append(Owner(waba.tenant_id, customer, waba.id, waba.meta_waba_id))
        return found

    async def of_account_event(self, change: Change) -> list[Owner]:
        """By the WABA that the value names; else by the printed number (a coexistence number that was taken off)."""
        if change.meta_waba_id is not None:
            return await self.of_waba(change.meta_waba_id)
        if change.display_phone_number is None:
            return []
        holder = await self.by_display(change.display_phone_number)
        return [] if holder is None else [holder]

    async def of_any(self, change: Change, round_: Round) -> list[Owner]:
        """By the number where the value names one that somebody holds, by id or as printed; else by the WABA."""
        if change.meta_phone_number_id is not None:
            named = change.meta_phone_number_id
            holder = await round_.once(("number", named), lambda: self.of_number(named))
            if holder is not None:
                return [holder]
        elif change.display_phone_number is not None:
            holder = await self.by_display(change.display_phone_number)
            if holder is not None and holder.meta_waba_id == change.meta_waba_id:
                return [holder]
        return await self.of_waba(change.meta_waba_id) if change.meta_waba_id is not None else []

    async def _holder(self, number: PhoneNumber) -> Owner | None:
        customer = await customers.find(self._db, number.tenant_id, number.customer_id)
        if customer is None:
            return None
        return Owner(number.tenant_id, customer, number.waba_id, number.meta_waba_id, number)

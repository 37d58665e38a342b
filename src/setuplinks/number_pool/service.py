"""What the operator may do with the pool: add a number, have it verified, take it out.

Owns the verbs around Meta's calls: each reads, asks Meta outside of any unit, and writes in a unit that is guarded by
the row that was read. What links do with numbers stands in `reservations`. Without the partner's settings every verb
says so.
"""

import logging
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any, TypeVar

from setuplinks.core.clock import Clock
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Unit
from setuplinks.core.logs import act
from setuplinks.core.problems import NotFound
from setuplinks.core.wire import instant, invalid
from setuplinks.meta.errors import GraphError, OutcomeUnknown
from setuplinks.meta.partner import VERIFIED, Partner, PreverifiedNumber
from setuplinks.number_pool import store
from setuplinks.number_pool.countries import country_of, written
from setuplinks.number_pool.models import (
    VERIFIED_FOR,
    MetaAway,
    PoolNumber,
    PoolNumberBusy,
    PoolNumberMoved,
    PoolNumberTaken,
    PoolOff,
    RefusedByMeta,
)
from setuplinks.tenants import audit

T = TypeVar("T")
CODE_REFUSED = 136025
METHODS = ("SMS", "VOICE")

log = logging.getLogger("setuplinks.number_pool")


class NumberPool:
    """The verbs. `partner` is None where META_BUSINESS_ID or META_SYSTEM_TOKEN is missing: the pool is then off."""

    def __init__(self, db: Database, clock: Clock, partner: Partner | None) -> None:
        self._db, self._clock, self._partner = db, clock, partner

    @property
    def is_on(self) -> bool:
        """True where links may take numbers."""
        return self._partner is not None

    def need(self) -> Partner:
        """The partner's calls. Raises PoolOff."""
        if self._partner is None:
            raise PoolOff(
                "The number pool needs SETUPLINKS_META_BUSINESS_ID and SETUPLINKS_META_SYSTEM_TOKEN: your own Meta "
                "business portfolio and the token of its system user. Set both and restart."
            )
        return self._partner

    async def get(self, number_id: int) -> PoolNumber:
        """One number. Raises NotFound, PoolOff."""
        self.need()
        found = await store.find(self._db, number_id)
        if found is None:
            raise NotFound("There is no such number in the pool.")
        return found

    async def add(self, text: str, country: str | None, actor: str) -> PoolNumber:
        """Adds a number that the operator has bought elsewhere. `country` is its ISO code; None finds it by the number.

        A number that the portfolio at Meta has already is taken over as it stands there. Raises Invalid,
        PoolNumberTaken, RefusedByMeta, MetaAway, PoolOff.
        """
        partner, number = self.need(), written(text)
        if number is None:
            raise invalid("number", "expected a number with its country code, such as +54 351 555 0100")
        home = country or country_of(number)
        old = await store.find_number(self._db, number)
        if old is not None and old.status != "removed":
            raise PoolNumberTaken(existingId=old.id)
        at_meta = await _found(partner, number)
        if at_meta is None:
            try:
                at_meta = PreverifiedNumber(await partner.add_number(number), number)
            except OutcomeUnknown:
                # It may be there although no answer came: adding it again takes it over then.
                raise MetaAway("Meta did not say whether it took the number. Add it again in a minute.") from None
            except GraphError as error:
                raise _told(error) from None
        return await self._db.unit(self._keep, number, home, at_meta, actor, await self._db.next_id("pool_number"))

    async def _keep(
        self, tx: Unit, number: str, country: str | None, at_meta: PreverifiedNumber, actor: str, fresh: int
    ) -> PoolNumber:
        now = self._clock.now()
        old = await store.find_number(tx, number)
        if old is not None and old.status != "removed":
            raise PoolNumberTaken(existingId=old.id)
        seen = as_meta_has_it(at_meta, now)
        number_id = old.id if old else fresh
        if old is None:
            row = (seen["status"], seen["verified_at"], seen["expires_at"], now)
            tx.must(PoolNumberTaken(), store.ADD, number_id, at_meta.id, number, country, *row)
        else:
            values = {**seen, "preverified_id": at_meta.id, "country": country, **_FREED}
            store.change(tx, old, now, **values)
        audit.add(tx, now, 0, actor, "pool_number.added", "pool_number", number_id, {"number": number})
        return PoolNumber(
            number_id, at_meta.id, number, country, seen["status"], seen["verified_at"], seen["expires_at"], None,
            None, None, None, None, None, 0, old.created_at if old else now, now,
        )  # fmt: skip

    async def request_code(self, number_id: int, method: str, language: str, actor: str) -> PoolNumber:
        """Has Meta send a code to the number. Raises NotFound, PoolNumberBusy, RefusedByMeta, MetaAway, PoolOff."""
        partner, number, now = self.need(), await self.get(number_id), self._clock.now()
        if number.status == "claimed":
            raise PoolNumberBusy("A customer has connected this number; it is no longer the pool's.")
        if number.status == "verified" and number.again_from is not None and now < number.again_from:
            raise PoolNumberBusy(
                f"The number is verified until {instant(number.expires_at or 0)}. Meta takes a new verification from "
                f"{instant(number.again_from)} on."
            )
        await _asked(partner.request_code(number.preverified_id, method, language))
        values: dict[str, Any] = {"code_sent_at": now}
        if number.status == "added":
            values["status"] = "code_sent"
        return await self._change(number, "pool_number.code_requested", actor, values)

    async def verify_code(self, number_id: int, code: str, actor: str) -> PoolNumber:
        """Hands in the code that came to the number; it may then be offered for 90 days.

        Raises Invalid for a wrong code, NotFound, PoolNumberBusy, RefusedByMeta, MetaAway, PoolOff.
        """
        partner, number = self.need(), await self.get(number_id)
        digits = "".join(letter for letter in code if letter not in " -")
        if len(digits) != 6 or not (digits.isascii() and digits.isdecimal()):
            raise invalid("code", "expected the six digits of Meta's message")
        if number.status == "claimed":
            raise PoolNumberBusy("A customer has connected this number; it is no longer the pool's.")
        try:
            await _asked(partner.verify_code(number.preverified_id, digits))
        except RefusedByMeta as refused:
            if refused.extra.get("metaCode") == CODE_REFUSED:
                raise invalid("code", "Meta does not take this code; request a new one") from None
            raise
        now = self._clock.now()
        values = {"verified_at": now, "expires_at": now + VERIFIED_FOR, **await self._dates(partner, number)}
        values |= {"status": "verified", "code_sent_at": None, "missing_since": None}
        return await self._change(number, "pool_number.verified", actor, values)

    async def remove(self, tx: Unit, number_id: int, actor: str) -> None:
        """Takes a number out of the pool; at Meta it stays the portfolio's.

        Raises NotFound, PoolNumberBusy, PoolOff.
        """
        self.need()
        now, number = self._clock.now(), await store.find(tx, number_id)
        if number is None:
            raise NotFound("There is no such number in the pool.")
        if number.status != "claimed" and number.link_id is not None:
            raise PoolNumberBusy(
                "An open setup link holds this number. Revoke the link, or wait until it has ended.",
                setupLinkId=number.link_id,
            )
        store.change(tx, number, now, status="removed", **_FREED)
        audit.add(tx, now, 0, actor, "pool_number.removed", "pool_number", number.id, {"number": number.number})

    async def _dates(self, partner: Partner, number: PoolNumber) -> dict[str, Any]:
        """Meta's own dates of a verification, where it names them."""
        try:
            seen = await _found(partner, number.number)
        except (MetaAway, RefusedByMeta) as error:  # the code was taken; the dates come with the next look
            act(log, "number_pool.dates_unread", logging.WARNING, number_id=number.id, why=error.code)
            return {}
        dates = {"verified_at": seen.verified_at, "expires_at": seen.expires_at} if seen else {}
        return {name: at for name, at in dates.items() if at is not None}

    async def _change(self, number: PoolNumber, action: str, actor: str, values: dict[str, Any]) -> PoolNumber:
        """Writes what Meta has done. A link may take or leave the number meanwhile: that is no reason to lose it."""

        async def verb(tx: Unit) -> PoolNumber:
            now, fresh = self._clock.now(), await store.find(tx, number.id)
            if fresh is None or fresh.status == "claimed":
                raise PoolNumberMoved()
            store.change(tx, fresh, now, **values)
            audit.add(tx, now, 0, actor, action, "pool_number", fresh.id)
            return replace(fresh, **values, version=fresh.version + 1, updated_at=now)

        return await self._db.unit(verb)


_FREED: dict[str, Any] = {
    "tenant_id": None, "link_id": None, "reserved_at": None, "claimed_at": None, "missing_since": None,
    "code_sent_at": None,
}  # fmt: skip


def as_meta_has_it(seen: PreverifiedNumber, now: int) -> dict[str, Any]:
    """Status and dates as Meta told them; a verified number without an end counts as verified this moment."""
    ended = seen.expires_at is not None and seen.expires_at <= now
    if seen.status != VERIFIED and not ended:
        return {"status": "added", "verified_at": None, "expires_at": None}
    ends = seen.expires_at if seen.expires_at is not None else (seen.verified_at or now) + VERIFIED_FOR
    return {"status": "verified", "verified_at": seen.verified_at, "expires_at": ends}


async def _found(partner: Partner, number: str) -> PreverifiedNumber | None:
    """The number in the portfolio at Meta."""
    rows = await _asked(partner.preverified_numbers())
    return next((row for row in rows if row.e164 == number), None)


async def _asked(call: Awaitable[T]) -> T:
    try:
        return await call
    except GraphError as error:
        raise _told(error) from None


def _told(error: GraphError) -> RefusedByMeta | MetaAway:
    """Meta's answer as the operator is told it: our sentence, and Meta's own words behind it."""
    if error.code is None or error.retryable or isinstance(error, OutcomeUnknown):
        return MetaAway(f"{error.sentence} Try again in a minute.", headers={"Retry-After": str(error.wait_s or 60)})
    said = error.details or error.message
    return RefusedByMeta(f"{error.sentence} Meta says: {said}" if said else error.sentence, metaCode=error.code)

"""From the id in a path to the object that it names, where this key reaches it.

Owns the look-up of numbers and WABAs and its short cache. Files, templates and flows are known by a call alone: that is
`proofs`. Whatever is another's is told in the words for what does not exist.
"""

from dataclasses import dataclass

from setuplinks.core.clock import Clock
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Row
from setuplinks.gateway import refusals, store
from setuplinks.gateway.access import why_closed
from setuplinks.gateway.credentials import KEPT_FOR, MOST
from setuplinks.gateway.models import Grant, Target


@dataclass(frozen=True, slots=True)
class Found:
    """A target as it was read, and why its owner is closed to calls (None: it is not)."""

    target: Target
    closed: str | None
    read_at: int


class Objects:
    """Finds numbers and WABAs."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db, self._clock = db, clock
        self._numbers: dict[str, Found] = {}
        self._wabas: dict[tuple[int, int | None, str], Found] = {}
        self._era = 0

    def forget(self) -> None:
        """Drops what is kept."""
        self._era += 1
        self._numbers.clear()
        self._wabas.clear()

    async def number(self, grant: Grant, meta_id: str) -> Target | None:
        """The number, where this key reaches it. Raises Refusal where its owner is closed."""
        found = self._numbers.get(meta_id)
        if not self._is_fresh(found):
            era = self._era
            row = await self._db.one(store.HOLDER, meta_id)
            found = None if row is None else Found(_number(row), _closed(row), self._clock.now())
            if found is not None and era == self._era:
                if len(self._numbers) >= MOST:
                    self._numbers.clear()
                self._numbers[meta_id] = found
        return _reached(grant, found)

    async def waba(self, grant: Grant, meta_id: str) -> Target | None:
        """The WABA, where this key reaches it. Raises Refusal where its owner is closed."""
        if grant.meta_waba_id is not None and grant.meta_waba_id != meta_id:
            return None
        place = (grant.tenant_id, grant.waba_id, meta_id)
        found = self._wabas.get(place)
        if not self._is_fresh(found):
            era = self._era
            rows = await self._db.few(store.WABAS, grant.tenant_id, meta_id)
            mine = [row for row in rows if grant.waba_id in {None, row["waba_id"]}]
            # Two customers of one tenant may have connected one account: a tenant key goes by the one that is open.
            mine.sort(key=lambda row: _closed(row) is not None)
            found = Found(_waba(mine[0]), _closed(mine[0]), self._clock.now()) if mine else None
            if found is not None and era == self._era:
                if len(self._wabas) >= MOST:
                    self._wabas.clear()
                self._wabas[place] = found
        return _reached(grant, found)

    async def numbers_of(self, grant: Grant, target: Target) -> list[str]:
        """Meta's ids of those numbers of a WABA that this key reaches."""
        rows = await self._db.few(store.NUMBERS_OF_CUSTOMERS_WABA, target.tenant_id, target.meta_waba_id)
        return [
            row["meta_phone_number_id"]
            for row in rows
            if grant.customer_id in {None, row["customer_id"]} and _closed(row) is None
        ]

    async def numbers_of_tenant(self, grant: Grant, most: int) -> list[str]:
        """Meta's ids of the tenant's numbers; one more than `most` where there are more."""
        rows = await self._db.few(store.NUMBERS_OF_TENANT, grant.tenant_id, most + 1)
        return [row["meta_phone_number_id"] for row in rows]

    def _is_fresh(self, found: Found | None) -> bool:
        return found is not None and 0 <= self._clock.now() - found.read_at < KEPT_FOR


def _reached(grant: Grant, found: Found | None) -> Target | None:
    """Another tenant's, another customer's, another WABA's object does not exist for this key."""
    if found is None:
        return None
    target = found.target
    if target.tenant_id != grant.tenant_id or grant.customer_id not in {None, target.customer_id}:
        return None
    if grant.waba_id not in {None, target.waba_id}:
        return None
    if found.closed is not None:
        raise refusals.bad_key(found.closed)
    return target


def _closed(row: Row) -> str | None:
    return why_closed(row["tenant_status"], row["customer_status"])


def _number(row: Row) -> Target:
    return Target(
        "phone_number", row["meta_phone_number_id"], row["tenant_id"], row["customer_id"], row["waba_id"],
        row["meta_waba_id"], row["phone_id"], row["meta_phone_number_id"], row["connection_type"],
        row["throughput_tier"], row["status"],
    )  # fmt: skip


def _waba(row: Row) -> Target:
    return Target(
        "waba", row["meta_waba_id"], row["tenant_id"], row["customer_id"], row["waba_id"], row["meta_waba_id"]
    )  # fmt: skip

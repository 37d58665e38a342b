"""A number of the pool: its row, the states that people see, and what may go wrong with it.

Owns the shapes and the rules of time. Meta verifies a number for 90 days and takes a new verification in the last 45 of
them; a customer who takes the number gets it from Meta under another id, and it is no longer the pool's.
"""

from dataclasses import dataclass
from typing import Literal

from setuplinks.core.clock import DAY, HOUR
from setuplinks.core.db.unit import Row
from setuplinks.core.problems import Conflict, Unavailable

State = Literal["added", "code_sent", "verified", "reserved", "claimed", "expired"]

VERIFIED_FOR = 90 * DAY
AGAIN_WITHIN = 45 * DAY  # of the end
WARN_WITHIN = 14 * DAY
LEAST_LEFT = 2 * HOUR  # a visit may last so long; a number that ends meanwhile would want a code from the customer

NONE_AVAILABLE = "No number of the pool is free for this link"


class PoolOff(Conflict):
    """The pool's settings are missing."""

    code = "number_pool_off"
    title = "The number pool is off."


class PoolNumberTaken(Conflict):
    """The number stands in the pool already."""

    code = "pool_number_exists"
    title = "This number stands in the pool already."


class PoolNumberBusy(Conflict):
    """The number's state does not allow this now."""

    code = "pool_number_state"
    title = "The number's state does not allow this."


class PoolNumberMoved(Conflict):
    """Somebody else changed or took the number between our read and our write."""

    code = "pool_number_moved"
    title = "The number was changed at the same moment; read it again."


class RefusedByMeta(Conflict):
    """Meta refused what was asked for a number of the pool; `metaCode` is its own code."""

    code = "meta_refused"
    title = "Meta refused this."


class MetaAway(Unavailable):
    """Meta did not answer, or not so that one could tell what became of the request."""

    code = "meta_unavailable"
    title = "Meta cannot be reached right now."


@dataclass(frozen=True)
class PoolNumber:
    """One row of `pool_number`; instants in µs. `status`: added, code_sent, verified, claimed, removed."""

    id: int
    preverified_id: str
    number: str
    country: str | None
    status: str
    verified_at: int | None
    expires_at: int | None
    code_sent_at: int | None
    tenant_id: int | None
    link_id: str | None
    reserved_at: int | None
    claimed_at: int | None
    missing_since: int | None
    version: int
    created_at: int
    updated_at: int

    @classmethod
    def of(cls, row: Row) -> "PoolNumber":
        """The typed row."""
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})

    def state(self, now: int) -> State:
        """The state as people see it."""
        if self.status == "claimed":
            return "claimed"
        if self.link_id is not None:
            return "reserved"
        if self.status == "verified":
            return "verified" if now < (self.expires_at or 0) else "expired"
        return "code_sent" if self.status == "code_sent" else "added"

    def lasts(self, now: int) -> bool:
        """True where a customer can still be offered it without having to confirm it by a code."""
        return self.status == "verified" and self.missing_since is None and now + LEAST_LEFT < (self.expires_at or 0)

    @property
    def again_from(self) -> int | None:
        """From when on Meta takes a new verification; None where it was never verified."""
        return None if self.expires_at is None else self.expires_at - AGAIN_WITHIN

    def ends_soon(self, now: int) -> bool:
        """True where it should be verified again now, lest it be lost for customers."""
        return self.status == "verified" and now >= (self.expires_at or 0) - WARN_WITHIN

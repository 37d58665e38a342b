"""Authorisations that no link awaits: Meta told that a WABA was shared with our app, and no browser brought a code.

Owns the table `orphan_authorisation` (tenant 0: the installation) and what a notice makes of it. Fetching a token and
beginning a run by it stands in `recovery`. A row is one WABA, however often Meta tells of it, and holds no token.
"""

from dataclasses import dataclass
from typing import Any

from setuplinks.core.clock import MINUTE, SECOND, Clock
from setuplinks.core.db.database import Claim, Database
from setuplinks.core.db.unit import Row, Unit
from setuplinks.core.problems import Conflict
from setuplinks.provisioning import store as runs
from setuplinks.setup_links import store as links
from setuplinks.setup_links.machine import WAITING, VisitStatus
from setuplinks.setup_links.models import SetupLink, Visit
from setuplinks.whatsapp import store as whatsapp

CHANNEL = "recovery"
INSTALLATION = 0
# A code lives 30 seconds from when Meta issues it, and Meta tells of the WABA up to some minutes before: the customer
# may still look at the last screen. Who has brought no code after five minutes will not bring this one.
GRACE = 5 * MINUTE
_TOLERANCE = SECOND  # Meta's times are whole seconds

AWAITED, OPEN, RECOVERING = "awaited", "open", "recovering"
CONNECTED, REMOVED, DISMISSED = "connected", "removed", "dismissed"
STATUSES = (AWAITED, OPEN, RECOVERING, CONNECTED, REMOVED, DISMISSED)
CLOSED = frozenset({CONNECTED, REMOVED, DISMISSED})

FIND = "SELECT * FROM orphan_authorisation WHERE tenant_id = 0 AND id = $1"
FIND_BY_WABA = "SELECT * FROM orphan_authorisation WHERE meta_waba_id = $1"
# $1 and $2 the place in the list, $3 status or null, $4 Meta's WABA or null, $5 how many.
LIST = (
    "SELECT * FROM orphan_authorisation WHERE tenant_id = 0 AND (created_at, id) < ($1, $2) "
    "AND (CAST($3 AS TEXT) IS NULL OR status = $3) AND (CAST($4 AS TEXT) IS NULL OR meta_waba_id = $4) "
    "ORDER BY created_at DESC, id DESC LIMIT $5"
)
COUNT_OPEN = "SELECT COUNT(*) AS n FROM orphan_authorisation WHERE tenant_id = 0 AND status = 'open'"
ADD = (
    "INSERT INTO orphan_authorisation (tenant_id, id, meta_waba_id, owner_business_id, event, status, told_at, "
    "noticed_at, due_at, created_at, updated_at, closed_at) VALUES (0, $1, $2, $3, $4, $5, $6, $7, $8, $7, $7, $9) "
    "ON CONFLICT (meta_waba_id) DO NOTHING"
)
# What was awaited came: it never was an orphan, and no row of it stays.
DROP_AWAITED = "DELETE FROM orphan_authorisation WHERE meta_waba_id = $1 AND status = 'awaited'"
CONNECTED_NOW = (
    "UPDATE orphan_authorisation SET status = 'connected', closed_at = $2, updated_at = $2, due_at = NULL, "
    "lease_until = NULL, last_error = NULL, version = version + 1 "
    "WHERE meta_waba_id = $1 AND status IN ('open', 'recovering')"
)
ERASE_OF_CUSTOMER = "DELETE FROM orphan_authorisation WHERE customer_tenant_id = $1 AND customer_id = $2"
DROP_CLOSED = "DELETE FROM orphan_authorisation WHERE tenant_id = 0 AND closed_at < $1"
_DUE = "due_at <= $1 AND (lease_until IS NULL OR lease_until <= $1)"
_TAKE = "UPDATE orphan_authorisation SET lease_until = $2, version = version + 1 WHERE (tenant_id, id) IN ("
_PICK = f"SELECT tenant_id, id FROM orphan_authorisation WHERE {_DUE} ORDER BY due_at LIMIT $3"  # noqa: S608 - constants
CLAIM = Claim(
    sqlite=(f"{_TAKE}{_PICK}) RETURNING *",),
    postgres=f"{_TAKE}{_PICK} FOR UPDATE SKIP LOCKED) RETURNING *",
)


class OrphanMoved(Conflict):
    """Somebody else changed the row between our read and our write."""

    code = "orphan_moved"
    title = "The authorisation was changed at the same moment; read it again."


@dataclass(frozen=True)
class Orphan:
    """One row of `orphan_authorisation`; instants in µs. Of customer and link: whom it is being connected for."""

    id: int
    meta_waba_id: str
    owner_business_id: str | None
    event: str
    status: str
    told_at: int
    noticed_at: int
    version: int
    due_at: int | None
    tries: int
    last_error: str | None
    customer_tenant_id: int | None
    customer_id: int | None
    link_id: str | None
    provisioning_id: int | None
    created_at: int
    updated_at: int
    closed_at: int | None

    @classmethod
    def of(cls, row: Row) -> "Orphan":
        """The typed row."""
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class Notice:
    """What Meta told: which WABA, whose portfolio it is (None where that was not said), when (µs)."""

    meta_waba_id: str
    owner_business_id: str | None
    event: str
    told_at: int


@dataclass(frozen=True)
class Target:
    """An open reconnect link whose WABA it is."""

    link: SetupLink
    visits: tuple[Visit, ...]

    @property
    def at_meta(self) -> Visit | None:
        """The newest visit that is at Meta, whose code may come at any second."""
        return next((visit for visit in reversed(self.visits) if visit.status is VisitStatus.AUTHORIZING), None)

    @property
    def exchanging(self) -> bool:
        """True while a request is just trading a code for a token."""
        return any(visit.status is VisitStatus.EXCHANGING for visit in self.visits)


@dataclass(frozen=True)
class Situation:
    """What we know of a WABA that Meta told of. `business_id`: its portfolio, where an earlier signup saw it."""

    settled: bool  # nobody waits for anything: it is connected, or the news is older than what we know
    in_progress: bool  # a run is just connecting it
    targets: tuple[Target, ...] = ()
    business_id: str | None = None


class Orphans:
    """The verbs of a notice; each appends to the unit of its caller."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def added(self, tx: Unit, notice: Notice, fresh_id: int) -> None:
        """Meta shared a WABA with our app. No row where that is settled; else one, looked at when its time comes.

        A repeat of Meta's, and news older than what is known, changes nothing. Raises OrphanMoved.
        """
        now = self._clock.now()
        told_at = min(notice.told_at, now)
        row = await tx.one(FIND_BY_WABA, notice.meta_waba_id)
        known = Orphan.of(row) if row else None
        if known is not None and (told_at <= known.told_at or _stands(known, told_at)):
            return
        if known is not None and known.status == RECOVERING:
            return  # a second word of the same grant, whose run is on its way
        found = await situation(tx, notice.meta_waba_id, told_at, now)
        if found.settled:
            return
        due_at = now + GRACE
        if found.targets and not found.in_progress and not any(_may_come(target) for target in found.targets):
            due_at = now
        business_id = notice.owner_business_id or found.business_id
        tx.wake(CHANNEL)
        if known is None:
            row_of_it = (fresh_id, notice.meta_waba_id, business_id, notice.event, AWAITED, told_at, now, due_at, None)
            tx.must(OrphanMoved(), ADD, *row_of_it)
            return
        change(
            tx, known, now, status=AWAITED, owner_business_id=business_id, event=notice.event, told_at=told_at,
            noticed_at=now, due_at=due_at, lease_until=None, tries=0, last_error=None, customer_tenant_id=None,
            customer_id=None, link_id=None, provisioning_id=None, closed_at=None,
        )  # fmt: skip

    async def removed(self, tx: Unit, notice: Notice, fresh_id: int) -> None:
        """The WABA is no longer shared: an open row is closed. One that nobody connected is noted all the same, since
        Meta keeps no order, and its PARTNER_ADDED may come after. Raises OrphanMoved."""
        now = self._clock.now()
        told_at = min(notice.told_at, now)
        row = await tx.one(FIND_BY_WABA, notice.meta_waba_id)
        if row is None:
            if not await tx.all(whatsapp.KNOWN_OF_META, notice.meta_waba_id):
                gone = (fresh_id, notice.meta_waba_id, notice.owner_business_id, notice.event, REMOVED, told_at, now)
                tx.must(OrphanMoved(), ADD, *gone, None, now)
            return
        known = Orphan.of(row)
        if told_at < known.told_at or known.status in {REMOVED, DISMISSED}:
            return
        change(
            tx, known, now, status=REMOVED, event=notice.event, told_at=told_at, due_at=None, lease_until=None,
            closed_at=now,
        )  # fmt: skip


def _stands(known: Orphan, told_at: int) -> bool:
    """True where the operator has said later than this news that nothing is to be done."""
    return known.status == DISMISSED and told_at <= (known.closed_at or 0)


def _may_come(target: Target) -> bool:
    return target.at_meta is not None or target.exchanging


async def situation(tx: Unit, meta_waba_id: str, told_at: int, now: int) -> Situation:
    """What is known of the WABA, by committed state."""
    rows = await tx.all(whatsapp.KNOWN_OF_META, meta_waba_id)
    running = await tx.one(runs.RUNNING_WITH_WABA, meta_waba_id, f'%"{meta_waba_id}"%') is not None
    looked = [await _target(tx, row, told_at, now) for row in rows if row["status"] != "deleted"]
    targets = [target for target in looked if target is not None]
    settled = any(_is_old(row, told_at) for row in rows)
    settled = settled or (not targets and any(row["alive"] for row in rows))
    business_id = next((row["business_id"] for row in rows if row["business_id"]), None)
    return Situation(settled and not running, running, tuple(targets), business_id)


def _is_old(row: Row, told_at: int) -> bool:
    """News from before the present grant, from before the account event that we know, or of one that has left us."""
    if row["status"] == "deleted":
        return bool(told_at <= row["updated_at"])
    return bool(told_at + _TOLERANCE <= max(row["obtained_at"] or 0, row["account_event_at"] or 0))


async def _target(tx: Unit, row: Row, told_at: int, now: int) -> Target | None:
    """The WABA's reconnect link where it waits for its customer and was there when Meta told."""
    slot = await tx.one(links.FIND_SLOT, row["tenant_id"], row["customer_id"], "reconnect", row["id"])
    link = await links.find(tx, row["tenant_id"], slot["link_id"]) if slot and slot["link_id"] else None
    if link is None or link.seen(now) not in WAITING or told_at + _TOLERANCE < link.created_at:
        return None
    return Target(link, tuple(await links.visits(tx, link)))


def connected(tx: Unit, meta_waba_id: str, now: int) -> None:
    """The WABA is connected: whatever stood open for it is closed, in the unit of the finish."""
    tx.add(DROP_AWAITED, meta_waba_id)
    tx.add(CONNECTED_NOW, meta_waba_id, now)


def erase_of_customer(tx: Unit, tenant_id: int, customer_id: int) -> None:
    """A customer leaves: what was connected for it by way of an authorisation is no longer known here."""
    tx.add(ERASE_OF_CUSTOMER, tenant_id, customer_id)


async def find(db: Database | Unit, orphan_id: int) -> Orphan | None:
    """The row, or None."""
    row = await db.one(FIND, orphan_id)
    return Orphan.of(row) if row else None


def change(tx: Unit, orphan: Orphan, now: int, **values: Any) -> None:
    """Changes a row where it still is as it was read, else OrphanMoved and nothing of the unit is written."""
    if unknown := set(values) - {*Orphan.__dataclass_fields__, "lease_until"}:
        raise ValueError(f"no such columns: {unknown}")
    sets = ", ".join(f"{name} = ${position}" for position, name in enumerate(values, 4))
    text = (
        f"UPDATE orphan_authorisation SET version = version + 1, updated_at = $3, {sets} "  # noqa: S608 - own names
        "WHERE tenant_id = 0 AND id = $1 AND version = $2"
    )
    tx.must(OrphanMoved(), text, orphan.id, orphan.version, now, *values.values())

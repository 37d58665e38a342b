"""What a customer's browser may do with a link: see it, start, go to Meta, leave, come back with a grant.

Owns rows 2 to 8 and 18 of the transition table. It neither talks to Meta nor draws pages. Each verb runs in a unit of
its caller; a verb that can race is run by `db.unit`.
"""

import hmac
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from setuplinks.core import ids
from setuplinks.core.clock import HOUR, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Row, Unit
from setuplinks.core.problems import Conflict, NotFound, TooMany
from setuplinks.customers import store as customers
from setuplinks.number_pool import reservations
from setuplinks.setup_links import store
from setuplinks.setup_links.announce import announce
from setuplinks.setup_links.codes import CODES
from setuplinks.setup_links.machine import (
    ABANDONED_AFTER_LEAVING,
    ABANDONED_AFTER_SILENCE,
    VISIT_LIVES,
    VISITS_CAP,
    WAITING,
    WORKING,
    Act,
    Phase,
    VisitStatus,
    after,
)
from setuplinks.setup_links.models import LinkMoved, SetupLink, Visit
from setuplinks.tenants import store as tenants
from setuplinks.webhooks.service import Events


class VisitMoved(Conflict):
    """Another request of the same browser changed the visit first."""

    code = "visit_moved"
    title = "This visit was changed at the same moment."


class TooManyVisits(TooMany):
    """So many browsers see the work of this link that no further one may; nothing of the work is lost."""

    code = "too_many_visits"
    title = "Too many browsers have opened this link; go on in one of them."


class StateUnknown(NotFound):
    """No such state, or one that is too old."""

    title = "This sign-in is not known here."


class StateSpent(Conflict):
    """The state was used before: a callback that is loaded twice, or played back."""

    code = "state_spent"
    title = "This sign-in was taken up before."


class WrongBrowser(Conflict):
    """The state belongs to another browser; it stays good for that one."""

    code = "wrong_browser"
    title = "This sign-in was begun in another browser."


class VisitClosed(Conflict):
    """The visit or its link takes nothing more; `code` of the link says why."""

    code = "visit_closed"
    title = "This visit is over."


@dataclass(frozen=True)
class Taken:
    """A consumed state: what the exchange of the code needs."""

    link: SetupLink
    visit: Visit
    transport: str
    redirect_uri: str | None


def state_of(browser: str, visit: Visit) -> str:
    """The `state` of a visit's newest request to Meta: 256 bits keyed by the browser's secret, so that the sign-in page
    can show it again after a reload though only its hash is stored."""
    message = f"state|{visit.link_id}|{visit.id}|{visit.states}".encode()
    return hmac.new(browser.encode(), message, sha256).hexdigest()


class Visits:
    """The verbs of a customer's browser."""

    def __init__(self, db: Database, clock: Clock, events: Events, app_id: str) -> None:
        self._db, self._clock, self._events, self._app_id = db, clock, events, app_id

    async def opened(self, tx: Unit, tenant_id: int, link_id: str) -> None:
        """Row 2: a person's browser showed the page for the first time.

        Where the link stands is not its matter: a beacon that is late loses no race against Continue, nor wins one.
        """
        now = self._clock.now()
        link = await store.find(tx, tenant_id, link_id)
        if link is None or link.opened_at is not None or not link.is_open(now):
            return
        audience = await self._events.load(tx, tenant_id)
        tx.must(LinkMoved(), store.OPENED, tenant_id, link_id, now)
        store.add_step(tx, link, now, "opened")
        await announce(self._events, tx, audience, "setup_link.opened", replace(link, opened_at=now), now)

    async def start(
        self, tx: Unit, tenant_id: int, link_id: str, browser: str, visit_id: int, device: str | None
    ) -> SetupLink:
        """Rows 3a, 3b and 14: a person pressed Continue. Answers the link as it then is: started, or working (the
        browser is bound and sees what is going on), or ended (with its code: too many visits, suspended).

        `visit_id` is a fresh id of the counter `visit`. Raises TooManyVisits for one browser too many while the work
        goes on: the cap never ends work that Meta has said yes to.
        """
        now = self._clock.now()
        link = await store.find(tx, tenant_id, link_id)
        tenant = await tenants.find(tx, tenant_id)
        if link is None or tenant is None:
            raise NotFound("There is no such link.")
        phase = link.seen(now)
        if phase not in WAITING and phase not in WORKING:
            return link
        link_visits = await store.visits(tx, link)
        customer = await customers.find(tx, tenant_id, link.customer_id)
        if tenant.status != "active" or customer is None or customer.status != "active":
            return await fail_waiting(tx, self._events, link, link_visits, "tenant_suspended", now)
        begins = Visit(
            tenant_id, visit_id, link_id, ids.digest(browser), VisitStatus.STARTED, False, None, None, now,
            None, None, None, None, None, device, now + ABANDONED_AFTER_SILENCE, None, 0, 0,
        )  # fmt: skip
        if phase in WORKING:  # 3b: this browser sees what goes on; nothing starts again
            if store.newest(link_visits, begins.browser_hash) is None:
                if len(link_visits) >= VISITS_CAP:
                    raise TooManyVisits()
                self._add_visit(tx, begins)
                store.add_step(tx, link, now, "joined", device=device)
            return link
        if now >= link.expires_at:  # an older visit may still end in grace, a new one may not begin
            return replace(link, phase=Phase.EXPIRED)
        if len(link_visits) >= VISITS_CAP:
            return await fail_waiting(tx, self._events, link, link_visits, "visits_exhausted", now)
        self._add_visit(tx, begins)
        tx.add(store.SUPERSEDE_VISITS, tenant_id, link_id, visit_id)
        # A new start means that the earlier visits were not abandoned: their silence has been explained.
        values = store.settled(link, [*(replace(v, abandon_at=None) for v in link_visits), begins])
        values |= {"visits": link.visits + 1, "current_visit_id": visit_id, "used_at": link.used_at or now}
        store.change(tx, link, now, **values)
        store.add_step(tx, link, now, "continued", device=device)
        moved = replace(link, **{**values, "phase": Phase(values["phase"])})
        if link.used_at is None:
            audience = await self._events.load(tx, tenant_id)
            await announce(
                self._events, tx, audience, "setup_link.started", moved, now, external_id=customer.external_id
            )
        return moved

    async def authorize(
        self, tx: Unit, tenant_id: int, link_id: str, browser: str, connection_type: str, transport: str,
        redirect_uri: str | None, *, offers_number: bool = False,
    ) -> tuple[Visit, str]:  # fmt: skip
        """Row 4: the browser is about to go to Meta. Answers the visit and a fresh `state`.

        `offers_number`: the sign-in can name a number of the pool; a link that provisions
        takes one, or is warned that none is free.
        Raises VisitClosed where the visit is over or the link has ended, PoolNumberMoved where others took the number.
        """
        now = self._clock.now()
        link = await store.find(tx, tenant_id, link_id)
        if link is None:
            raise NotFound("There is no such link.")
        link_visits = await store.visits(tx, link)
        visit = store.newest(link_visits, ids.digest(browser))
        if visit is None or visit.status not in {VisitStatus.STARTED, VisitStatus.AUTHORIZING}:
            raise VisitClosed()
        if link.seen(now) not in WAITING or after(link.phase, Act.AUTHORIZE) is None:
            raise VisitClosed()
        if connection_type not in link.connection_types:
            raise VisitClosed("The link does not allow this connection type.")
        moved = replace(
            visit, status=VisitStatus.AUTHORIZING, authorizing_at=now, connection_type=connection_type,
            transport=transport, states=visit.states + 1, abandon_at=now + ABANDONED_AFTER_SILENCE,
        )  # fmt: skip
        changed = ("status", "authorizing_at", "connection_type", "transport", "states", "abandon_at")
        store.change_visit(tx, visit, VisitMoved(), **{name: getattr(moved, name) for name in changed})
        others = [moved if other.id == visit.id else other for other in link_visits]
        values = store.settled(link, others)
        if link.phone_provisioning and connection_type == "dedicated":
            number = None
            if offers_number:
                number = await reservations.reserve(tx, tenant_id, link_id, link.country_isos, now)
            values["warnings"] = link.warned(without_number=number is None)
        store.change(tx, link, now, **values)
        state = state_of(browser, moved)
        tx.must(
            VisitMoved(), store.ADD_STATE, ids.digest(state), tenant_id, link_id, visit.id, visit.browser_hash,
            transport, redirect_uri, self._app_id, now, now + VISIT_LIVES,
        )  # fmt: skip
        store.add_step(tx, link, now, "at_facebook", connectionType=connection_type, transport=transport)
        return moved, state

    async def take(self, tx: Unit, state: str, browser: str | None) -> Taken:
        """Row 7, unit 1: consumes the state and marks the visit `exchanging`. Also proves the database writable before
        the code, which works once, is spent.

        Raises StateUnknown, WrongBrowser (the state is not burnt), StateSpent or VisitClosed.
        """
        now = self._clock.now()
        row = await self._state(tx, state, browser)
        if row["used_at"] is not None:
            raise StateSpent()
        link = await store.find(tx, row["tenant_id"], row["link_id"])
        if link is None:
            raise StateUnknown()
        link_visits = await store.visits(tx, link)
        visit = next((visit for visit in link_visits if visit.id == row["visit_id"]), None)
        if visit is None or visit.status is not VisitStatus.AUTHORIZING:
            raise VisitClosed()
        if link.seen(now) not in WAITING or after(link.phase, Act.GRANT) is None:
            raise VisitClosed()
        tx.must(StateSpent(), store.SPEND_STATE, ids.digest(state), now)
        moved = replace(visit, status=VisitStatus.EXCHANGING, exchanging_at=now, transport=row["transport"])
        store.change_visit(tx, visit, VisitMoved(), status=moved.status, exchanging_at=now, transport=row["transport"])
        others = [moved if other.id == visit.id else other for other in link_visits]
        values = store.settled(link, others)
        store.change(tx, link, now, **values)
        moved = replace(moved, version=moved.version + 1)
        return Taken(replace(link, version=link.version + 1), moved, row["transport"], row["redirect_uri"])

    async def refuse(self, tx: Unit, state: str, browser: str | None, code: str, meta_step: str | None) -> str:
        """Row 5: Meta or the customer ended the sign-in. Answers the link's id.

        Raises StateUnknown or WrongBrowser; a visit that is over already stays as it is.
        """
        row = await self._state(tx, state, browser)
        link = await store.find(tx, row["tenant_id"], row["link_id"])
        link_visits = await store.visits(tx, link) if link else []
        visit = next((visit for visit in link_visits if visit.id == row["visit_id"]), None)
        # A window that was given up for the full page, or for a second window, speaks no longer for the visit.
        newest = visit is not None and browser is not None and state == state_of(browser, visit)
        if row["used_at"] is None and newest:
            await self.left(tx, row["tenant_id"], row["link_id"], row["visit_id"], code, meta_step)
        return str(row["link_id"])

    async def link_of(self, state: str) -> str | None:
        """The id of the link that a state was made for, spent or not; None where it is unknown."""
        row = await self._db.one(store.FIND_STATE, ids.digest(state))
        return None if row is None else str(row["link_id"])

    async def _state(self, tx: Unit, state: str, browser: str | None) -> Row:
        row = await tx.one(store.FIND_STATE, ids.digest(state))
        if row is None or self._clock.now() >= row["expires_at"] or row["app_id"] != self._app_id:
            raise StateUnknown()
        if browser is None or not hmac.compare_digest(bytes(row["browser_hash"]), ids.digest(browser)):
            raise WrongBrowser()  # row 6: the state is not burnt
        return row

    async def left(
        self, tx: Unit, tenant_id: int, link_id: str, visit_id: int, code: str, meta_step: str | None = None
    ) -> None:
        """Rows 5 and 8: a visit ends with a code, the link stays usable. A visit that is over stays as it is."""
        now = self._clock.now()
        link = await store.find(tx, tenant_id, link_id)
        if link is None:
            return
        link_visits = await store.visits(tx, link)
        visit = next((visit for visit in link_visits if visit.id == visit_id), None)
        if visit is None or visit not in store.open_visits(link_visits):
            return
        await self.end_visit(tx, link, link_visits, visit, code, now, meta_step)

    async def drop(self, tx: Unit, tenant_id: int, link_id: str, visit_id: int) -> None:
        """Row 7, guard missed: another grant came first or the link has ended; this visit ends without a code."""
        now = self._clock.now()
        link = await store.find(tx, tenant_id, link_id)
        visit = next((v for v in await store.visits(tx, link) if v.id == visit_id), None) if link else None
        if link is None or visit is None or visit.status is not VisitStatus.EXCHANGING:
            return
        store.change_visit(tx, visit, VisitMoved(), status=VisitStatus.ENDED, ended_at=now, abandon_at=None)
        store.add_step(tx, link, now, "grant_dropped")

    async def end_visit(
        self, tx: Unit, link: SetupLink, link_visits: list[Visit], visit: Visit, code: str, now: int,
        meta_step: str | None = None,
    ) -> None:  # fmt: skip
        """Ends an open visit in a unit that has read the link and all its visits."""
        ended = ended_visit(visit, code, now, meta_step)
        store.change_visit(tx, visit, VisitMoved(), **visit_end_columns(ended))
        if link.phase in WAITING:
            others = [ended if other.id == visit.id else other for other in link_visits]
            values = store.settled(link, others)
            store.change(tx, link, now, **values)
            link = replace(link, **values)
        store.add_step(tx, link, now, "visit_ended", code=code, metaStep=meta_step)
        audience = await self._events.load(tx, link.tenant_id)
        await announce(self._events, tx, audience, "setup_link.visit_ended", link, now, **visit_data(ended))

    async def ask_again(self, tx: Unit, tenant_id: int, link_id: str) -> bool:
        """Row 18: the customer of an expired link asks for a new one; True where the tenant is told now."""
        now = self._clock.now()
        link = await store.find(tx, tenant_id, link_id)
        if link is None or not (link.seen(now) is Phase.EXPIRED or link.is_late(now)):
            return False
        if link.renewal_requested_at is not None and now - link.renewal_requested_at < HOUR:
            return False
        audience = await self._events.load(tx, tenant_id)
        store.change(tx, link, now, renewal_requested_at=now)
        store.add_step(tx, link, now, "renewal_requested")
        await announce(self._events, tx, audience, "setup_link.renewal_requested", link, now)
        return True

    def _add_visit(self, tx: Unit, visit: Visit) -> None:
        tx.add(
            store.ADD_VISIT, visit.tenant_id, visit.id, visit.link_id, visit.browser_hash, visit.started_at,
            visit.device, visit.abandon_at,
        )  # fmt: skip


async def fail_waiting(
    tx: Unit, events: Events, link: SetupLink, link_visits: list[Visit], code: str, now: int
) -> SetupLink:
    """Row 14 for a link that waits for the customer; one that is being provisioned is the provisioning's to fail."""
    if link.phase in WORKING:
        return link
    values = failed_columns(code, now)
    store.change(tx, link, now, **values)
    for visit in store.open_visits(link_visits):
        store.change_visit(tx, visit, VisitMoved(), **visit_end_columns(ended_visit(visit, code, now)))
    store.add_step(tx, link, now, "failed", code=code)
    failed = replace(link, **values)
    audience = await events.load(tx, link.tenant_id)
    await announce(events, tx, audience, "setup_link.failed", failed, now)
    return failed


def ended_visit(visit: Visit, code: str, now: int, meta_step: str | None = None) -> Visit:
    """The visit as it is once it has ended; without a new start it counts as abandoned after a while."""
    waits = visit.abandoned_at is None
    return replace(
        visit, status=VisitStatus.ENDED, ended_at=now, end_code=code, meta_step=meta_step,
        abandon_at=now + ABANDONED_AFTER_LEAVING if waits else None,
    )  # fmt: skip


def visit_end_columns(ended: Visit) -> dict[str, Any]:
    """What an ended visit writes."""
    return {name: getattr(ended, name) for name in ("status", "ended_at", "end_code", "meta_step", "abandon_at")}


def visit_data(visit: Visit) -> dict[str, Any]:
    """What events tell of a visit."""
    code = visit.end_code
    return {
        "code": code,
        "message": CODES[code].message if code else None,
        "retryable": CODES[code].retryable if code else None,
        "current_step": visit.meta_step,
        "connection_type": visit.connection_type,
    }


def failed_columns(code: str, now: int, step: str | None = None) -> dict[str, Any]:
    """What a link that fails for good writes; its URL's secret is erased."""
    return {
        "phase": Phase.FAILED,
        "due_at": None,
        "action_required": None,
        "ended_at": now,
        "url_secret": None,
        "failure_code": code,
        "failure_message": CODES[code].message,
        "failure_step": step,
        "failure_retryable": CODES[code].retryable,
    }

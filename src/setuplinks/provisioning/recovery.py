"""A grant that no browser brought: the token is fetched by way of the partner, and an ordinary run goes on from there.

Owns row 20 of the transition table: which link may take such a grant by itself (a reconnect whose WABA it is, or the
link whose reserved pre-verified number stands in the WABA, as a call shows), and what the operator assigns. What a
popup claimed plays no part in it: the WABA and its portfolio are those of Meta's signed notice.
"""

import logging
from dataclasses import dataclass

from setuplinks.core.clock import DAY, MINUTE, SECOND, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Unit
from setuplinks.core.logs import act
from setuplinks.core.problems import Conflict, NotFound, Unavailable
from setuplinks.core.vault import Vault
from setuplinks.core.wire import invalid
from setuplinks.customers import store as customers
from setuplinks.meta.error_table import Kind
from setuplinks.meta.errors import GraphError
from setuplinks.meta.graph import Graph
from setuplinks.meta.partner import Partner
from setuplinks.meta.payloads import TokenGrant
from setuplinks.meta.secret import Secret
from setuplinks.number_pool.reservations import reserved
from setuplinks.provisioning import orphans
from setuplinks.provisioning import store as runs
from setuplinks.provisioning.disconnect import Disconnects
from setuplinks.provisioning.machine import BACKOFF, FIRST
from setuplinks.provisioning.models import Claims, as_text
from setuplinks.provisioning.orphans import GRACE, Orphan, Target
from setuplinks.provisioning.service import CHANNEL as RUNS_CHANNEL
from setuplinks.setup_links import store as links
from setuplinks.setup_links.machine import WAITING, Act, Phase, VisitStatus, after
from setuplinks.setup_links.models import LinkInUse, LinkMoved, SetupLink, Visit
from setuplinks.setup_links.request import NewSetupLink
from setuplinks.setup_links.service import SetupLinks
from setuplinks.tenants import audit
from setuplinks.tenants import store as tenants
from setuplinks.whatsapp import store as whatsapp
from setuplinks.whatsapp.models import normalized

SYSTEM = "system"
TRIED_FOR = DAY
SOONEST_LOOK, LATEST_LOOK = 30 * SECOND, 10 * MINUTE

log = logging.getLogger("setuplinks.recovery")


class OrphanNotOpen(Conflict):
    """Only an open authorisation can be assigned or dismissed."""

    code = "orphan_not_open"
    title = "This authorisation is not open."


class PartnerMissing(Conflict):
    """Without the operator's own portfolio and system token nobody's token can be fetched."""

    code = "partner_not_configured"
    title = "SETUPLINKS_META_BUSINESS_ID and SETUPLINKS_META_SYSTEM_TOKEN are not set: no token can be fetched."


class TokenRefused(Conflict):
    """Meta gave no token for the portfolio; `detail` says whose turn it is."""

    code = "token_refused"
    title = "Meta gave no token for this account."


@dataclass(frozen=True)
class _Grant:
    """A token that was fetched, sealed for the run that it is for."""

    provisioning_id: int
    token: bytes
    expires_at: int | None


@dataclass(frozen=True)
class _Found:
    """The link that takes it; `number`: Meta's id of the one to connect, where a call has shown it."""

    link: SetupLink
    number: str | None = None


class Recovery:
    """The verbs. `partner` is None where the operator has not set its portfolio: then nothing is fetched."""

    def __init__(
        self, db: Database, clock: Clock, vault: Vault, graph: Graph, partner: Partner | None, setup_links: SetupLinks,
        disconnects: Disconnects,
    ) -> None:  # fmt: skip
        self._db, self._clock, self._vault, self._graph, self._partner = db, clock, vault, graph, partner
        self._links, self._disconnects = setup_links, disconnects

    async def look(self, orphan: Orphan) -> None:
        """What is due for a row: wait for the browser's own code, recover, or leave it to the operator."""
        now = self._clock.now()
        if orphan.status == orphans.RECOVERING:
            await self._follow(orphan, now)
            return
        async with self._db.transaction() as tx:
            found = await orphans.situation(tx, orphan.meta_waba_id, orphan.told_at, now)
        if found.settled:
            async with self._db.transaction() as tx:
                orphans.connected(tx, orphan.meta_waba_id, now)
        elif found.in_progress:
            await self._later(orphan, now, _wait(now - orphan.noticed_at))
        elif len(found.targets) > 1:
            await self._leave_open(orphan, now, "several_links")
        elif found.targets or await reserved(self._db):
            await self._recover(orphan, found.targets[0] if found.targets else None, now)
        else:
            await self._leave_open(orphan, now, None)

    async def assign(self, orphan_id: int, tenant_id: int | None, customer_id: int, actor: str) -> Orphan:
        """The operator says whose it is: the same run begins for this customer, on the WABA's open reconnect link or on
        a link that is made for it. `tenant_id`: the customer's, None where there is no such customer.

        Raises NotFound, OrphanNotOpen, PartnerMissing, Invalid, TokenRefused, Unavailable, and what making a link does.
        """
        orphan = await self._open_one(orphan_id)
        if tenant_id is None:
            raise invalid("customerId", "there is no such customer")
        try:
            grant = await self._sealed(tenant_id, await self._token(orphan))
        except GraphError as error:
            act(log, "recovery.token_refused", logging.WARNING, orphan=orphan.id, error=str(error))
            if error.retryable:
                raise Unavailable(f"Nothing was changed. {error.sentence} Try again in a minute.") from None
            raise TokenRefused(_words(error)) from None
        await self._db.unit(self._assign, orphan_id, grant, tenant_id, customer_id, actor)
        act(log, "recovery.assigned", orphan=orphan.id, tenant=tenant_id, customer=customer_id)
        assigned = await orphans.find(self._db, orphan_id)
        if assigned is None:
            raise NotFound("There is no such authorisation.")
        return assigned

    async def dismiss(self, tx: Unit, orphan_id: int, actor: str) -> Orphan:
        """The operator says that nothing is to be done; a later authorisation of the same WABA opens it again.

        Raises NotFound, OrphanNotOpen.
        """
        now = self._clock.now()
        orphan = _open(await orphans.find(tx, orphan_id))
        orphans.change(tx, orphan, now, status=orphans.DISMISSED, due_at=None, lease_until=None, closed_at=now)
        audit.add(tx, now, 0, actor, "orphan_authorisation.dismissed", "orphan_authorisation", orphan_id, {})
        return orphan

    async def _open_one(self, orphan_id: int) -> Orphan:
        orphan = _open(await orphans.find(self._db, orphan_id), or_dismissed=True)
        if self._partner is None:
            raise PartnerMissing()
        if orphan.owner_business_id is None:
            raise TokenRefused("Meta did not say whose portfolio this account is in, so no token can be asked for.")
        return orphan

    async def _assign(
        self, tx: Unit, orphan_id: int, grant: _Grant, tenant_id: int, customer_id: int, actor: str
    ) -> None:
        orphan = _open(await orphans.find(tx, orphan_id), or_dismissed=True)
        held = await whatsapp.waba_by_meta(tx, tenant_id, customer_id, orphan.meta_waba_id)
        numbers = await whatsapp.numbers(tx, whatsapp.NUMBERS_OF_WABA, tenant_id, held.id) if held else []
        mine = next((number for number in numbers if number.is_connected), None)
        if mine is not None:
            made = await self._disconnects.reconnect_link(tx, tenant_id, mine.id, actor)
        else:
            sealer = await self._vault.tenant(tenant_id)
            made = await self._links.create(tx, sealer, tenant_id, customer_id, NewSetupLink(), actor)
        tx.then()  # a link that was just made is moved on in the same commit
        await self._begin(tx, orphan, grant, _Found(made.link), await links.visits(tx, made.link), actor)

    async def _recover(self, orphan: Orphan, target: Target | None, now: int) -> None:
        """For the reconnect link whose WABA it is; without one, for the link whose reserved number it holds."""
        if target is not None and _waits(target, orphan, now):
            await self._later(orphan, now, SOONEST_LOOK)
            return
        if self._partner is None or orphan.owner_business_id is None:
            why = None if target is None else "partner_not_configured" if self._partner is None else "no_business"
            await self._leave_open(orphan, now, why)
            return
        try:
            token = await self._token(orphan)
            found = _Found(target.link) if target is not None else await self._holder(orphan, token.access_token, now)
        except GraphError as error:
            act(log, "recovery.token_refused", logging.WARNING, orphan=orphan.id, error=str(error), tries=orphan.tries)
            if error.retryable and now - orphan.noticed_at < TRIED_FOR:
                wait = (error.wait_s or BACKOFF[min(orphan.tries + 5, len(BACKOFF) - 1)]) * SECOND
                await self._later(orphan, now, wait, tries=orphan.tries + 1)
            else:
                await self._leave_open(orphan, now, "token_refused")
            return
        if found is None:
            await self._leave_open(orphan, now, None)
            return
        grant = await self._sealed(found.link.tenant_id, token)
        try:
            await self._db.unit(self._take_up, orphan, grant, found)
        except LinkInUse:  # the browser's own code was first, or the link has ended
            await self._later(orphan, now, SOONEST_LOOK)
            return
        act(log, "recovery.begun", orphan=orphan.id, link=found.link.id, provisioning=grant.provisioning_id)

    async def _token(self, orphan: Orphan) -> TokenGrant:
        if self._partner is None or orphan.owner_business_id is None:
            raise PartnerMissing()
        return await self._partner.customer_token(orphan.owner_business_id)

    async def _sealed(self, tenant_id: int, fetched: TokenGrant) -> _Grant:
        """The token, sealed for its tenant and for one run before anything else is done with it."""
        provisioning_id = await self._db.next_id("provisioning")
        sealer = await self._vault.tenant(tenant_id)
        token = sealer.seal(fetched.access_token.reveal().encode(), "provisioning", provisioning_id, "token")
        return _Grant(provisioning_id, token, fetched.expires_at_us(self._clock.now()))

    async def _holder(self, orphan: Orphan, token: Secret, now: int) -> _Found | None:
        """The open link whose reserved number stands in the WABA, as Meta lists it with this very token."""
        kept = {number.number: number for number in await reserved(self._db)}
        for seen in await self._graph.phone_numbers(token, orphan.meta_waba_id):
            number = kept.get(normalized(seen.display_phone_number) or "")
            if number is None or number.tenant_id is None or number.link_id is None:
                continue
            row = await self._db.one(links.FIND_LINK, number.tenant_id, number.link_id)
            link = SetupLink.of(row) if row else None
            if link is not None and link.seen(now) in WAITING:
                return _Found(link, seen.id)
        return None

    async def _take_up(self, tx: Unit, orphan: Orphan, grant: _Grant, found: _Found) -> None:
        tenant_id = found.link.tenant_id
        link = await links.find(tx, tenant_id, found.link.id)
        tenant = await tenants.find(tx, tenant_id)
        customer = await customers.find(tx, tenant_id, link.customer_id) if link else None
        if link is None or tenant is None or customer is None:
            raise LinkInUse()
        if not tenant.active or customer.status != "active":
            orphans.change(
                tx, orphan, self._clock.now(), status=orphans.OPEN, due_at=None, lease_until=None,
                last_error="customer_inactive",
            )  # fmt: skip
            return
        await self._begin(tx, orphan, grant, _Found(link, found.number), await links.visits(tx, link), SYSTEM)

    async def _begin(
        self, tx: Unit, orphan: Orphan, grant: _Grant, found: _Found, link_visits: list[Visit], actor: str
    ) -> None:
        """As row 7's second unit, without a visit of its own: the sealed token, the run, the link's phase.

        Raises LinkInUse where the link has ended or another provisioning exists.
        """
        now, link = self._clock.now(), found.link
        if link.seen(now) not in WAITING or after(link.phase, Act.RECOVER) is None or link.provisioning_id is not None:
            raise LinkInUse("This link is being completed by its customer, or has ended.", setupLinkId=link.id)
        visit = Target(link, tuple(link_visits)).at_meta
        if visit is not None:  # its customer has just been at Meta: that browser sees how it goes on
            links.change_visit(tx, visit, LinkMoved(), status=VisitStatus.GRANTED, abandon_at=None)
        links.change(
            tx, link, now, phase=Phase.PROVISIONING, due_at=None, provisioning_id=grant.provisioning_id,
            authorized_at=link.authorized_at or now, lapses_at=link.expires_at,
        )  # fmt: skip
        named = (orphan.event, orphan.meta_waba_id, found.number, orphan.owner_business_id)
        claims = Claims(*named, only_waba=True)
        plan = "reconnect" if link.purpose == "reconnect" else "dedicated"
        tx.add(
            runs.ADD, link.tenant_id, grant.provisioning_id, link.id, visit.id if visit else 0, link.customer_id, plan,
            FIRST.value, now, grant.token, grant.expires_at, as_text(claims),
        )  # fmt: skip
        links.add_step(tx, link, now, "permission_recovered", by="operator" if actor != SYSTEM else "meta")
        orphans.change(
            tx, orphan, now, status=orphans.RECOVERING, due_at=now + SOONEST_LOOK, lease_until=None, tries=0,
            closed_at=None, last_error=None, customer_tenant_id=link.tenant_id, customer_id=link.customer_id,
            link_id=link.id, provisioning_id=grant.provisioning_id,
        )  # fmt: skip
        audit.add(
            tx, now, link.tenant_id, actor, "orphan_authorisation.assigned", "orphan_authorisation", orphan.id,
            {"setupLinkId": link.id, "customerId": link.customer_id},
        )  # fmt: skip
        tx.wake(RUNS_CHANNEL)

    async def _follow(self, orphan: Orphan, now: int) -> None:
        """How the run goes that was begun by this row; one that failed leaves the authorisation to the operator."""
        row = await self._db.one(runs.FIND, orphan.customer_tenant_id, orphan.provisioning_id)
        if row is not None and row["status"] == "running":
            await self._later(orphan, now, _wait(now - row["started_at"]))
        elif row is not None and row["status"] == "done":
            async with self._db.transaction() as tx:
                orphans.connected(tx, orphan.meta_waba_id, now)
        else:
            await self._leave_open(orphan, now, (row["last_error"] if row else None) or "link_ended")

    async def _leave_open(self, orphan: Orphan, now: int, why: str | None) -> None:
        """The operator's now."""
        async with self._db.transaction() as tx:
            orphans.change(
                tx, orphan, now, status=orphans.OPEN, due_at=None, lease_until=None, last_error=why,
                customer_tenant_id=None, customer_id=None, link_id=None, provisioning_id=None,
            )  # fmt: skip
        act(log, "recovery.orphaned", logging.WARNING, orphan=orphan.id, waba=orphan.meta_waba_id, why=why)

    async def _later(self, orphan: Orphan, now: int, wait: int, *, tries: int = 0) -> None:
        async with self._db.transaction() as tx:
            orphans.change(tx, orphan, now, due_at=now + wait, lease_until=None, tries=tries)


def _open(orphan: Orphan | None, *, or_dismissed: bool = False) -> Orphan:
    if orphan is None:
        raise NotFound("There is no such authorisation.")
    if orphan.status == orphans.AWAITED:
        raise OrphanNotOpen("Its customer may still be about to come back; it opens by itself within five minutes.")
    if orphan.status != orphans.OPEN and not (or_dismissed and orphan.status == orphans.DISMISSED):
        raise OrphanNotOpen(f"It is {orphan.status}; there is nothing left to decide.")
    return orphan


def _waits(target: Target, orphan: Orphan, now: int) -> bool:
    """True while the browser's own code may still come, or is just being traded."""
    return target.exchanging or (target.at_meta is not None and now < orphan.noticed_at + GRACE)


def _wait(age: int) -> int:
    return max(SOONEST_LOOK, min(age // 4, LATEST_LOOK))


def _words(error: GraphError) -> str:
    if error.kind is Kind.RELOGIN:
        return "Meta takes META_SYSTEM_TOKEN no longer: make a new one for your system user and set it."
    if error.kind in {Kind.PERMISSION, Kind.NOT_FOUND}:
        return (
            "Meta gives this portfolio's token to nobody here: the customer has taken the access back, or your system "
            "user lacks business_management. The customer can sign in by a setup link."
        )
    return f"{error.sentence} Nothing was changed."

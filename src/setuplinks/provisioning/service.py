"""What crosses features while a number is being connected: take up a grant, ask, send back, fail, revoke a link.

Owns the exchange of Meta's code and the units around it. The order of the steps stands in `machine`, what is written at
the end in `finish`.
"""

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import Any

from setuplinks.core.clock import Clock
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Unit
from setuplinks.core.logs import act
from setuplinks.core.problems import Unavailable
from setuplinks.core.vault import Vault
from setuplinks.meta.errors import GraphError
from setuplinks.meta.graph import Graph
from setuplinks.meta.payloads import TokenGrant
from setuplinks.meta.secret import Secret
from setuplinks.provisioning import store
from setuplinks.provisioning.machine import FIRST, Hold, Step
from setuplinks.provisioning.models import Claims, Facts, Provisioning, RunMoved, as_text
from setuplinks.provisioning.question import api_view, event_view
from setuplinks.setup_links import store as links
from setuplinks.setup_links.announce import announce
from setuplinks.setup_links.codes import CODES
from setuplinks.setup_links.machine import WAITING, Act, Phase, VisitStatus, after
from setuplinks.setup_links.models import LinkMoved, SetupLink, Visit
from setuplinks.setup_links.service import SetupLinks
from setuplinks.setup_links.sweeper import CHANNEL as SWEEPER_CHANNEL
from setuplinks.setup_links.visits import (
    Taken,
    VisitClosed,
    Visits,
    ended_visit,
    failed_columns,
    visit_data,
    visit_end_columns,
)
from setuplinks.webhooks.service import Events

CHANNEL = "provisioning"
RECORD_FOR = 20.0  # seconds that the second unit is tried for, within the request: the token is nowhere else
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0

log = logging.getLogger("setuplinks.provisioning")


@dataclass(frozen=True)
class Granted:
    """How taking up a grant went: the link it was for, and the code where the visit ended instead."""

    link: SetupLink
    code: str | None = None


class Provisionings:
    """The verbs of the whole connection."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        vault: Vault,
        events: Events,
        graph: Graph,
        visits: Visits,
        setup_links: SetupLinks,
    ) -> None:
        self._db, self._clock, self._vault, self._events = db, clock, vault, events
        self._graph, self._visits, self._links = graph, visits, setup_links

    async def take_up(self, state: str, browser: str | None, code: str, claims: Claims) -> Granted:
        """Row 7: consumes the state, exchanges the code at once and records the token, all within this request.

        The code lives for 30 s and works once: it is never tried again. Raises StateUnknown, StateSpent, WrongBrowser,
        VisitClosed; Unavailable where the database is away before the code is spent.
        """
        # All that may fail is done before the code is spent, and what can be before the state is.
        provisioning_id = await self._db.next_id("provisioning")
        taken = await self._db.unit(self._visits.take, state, browser)
        tenant_id = taken.link.tenant_id
        sealer = await self._vault.tenant(tenant_id)
        try:
            grant = await self._graph.exchange_code(Secret(code), taken.redirect_uri)
        except GraphError as error:
            act(
                log, "code.exchange_failed", logging.WARNING, link=taken.link.id, visit=taken.visit.id, error=str(error)
            )
            await self._db.unit(
                self._visits.left, tenant_id, taken.link.id, taken.visit.id, "code_exchange_failed", None
            )
            return Granted(taken.link, "code_exchange_failed")
        token = sealer.seal(grant.access_token.reveal().encode(), "provisioning", provisioning_id, "token")
        try:
            await self._record(taken, provisioning_id, token, grant, claims)
        except VisitClosed as error:
            # Another visit's grant came first, or the link has ended: this token is dropped, never stored.
            act(log, "code.discarded", link=taken.link.id, visit=taken.visit.id, why=error.code)
            await self._db.unit(self._visits.drop, tenant_id, taken.link.id, taken.visit.id)
            raise
        act(log, "provisioning.started", link=taken.link.id, visit=taken.visit.id, provisioning=provisioning_id)
        return Granted(taken.link)

    async def _record(
        self, taken: Taken, provisioning_id: int, token: bytes, grant: TokenGrant, claims: Claims
    ) -> None:
        """Unit 2, tried for 20 s where the database is away: until it is committed the token exists only here."""
        end = asyncio.get_running_loop().time() + RECORD_FOR
        pause = FIRST_PAUSE
        while True:
            try:
                await self._db.unit(
                    self.begin, taken, provisioning_id, token, grant.expires_at_us(self._clock.now()), claims
                )
                return
            except (Unavailable, LinkMoved):
                # A commit whose outcome is unknown may have happened: the next try then finds its own row.
                if asyncio.get_running_loop().time() + pause > end:
                    raise
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    async def begin(
        self, tx: Unit, taken: Taken, provisioning_id: int, token: bytes, token_expires_at: int | None, claims: Claims
    ) -> None:
        """Row 7, unit 2: the sealed token, the provisioning's row and the link's phase. Raises VisitClosed where the
        visit is no longer exchanging, the link has ended, or another provisioning exists."""
        now = self._clock.now()
        tenant_id = taken.link.tenant_id
        if await store.find(tx, tenant_id, provisioning_id) is not None:
            return  # an earlier try was committed though its answer was lost
        link = await links.find(tx, tenant_id, taken.link.id)
        link_visits = await links.visits(tx, link) if link else []
        visit = next((visit for visit in link_visits if visit.id == taken.visit.id), None)
        if link is None or visit is None or visit.status is not VisitStatus.EXCHANGING:
            raise VisitClosed()
        if link.seen(now) not in WAITING or after(link.phase, Act.GRANT) is None or link.provisioning_id is not None:
            raise VisitClosed()
        links.change_visit(tx, visit, LinkMoved(), status=VisitStatus.GRANTED, abandon_at=None)
        links.change(
            tx, link, now, phase=Phase.PROVISIONING, due_at=None, provisioning_id=provisioning_id,
            authorized_at=link.authorized_at or now, lapses_at=link.expires_at,
        )  # fmt: skip
        plan = "reconnect" if link.purpose == "reconnect" else (visit.connection_type or "dedicated")
        tx.add(
            store.ADD, tenant_id, provisioning_id, link.id, visit.id, link.customer_id, plan, FIRST.value, now, token,
            token_expires_at, as_text(claims),
        )  # fmt: skip
        links.add_step(tx, link, now, "permission_granted")
        tx.wake(CHANNEL)

    async def hold(
        self, tx: Unit, run: Provisioning, decision: Hold, facts: Facts, token_expires_at: int | None
    ) -> None:
        """Row 9: the run waits for the customer, with all that it has. The tenant is told of what it was not told yet.

        `run` as it was read: a worker whose lease is lost asks nothing.
        """
        now, question = self._clock.now(), decision.question
        stored, link, _ = await self._load(tx, run.tenant_id, run.id)
        if stored is None or stored.status != "running" or stored.version != run.version:
            raise RunMoved()
        if link is None or (link.phase is not Phase.ACTION_REQUIRED and after(link.phase, Act.ASK) is None):
            raise LinkMoved()
        store.change(
            tx, stored, now, plan=decision.plan, step=decision.step.value, tries=decision.tries, due_at=decision.due_at,
            lease_until=None, facts=facts, question=question, token_expires_at=token_expires_at,
        )  # fmt: skip
        if question.reason == "no_number":
            for waba in facts.wabas:
                tx.add(store.WATCH_WABA, run.tenant_id, run.id, waba.id)
        if question == stored.question:
            return
        values: dict[str, Any] = {"phase": Phase.ACTION_REQUIRED, "action_required": api_view(question)}
        links.change(tx, link, now, **values)
        if question.says_more_than(stored.facts.asked):
            links.add_step(tx, link, now, "action_required", question=question.kind, reason=question.reason)
            audience = await self._events.load(tx, run.tenant_id)
            await announce(
                self._events, tx, audience, "setup_link.action_required", _moved(link, values), now,
                **event_view(question),
            )  # fmt: skip

    async def go_on(self, tx: Unit, /, run: Provisioning, **values: Any) -> None:
        """Row 11, and row 10 where a look found what was asked for: records what a run came to. `values` are columns
        of the run; the WABAs that it takes are noted with them."""
        now = self._clock.now()
        facts: Facts = values["facts"]
        if run.question is not None:
            _, link, _ = await self._load(tx, run.tenant_id, run.id)
            if link is None or after(link.phase, Act.ANSWER) is None:
                raise LinkMoved()
            values |= {"question": None, "working_since": now}
            links.change(tx, link, now, phase=Phase.PROVISIONING, action_required=None)
            links.add_step(tx, link, now, "went_on", question=run.question.kind)
        store.change(tx, run, now, **values)
        if run.step is Step.CHOOSE:
            for waba in facts.chosen_wabas():
                tx.add(store.TAKE_WABA, run.tenant_id, run.id, waba.id)

    async def send_back(
        self, tx: Unit, tenant_id: int, provisioning_id: int, code: str, facts: Facts, *, version: int
    ) -> None:
        """Row 12: the grant cannot be used. The visit ends with `code`, the link waits for the customer again.

        `version` is the run's that the verdict is about: a worker whose lease is lost judges nobody else's step.
        """
        now = self._clock.now()
        run, link, link_visits = await self._load(tx, tenant_id, provisioning_id)
        if run is None or run.status != "running" or run.version != version:
            raise RunMoved()
        self._clean_up(tx, run, facts, now, "rejected", code)
        if link is None or after(link.phase, Act.REJECT) is None:
            return
        visit = next((visit for visit in link_visits if visit.id == run.visit_id), None)
        others = link_visits
        data: dict[str, Any] = {"code": code, "message": CODES[code].message, "retryable": CODES[code].retryable}
        if visit is not None:
            ended = ended_visit(visit, code, now, run.step.value)
            links.change_visit(tx, visit, RunMoved(), **visit_end_columns(ended))
            others = [ended if other.id == visit.id else other for other in link_visits]
            data = visit_data(ended)
        values = links.settled(link, others, phase=Phase.STARTED)
        links.change(tx, link, now, **values, provisioning_id=None, action_required=None)
        links.add_step(tx, link, now, "visit_ended", code=code, step=run.step.value)
        audience = await self._events.load(tx, tenant_id)
        await announce(self._events, tx, audience, "setup_link.visit_ended", _moved(link, values), now, **data)

    async def fail(
        self, tx: Unit, tenant_id: int, provisioning_id: int, code: str, facts: Facts, *, version: int
    ) -> None:
        """Row 14: the link fails with `code`; `version` as in `send_back`."""
        now = self._clock.now()
        run, link, link_visits = await self._load(tx, tenant_id, provisioning_id)
        if run is None or run.status != "running" or run.version != version:
            raise RunMoved()
        self._clean_up(tx, run, facts, now, "failed", code)
        if link is None or after(link.phase, Act.FAIL) is None:
            return
        values = failed_columns(code, now, run.step.value)
        links.change(tx, link, now, **values)
        for visit in links.open_visits(link_visits):
            links.change_visit(tx, visit, RunMoved(), **visit_end_columns(ended_visit(visit, code, now)))
        links.add_step(tx, link, now, "failed", code=code, step=run.step.value)
        audience = await self._events.load(tx, tenant_id)
        await announce(self._events, tx, audience, "setup_link.failed", _moved(link, values), now)

    async def revoke(self, tx: Unit, tenant_id: int, link_id: str, actor: str, reason: str = "revoked") -> SetupLink:
        """Row 16: revokes a link; work that runs stops at its next step and is cleaned up."""
        link = await self._links.revoke(tx, tenant_id, link_id, actor, reason)
        if link.provisioning_id is not None:
            run = await store.find(tx, tenant_id, link.provisioning_id)
            if run is not None and run.status == "running":
                self._clean_up(tx, run, run.facts, self._clock.now(), "revoked", None, at_work=True)
        return link

    async def suspend(self, tx: Unit, tenant_id: int, _actor: str) -> None:
        """Row 14 for all open links of a tenant that is being suspended: they fall due at once, and whoever looks at
        them, the sweeper or the runner, fails them one by one."""
        now = self._clock.now()
        tx.add(links.LOOK_AT_WAITING, tenant_id, now)
        tx.add(store.LOOK_AT_RUNNING, tenant_id, now)
        tx.wake(SWEEPER_CHANNEL)
        tx.wake(CHANNEL)

    def _clean_up(
        self, tx: Unit, run: Provisioning, facts: Facts, now: int, status: str, code: str | None, *,
        at_work: bool = False,
    ) -> None:  # fmt: skip
        """Erases the run's token, at once where nothing was subscribed, else after the app is unsubscribed again.

        `cleanup:<status>` keeps the token so long; the runner ends it. `at_work`: a worker may be in the middle of a
        step, and its call to subscribe must not arrive after ours to unsubscribe, so its lease is waited for.
        """
        facts = facts.without_person()
        if facts.subscribed_by_us:
            lease = {} if at_work else {"lease_until": None}
            store.change(
                tx,
                run,
                now,
                status=f"cleanup:{status}",
                facts=facts,
                due_at=now,
                tries=0,
                last_error=code,
                question=None,
                working_since=now,
                **lease,
            )
            tx.wake(CHANNEL)
        else:
            store.change(
                tx, run, now, status=status, facts=facts, due_at=None, lease_until=None, token=None, pin=None,
                question=None, last_error=code, ended_at=now,
            )  # fmt: skip

    async def _load(
        self, tx: Unit, tenant_id: int, provisioning_id: int
    ) -> tuple[Provisioning | None, SetupLink | None, list[Visit]]:
        run = await store.find(tx, tenant_id, provisioning_id)
        link = await links.find(tx, tenant_id, run.link_id) if run else None
        if link is not None and run is not None and link.provisioning_id != run.id:
            link = None  # the link went on without this run
        return run, link, await links.visits(tx, link) if link else []


def _moved(link: SetupLink, values: dict[str, Any]) -> SetupLink:
    return replace(link, **{**values, "phase": Phase(values.get("phase", link.phase))})

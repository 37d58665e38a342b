"""Runs due provisionings: load, call Meta, record; a step after a step until the run waits or ends.

Owns leases and the recording of outcomes. What a step does stands in `steps`, what follows in `machine`. A worker that
dies leaves its lease; another takes the run up at the step that was not recorded.
"""

import asyncio
import logging
import random
import secrets
from dataclasses import dataclass, replace

import msgspec

from setuplinks.core.clock import HOUR, SECOND, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Row
from setuplinks.core.logs import act
from setuplinks.core.problems import Problem, Unavailable
from setuplinks.core.vault import Sealer, Vault
from setuplinks.meta.errors import GraphError
from setuplinks.meta.graph import Graph
from setuplinks.meta.secret import Secret
from setuplinks.provisioning import store
from setuplinks.provisioning.finish import Finisher
from setuplinks.provisioning.machine import BACKOFF, Decision, Fail, Go, Reject, Step, advance
from setuplinks.provisioning.models import Facts, Provisioning, RunMoved
from setuplinks.provisioning.service import CHANNEL, Provisionings
from setuplinks.provisioning.steps import Context, Result, perform
from setuplinks.setup_links import store as links
from setuplinks.setup_links.machine import ENDED
from setuplinks.setup_links.models import LinkMoved, SetupLink
from setuplinks.tenants import store as tenants
from setuplinks.whatsapp import store as whatsapp
from setuplinks.whatsapp.models import NumberTaken

LEASE = 30 * SECOND
AT_ONCE = 32
LOOK_AGAIN = 0.1  # seconds after which a round that waits for Meta looks for other runs
CLEANUP_LIVES = 24 * HOUR
PIN_SPACE = 1_000_000

log = logging.getLogger("setuplinks.provisioning")


@dataclass(frozen=True)
class _Loaded:
    """A run with what its step needs, read before the call."""

    run: Provisioning
    link: SetupLink
    sealer: Sealer
    context: Context


class ProvisioningRunner:
    """One of the worker's runners."""

    name = "provisioning"
    channel = CHANNEL

    def __init__(
        self, db: Database, clock: Clock, vault: Vault, graph: Graph, service: Provisionings, finisher: Finisher
    ) -> None:
        self._db, self._clock, self._vault, self._graph = db, clock, vault, graph
        self._service, self._finisher = service, finisher
        self._busy: set[asyncio.Task[None]] = set()
        self._rested = 0

    async def run_once(self) -> int:
        """Takes what is due and brings each as far as it goes now; how many runs came to their rest, 0 when nothing is
        left to do. A run that waits long for Meta holds up no other: while it does, more is taken beside it."""
        while True:
            await self._take_what_is_due()
            if self._busy:
                await asyncio.wait(self._busy, timeout=LOOK_AGAIN)
            if self._rested or not self._busy:
                rested, self._rested = self._rested, 0
                return rested

    async def finish(self) -> None:
        """Takes no more, and returns when what is under way has come to its rest."""
        while self._busy:
            await asyncio.wait(self._busy)

    async def _take_what_is_due(self) -> None:
        free = AT_ONCE - len(self._busy)
        now = self._clock.now()
        for row in await self._db.claim(store.CLAIM, now, now + LEASE, free) if free else []:
            task = asyncio.create_task(self._bring_on(row), name=f"provisioning {row['id']}")
            self._busy.add(task)
            task.add_done_callback(self._has_rested)

    def _has_rested(self, task: asyncio.Task[None]) -> None:
        self._busy.discard(task)
        self._rested += 1

    async def _bring_on(self, row: Row) -> None:
        named = {"provisioning": row["id"], "link": row["link_id"]}
        try:
            run = Provisioning.of(row)
            if run.status.startswith("cleanup:"):
                await self._clean_up(run)
                return
            current: Provisioning | None = run
            while current is not None:
                current = await self._step(current)
        except (RunMoved, LinkMoved):
            act(log, "provisioning.overtaken", **named)
        except Unavailable as error:  # the database is away: the lease ends by itself
            act(log, "provisioning.put_off", logging.WARNING, **named, why=error.code)
        except Exception as error:  # also a secret that cannot be opened, or a row of a newer version
            log.exception("provisioning.crashed", extra={"fields": {**named, "why": getattr(error, "code", None)}})
            await self._after_crash(row)

    async def _step(self, run: Provisioning) -> Provisioning | None:
        """One step; the run as it goes on at once, or None where it waits or has ended."""
        loaded = await self._load(run)
        if loaded is None:
            return None
        if run.step is Step.FINISH:
            await self._finish(loaded)
            return None
        started = self._clock.now()
        result = await perform(run.step, loaded.context)
        decision = advance(loaded.run.run, result.outcome, self._clock.now(), random.uniform(-1, 1))
        act(
            log, "provisioning.step", provisioning=run.id, link=run.link_id, tenant=run.tenant_id, step=run.step.value,
            tries=run.tries, outcome=type(result.outcome).__name__.lower(), code=getattr(result.outcome, "code", None),
            decision=type(decision).__name__.lower(), duration_ms=(self._clock.now() - started) / 1000,
        )  # fmt: skip
        return await self._record(loaded.run, result, decision)

    async def _record(self, run: Provisioning, result: Result, decision: Decision) -> Provisioning | None:
        now = self._clock.now()
        if isinstance(decision, Reject):
            await self._db.unit(
                self._service.send_back, run.tenant_id, run.id, decision.code, result.facts, version=run.version
            )
            return None
        if isinstance(decision, Fail):
            await self._db.unit(
                self._service.fail, run.tenant_id, run.id, decision.code, result.facts, version=run.version
            )
            return None
        if not isinstance(decision, Go):
            raise RunMoved()  # only FINISH completes, and that has its own unit
        facts = result.facts
        if decision.step is not run.step:
            facts = _stamped(facts, run.step, now)
        goes_on = decision.due_at <= now
        expires_at = result.token_expires_at if run.step is Step.INSPECT else run.token_expires_at
        meta_waba_id = facts.waba().id if facts.chosen else None
        async with self._db.transaction() as tx:
            store.change(
                tx, run, now, plan=decision.plan, step=decision.step.value, tries=decision.tries,
                due_at=decision.due_at, lease_until=now + LEASE if goes_on else None, facts=facts,
                token_expires_at=expires_at, meta_waba_id=meta_waba_id,
                last_error=getattr(result.outcome, "code", None),
            )  # fmt: skip
        if not goes_on:
            return None
        return replace(
            run, plan=decision.plan, step=decision.step, tries=decision.tries, due_at=decision.due_at, facts=facts,
            token_expires_at=expires_at, meta_waba_id=meta_waba_id, version=run.version + 1,
        )  # fmt: skip

    async def _finish(self, loaded: _Loaded) -> None:
        run = loaded.run
        fresh = await self._finisher.fresh_ids(run.facts)
        try:
            await self._db.unit(self._finisher.finish, loaded.sealer, run.tenant_id, run.id, fresh)
        except NumberTaken:
            await self._db.unit(
                self._service.send_back, run.tenant_id, run.id, "number_in_use", run.facts, version=run.version
            )
            return
        act(log, "provisioning.completed", provisioning=run.id, link=run.link_id, tenant=run.tenant_id)

    async def _load(self, run: Provisioning) -> _Loaded | None:
        """What the step needs, read in one go; None where the run has nothing left to do."""
        row = await self._db.one(links.FIND_LINK, run.tenant_id, run.link_id)
        link = SetupLink.of(row) if row else None
        if link is None or run.token is None or link.provisioning_id != run.id or link.phase in ENDED:
            # Nothing of ours leaves such a run behind. If it stands there all the same, its token must not stay.
            act(log, "provisioning.forsaken", logging.ERROR, provisioning=run.id, link=run.link_id)
            await self._db.unit(
                self._service.send_back, run.tenant_id, run.id, "internal", run.facts, version=run.version
            )
            return None
        tenant = await tenants.find(self._db, run.tenant_id)
        if tenant is None or not tenant.active:
            await self._db.unit(
                self._service.fail, run.tenant_id, run.id, "tenant_suspended", run.facts, version=run.version
            )
            return None
        sealer = await self._vault.tenant(run.tenant_id)
        token = Secret(sealer.open(run.token, "provisioning", run.id, "token").decode())
        pin = None
        if run.step is Step.REGISTER:
            run = await self._with_pin(run, sealer)
            if run.pin is not None:
                pin = Secret(sealer.open(run.pin, "provisioning", run.id, "pin").decode())
        target_waba, target_number = await self._target(link)
        context = Context(
            graph=self._graph, token=token, facts=run.facts, claims=run.claims, plan=run.plan,
            allowed_types=link.connection_types, sync_history=link.sync_history, target_waba=target_waba,
            target_number=target_number, held_elsewhere=await self._held_elsewhere(run),
            waits_for_cleanup=await self._waits_for_cleanup(run), pin=pin,
        )  # fmt: skip
        return _Loaded(run, link, sealer, context)

    async def _with_pin(self, run: Provisioning, sealer: Sealer) -> Provisioning:
        """A PIN that Meta may know must not be lost: it is committed before the call that sets it."""
        if run.pin is not None or not run.facts.number().needs_registration:
            return run
        now = self._clock.now()
        pin = sealer.seal(f"{secrets.randbelow(PIN_SPACE):06d}".encode(), "provisioning", run.id, "pin")
        async with self._db.transaction() as tx:
            store.change(tx, run, now, pin=pin, lease_until=now + LEASE)
        return replace(run, pin=pin, version=run.version + 1)

    async def _target(self, link: SetupLink) -> tuple[str | None, str | None]:
        if link.reconnect_phone_id is None:
            return None, None
        row = await self._db.one(whatsapp.FIND_NUMBER, link.tenant_id, link.reconnect_phone_id)
        if row is None:
            raise LinkMoved()
        return row["meta_waba_id"], row["meta_phone_number_id"]

    async def _held_elsewhere(self, run: Provisioning) -> bool:
        if run.step is not Step.NOTE_SUBSCRIPTION or run.facts.chosen is None:
            return False
        held = await self._db.one(whatsapp.WHO_HOLDS, run.facts.chosen)
        return held is not None and (held["tenant_id"], held["customer_id"]) != (run.tenant_id, run.customer_id)

    async def _waits_for_cleanup(self, run: Provisioning) -> bool:
        """True while another run or an off-boarding takes our subscription off the same WABA."""
        if run.step not in {Step.NOTE_SUBSCRIPTION, Step.SUBSCRIBE} or run.meta_waba_id is None:
            return False
        leaving = await self._db.one(store.OFFBOARDING_ON_WABA, run.meta_waba_id)
        return leaving is not None or await self._others(run, "cleanup:%") > 0

    async def _others(self, run: Provisioning, status: str) -> int:
        """Other runs on the same WABA; both sides commit what they are about to do before they look."""
        if run.meta_waba_id is None:
            return 0
        row = await self._db.one(store.OTHERS_ON_WABA, run.meta_waba_id, status, run.tenant_id, run.id)
        return int(row["n"]) if row else 0

    async def _clean_up(self, run: Provisioning) -> None:
        """Takes our subscription off again where this run made it and nobody else needs it, then erases the token."""
        now = self._clock.now()
        error_code: str | None = None
        if run.token is not None and run.meta_waba_id is not None and await self._is_ours_alone(run):
            sealer = await self._vault.tenant(run.tenant_id)
            token = Secret(sealer.open(run.token, "provisioning", run.id, "token").decode())
            try:
                await self._graph.unsubscribe(token, run.meta_waba_id)
            except GraphError as error:
                error_code = str(error)
                if error.retryable and now - run.started_at < CLEANUP_LIVES:
                    wait = (error.wait_s or BACKOFF[min(run.tries, len(BACKOFF) - 1)]) * SECOND
                    async with self._db.transaction() as tx:
                        store.change(tx, run, now, due_at=now + wait, tries=run.tries + 1, lease_until=None)
                    return
        async with self._db.transaction() as tx:
            store.change(
                tx, run, now, status=run.status.removeprefix("cleanup:"), due_at=None, lease_until=None, token=None,
                pin=None, ended_at=now,
            )  # fmt: skip
        act(log, "provisioning.cleaned_up", provisioning=run.id, link=run.link_id, error=error_code)

    async def _is_ours_alone(self, run: Provisioning) -> bool:
        if await self._db.one(whatsapp.HELD_OF_WABA, run.meta_waba_id) is not None:
            return False
        return await self._others(run, "running") == 0

    async def _after_crash(self, row: Row) -> None:
        """Our own fault: tried again with growing waits, and for 24 hours at most, so that no run loops or hangs."""
        now = self._clock.now()
        try:
            fresh = await self._db.one(store.FIND, row["tenant_id"], row["id"])
            if fresh is None or fresh["due_at"] is None:
                return
            if now - fresh["started_at"] >= CLEANUP_LIVES and await self._given_up(fresh, now):
                return
            wait = BACKOFF[min(fresh["tries"], len(BACKOFF) - 1)] * SECOND
            async with self._db.transaction() as tx:
                tx.add(store.PUT_OFF, fresh["tenant_id"], fresh["id"], fresh["version"], now + wait, now)
        except Problem as error:
            act(log, "provisioning.put_off", logging.WARNING, provisioning=row["id"], why=error.code)

    async def _given_up(self, row: Row, now: int) -> bool:
        """Ends a run that could not go on for a day; False where not even that can be written."""
        try:
            if row["status"].startswith("cleanup:"):
                ended = row["status"].removeprefix("cleanup:")
                async with self._db.transaction() as tx:
                    tx.add(store.END_CLEANUP, row["tenant_id"], row["id"], row["version"], ended, now)
            else:
                run = Provisioning.of(row)
                await self._db.unit(
                    self._service.fail, run.tenant_id, run.id, "internal", run.facts, version=run.version
                )
        except Exception:
            log.exception("provisioning.not_given_up", extra={"fields": {"provisioning": row["id"]}})
            return False
        return True


def _stamped(facts: Facts, step: Step, now: int) -> Facts:
    return msgspec.structs.replace(facts, done_at={**facts.done_at, step.value: now})

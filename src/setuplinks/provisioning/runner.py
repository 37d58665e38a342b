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
from setuplinks.core.logs import act
from setuplinks.core.problems import Problem
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
from setuplinks.setup_links.models import LinkMoved, SetupLink
from setuplinks.whatsapp import store as whatsapp
from setuplinks.whatsapp.models import NumberTaken

LEASE = 30 * SECOND
AT_ONCE = 32
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

    async def run_once(self) -> int:
        """Takes what is due, at most `AT_ONCE`, and brings each as far as it goes now; how many were taken."""
        now = self._clock.now()
        rows = await self._db.claim(store.CLAIM, now, now + LEASE, AT_ONCE)
        await asyncio.gather(*(self._bring_on(Provisioning.of(row)) for row in rows))
        return len(rows)

    async def _bring_on(self, run: Provisioning) -> None:
        try:
            if run.status.startswith("cleanup:"):
                await self._clean_up(run)
                return
            current: Provisioning | None = run
            while current is not None:
                current = await self._step(current)
        except (RunMoved, LinkMoved):
            act(log, "provisioning.overtaken", provisioning=run.id, link=run.link_id)
        except Problem as error:  # the database is away, or a secret cannot be opened: the lease ends by itself
            act(log, "provisioning.put_off", logging.WARNING, provisioning=run.id, link=run.link_id, why=error.code)
        except Exception:
            log.exception("provisioning.crashed", extra={"fields": {"provisioning": run.id, "link": run.link_id}})
            await self._after_crash(run)

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
            await self._db.unit(self._service.send_back, run.tenant_id, run.id, decision.code, result.facts)
            return None
        if isinstance(decision, Fail):
            await self._db.unit(self._service.fail, run.tenant_id, run.id, decision.code, result.facts)
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
            await self._db.unit(self._service.send_back, run.tenant_id, run.id, "number_in_use", run.facts)
            return
        act(log, "provisioning.completed", provisioning=run.id, link=run.link_id, tenant=run.tenant_id)

    async def _load(self, run: Provisioning) -> _Loaded | None:
        """What the step needs, read in one go; None where the run has nothing left to do."""
        row = await self._db.one(links.FIND_LINK, run.tenant_id, run.link_id)
        link = SetupLink.of(row) if row else None
        if link is None or run.token is None or link.provisioning_id != run.id:
            raise LinkMoved()
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

    async def _after_crash(self, run: Provisioning) -> None:
        """Our own fault: tried again with growing waits, and for 24 hours at most, so that no run loops or hangs."""
        row = await self._db.one(store.FIND, run.tenant_id, run.id)
        if row is None or row["status"] != "running":
            return
        current = Provisioning.of(row)
        now = self._clock.now()
        wait = BACKOFF[min(current.tries, len(BACKOFF) - 1)] * SECOND
        try:
            if now - current.started_at >= CLEANUP_LIVES:
                await self._db.unit(self._service.fail, run.tenant_id, run.id, "internal", current.facts)
                return
            async with self._db.transaction() as tx:
                store.change(
                    tx,
                    current,
                    now,
                    due_at=now + wait,
                    tries=current.tries + 1,
                    lease_until=None,
                    last_error="internal",
                )
        except Problem as error:
            act(log, "provisioning.put_off", logging.WARNING, provisioning=run.id, why=error.code)


def _stamped(facts: Facts, step: Step, now: int) -> Facts:
    return msgspec.structs.replace(facts, done_at={**facts.done_at, step.value: now})

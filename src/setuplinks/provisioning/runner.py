"""Runs due provisionings: load, call Meta, record; a step after a step until the run waits or ends.

Owns leases, which steps share a record, and the recording of outcomes. What a step does stands in `steps`, what follows
in `machine`. A worker that dies leaves its lease; another takes the run up behind the last record.
"""

import asyncio
import contextlib
import logging
import random
import secrets
from dataclasses import dataclass, replace

import msgspec

from setuplinks.core.clock import SECOND, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Row
from setuplinks.core.logs import act
from setuplinks.core.problems import Problem, Unavailable
from setuplinks.core.vault import Sealer, Vault
from setuplinks.meta.graph import Graph
from setuplinks.meta.secret import Secret
from setuplinks.provisioning import store
from setuplinks.provisioning.cleanup import CLEANUP_LIVES, CleanUps, others_on
from setuplinks.provisioning.finish import Finisher
from setuplinks.provisioning.machine import (
    BACKOFF,
    RECORDED_AFTER,
    Decision,
    Done,
    Fail,
    Go,
    Hold,
    Reject,
    Step,
    advance,
    looked_at,
)
from setuplinks.provisioning.models import Facts, Provisioning, RunMoved, opened_pins, sealed_pins
from setuplinks.provisioning.question import Question
from setuplinks.provisioning.service import CHANNEL, Provisionings
from setuplinks.provisioning.steps import Context, Result, perform
from setuplinks.setup_links import store as links
from setuplinks.setup_links.machine import ENDED
from setuplinks.setup_links.models import LinkMoved, SetupLink
from setuplinks.tenants import store as tenants
from setuplinks.whatsapp import store as whatsapp
from setuplinks.whatsapp.models import NumberTaken

LEASE = 40 * SECOND
# Steps share a record for so long; a call may take 24 s, so that none ends behind its lease.
SHARED_FOR = 10 * SECOND
AT_ONCE = 32
LOOK_AGAIN = 0.1  # seconds after which a round that waits for Meta looks for other runs
PIN_SPACE = 1_000_000

log = logging.getLogger("setuplinks.provisioning")


@dataclass(frozen=True)
class _Known:
    """What all steps up to the next record need, read before the first."""

    link: SetupLink
    sealer: Sealer
    token: Secret
    target_waba: str | None
    target_number: str | None


class ProvisioningRunner:
    """One of the worker's runners."""

    name = "provisioning"
    channel = CHANNEL

    def __init__(
        self, db: Database, clock: Clock, vault: Vault, graph: Graph, service: Provisionings, finisher: Finisher
    ) -> None:
        self._db, self._clock, self._vault, self._graph = db, clock, vault, graph
        self._service, self._finisher = service, finisher
        self._cleanups = CleanUps(db, clock, vault, graph)
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
                await self._cleanups.end(run)
                return
            current: Provisioning | None = run
            while current is not None:
                current = await self._on_to_the_next_record(current)
        except (RunMoved, LinkMoved):
            act(log, "provisioning.overtaken", **named)
        except Unavailable as error:  # the database is away: the lease ends by itself
            act(log, "provisioning.put_off", logging.WARNING, **named, why=error.code)
        except Exception as error:  # also a secret that cannot be opened, or a row of a newer version
            log.exception("provisioning.crashed", extra={"fields": {**named, "why": getattr(error, "code", None)}})
            await self._after_crash(row)

    async def _on_to_the_next_record(self, run: Provisioning) -> Provisioning | None:
        """Steps until one must be recorded; the run as it goes on at once, or None where it waits or has ended.

        A death in between repeats these steps: what they change at Meta was committed as a plan before the first.
        """
        began = self._clock.now()
        known = await self._known(run)
        if known is None:
            return None
        verdict = looked_at(run.run, began)
        if verdict is not None:
            return await self._record(known, run, Result(Done(), run.facts), verdict)
        while run.step is not Step.FINISH:
            result, decision = await self._step(known, run)
            now = self._clock.now()
            if isinstance(decision, Go) and decision.step is not run.step:
                result = replace(result, facts=_stamped(result.facts, run.step, now))
            lasted = now - began >= SHARED_FOR
            if not isinstance(decision, Go) or decision.due_at > now or run.step in RECORDED_AFTER or lasted:
                return await self._record(known, run, result, decision)
            expires_at = result.token_expires_at if run.step is Step.INSPECT else run.token_expires_at
            run = replace(
                run, plan=decision.plan, step=decision.step, tries=decision.tries, facts=result.facts,
                token_expires_at=expires_at,
            )  # fmt: skip
            await self._still_mine(run)
        await self._finish(known, run)
        return None

    async def _step(self, known: _Known, run: Provisioning) -> tuple[Result, Decision]:
        started = self._clock.now()
        result = await perform(run.step, await self._context(known, run))
        decision = advance(run.run, result.outcome, self._clock.now(), random.uniform(-1, 1))
        act(
            log, "provisioning.step", provisioning=run.id, link=run.link_id, tenant=run.tenant_id, step=run.step.value,
            tries=run.tries, outcome=type(result.outcome).__name__.lower(), code=getattr(result.outcome, "code", None),
            decision=type(decision).__name__.lower(), duration_ms=(self._clock.now() - started) / 1000,
        )  # fmt: skip
        return result, decision

    async def _record(
        self, known: _Known, run: Provisioning, result: Result, decision: Decision
    ) -> Provisioning | None:
        now = self._clock.now()
        key = (run.tenant_id, run.id)
        if isinstance(decision, Reject):
            await self._db.unit(self._service.send_back, *key, decision.code, result.facts, version=run.version)
            return None
        if isinstance(decision, Fail):
            await self._db.unit(self._service.fail, *key, decision.code, result.facts, version=run.version)
            return None
        expires_at = result.token_expires_at if run.step is Step.INSPECT else run.token_expires_at
        if isinstance(decision, Hold):
            await self._db.unit(self._service.hold, run, decision, result.facts, expires_at)
            return None
        if not isinstance(decision, Go):
            raise RunMoved()  # only FINISH completes, and that has its own unit
        goes_on = decision.due_at <= now
        pin = await self._pins_for(known, run, result.facts) if run.step is Step.NOTE_SUBSCRIPTION else run.pin
        tries = 0 if run.question is not None else decision.tries
        await self._db.unit(
            self._service.go_on, run, plan=decision.plan, step=decision.step.value, tries=tries,
            due_at=decision.due_at, lease_until=now + LEASE if goes_on else None, facts=result.facts,
            token_expires_at=expires_at, pin=pin, last_error=getattr(result.outcome, "code", None),
        )  # fmt: skip
        if not goes_on:
            return None
        return replace(
            run, plan=decision.plan, step=decision.step, tries=tries, due_at=decision.due_at, facts=result.facts,
            token_expires_at=expires_at, pin=pin, question=None, version=run.version + 1,
            working_since=run.working_since if run.question is None else now,
        )  # fmt: skip

    async def _finish(self, known: _Known, run: Provisioning) -> None:
        fresh = await self._finisher.fresh_ids(run.facts)
        try:
            await self._db.unit(self._finisher.finish, known.sealer, run, fresh)
        except NumberTaken:
            await self._db.unit(
                self._service.send_back, run.tenant_id, run.id, "number_in_use", run.facts, version=run.version
            )
            return
        act(log, "provisioning.completed", provisioning=run.id, link=run.link_id, tenant=run.tenant_id)

    async def _still_mine(self, run: Provisioning) -> None:
        """Between steps that share a record: whoever revoked the link, or took the run over, has changed its row."""
        row = await self._db.one(store.VERSION, run.tenant_id, run.id)
        if row is None or row["version"] != run.version:
            raise RunMoved()

    async def _known(self, run: Provisioning) -> _Known | None:
        """What the steps need, read in one go; None where the run has nothing left to do."""
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
        target_waba, target_number = await self._target(link)
        return _Known(link, sealer, token, target_waba, target_number)

    async def _context(self, known: _Known, run: Provisioning) -> Context:
        pins: dict[str, Secret] = {}
        if run.step is Step.REGISTER:
            pins = {number: Secret(pin) for number, pin in opened_pins(known.sealer, run).items()}
        return Context(
            graph=self._graph, token=known.token, facts=run.facts, claims=run.claims, plan=run.plan,
            allowed_types=known.link.connection_types, sync_history=known.link.sync_history,
            target_waba=known.target_waba, target_number=known.target_number, now=self._clock.now(),
            held_elsewhere=await self._held_elsewhere(run), waits_for_cleanup=await self._waits_for_cleanup(run),
            pins=pins,
        )  # fmt: skip

    async def _pins_for(self, known: _Known, run: Provisioning, facts: Facts) -> bytes | None:
        """The PINs of the numbers to register: one that we know from before (Meta would refuse any other), else a fresh
        one. A PIN that Meta may know must not be lost: they are committed before the call that sets them."""
        pins = opened_pins(known.sealer, run)
        for number in facts.chosen_numbers():
            if facts.is_registered(number) or number.id in pins:
                continue
            row = await self._db.one(whatsapp.FIND_NUMBER_BY_META, run.tenant_id, run.customer_id, number.id)
            if row is not None and row["pin"] is not None:
                pins[number.id] = known.sealer.open(row["pin"], "phone_number", row["id"], "pin").decode()
            else:
                pins[number.id] = f"{secrets.randbelow(PIN_SPACE):06d}"
        return sealed_pins(known.sealer, run.id, pins) if pins else None

    async def _target(self, link: SetupLink) -> tuple[str | None, str | None]:
        if link.reconnect_phone_id is None:
            return None, None
        row = await self._db.one(whatsapp.FIND_NUMBER, link.tenant_id, link.reconnect_phone_id)
        if row is None:
            raise LinkMoved()
        return row["meta_waba_id"], row["meta_phone_number_id"]

    async def _held_elsewhere(self, run: Provisioning) -> frozenset[str]:
        """Which of the numbers in question other customers hold."""
        facts = run.facts
        looked_for = {Step.CHOOSE: tuple(n.id for n in facts.numbers), Step.NOTE_SUBSCRIPTION: facts.chosen}
        held: set[str] = set()
        for number in looked_for.get(run.step, ()):
            row = await self._db.one(whatsapp.WHO_HOLDS, number)
            if row is not None and (row["tenant_id"], row["customer_id"]) != (run.tenant_id, run.customer_id):
                held.add(number)
        return frozenset(held)

    async def _waits_for_cleanup(self, run: Provisioning) -> bool:
        """True while another run or an off-boarding takes our subscription off one of the same WABAs."""
        if run.step not in {Step.NOTE_SUBSCRIPTION, Step.SUBSCRIBE}:
            return False
        for waba in run.facts.chosen_wabas():
            leaving = await self._db.one(store.OFFBOARDING_ON_WABA, waba.id)
            if leaving is not None or await others_on(self._db, run, waba.id, "cleanup:%"):
                return True
        return False

    async def _after_crash(self, row: Row) -> None:
        """Our own fault: tried again with growing waits, and for 24 hours at most, so that no run loops or hangs."""
        now = self._clock.now()
        try:
            fresh = await self._db.one(store.FIND, row["tenant_id"], row["id"])
            if fresh is None or fresh["due_at"] is None:
                return
            if now >= _patience_ends(fresh) and await self._given_up(fresh, now):
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


def _patience_ends(row: Row) -> int:
    """When a run that only crashes is given up: after a day of work, and not while the customer still has time."""
    ends = int(row["working_since"]) + CLEANUP_LIVES
    if row["question"] is not None:
        with contextlib.suppress(msgspec.MsgspecError):  # a newer version's question: the day is all that is known
            ends = max(ends, msgspec.json.decode(row["question"], type=Question).until)
    return ends


def _stamped(facts: Facts, step: Step, now: int) -> Facts:
    return msgspec.structs.replace(facts, done_at={**facts.done_at, step.value: now})

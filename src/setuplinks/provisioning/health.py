"""Do the connections still stand? Every WABA is looked at from time to time, and at once where somebody asks.

Owns the pace (one due row for each credential, jitter, a share of Meta's limits), what a look means for numbers, token
and subscription, and the second look before a number counts as gone. Pending numbers' registration is `pending`'s.
"""

import asyncio
import json
import logging
import random
from dataclasses import dataclass

from setuplinks.core.clock import HOUR, MINUTE, SECOND, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Row, Unit
from setuplinks.core.logs import act
from setuplinks.core.problems import Conflict, Problem, RaceLost, Unavailable
from setuplinks.core.vault import Vault
from setuplinks.meta.errors import GraphError
from setuplinks.meta.graph import Graph
from setuplinks.meta.secret import Secret
from setuplinks.meta.usage import Load
from setuplinks.provisioning.disconnect import Disconnects
from setuplinks.provisioning.looking import Look, look_at
from setuplinks.provisioning.observing import Observer, Sight
from setuplinks.whatsapp import store as whatsapp
from setuplinks.whatsapp.disconnection import Reason
from setuplinks.whatsapp.expiry import days_left, next_word
from setuplinks.whatsapp.models import PhoneNumber, Waba

CHANNEL = "health"
LEASE = 2 * MINUTE
AT_ONCE = 4
PACE = 2 * SECOND  # between two rounds of one process: also after a day of downtime no flood of calls
IDLE = 5 * SECOND  # nothing is due: nobody waits for this work, so it is not looked for twice a second
AFTER_FAILURE = 15 * MINUTE  # then twice as long each time, at most as long as between two looks
SECOND_LOOK = 15 * MINUTE
AGAIN_SOON = MINUTE
STALE_USAGE = 10 * MINUTE  # older headers say nothing of now: the next look brings fresh ones
MANAGEMENT = frozenset({"", "whatsapp_business_management"})
INTERNAL = "Something failed on our side."
# Cut off for these, a number is looked at all the same: Meta was mistaken, or the customer has put it right there.
MAY_PASS: tuple[Reason, ...] = ("token_revoked", "number_removed")

log = logging.getLogger("setuplinks.health")


class Overtaken(Conflict):
    """The token was renewed while Meta was asked about the old one: what Meta said of that is of no use."""

    code = "overtaken"
    title = "The connection was renewed at the same moment."


@dataclass(frozen=True)
class _Case:
    """A WABA as it stood before Meta was asked."""

    waba: Waba
    credential: Row
    numbers: list[PhoneNumber]
    token: Secret


class HealthChecks:
    """Looks at one WABA and writes down what was seen; for the runner and for live answers alike."""

    def __init__(
        self, db: Database, clock: Clock, vault: Vault, graph: Graph, observer: Observer, disconnects: Disconnects
    ) -> None:
        self._db, self._clock, self._vault, self._graph = db, clock, vault, graph
        self._observer, self._disconnects = observer, disconnects

    def closed_until(self, meta_waba_id: str | None, share: int) -> int | None:
        """µs until when nothing is asked, for this account or (None) at all; None where there is room.

        There is none where Meta says so, or where `share` percent of a limit of ours are used up.
        """
        now, usage = self._clock.now(), self._graph.usage
        loads: tuple[Load, ...] = (usage.app,)
        told = 0
        if meta_waba_id is not None:
            loads += tuple(load for load in usage.of(meta_waba_id) if load.type in MANAGEMENT)
            told = usage.closed_until(meta_waba_id) or 0
        full = [load.at + STALE_USAGE for load in loads if load.percent >= share]
        until = max([told, *full])
        return until if until > now else None

    async def look(self, credential: Row, *, with_account: bool) -> tuple[Look, bool] | None:
        """Asks Meta and writes down what it says. None where there is nothing to look at.

        The flag is True where all of it was written; False where somebody wrote meanwhile. Raises Problem only.
        """
        case = await self._case(credential)
        if case is None:
            return None
        look = await look_at(
            self._graph, self._clock, case.token, case.waba.meta_waba_id, case.numbers, with_account=with_account
        )
        if look.subscribed is False and any(number.status != "disconnected" for number in case.numbers):
            await self._subscribe_again(case, look)
        try:
            written = await self._record(case, look)
        except Overtaken:
            written = False
        act(
            log, "health.looked", waba=case.waba.id, tenant=case.waba.tenant_id, numbers=len(case.numbers),
            dead=look.dead, unasked=sorted(look.unasked) or None, missing=len(look.missing) or None,
            repaired=look.repaired or None, overtaken=not written or None,
        )  # fmt: skip
        return look, written

    async def _case(self, credential: Row) -> _Case | None:
        tenant_id, waba_id = credential["tenant_id"], credential["waba_id"]
        row = await self._db.one(whatsapp.FIND_WABA, tenant_id, waba_id)
        numbers = await whatsapp.numbers(self._db, whatsapp.NUMBERS_OF_WABA, tenant_id, waba_id)
        numbers = [number for number in numbers if is_looked_at(number)]
        if row is None or row["status"] == "deleted" or not numbers:
            return None
        sealer = await self._vault.tenant(tenant_id)
        token = Secret(sealer.open(credential["token"], "credential", waba_id, "token").decode())
        return _Case(Waba.of(row), credential, numbers, token)

    async def _subscribe_again(self, case: _Case, look: Look) -> None:
        """Our app was taken off: messages go missing until it is back. Whoever leaves meanwhile is taken off again."""
        meta_waba_id = case.waba.meta_waba_id
        if await self._db.one(whatsapp.HELD_OF_WABA, meta_waba_id) is None:
            return
        try:
            await self._graph.subscribe(case.token, meta_waba_id)
            look.subscribed, look.repaired = True, True
            if await self._db.one(whatsapp.HELD_OF_WABA, meta_waba_id) is None:
                await self._graph.unsubscribe(case.token, meta_waba_id)
        except GraphError as error:
            look.note(error)
            look.unmended = True

    # -- writing down ------------------------------------------------------------------------------------------------
    async def _record(self, case: _Case, look: Look) -> bool:
        """One unit for each thing, one after the other: they touch the same customer. Raises Overtaken."""
        if look.dead is not None:
            await self._db.unit(self._cut_off, case, look.dead)
            return True
        await self._db.unit(self._move_end, case, look)
        written = True
        for number in case.numbers:
            written = await self._db.unit(self._of_number, case, look, number) and written
        if look.waba is not None:
            written = await self._db.unit(self._observer.waba, case.waba, look.waba) and written
        return written

    def _same_token(self, tx: Unit, case: _Case) -> None:
        credential = case.credential
        key = (credential["tenant_id"], credential["waba_id"], credential["version"])
        tx.must(Overtaken(), whatsapp.CREDENTIAL_STANDS, *key)

    async def _cut_off(self, tx: Unit, case: _Case, reason: Reason) -> None:
        self._same_token(tx, case)
        await self._disconnects.disconnect(tx, case.waba.tenant_id, case.waba.id, reason)

    async def _move_end(self, tx: Unit, case: _Case, look: Look) -> None:
        """Meta's word on the token's end, where it is another than ours."""
        credential, now = case.credential, self._clock.now()
        old, new = credential["token_expires_at"], look.expires_at
        if not look.knows_end or old == new or (old is not None and new is not None and abs(old - new) < MINUTE):
            return
        later = old is not None and (new is None or new > old)
        late = new is not None and not later and days_left(new, now) is not None
        tx.must(
            Overtaken(), whatsapp.MOVE_END, case.waba.tenant_id, case.waba.id, credential["version"], new,
            now if late else next_word(new, now),
        )  # fmt: skip

    async def _of_number(self, tx: Unit, case: _Case, look: Look, number: PhoneNumber) -> bool:
        """False where somebody wrote meanwhile. Raises Overtaken."""
        meta_id = number.meta_phone_number_id
        seen = look.seen.get(meta_id)
        self._same_token(tx, case)
        if number.status == "disconnected":
            if seen is not None and (reason := _may_pass(number)) is not None:
                await self._disconnects.bring_back(tx, number.tenant_id, number.waba_id, reason, phone_id=number.id)
            return True
        if meta_id in look.missing:
            return await self._missing(tx, look, number)
        registered = None if seen is None or not _tells_registration(seen) else not seen.needs_registration
        sight = Sight(look.sent_at, seen, look.token_valid, look.subscribed, registered, look.repaired)
        return await self._observer.number(tx, number, sight)

    async def _missing(self, tx: Unit, look: Look, before: PhoneNumber) -> bool:
        """Meta knows no such number. It may be a slip of Meta's: only a second look, later, cuts it off."""
        number = await whatsapp.number(tx, before.tenant_id, before.id)
        if number is None or number.version != before.version:
            return False
        if number.missing_since is None:
            whatsapp.change_number(tx, number, self._clock.now(), {"missing_since": look.sent_at})
        elif look.sent_at - number.missing_since >= SECOND_LOOK - MINUTE:
            reason: Reason = "number_removed"
            await self._disconnects.disconnect(
                tx, number.tenant_id, number.waba_id, reason, phone_id=number.id
            )  # fmt: skip
        return True


class HealthRunner:
    """One of the worker's runners. `every` is in hours, `share` the percent of Meta's limits that it may use up."""

    name = "health"
    channel = CHANNEL

    def __init__(self, db: Database, clock: Clock, checks: HealthChecks, *, every: int, share: int) -> None:
        self._db, self._clock, self._checks = db, clock, checks
        self._every, self._share = every * HOUR, share
        self._rests_until = 0

    async def run_once(self) -> int:
        """Takes a few that are due, and none where Meta's limits are near; how many were taken."""
        now = self._clock.now()
        if now < self._rests_until or self._checks.closed_until(None, self._share) is not None:
            return 0
        rows = await self._db.claim(whatsapp.CLAIM_CHECK, now, now + LEASE, AT_ONCE)
        self._rests_until = now + (PACE if rows else IDLE)
        await asyncio.gather(*(self._check(row) for row in rows))
        return len(rows)

    async def _check(self, row: Row) -> None:
        """One WABA; whatever goes wrong with it holds up no other."""
        try:
            closed = await self._closed(row)
            looked = None if closed else await self._checks.look(row, with_account=True)
            if closed:
                await self._next(row, closed + self._spread(AFTER_FAILURE), row["unasked"], failed=False)
            elif looked is None:
                await self._next(row, self._clock.now() + self._spread(self._every), None, failed=False)
            else:
                await self._looked(row, *looked)
        except (
            Unavailable,
            Conflict,
            RaceLost,
        ) as error:  # a database away, a race: the lease ends
            act(log, "health.put_off", logging.WARNING, waba=row["waba_id"], why=error.code)
        except Exception:  # a token that cannot be opened, a fault of ours
            log.exception("health.crashed", extra={"fields": {"waba": row["waba_id"]}})
            await self._crashed(row)

    async def _closed(self, row: Row) -> int | None:
        waba = await self._db.one(whatsapp.FIND_WABA, row["tenant_id"], row["waba_id"])
        return None if waba is None else self._checks.closed_until(waba["meta_waba_id"], self._share)

    async def _looked(self, row: Row, look: Look, written: bool) -> None:
        now = self._clock.now()
        if not written:
            wait = AGAIN_SOON
        elif look.failed_somewhere:
            wait = max(self._spread(self._after_failure(row)), look.wait_s * SECOND)
        else:
            wait = SECOND_LOOK if look.missing else self._spread(self._every)
        await self._next(row, now + wait, unasked_text(look), failed=look.failed_somewhere or not written)

    def _after_failure(self, row: Row) -> int:
        return int(min(self._every, AFTER_FAILURE * 2 ** min(row["tries"] - 1, 10)))

    def _spread(self, wait: int) -> int:
        """Ten percent more or less: what was connected in one hour is not asked about in one hour for ever."""
        return int(wait * random.uniform(0.9, 1.1))

    async def _next(self, row: Row, due_at: int, unasked: str | None, *, failed: bool) -> None:
        await checked(self._db, row, due_at, unasked, tries=row["tries"] if failed else 0)

    async def _crashed(self, row: Row) -> None:
        try:
            due_at = self._clock.now() + self._spread(self._after_failure(row))
            await self._next(row, due_at, unasked_text(Look.failed(0, INTERNAL)), failed=True)
        except Problem as error:
            act(log, "health.put_off", logging.WARNING, waba=row["waba_id"], why=error.code)


async def checked(db: Database, credential: Row, due_at: int | None, unasked: str | None, *, tries: int) -> None:
    """The due row's next time; nothing where the token was renewed meanwhile: that has a time of its own."""
    key = (credential["tenant_id"], credential["waba_id"], credential["version"])
    async with db.transaction() as tx:
        tx.add(whatsapp.CHECKED, *key, due_at, tries, unasked)


def is_looked_at(number: PhoneNumber) -> bool:
    """True for numbers that Meta is asked about: the living, and those whose end may have been a slip."""
    return number.status in {"pending", "active"} or _may_pass(number) is not None


def _may_pass(number: PhoneNumber) -> Reason | None:
    if number.status != "disconnected":
        return None
    return next((reason for reason in MAY_PASS if reason == number.disconnect_reason), None)


def _tells_registration(seen: object) -> bool:
    said = (getattr(seen, "platform_type", None), getattr(seen, "throughput_level", None))
    return said != (None, None)


def unasked_text(look: Look) -> str | None:
    """The checks that could not be made, as the credential keeps them."""
    return json.dumps(look.unasked) if look.unasked else None

"""The route that tells how a number is right now: Meta is asked, what it says is written down, and shown.

Owns the shape of the answer and how often Meta is asked for it. The looking and the writing are `health`'s.
"""

import asyncio
import json
import logging
from typing import Any, Self

from fastapi import APIRouter
from starlette.responses import Response

from setuplinks.core import wire
from setuplinks.core.clock import MINUTE, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Row
from setuplinks.core.problems import Conflict, NotFound, RaceLost, Unavailable
from setuplinks.core.wire import Moment, instant_or_none
from setuplinks.provisioning.disconnect import NumberNotConnected
from setuplinks.provisioning.health import (
    INTERNAL,
    LEASE,
    SECOND_LOOK,
    HealthChecks,
    checked,
    is_looked_at,
    unasked_text,
)
from setuplinks.provisioning.looking import TOO_SLOW, Look
from setuplinks.tenants.context import Deps
from setuplinks.tenants.routes import Call, Routes, of, reply
from setuplinks.whatsapp import store as whatsapp
from setuplinks.whatsapp.models import PhoneNumber

# An account's budget at Meta is 200 calls an hour at least. A look here makes two of them, so once a minute leaves room
# for the runner and for signups. In between, what the last look found is shown.
ASK_EVERY = MINUTE
LONGEST = 20.0  # seconds that a caller waits for Meta
SHARE = 90  # percent of Meta's limits, above which nothing is asked for a caller
THROTTLED = "Meta's rate limit is nearly used up."
NOT_FOUND = "Meta does not find the number; it is looked at once more before anything is cut off."

log = logging.getLogger("setuplinks.health")


class HealthCheckView(wire.View):
    """One check. `passed` is null where Meta could not be asked; `message` then says why, and what was known before."""

    check: str
    passed: bool | None
    since: Moment
    who_must_act: str | None
    message: str


class HealthView(wire.View):
    """How a number is. `canSend` is null where a check could not be made; `checkedAt` is when Meta was last asked.

    Meta is asked at most once a minute for all numbers of an account; in between this is what it said then.
    """

    phone_number_id: int
    meta_phone_number_id: str
    status: str
    disconnect_reason: str | None
    can_send: bool | None
    checks: list[HealthCheckView]
    checked_at: Moment | None

    @classmethod
    def of(cls, number: PhoneNumber, unasked: dict[str, str]) -> Self:
        """As it is stored. `unasked`: the checks that the last look could not make, and why."""
        if number.missing_since is not None:
            unasked = {**unasked, "registered": NOT_FOUND}
        alive = number.status in {"pending", "active"}
        shown = [_check(row, unasked.get(row["check"]) if alive else None) for row in number.readiness]
        verdicts = {check.passed for check in shown}
        can_send = False if not alive or False in verdicts else None if None in verdicts else number.status == "active"
        return cls(
            number.id, number.meta_phone_number_id, number.status, number.disconnect_reason, can_send, shown,
            instant_or_none(number.observed_at),
        )  # fmt: skip


class LiveHealth:
    """Asks Meta for somebody who waits, where it was not asked a moment ago; they wait at most `longest` seconds."""

    def __init__(self, db: Database, clock: Clock, checks: HealthChecks, *, longest: float = LONGEST) -> None:
        self._db, self._clock, self._checks, self._longest = db, clock, checks, longest

    async def of(self, tenant_id: int, phone_id: int) -> HealthView:
        """The number's health. Raises NotFound, NumberNotConnected; what Meta does never makes it fail."""
        number = await self._number(tenant_id, phone_id)
        unasked: dict[str, str] = {}
        if is_looked_at(number):
            unasked = await self._ask(tenant_id, number)
        return HealthView.of(await self._number(tenant_id, phone_id), unasked)

    async def _number(self, tenant_id: int, phone_id: int) -> PhoneNumber:
        row = await self._db.one(whatsapp.FIND_NUMBER, tenant_id, phone_id)
        if row is None or row["status"] == "deleted":
            raise NotFound("There is no such phone number.")
        number = PhoneNumber.of(row)
        if not number.is_connected:
            raise NumberNotConnected("This number was seen in the account, but is not connected: it has no health.")
        return number

    async def _ask(self, tenant_id: int, number: PhoneNumber) -> dict[str, str]:
        """One look for all who ask within a minute; what it could not learn, by check."""
        if self._checks.closed_until(number.meta_waba_id, SHARE) is not None:
            return Look.failed(0, THROTTLED).unasked
        now = self._clock.now()
        rows = await self._db.claim(
            whatsapp.CLAIM_CHECK_NOW, now, now + LEASE, tenant_id, number.waba_id, now - ASK_EVERY
        )
        if not rows:
            row = await self._db.one(whatsapp.FIND_CREDENTIAL, tenant_id, number.waba_id)
            stored: dict[str, Any] = json.loads(row["unasked"] or "{}") if row else {}
            return stored
        return await self._look(rows[0])

    async def _look(self, credential: Row) -> dict[str, str]:
        try:
            async with asyncio.timeout(self._longest):
                looked = await self._checks.look(credential, with_account=False)
            look = looked[0] if looked else None
        except TimeoutError:
            look = Look.failed(0, TOO_SLOW)
        except Unavailable:
            raise
        except (Conflict, RaceLost):  # others write the same: what they wrote is shown
            look = None
        except Exception:  # a token that cannot be opened, a fault of ours
            log.exception("health.crashed", extra={"fields": {"waba": credential["waba_id"]}})
            look = Look.failed(0, INTERNAL)
        due_at = credential["due_at"]
        if look is not None and look.missing:
            again = self._clock.now() + SECOND_LOOK
            due_at = again if due_at is None else min(due_at, again)
        await checked(
            self._db, credential, due_at, unasked_text(look) if look else None, tries=credential["tries"]
        )  # fmt: skip
        return look.unasked if look else {}


def _check(row: dict[str, Any], unasked: str | None) -> HealthCheckView:
    if unasked is None:
        return HealthCheckView(row["check"], row["passed"], row["since"], row["whoMustAct"], row["message"])
    message = unasked
    if unasked != NOT_FOUND:
        message = f"Meta could not be asked: {unasked} Before that: {row['message']}"
    return HealthCheckView(row["check"], None, row["since"], "meta", message)


def health_router(deps: Deps, live: LiveHealth) -> APIRouter:
    """The route."""

    async def get_phone_number_health(call: Call) -> Response:
        """Asks Meta how the number is: token, subscription by our own app, registration, name, whether it may send.

        What is found is kept: the number's `readiness` follows, and events tell of changes. Meta is asked at most once
        a minute for an account. Where it does not answer, the checks say so; the answer is a 200 all the same.
        """
        return reply(await live.of(call.tenant_id, call.id))

    routes = Routes(deps, "WABAs and phone numbers")
    routes.add(
        "GET", "/admin/phone-numbers/{phoneNumberId}/health", of("phone_number", "phoneNumberId", "read"),
        get_phone_number_health, answers=HealthView, conflicts=True,
    )  # fmt: skip
    return routes.router

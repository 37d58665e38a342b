"""The JSON routes of the number pool; the operator's alone, for the pool is the installation's."""

from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Response

from setuplinks.core import wire
from setuplinks.core.db.unit import Unit
from setuplinks.core.wire import instant, instant_or_none
from setuplinks.number_pool import store
from setuplinks.number_pool.models import PoolNumber, State
from setuplinks.number_pool.service import NumberPool
from setuplinks.tenants.context import Deps
from setuplinks.tenants.idempotency import Answer
from setuplinks.tenants.routes import Call, Routes, answer, listing, no_content, operator_only

LANGUAGE = r"^[a-z]{2,3}(_[A-Z]{2})?$"


class NewPoolNumber(wire.Body):
    """A number that you have bought elsewhere and offer to customers."""

    number: Annotated[str, msgspec.Meta(max_length=40, description="With its country code: +54 351 555 0100.")]
    country: Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$", description="ISO 3166; else by the number.")] | None = (
        None
    )


class CodeWish(wire.Body):
    """How Meta sends the code to the number."""

    method: Literal["SMS", "VOICE"] = "SMS"
    language: Annotated[str, msgspec.Meta(pattern=LANGUAGE, description="Such as en_US.")] = "en_US"


class CodeGiven(wire.Body):
    """The code that came to the number."""

    code: Annotated[str, msgspec.Meta(max_length=20)]


class PoolNumberView(wire.View):
    """A number of the pool. `warning` says what to do before it is lost for customers."""

    id: int
    preverified_id: str
    number: str
    country: str | None
    state: State
    verified_at: wire.Moment | None
    expires_at: wire.Moment | None
    reverify_from: wire.Moment | None
    code_sent_at: wire.Moment | None
    tenant_id: int | None
    setup_link_id: str | None
    reserved_at: wire.Moment | None
    claimed_at: wire.Moment | None
    warning: str | None
    created_at: wire.Moment
    updated_at: wire.Moment


class PoolRoutes:
    """The routes, around the verbs."""

    def __init__(self, deps: Deps, pool: NumberPool) -> None:
        self._deps, self._pool = deps, pool

    def router(self) -> APIRouter:
        """All routes of the pool."""
        routes, rule = Routes(self._deps, "Number pool"), operator_only()
        every, one = "/admin/number-pool", "/admin/number-pool/{numberId}"
        add, view = routes.add, PoolNumberView
        add("POST", every, rule, self.add_pool_number, takes=NewPoolNumber, answers=view, status=201)
        add("GET", every, rule, self.list_pool_numbers, answers=view, pages=True, conflicts=True)
        add(
            "POST", f"{one}/request-code", rule, self.request_pool_code, takes=CodeWish, answers=view,
            optional_body=True,
        )  # fmt: skip
        add("POST", f"{one}/verify-code", rule, self.verify_pool_code, takes=CodeGiven, answers=view)
        add("DELETE", one, rule, self.remove_pool_number, status=204, conflicts=True)
        return routes.router

    async def add_pool_number(self, call: Call) -> Response:
        """Adds a number to the pool, at Meta too. Then request a code and verify it."""
        body = call.take(NewPoolNumber)

        async def work() -> Answer:
            return answer(show(await self._pool.add(body.number, body.country, call.actor), call.now), 201)

        return await call.change_calling_out(work)

    async def list_pool_numbers(self, call: Call) -> Response:
        """The numbers of the pool, newest first; those that customers have connected stay in the list as `claimed`."""
        self._pool.need()
        page = call.page()
        rows = await self._deps.db.read(store.PAGE, page.at, page.id, page.limit + 1)
        return listing(rows, page, lambda row: show(PoolNumber.of(row), call.now))

    async def request_pool_code(self, call: Call) -> Response:
        """Has Meta send a code to the number. A verified number takes a new one in the last 45 of its 90 days."""
        wish = call.take(CodeWish) if call.body.strip() else CodeWish()
        number_id = call.path_id("numberId")

        async def work() -> Answer:
            number = await self._pool.request_code(number_id, wish.method, wish.language, call.actor)
            return answer(show(number, call.now))

        return await call.change_calling_out(work)

    async def verify_pool_code(self, call: Call) -> Response:
        """Hands in the code. From then on setup links with `phoneProvisioningEnabled` may offer the number."""
        body, number_id = call.take(CodeGiven), call.path_id("numberId")

        async def work() -> Answer:
            return answer(show(await self._pool.verify_code(number_id, body.code, call.actor), call.now))

        return await call.change_calling_out(work)

    async def remove_pool_number(self, call: Call) -> Response:
        """Takes a number out of the pool; at Meta it stays in your portfolio. One that a link holds answers 409."""
        number_id = call.path_id("numberId")

        async def verb(tx: Unit) -> Answer:
            await self._pool.remove(tx, number_id, call.actor)
            return no_content()

        return await call.change(verb)


def show(number: PoolNumber, now: int) -> PoolNumberView:
    """A number as the API answers it."""
    return PoolNumberView(
        id=number.id,
        preverified_id=number.preverified_id,
        number=number.number,
        country=number.country,
        state=number.state(now),
        verified_at=instant_or_none(number.verified_at),
        expires_at=instant_or_none(number.expires_at),
        reverify_from=instant_or_none(number.again_from),
        code_sent_at=instant_or_none(number.code_sent_at),
        tenant_id=number.tenant_id,
        setup_link_id=number.link_id,
        reserved_at=instant_or_none(number.reserved_at),
        claimed_at=instant_or_none(number.claimed_at),
        warning=warning(number, now),
        created_at=instant(number.created_at),
        updated_at=instant(number.updated_at),
    )


def warning(number: PoolNumber, now: int) -> str | None:
    """What the operator should do about a number that will soon be, or is, of no use to customers."""
    if number.status == "claimed":
        return None
    if number.missing_since is not None:
        return "Meta's list of your numbers does not hold it. If it stays away, a customer has it or it was removed."
    if not number.ends_soon(now):
        return None
    ends = instant(number.expires_at or 0)
    if now >= (number.expires_at or 0):
        return f"Its verification ended at {ends}. Request a code and verify it again to offer it to customers."
    return f"Its verification ends at {ends}. Request a code and verify it again before then."

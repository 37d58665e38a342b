"""The JSON routes of setup links: make, read, list, change, timeline, funnel.

Owns their shapes on the wire. Revoking crosses into provisioning and stands there.
"""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from setuplinks.core import wire
from setuplinks.core.db.unit import Row, Unit
from setuplinks.core.wire import Moment, instant
from setuplinks.customers import service as customers
from setuplinks.setup_links import funnel, lists
from setuplinks.setup_links.machine import STATUSES, Phase
from setuplinks.setup_links.models import SetupLink
from setuplinks.setup_links.request import ChangedSetupLink, NewSetupLink
from setuplinks.setup_links.service import Made, SetupLinks
from setuplinks.setup_links.store import FIND_LINK, FIND_STEPS
from setuplinks.tenants import openapi
from setuplinks.tenants.context import Deps
from setuplinks.tenants.idempotency import Answer
from setuplinks.tenants.routes import Call, Routes, answer, listing, of, of_tenant, reply

FILTERS = (
    openapi.Query("status", "Only links of this status: pending, completed, failed, expired, revoked."),
    openapi.Query("phase", "Only links of this phase."),
    openapi.Query("customerId", "Only links of this customer."),
)


class FailureView(wire.View):
    """Why a link failed: a stable code, a plain sentence, the step, and whether a new try can help."""

    code: str
    message: str
    step: str | None
    retryable: bool


class OptionView(wire.View):
    """A number that the customer may tick; `taken`: it is connected elsewhere and cannot be."""

    meta_phone_number_id: str
    meta_waba_id: str
    display_phone_number: str | None
    verified_name: str | None
    waba_name: str | None
    taken: bool


class ActionRequiredView(wire.View):
    """What the work waits for: `no_number`, `choose_number` or `pin`; unanswered until then, the link fails."""

    kind: str
    message: str
    who_must_act: str
    since: Moment
    until: Moment
    reason: str | None
    display_phone_number: str | None
    options: list[OptionView]
    wrong_pins: int
    tries_left: int | None
    locked_until: Moment | None


class SetupLinkView(wire.View):
    """A setup link: every field of the guide's table, and ours."""

    id: str
    url: str | None
    status: str
    phase: str
    purpose: str
    tenant_id: int
    customer_id: int
    expires_at: Moment
    used_at: Moment | None
    opened_at: Moment | None
    completed_at: Moment | None
    created_at: Moment
    resulting_waba_id: int | None
    resulting_phone_number_ids: list[int]
    success_redirect_url: str | None
    failure_redirect_url: str | None
    allowed_connection_types: list[str]
    theme_config: dict[str, Any]
    phone_provisioning_enabled: bool
    phone_number_country_isos: list[str]
    reconnect_phone_number_id: int | None
    language: str | None
    state: str | None
    metadata: dict[str, Any]
    prefill: dict[str, Any]
    sync_history: bool
    issue_api_key: bool
    failure: FailureView | None
    action_required: ActionRequiredView | None
    ended_reason: str | None
    warnings: list[str]


class StepView(wire.View):
    """One line of a link's timeline: when, what, and its details."""

    at: Moment
    kind: str
    detail: dict[str, Any]


class TimelineView(wire.View):
    """A link's timeline, oldest first, and where the customer stands now."""

    setup_link_id: str
    phase: str
    data: list[StepView]


class FunnelView(wire.View):
    """How many links came how far, why others did not, and how long it took (seconds, median and 90th)."""

    created: int
    opened: int
    started: int
    authorized: int
    completed: int
    failed: dict[str, int]
    seconds_to_connect_p50: float | None
    seconds_to_connect_p90: float | None


class SetupLinkRoutes:
    """The routes, around the verbs."""

    def __init__(self, deps: Deps, links: SetupLinks) -> None:
        self._deps, self._links = deps, links

    def router(self) -> APIRouter:
        """All routes of this room."""
        routes = Routes(self._deps, "Setup links")
        changes, reads = of("setup_link", "linkId", "admin"), of("setup_link", "linkId", "read")
        one, all_of = "/admin/setup-links/{linkId}", "/admin/tenants/{tenantId}/setup-links"
        path = "/admin/customers/{customerId}/setup-links"
        routes.add(
            "POST", path, of("customer", "customerId", "admin"), self.create_setup_link, takes=NewSetupLink,
            answers=SetupLinkView, status=201, optional_body=True,
        )  # fmt: skip
        routes.add(
            "GET", path, of("customer", "customerId", "read"), self.list_customer_setup_links,
            answers=SetupLinkView, pages=True, query=FILTERS[:2],
        )  # fmt: skip
        routes.add(
            "GET", all_of, of_tenant("read"), self.list_tenant_setup_links, answers=SetupLinkView,
            pages=True, query=FILTERS,
        )  # fmt: skip
        routes.add(
            "GET", f"{all_of}/funnel", of_tenant("read"), self.get_setup_link_funnel, answers=FunnelView,
            query=(openapi.Query("days", "Links created in the last days; 30 unless said, at most 366."),),
        )  # fmt: skip
        routes.add("GET", one, reads, self.get_setup_link, answers=SetupLinkView)
        routes.add(
            "PATCH", one, changes, self.update_setup_link, takes=ChangedSetupLink,
            answers=SetupLinkView,
        )  # fmt: skip
        routes.add(
            "GET",
            f"{one}/timeline",
            reads,
            self.get_setup_link_timeline,
            answers=TimelineView,
        )
        return routes.router

    async def create_setup_link(self, call: Call) -> Response:
        """Makes a setup link for the customer. An older open link of the customer for the same purpose is revoked."""
        body = call.take(NewSetupLink)
        sealer = await self._deps.vault.tenant(call.tenant_id)

        async def verb(tx: Unit) -> Answer:
            made = await self._links.create(tx, sealer, call.tenant_id, call.id, body, call.actor)
            return answer(self._view(made, call), 201)

        return await call.change(verb)

    async def get_setup_link(self, call: Call) -> Response:
        """One setup link; `url` is null once it has ended."""
        return reply(self._view(await self._links.get(call.tenant_id, str(call.object_id)), call))

    async def update_setup_link(self, call: Call) -> Response:
        """Changes redirects, theme, language or expiry; a link that has ended answers 409."""
        body = call.take(ChangedSetupLink)
        sealer = await self._deps.vault.tenant(call.tenant_id)

        async def verb(tx: Unit) -> Answer:
            made = await self._links.change(tx, sealer, call.tenant_id, str(call.object_id), body, call.actor)
            return answer(self._view(made, call))

        return await call.change(verb)

    async def list_customer_setup_links(self, call: Call) -> Response:
        """The customer's links, newest first."""
        await customers.read(self._deps.db, call.tenant_id, call.id)  # another tenant's customer is a 404, not a list
        return await self._list(call, call.id)

    async def list_tenant_setup_links(self, call: Call) -> Response:
        """The tenant's links over all customers, newest first."""
        return await self._list(call, call.query_id("customerId"))

    async def get_setup_link_timeline(self, call: Call) -> Response:
        """Every step with its time: where the customer stands or stopped."""
        row = await self._deps.db.one(FIND_LINK, call.tenant_id, str(call.object_id))
        link = self._links.found(row)
        steps = await self._deps.db.read(FIND_STEPS, link.tenant_id, link.id)
        lines = [{"at": instant(link.created_at), "kind": "created", "detail": {"by": link.created_by}}]
        lines += [{"at": instant(s["at"]), "kind": s["kind"], "detail": lists.detail(s["detail"])} for s in steps]
        return reply({"setupLinkId": link.id, "phase": link.seen(call.now).value, "data": lines})

    async def get_setup_link_funnel(self, call: Call) -> Response:
        """How far the links of the last days came, and the time to connect."""
        days = call.query_id("days") or funnel.DAYS
        if days > funnel.MOST_DAYS:
            raise wire.invalid("days", f"at most {funnel.MOST_DAYS}")
        return reply(await funnel.funnel(self._deps.db, call.tenant_id, call.now, days))

    async def _list(self, call: Call, customer_id: int | None) -> Response:
        page = call.page(text_key=True)
        status, phase = call.query_word("status", STATUSES), call.query_word("phase", [p.value for p in Phase])
        wanted = lists.Wanted(customer_id, status, phase, call.now)
        rows = await lists.rows(self._deps.db, call.tenant_id, wanted, page.at, page.key, page.limit + 1)
        sealer = await self._deps.vault.tenant(call.tenant_id)

        def show(row: Row) -> object:
            link = SetupLink.of(row)
            return link.answer(call.now, self._links.url(link, sealer))

        return listing(rows, page, show)

    def _view(self, made: Made, call: Call) -> dict[str, Any]:
        return made.link.answer(call.now, made.url)

"""The operator's routes about authorisations that no link awaits: list, read, assign to a customer, dismiss.

Owns their shape on the wire and the sentence for each state. The verbs stand in `recovery`.
"""

from typing import Any, Literal

from fastapi import APIRouter
from starlette.responses import Response

from setuplinks.core import wire
from setuplinks.core.db.unit import Unit
from setuplinks.core.problems import NotFound
from setuplinks.core.wire import Moment, instant, instant_or_none
from setuplinks.provisioning import orphans
from setuplinks.provisioning.orphans import Orphan
from setuplinks.provisioning.recovery import Recovery
from setuplinks.setup_links.codes import CODES
from setuplinks.tenants import openapi
from setuplinks.tenants.context import Deps
from setuplinks.tenants.idempotency import Answer
from setuplinks.tenants.routes import Call, Routes, answer, listing, no_content, operator_only, reply

_STATES = {
    orphans.AWAITED: "Meta told of it a moment ago; its customer may still come back by a setup link.",
    orphans.OPEN: "No setup link waits for it. Assign it to a customer, or dismiss it.",
    orphans.RECOVERING: "It is being connected for the customer.",
    orphans.CONNECTED: "It is connected.",
    orphans.REMOVED: "The customer has taken the access back.",
    orphans.DISMISSED: "You dismissed it.",
}
_TROUBLE = {
    "partner_not_configured": "It was not recovered by itself: META_BUSINESS_ID and META_SYSTEM_TOKEN are not set.",
    "no_business": "It was not recovered by itself: Meta did not say whose portfolio it is in.",
    "several_links": "Reconnect links of several customers wait for it; assign it to the right one.",
    "customer_inactive": "The customer whose reconnect link waits for it, or its tenant, is not active.",
    "token_refused": "It was not recovered by itself: Meta gave no token for its portfolio.",
    "link_ended": "The link that it was being connected by has ended.",
}


class OrphanAuthorisationView(wire.View):
    """A WABA that was shared with the operator's app while no setup link awaited it."""

    id: int
    status: Literal["awaited", "open", "recovering", "connected", "removed", "dismissed"]
    message: str
    meta_waba_id: str
    owner_business_id: str | None
    event: str
    told_at: Moment
    tenant_id: int | None
    customer_id: int | None
    setup_link_id: str | None
    last_error: str | None
    created_at: Moment
    updated_at: Moment
    closed_at: Moment | None


class AssignedOrphan(wire.Body):
    """Whose authorisation it is."""

    customer_id: wire.Id


def show(orphan: Orphan) -> OrphanAuthorisationView:
    """The row as the API and the command line show it."""
    return OrphanAuthorisationView(
        id=orphan.id, status=_status(orphan.status), message=_message(orphan), meta_waba_id=orphan.meta_waba_id,
        owner_business_id=orphan.owner_business_id, event=orphan.event, told_at=instant(orphan.told_at),
        tenant_id=orphan.customer_tenant_id, customer_id=orphan.customer_id, setup_link_id=orphan.link_id,
        last_error=orphan.last_error, created_at=instant(orphan.created_at), updated_at=instant(orphan.updated_at),
        closed_at=instant_or_none(orphan.closed_at),
    )  # fmt: skip


def _message(orphan: Orphan) -> str:
    why = orphan.last_error if orphan.status == orphans.OPEN else None
    known = _TROUBLE.get(why or "") or (f"The last try ended: {CODES[why].message}" if why in CODES else None)
    return " ".join(filter(None, (known, _STATES[orphan.status])))


def _status(text: str) -> Any:
    return text


def orphan_router(deps: Deps, recovery: Recovery) -> APIRouter:
    """The four routes."""

    async def list_orphan_authorisations(call: Call) -> Response:
        """The authorisations that no setup link awaited, newest first."""
        page = call.page()
        status, waba = call.query_word("status", orphans.STATUSES), call.query("metaWabaId")
        rows = await deps.db.read(orphans.LIST, page.at, page.id, status, waba, page.limit + 1)
        return listing(rows, page, lambda row: show(Orphan.of(row)))

    async def read_orphan_authorisation(call: Call) -> Response:
        """One authorisation that no setup link awaited."""
        return reply(show(_found(await orphans.find(deps.db, call.path_id("orphanId")))))

    async def assign_orphan_authorisation(call: Call) -> Response:
        """Connects the WABA for this customer, with a token that Meta gives your portfolio.

        The open reconnect link of the WABA is used, else a setup link is made (`setup_link.created`); what follows is
        told by that link's events. Needs META_BUSINESS_ID and META_SYSTEM_TOKEN (409 `partner_not_configured`). 409
        `token_refused` where Meta gives none, `link_in_use` where the customer is just completing a link.
        """
        customer_id, orphan_id = int(call.take(AssignedOrphan).customer_id), call.path_id("orphanId")

        async def work() -> Answer:
            tenant_id = await deps.directory.tenant_of("customer", customer_id)
            return answer(show(await recovery.assign(orphan_id, tenant_id, customer_id, call.actor)))

        return await call.change_calling_out(work)

    async def dismiss_orphan_authorisation(call: Call) -> Response:
        """Says that nothing is to be done. The access stays at Meta; a later authorisation opens it again."""

        async def verb(tx: Unit) -> Answer:
            await recovery.dismiss(tx, call.path_id("orphanId"), call.actor)
            return no_content()

        return await call.change(verb)

    path = "/admin/orphan-authorisations"
    one = operator_only()
    routes = Routes(deps, "Orphan authorisations")
    query = (
        openapi.Query("status", f"Only those of this status: {', '.join(orphans.STATUSES)}."),
        openapi.Query("metaWabaId", "Only the one of this WABA, by Meta's id."),
    )
    routes.add(
        "GET", path, operator_only(), list_orphan_authorisations, answers=OrphanAuthorisationView, pages=True,
        query=query,
    )  # fmt: skip
    routes.add("GET", f"{path}/{{orphanId}}", one, read_orphan_authorisation, answers=OrphanAuthorisationView)
    routes.add(
        "POST", f"{path}/{{orphanId}}/assign", one, assign_orphan_authorisation, takes=AssignedOrphan,
        answers=OrphanAuthorisationView,
    )  # fmt: skip
    routes.add(
        "POST", f"{path}/{{orphanId}}/dismiss", one, dismiss_orphan_authorisation, status=204, optional_body=True
    )
    return routes.router


def _found(orphan: Orphan | None) -> Orphan:
    if orphan is None:
        raise NotFound("There is no such authorisation.")
    return orphan

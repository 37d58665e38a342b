"""The log of deliveries: the list with its filters, why it is empty, one delivery with its attempts, sending again.

Owns what these pages show. What is sent, and when, is the webhooks room's.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from setuplinks.core import wire
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Row
from setuplinks.core.problems import NotFound, Problem
from setuplinks.customers import store as customers
from setuplinks.dashboard.access import TENANT, Access, Viewer
from setuplinks.dashboard.answers import Answers
from setuplinks.dashboard.asked import PAGE, Asked
from setuplinks.dashboard.clockface import long_span
from setuplinks.dashboard.cures import cure
from setuplinks.dashboard.delivery_views import (
    SENT_AGAIN,
    AttemptLine,
    DeliveriesPage,
    DeliveryLine,
    DeliveryPage,
    Named,
    Silence,
    SilentEndpoint,
    sent_words,
)
from setuplinks.dashboard.views import Said
from setuplinks.dashboard.words import counted, delivery_state, outcome, result
from setuplinks.tenants.routes import END_OF_TIME
from setuplinks.webhooks.deliveries import Deliveries, Only
from setuplinks.webhooks.endpoints import Endpoints, opened_endpoint
from setuplinks.webhooks.ledger import health_of
from setuplinks.webhooks.models import DELIVERY_STATUSES, EVENT_TYPES, Endpoint
from setuplinks.webhooks.retention import LAST_ID
from setuplinks.webhooks.silence import EVENT, Happened, happened, why_silent
from setuplinks.webhooks.store import STATE

LIST = f"{TENANT}/deliveries"
ONE = f"{LIST}/{{deliveryId}}"
MOST_ENDPOINTS = 100


class DeliveryPages:
    """The pages, over the verbs of the webhooks room."""

    def __init__(self, db: Database, endpoints: Endpoints, deliveries: Deliveries, answers: Answers) -> None:
        self._db, self._answers = db, answers
        self._endpoints, self._deliveries = endpoints, deliveries

    def routes(self, access: Access) -> list[BaseRoute]:
        """All of this room."""
        return [
            Route(LIST, access.shows(self.log), methods=["GET"]),
            Route(ONE, access.shows(self.show), methods=["GET"]),
            Route(f"{ONE}/send-again", access.changes(self.send_again), methods=["POST"]),
        ]

    async def log(self, request: Request, viewer: Viewer) -> Response:
        """The tenant's deliveries, newest first; where there are none, why nothing was sent."""
        asked = Asked.of(request, "status", "type", "endpoint", "customer", "since", "until")
        face, tenant_id = viewer.face, viewer.tenant_id
        only = Only(
            asked.number("endpoint"), asked.word("status", DELIVERY_STATUSES), asked.word("type", EVENT_TYPES),
            await asked.customer("customer", self._db, tenant_id), asked.moment("since", face),
            asked.moment("until", face),
        )  # fmt: skip
        endpoints = await self.endpoints(tenant_id)
        named = {one.id: host_and_path(one.url) for one in endpoints}
        if only.endpoint_id in named:
            asked.known["endpoint"] = named[only.endpoint_id]
        elif only.endpoint_id is not None:
            asked.faults["endpoint"] = "There is no such endpoint any more."
            only = Only(None, only.status, only.event_type, only.customer_id, only.since, only.until)
        _, key = asked.place(LAST_ID)
        rows = [] if asked.faults else await self._deliveries.page(tenant_id, key, PAGE + 1, only)
        silence = None
        if not rows and not asked.faults and not asked.begun:
            silence = await self._silence(tenant_id, only, endpoints)
        page = DeliveriesPage(
            viewer.frame("Deliveries"), asked, _lines(rows[:PAGE], endpoints),
            asked.older(rows), tuple(Named(*one) for one in named.items()), silence,
        )  # fmt: skip
        return self._answers.page(page)

    async def show(self, request: Request, viewer: Viewer) -> Response:
        """One delivery with every attempt."""
        done = request.query_params.get("done") == "sent-again"
        return await self._page(_id_in(request), viewer, SENT_AGAIN if done else None)

    async def send_again(self, request: Request, viewer: Viewer, _: dict[str, str]) -> Response:
        """Makes the delivery due now, with the same `webhook-id`."""
        delivery_id = _id_in(request)
        try:
            await self._db.unit(self._deliveries.send_again, viewer.tenant_id, delivery_id, viewer.caller.actor)
        except NotFound:
            raise
        except Problem as problem:
            refused = Said("fail", "Not sent again", f"{problem.title} {problem.detail}")
            return await self._page(delivery_id, viewer, refused, problem.status)
        return self._answers.see_other(f"{viewer.base}/deliveries/{delivery_id}?done=sent-again")

    async def endpoints(self, tenant_id: int) -> list[Endpoint]:
        """All endpoints of the tenant; there are at most a hundred."""
        rows = await self._endpoints.page(tenant_id, END_OF_TIME, END_OF_TIME, MOST_ENDPOINTS)
        sealer = await self._endpoints.sealer(tenant_id) if rows else None
        return [opened_endpoint(row, sealer) for row in rows] if sealer is not None else []

    async def latest(self, tenant_id: int, endpoint: Endpoint, limit: int) -> tuple[DeliveryLine, ...]:
        """The newest deliveries to one endpoint."""
        rows = await self._deliveries.page(tenant_id, LAST_ID, limit, Only(endpoint.id))
        return _lines(rows, [endpoint])

    async def _silence(self, tenant_id: int, only: Only, endpoints: list[Endpoint]) -> Silence:
        wider = Only(only.endpoint_id, None, only.event_type, only.customer_id, only.since, only.until)
        if only.status is not None and await self._deliveries.page(tenant_id, LAST_ID, 1, wider):
            return Silence(only.status, True, (), {}, ())
        events = await happened(self._db, tenant_id, only.since, only.until, only.event_type, only.customer_id)
        newest = events[0] if events else None
        asked = [one for one in endpoints if only.endpoint_id in {None, one.id}]
        silent = tuple(
            SilentEndpoint(one.id, host_and_path(one.url), why_silent(one, newest, only.event_type)) for one in asked
        )
        found = await customers.named(self._db, tenant_id, (one.customer_id for one in events if one.customer_id))
        names = {customer_id: str(row["name"]) for customer_id, row in found.items()}
        return Silence(only.status, False, tuple(events), names, silent)

    async def _page(self, delivery_id: str, viewer: Viewer, said: Said | None, status: int = 200) -> Response:
        tenant_id = viewer.tenant_id
        row = await self._deliveries.get(self._db, tenant_id, delivery_id)
        endpoint = next((one for one in await self.endpoints(tenant_id) if one.id == row["endpoint_id"]), None)
        event_row = await self._db.one(EVENT, tenant_id, row["event_id"])
        event = None if event_row is None else Happened.of(event_row)
        about = None
        if event is not None and event.customer_id is not None:
            customer = await customers.find(self._db, tenant_id, event.customer_id)
            about = None if customer is None else Named(customer.id, customer.name)
        page = DeliveryPage(
            viewer.frame("Deliveries", said), row["id"], row["event_id"], row["event_type"],
            "a deleted endpoint" if endpoint is None else host_and_path(endpoint.url),
            None if endpoint is None else endpoint.id,
            delivery_state(row["status"], row["attempts"]), outcome(row["status"], row["attempts"]),
            row["created_at"], row["due_at"] if row["status"] == "pending" else None, about,
            tuple(_attempts(await self._deliveries.attempts(tenant_id, delivery_id))),
            await sent_words(self._db, tenant_id, row["event_id"], row["event_type"]),
            endpoint is not None and endpoint.status == "enabled" and row["lease_until"] is None,
            row["last_error"], await self._held(row, endpoint, viewer),
            "" if row["status"] == "delivered" else cure(row["last_error"]),
        )  # fmt: skip
        return self._answers.page(page, status)

    async def _held(self, row: Row, endpoint: Endpoint | None, viewer: Viewer) -> str:
        """Why a delivery waits though its turn may have come, or cannot go again; "" where nothing holds it up."""
        if endpoint is None:
            return "Its endpoint was deleted: it cannot be sent again."
        if endpoint.status != "enabled" and row["status"] != "delivered":
            return "Its endpoint is disabled: nothing is sent until you enable it."
        if row["status"] != "pending":
            return ""
        health = health_of(await self._db.one(STATE, viewer.tenant_id, endpoint.id))
        if health.breaker_until is None or health.breaker_until <= viewer.now:
            return ""
        failed, until = counted(health.failures, "failure"), viewer.face.brief(health.breaker_until, seconds=True)
        return f"Its endpoint is paused after {failed} in a row. Next attempt at the endpoint: {until}."


def _lines(rows: list[Row], endpoints: list[Endpoint]) -> tuple[DeliveryLine, ...]:
    names = {one.id: host_and_path(one.url) for one in endpoints}
    return tuple(
        DeliveryLine(
            row["id"], row["event_type"], row["endpoint_id"], names.get(row["endpoint_id"], "a deleted endpoint"),
            delivery_state(row["status"], row["attempts"]), row["attempts"], row["last_error"], row["created_at"],
            row["due_at"] if row["status"] == "pending" and row["attempts"] else None,
        )
        for row in rows
    )  # fmt: skip


def _attempts(rows: list[Row]) -> list[AttemptLine]:
    lines: list[AttemptLine] = []
    before: int | None = None
    for row in rows:
        start = row["response_start"]
        lines.append(
            AttemptLine(
                row["number"],
                result(row["http_status"], row["error"]),
                row["duration_us"],
                row["started_at"],
                None if before is None else long_span(row["started_at"] - before),
                row["address"],
                row["error_detail"],
                None if not start else bytes(start).decode("utf-8", "replace"),
            )
        )
        before = row["started_at"]
    return lines


def host_and_path(url: str) -> str:
    """An endpoint's URL as it is named: without its scheme."""
    return url.partition("://")[2] or url


def _id_in(request: Request) -> str:
    found = wire.path_uuid(request.path_params["deliveryId"])
    if found is None:
        raise NotFound
    return found

"""The JSON routes of webhook endpoints, of their deliveries, and of events for those who poll."""

from typing import Any

import msgspec
from fastapi import APIRouter, Response

from setuplinks.core import wire
from setuplinks.core.db.unit import Unit
from setuplinks.core.outbound.client import Outbound
from setuplinks.tenants.context import Deps
from setuplinks.tenants.idempotency import Answer
from setuplinks.tenants.openapi import Query
from setuplinks.tenants.routes import Call, Routes, answer, listing, no_content, of, of_tenant, reply
from setuplinks.webhooks.deliveries import Deliveries, Only, Range
from setuplinks.webhooks.endpoints import Endpoints, Wanted, opened_endpoint, types_fault
from setuplinks.webhooks.models import DELIVERY_STATUSES, EVENT_TYPES, META, Endpoint
from setuplinks.webhooks.retention import LAST_ID
from setuplinks.webhooks.service import Events
from setuplinks.webhooks.views import (
    DeliveryView,
    DeliveryWithAttemptsView,
    EventView,
    NewWebhookEndpoint,
    RecoveredView,
    RecoverSince,
    ReplayedView,
    ReplayRange,
    SentTestView,
    WebhookEndpointPatch,
    WebhookEndpointView,
    show_delivery,
    show_delivery_with_attempts,
    show_endpoint,
    show_event,
    show_recovered,
    show_replayed,
    show_sent,
)

OF_TENANT = "/admin/tenants/{tenantId}/webhook-endpoints"
ONE = "/admin/webhook-endpoints/{endpointId}"
DELIVERY = "/admin/deliveries/{deliveryId}"
ORDERS = ("newest", "oldest")


def router(deps: Deps, outbound: Outbound, events: Events) -> APIRouter:
    """The routes."""
    endpoints = Endpoints(deps.db, deps.vault, deps.clock, outbound, events)
    deliveries = Deliveries(deps.db, deps.vault, deps.clock, events, endpoints)
    handlers = _Handlers(endpoints, deliveries)
    routes = Routes(deps, "Webhooks")
    writes, reads = of("webhook_endpoint", "endpointId", "admin"), of("webhook_endpoint", "endpointId", "read")
    routes.add(
        "POST", OF_TENANT, of_tenant("admin"), handlers.create_webhook_endpoint, takes=NewWebhookEndpoint,
        answers=WebhookEndpointView, status=201,
    )  # fmt: skip
    routes.add(
        "GET", OF_TENANT, of_tenant("read"), handlers.list_webhook_endpoints, answers=WebhookEndpointView, pages=True
    )
    routes.add("GET", ONE, reads, handlers.get_webhook_endpoint, answers=WebhookEndpointView)
    routes.add(
        "PATCH", ONE, writes, handlers.update_webhook_endpoint, takes=WebhookEndpointPatch,
        answers=WebhookEndpointView, conflicts=True,
    )  # fmt: skip
    routes.add("DELETE", ONE, writes, handlers.delete_webhook_endpoint, status=204, conflicts=True)
    routes.add("POST", f"{ONE}/rotate-secret", writes, handlers.rotate_webhook_secret, answers=WebhookEndpointView)
    routes.add("POST", f"{ONE}/test", writes, handlers.test_webhook_endpoint, answers=SentTestView, status=202)
    routes.add("POST", f"{ONE}/enable", writes, handlers.enable_webhook_endpoint, answers=WebhookEndpointView)
    routes.add(
        "POST", f"{ONE}/recover", writes, handlers.recover_webhook_endpoint, takes=RecoverSince,
        answers=RecoveredView, status=202,
    )  # fmt: skip
    routes.add(
        "POST", f"{ONE}/replay", writes, handlers.replay_webhook_endpoint, takes=ReplayRange, answers=ReplayedView,
        status=202,
    )  # fmt: skip
    _add_log(routes, handlers)
    return routes.router


def _add_log(routes: Routes, handlers: "_Handlers") -> None:
    reads = of("webhook_endpoint", "endpointId", "read")
    moment = {"type": "string", "format": "date-time"}
    only = (
        Query("status", "Only these.", {"type": "string", "enum": list(DELIVERY_STATUSES)}),
        Query("type", "Only deliveries of this event type."),
        Query("customerId", "Only of events about this customer."),
        Query("since", "Only those made at this time or later.", moment),
        Query("until", "Only those made before this time.", moment),
    )
    routes.add(
        "GET", "/admin/tenants/{tenantId}/deliveries", of_tenant("read"), handlers.list_tenant_deliveries,
        answers=DeliveryView, pages=True, query=(Query("endpointId", "Only to this endpoint."), *only),
    )  # fmt: skip
    routes.add(
        "GET", f"{ONE}/deliveries", reads, handlers.list_deliveries, answers=DeliveryView, pages=True, query=only
    )
    routes.add(
        "GET", DELIVERY, of("delivery", "deliveryId", "read"), handlers.get_delivery, answers=DeliveryWithAttemptsView
    )
    routes.add(
        "POST", f"{DELIVERY}/redeliver", of("delivery", "deliveryId", "admin"), handlers.redeliver,
        answers=DeliveryView, status=202,
    )  # fmt: skip
    polled = (
        Query("type", "Only this event type."),
        Query("customerId", "Only events about this customer."),
        Query(
            "order",
            "`oldest` is for polling: begin without `after`, then always send the last `nextCursor`, which is never "
            "null; an event appears some 5 s after it was made.",
            {"type": "string", "enum": list(ORDERS), "default": "newest"},
        ),
    )
    routes.add(
        "GET", "/admin/tenants/{tenantId}/events", of_tenant("read"), handlers.list_events, answers=EventView,
        pages=True, query=polled,
    )  # fmt: skip


class _Handlers:
    def __init__(self, endpoints: Endpoints, deliveries: Deliveries) -> None:
        self._endpoints, self._deliveries = endpoints, deliveries

    async def create_webhook_endpoint(self, call: Call) -> Response:
        """Creates a webhook endpoint; the answer carries its `secret`, which signs every delivery."""
        new = call.take(NewWebhookEndpoint)
        wanted = Wanted(
            url=new.url, description=new.description,
            event_types=None if new.event_types is None else tuple(new.event_types),
            customer_id=_plain(new.customer_id), phone_id=_plain(new.phone_number_id), format=new.format,
            headers=new.headers, rate_limit=new.rate_limit, ordered=new.ordered, asymmetric=new.asymmetric,
        ).checked()  # fmt: skip
        if new.verify and wanted.format == META:
            raise wire.invalid("verify", "a handler of Meta's format knows no challenge of ours")

        async def work() -> Answer:
            warnings = await self._endpoints.examine(wanted.url)
            if new.verify:
                await self._endpoints.challenge(wanted)
            created = await call.deps.db.unit(self._endpoints.create, call.tenant_id, wanted, call.actor)
            return answer(self._show(call, created, warnings), 201)

        return await call.change_calling_out(work)

    async def list_webhook_endpoints(self, call: Call) -> Response:
        """The tenant's webhook endpoints, without their secrets."""
        page = call.page()
        rows = await self._endpoints.page(call.tenant_id, page.at, page.id, page.limit + 1)
        sealer = await self._endpoints.sealer(call.tenant_id) if rows else None
        return listing(
            rows,
            page,
            lambda row: (
                sealer and show_endpoint(opened_endpoint(row, sealer), call.now, open_secrets=False, warnings=[])
            ),
        )

    async def get_webhook_endpoint(self, call: Call) -> Response:
        """A webhook endpoint."""
        endpoint = await self._endpoints.get(call.deps.db, call.tenant_id, call.id)
        return reply(self._show(call, endpoint))

    async def update_webhook_endpoint(self, call: Call) -> Response:
        """Changes a webhook endpoint: what is absent stays."""
        patch = call.take(WebhookEndpointPatch)
        names = {"phone_number_id": "phone_id"}
        changes: dict[str, Any] = {
            names.get(name, name): _plain(value) if isinstance(value, wire.Id) else value
            for name in patch.__struct_fields__
            if (value := getattr(patch, name)) is not msgspec.UNSET
        }
        if changes.get("event_types") is not None:
            changes["event_types"] = tuple(changes["event_types"])
        await self._endpoints.get(call.deps.db, call.tenant_id, call.id)
        warnings = await self._endpoints.examine(changes["url"]) if "url" in changes else []

        async def verb(tx: Unit) -> Answer:
            changed = await self._endpoints.update(tx, call.tenant_id, call.id, changes, call.actor)
            return answer(self._show(call, changed, warnings))

        return await call.change(verb)

    async def delete_webhook_endpoint(self, call: Call) -> Response:
        """Deletes a webhook endpoint; what still waits for it is not sent."""

        async def verb(tx: Unit) -> Answer:
            await self._endpoints.delete(tx, call.tenant_id, call.id, call.actor)
            return no_content()

        return await call.change(verb)

    async def rotate_webhook_secret(self, call: Call) -> Response:
        """Makes a new secret. For 24 hours the one before it signs as well, so that a receiver may change in peace."""

        async def verb(tx: Unit) -> Answer:
            rotated = await self._endpoints.rotate_secret(tx, call.tenant_id, call.id, call.actor)
            return answer(self._show(call, rotated))

        return await call.change(verb)

    async def test_webhook_endpoint(self, call: Call) -> Response:
        """Sends a `webhook.test` event to this endpoint, whatever its filters."""

        async def verb(tx: Unit) -> Answer:
            return answer(show_sent(await self._endpoints.test(tx, call.tenant_id, call.id, call.actor)), 202)

        return await call.change(verb)

    async def enable_webhook_endpoint(self, call: Call) -> Response:
        """Enables an endpoint that was disabled; `recover` then sends again what it missed."""

        async def verb(tx: Unit) -> Answer:
            enabled = await self._endpoints.enable(tx, call.tenant_id, call.id, call.actor)
            return answer(self._show(call, enabled))

        return await call.change(verb)

    async def recover_webhook_endpoint(self, call: Call) -> Response:
        """Sends again all deliveries that failed since then, and the events that came while it was disabled."""
        asked = call.take(RecoverSince)

        async def work() -> Answer:
            recovered = await self._deliveries.recover(call.tenant_id, call.id, int(asked.since), call.actor)
            return answer(show_recovered(recovered), 202)

        return await call.change_calling_out(work)

    async def replay_webhook_endpoint(self, call: Call) -> Response:
        """Sends all events of a range that the endpoint listens to, whatever became of them before."""
        asked = call.take(ReplayRange)
        types = None if asked.event_types is None else tuple(asked.event_types)
        if fault := types_fault(types):
            raise wire.invalid("eventTypes", fault)
        chosen = Range(int(asked.since), call.now if asked.until is None else int(asked.until), types)

        async def work() -> Answer:
            replayed = await self._deliveries.replay(call.tenant_id, call.id, chosen, call.actor)
            return answer(show_replayed(replayed), 202)

        return await call.change_calling_out(work)

    async def list_deliveries(self, call: Call) -> Response:
        """The endpoint's deliveries, newest first."""
        return await self._list(call, call.id)

    async def list_tenant_deliveries(self, call: Call) -> Response:
        """The deliveries to all of the tenant's endpoints, newest first."""
        return await self._list(call, call.query_id("endpointId"))

    async def _list(self, call: Call, endpoint_id: int | None) -> Response:
        page = call.page(text_key=True)
        only = Only(
            endpoint_id, call.query_word("status", DELIVERY_STATUSES), call.query_word("type", EVENT_TYPES),
            call.query_id("customerId"), _moment(call, "since"), _moment(call, "until"),
        )  # fmt: skip
        rows = await self._deliveries.page(call.tenant_id, _key(call, page.key), page.limit + 1, only)
        return listing(rows, page, show_delivery)

    async def get_delivery(self, call: Call) -> Response:
        """A delivery with every attempt: status, time, and the start of what was answered."""
        delivery_id = str(call.object_id)
        row = await self._deliveries.get(call.deps.db, call.tenant_id, delivery_id)
        attempts = await self._deliveries.attempts(call.tenant_id, delivery_id)
        return reply(show_delivery_with_attempts(row, attempts))

    async def redeliver(self, call: Call) -> Response:
        """Sends a delivery again, now, with the same `webhook-id`; retries follow as for a new one."""

        async def verb(tx: Unit) -> Answer:
            row = await self._deliveries.send_again(tx, call.tenant_id, str(call.object_id), call.actor)
            return answer(show_delivery(row), 202)

        return await call.change(verb)

    async def list_events(self, call: Call) -> Response:
        """The tenant's events, for those who poll in place of being called."""
        page = call.page(text_key=True)
        event_type = call.query_word("type", EVENT_TYPES)
        customer_id = call.query_id("customerId")
        oldest_first = call.query_word("order", ORDERS) == "oldest"
        first = oldest_first and call.query("after") is None
        at, key = (0, "") if first else (page.at, _key(call, page.key))
        told = await self._deliveries.events(
            call.tenant_id, key, page.limit + 1, event_type=event_type, customer_id=customer_id,
            oldest_first=oldest_first,
        )  # fmt: skip
        shown, more = told[: page.limit], len(told) > page.limit
        if oldest_first and not shown:
            following: str | None = wire.cursor(at, key)  # nothing new: the poller comes back to the same place
        else:
            following = wire.cursor(shown[-1].created_at, shown[-1].id) if more or oldest_first else None
        return reply({"data": [show_event(one) for one in shown], "nextCursor": following})

    def _show(self, call: Call, endpoint: Endpoint, warnings: list[str] | None = None) -> WebhookEndpointView:
        return show_endpoint(endpoint, call.now, open_secrets=call.caller.has("admin"), warnings=warnings or [])


def _key(call: Call, key: str) -> str:
    """Where a list begins: ids are compared as text, and how a database sorts other text is its own affair."""
    return LAST_ID if call.query("after") is None else key


def _moment(call: Call, name: str) -> int | None:
    given = call.query(name)
    try:
        return None if given is None else wire.parse_instant(given)
    except ValueError:
        raise wire.invalid(name, "expected a time such as 2026-05-18T12:00:00Z") from None


def _plain(found: wire.Id | None) -> int | None:
    return None if found is None else int(found)

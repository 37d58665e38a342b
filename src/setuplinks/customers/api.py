"""The JSON routes of customers. `DELETE` (off-boarding) stands in `provisioning/api`."""

from typing import Annotated, Any, cast

import msgspec
from fastapi import APIRouter, Response

from setuplinks.core import wire
from setuplinks.core.db.unit import Unit
from setuplinks.customers import service, store
from setuplinks.customers.models import Connection, Customer, Status, customer_of
from setuplinks.tenants.context import Deps
from setuplinks.tenants.idempotency import Answer
from setuplinks.tenants.openapi import Query
from setuplinks.tenants.routes import Call, Routes, answer, listing, of, of_tenant, reply

ExternalId = Annotated[str, msgspec.Meta(description="Your own id of the customer; unique within the tenant.")]


class NewCustomer(wire.Body):
    """A customer to be made."""

    name: str
    external_id: ExternalId | None = None
    email: str | None = None
    phone: str | None = None
    metadata: dict[str, Any] | None = None
    status: Status | msgspec.UnsetType = msgspec.UNSET


class CustomerPatch(wire.Body):
    """What may change of a customer. Null clears a field."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    external_id: ExternalId | msgspec.UnsetType | None = msgspec.UNSET
    email: str | msgspec.UnsetType | None = msgspec.UNSET
    phone: str | msgspec.UnsetType | None = msgspec.UNSET
    metadata: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET
    status: Status | msgspec.UnsetType = msgspec.UNSET


class CustomerView(wire.View):
    """A customer. Only an `active` one gets links; `connection` follows from its numbers."""

    id: int
    tenant_id: int
    name: str
    external_id: str | None
    email: str | None
    phone: str | None
    metadata: dict[str, Any]
    status: Status
    connection: Connection
    created_at: wire.Moment
    updated_at: wire.Moment


def router(deps: Deps) -> APIRouter:
    """The routes."""
    routes = Routes(deps, "Customers")
    of_a_tenant, one = "/admin/tenants/{tenantId}/customers", "/admin/customers/{customerId}"
    external = Query("externalId", "Finds the one customer with this external id.")
    add = routes.add
    add("POST", of_a_tenant, of_tenant("admin"), create_customer, takes=NewCustomer, answers=CustomerView, status=201)
    add("GET", of_a_tenant, of_tenant("read"), list_customers, answers=CustomerView, pages=True, query=[external])
    add("GET", one, of("customer", "customerId", "read"), get_customer, answers=CustomerView)
    add(
        "PATCH", one, of("customer", "customerId", "admin"), update_customer,
        takes=CustomerPatch, answers=CustomerView, conflicts=True,
    )  # fmt: skip
    return routes.router


async def create_customer(call: Call) -> Response:
    """Creates a customer. A duplicate `externalId` is a 409 whose `existingId` is the customer that has it."""
    new = call.take(NewCustomer)
    wish = service.Wish(new.name, new.external_id, new.email, new.phone, new.metadata, new.status)

    async def verb(tx: Unit) -> Answer:
        made = await service.create(tx, call.deps.db, call.tenant_id, wish, now=call.now, actor=call.actor)
        return answer(show(made), 201)

    return await call.change(verb)


async def list_customers(call: Call) -> Response:
    """The tenant's customers, newest first."""
    page, external_id, db = call.page(), call.query("externalId"), call.deps.db
    if external_id is not None:
        found = await store.find_external(db, call.tenant_id, external_id)
        return reply({"data": [] if found is None else [show(found)], "nextCursor": None})
    rows = await store.rows_before(db, call.tenant_id, page.at, page.id, page.limit + 1)
    return listing(rows, page, lambda row: show(customer_of(row)))


async def get_customer(call: Call) -> Response:
    """One customer."""
    return reply(show(await service.read(call.deps.db, call.tenant_id, call.id)))


async def update_customer(call: Call) -> Response:
    """Changes a customer."""
    patch = call.take(CustomerPatch)
    wish = service.Wish(patch.name, patch.external_id, patch.email, patch.phone, patch.metadata, patch.status)

    async def verb(tx: Unit) -> Answer:
        changed = await service.update(tx, call.tenant_id, call.id, wish, now=call.now, actor=call.actor)
        return answer(show(changed))

    return await call.change(verb)


def show(customer: Customer) -> CustomerView:
    """A customer as the API answers it."""
    return CustomerView(
        id=customer.id,
        tenant_id=customer.tenant_id,
        name=customer.name,
        external_id=customer.external_id,
        email=customer.email,
        phone=customer.phone,
        metadata=customer.metadata,
        status=cast(Status, customer.status),
        connection=cast(Connection, customer.connection),
        created_at=wire.instant(customer.created_at),
        updated_at=wire.instant(customer.updated_at),
    )

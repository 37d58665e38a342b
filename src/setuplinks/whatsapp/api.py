"""The JSON routes of WABAs and phone numbers that only read: what a success page polls.

What deletes or checks a number crosses features and stands in `provisioning/api`.
"""

from fastapi import APIRouter
from starlette.responses import Response

from setuplinks.core.db.unit import Row
from setuplinks.core.problems import NotFound
from setuplinks.customers import service as customers
from setuplinks.tenants import openapi
from setuplinks.tenants.context import Deps
from setuplinks.tenants.routes import Call, Routes, listing, of, of_tenant, reply
from setuplinks.whatsapp.models import NUMBER_STATUSES, PhoneNumber, Waba
from setuplinks.whatsapp.store import FIND_NUMBER, FIND_WABA, LIST_NUMBERS, LIST_WABAS
from setuplinks.whatsapp.views import PhoneNumberView, WabaView

BY_STATUS = openapi.Query("status", f"Only numbers of this status: {', '.join(NUMBER_STATUSES)}.")


def router(deps: Deps) -> APIRouter:
    """All routes of this room."""
    routes = Routes(deps, "WABAs and phone numbers")
    of_customer = of("customer", "customerId", "read")
    query = (BY_STATUS,)
    path = "/admin/customers/{customerId}"
    routes.add(
        "GET", f"{path}/phone-numbers", of_customer, list_customer_phone_numbers, answers=PhoneNumberView, pages=True,
        query=query,
    )  # fmt: skip
    routes.add("GET", f"{path}/wabas", of_customer, list_customer_wabas, answers=WabaView, pages=True)
    routes.add(
        "GET", "/admin/tenants/{tenantId}/phone-numbers", of_tenant("read"), list_tenant_phone_numbers,
        answers=PhoneNumberView, pages=True,
        query=(*query, openapi.Query("customerId", "Only numbers of this customer.")),
    )  # fmt: skip
    routes.add("GET", "/admin/wabas/{wabaId}", of("waba", "wabaId", "read"), get_waba, answers=WabaView)
    routes.add(
        "GET", "/admin/phone-numbers/{phoneNumberId}", of("phone_number", "phoneNumberId", "read"), get_phone_number,
        answers=PhoneNumberView,
    )  # fmt: skip
    return routes.router


async def list_customer_phone_numbers(call: Call) -> Response:
    """The customer's numbers, newest first; those that were deleted only where `status=deleted` asks for them."""
    await customers.read(call.deps.db, call.tenant_id, call.id)  # another tenant's customer is a 404, not a list
    return await _numbers(call, call.id)


async def list_tenant_phone_numbers(call: Call) -> Response:
    """The tenant's numbers over all customers, newest first."""
    return await _numbers(call, call.query_id("customerId"))


async def _numbers(call: Call, customer_id: int | None) -> Response:
    page = call.page()
    status = call.query_word("status", NUMBER_STATUSES)
    rows = await call.deps.db.read(
        LIST_NUMBERS, call.tenant_id, customer_id or 0, status or "", page.at, page.id, page.limit + 1
    )
    return listing(rows, page, _number)


async def list_customer_wabas(call: Call) -> Response:
    """The customer's WABAs, newest first."""
    await customers.read(call.deps.db, call.tenant_id, call.id)
    page = call.page()
    rows = await call.deps.db.read(LIST_WABAS, call.tenant_id, call.id, page.at, page.id, page.limit + 1)
    return listing(rows, page, lambda row: WabaView.of(Waba.of(row)))


async def get_waba(call: Call) -> Response:
    """One WABA."""
    row = await call.deps.db.one(FIND_WABA, call.tenant_id, call.id)
    if row is None:
        raise NotFound("There is no such WABA.")
    return reply(WabaView.of(Waba.of(row)))


async def get_phone_number(call: Call) -> Response:
    """One phone number."""
    row = await call.deps.db.one(FIND_NUMBER, call.tenant_id, call.id)
    if row is None:
        raise NotFound("There is no such phone number.")
    return reply(_number(row))


def _number(row: Row) -> PhoneNumberView:
    return PhoneNumberView.of(PhoneNumber.of(row))

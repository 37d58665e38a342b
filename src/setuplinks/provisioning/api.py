"""The JSON routes whose verbs cross features: revoke a link, reconnect or off-board a number, off-board a customer.

They stand here because only this room may import all that they touch.
"""

from fastapi import APIRouter
from starlette.responses import Response

from setuplinks.core.db.unit import Unit
from setuplinks.customers.store import FIRST as FIRST_CUSTOMER
from setuplinks.provisioning.disconnect import Disconnects
from setuplinks.provisioning.offboard import Offboarding
from setuplinks.provisioning.service import Provisionings
from setuplinks.setup_links.api import SetupLinkView
from setuplinks.tenants import openapi
from setuplinks.tenants.context import Deps
from setuplinks.tenants.idempotency import Answer
from setuplinks.tenants.routes import Call, Routes, answer, no_content, of

DEREGISTER = (
    openapi.Query(
        "deregister",
        "`true` also takes the number off the Cloud API at Meta; numbers in coexistence stay as they are.",
        {"type": "string", "enum": ["true", "false"]},
    ),
)


class CrossingRoutes:
    """The routes, around the verbs."""

    def __init__(self, deps: Deps, provisionings: Provisionings, offboarding: Offboarding) -> None:
        self._deps, self._provisionings, self._offboarding = deps, provisionings, offboarding

    def routers(self) -> list[APIRouter]:
        """All routes of this room."""
        links = Routes(self._deps, "Setup links")
        links.add(
            "POST", "/admin/setup-links/{linkId}/revoke", of("setup_link", "linkId", "admin"), self.revoke_setup_link,
            answers=SetupLinkView, optional_body=True,
        )  # fmt: skip
        numbers = Routes(self._deps, "WABAs and phone numbers")
        numbers.add(
            "DELETE", "/admin/phone-numbers/{phoneNumberId}", of("phone_number", "phoneNumberId", "admin"),
            self.delete_phone_number, status=204, query=DEREGISTER,
        )  # fmt: skip
        customers = Routes(self._deps, "Customers")
        customers.add(
            "DELETE", "/admin/customers/{customerId}", of("customer", "customerId", "admin"), self.delete_customer,
            status=204, query=DEREGISTER,
        )  # fmt: skip
        return [links.router, numbers.router, customers.router]

    async def revoke_setup_link(self, call: Call) -> Response:
        """Revokes an open link; work that runs stops at its next step. A link that has ended answers 409."""

        async def verb(tx: Unit) -> Answer:
            link = await self._provisionings.revoke(tx, call.tenant_id, str(call.object_id), call.actor)
            return answer(link.answer(call.now, None))

        return await call.change(verb)

    async def delete_phone_number(self, call: Call) -> Response:
        """Off-boards one number; the WABA is unsubscribed when its last customer leaves. It stays registered with Meta
        unless `?deregister=true` asks otherwise."""
        deregister = _deregister(call)

        async def verb(tx: Unit) -> Answer:
            await self._offboarding.number(tx, call.tenant_id, call.id, call.actor, deregister=deregister)
            return no_content()

        return await call.change(verb)

    async def delete_customer(self, call: Call) -> Response:
        """Off-boards the customer: links revoked, numbers deleted, secrets and payloads erased; audit lines stay. Its
        numbers stay registered with Meta unless `?deregister=true` asks otherwise."""
        deregister = _deregister(call)

        async def verb(tx: Unit) -> Answer:
            await self._offboarding.customer(tx, call.tenant_id, call.id, call.actor, deregister=deregister)
            return no_content()

        return await call.change(verb)

    async def off_board_all(self, tenant_id: int, actor: str) -> None:
        """Takes all customers of a tenant away, each in a unit of its own, before the tenant is deleted."""
        while (row := await self._deps.db.one(FIRST_CUSTOMER, tenant_id)) is not None:
            await self._deps.db.unit(self._offboarding.customer, tenant_id, row["id"], actor)


def _deregister(call: Call) -> bool:
    return call.query_word("deregister", ("true", "false")) == "true"


def reconnect_router(deps: Deps, disconnects: Disconnects) -> APIRouter:
    """The route that gives the way back for a number."""

    async def make_reconnect_link(call: Call) -> Response:
        """The way back for a connected number: the open reconnect link of its WABA, or a new one where there is none.

        A new one has the tenant's default redirects, theme and language. To choose them, or to replace an open link,
        make a setup link with `reconnectPhoneNumberId`.
        """

        async def verb(tx: Unit) -> Answer:
            made = await disconnects.reconnect_link(tx, call.tenant_id, call.id, call.actor)
            return answer(made.link.answer(call.now, made.url))

        return await call.change(verb)

    routes = Routes(deps, "WABAs and phone numbers")
    routes.add(
        "POST", "/admin/phone-numbers/{phoneNumberId}/reconnect-link", of("phone_number", "phoneNumberId", "admin"),
        make_reconnect_link, answers=SetupLinkView, optional_body=True,
    )  # fmt: skip
    return routes.router

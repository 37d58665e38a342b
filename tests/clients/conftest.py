"""The two ways to a number: straight to Meta with the customer's token, through the gateway with a key of its WABA."""

from collections.abc import AsyncIterator

import pytest

from tests.clients.way import Way
from tests.integration.provisioning.standing import connected
from tests.integration.sandbox.phones import phones
from tests.support.customer import Customer
from tests.support.inbox import Inbox
from tests.support.sandbox import Sandbox
from tests.support.service import RunningService, Tenant


@pytest.fixture
async def straight() -> AsyncIterator[Way]:
    """No service at all: what the client says, Meta's stand-in hears."""
    async with phones() as scene:
        meta = Sandbox(scene.meta.url, scene.meta.http)
        customer = scene.customer
        yield Way(meta.url, customer.token, customer.number, customer.waba, meta)


@pytest.fixture
async def through(service: RunningService, acme: Tenant, clinic: int, customer: Customer, inbox: Inbox) -> Way:
    """The same, with another base URL and another token."""
    standing = await connected(service, acme, clinic, customer, inbox)
    waba_id = (await standing.shown())["wabaId"]
    made = await acme.api.made(f"/admin/wabas/{waba_id}/api-keys", {"name": "client"})
    return Way(f"{service.url}/graph", made["key"], standing.number, standing.waba, service.sandbox)

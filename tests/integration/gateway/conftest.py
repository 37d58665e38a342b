"""The clinic's connected number with a key of its WABA."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.gateway.line import Line
from tests.integration.gateway.other_end import Crossing, crossing_to_other_end
from tests.integration.provisioning.standing import connected
from tests.support.customer import Customer
from tests.support.inbox import Inbox
from tests.support.service import RunningService, Tenant


@pytest.fixture
async def line(service: RunningService, acme: Tenant, clinic: int, customer: Customer, inbox: Inbox) -> Line:
    """Connected a moment ago; Meta has had no call since."""
    standing = await connected(service, acme, clinic, customer, inbox)
    waba_id = (await standing.shown())["wabaId"]
    made = await acme.api.made(f"/admin/wabas/{waba_id}/api-keys", {"name": "line"})
    return Line(standing, made["key"], made["id"], acme.api.with_key(made["key"]))


@pytest.fixture
async def crossing(line: Line) -> AsyncIterator[Crossing]:
    """The same line by way of a second service, whose Meta says what the test wants."""
    async with crossing_to_other_end(line) as running:
        yield running

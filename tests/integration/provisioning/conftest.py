"""The tenant's desk, as the tests of links have it."""

import pytest

from tests.integration.provisioning.standing import Standing, connected
from tests.integration.setup_links.desk import Desk
from tests.support.customer import Customer
from tests.support.inbox import Inbox
from tests.support.service import RunningService, Tenant


@pytest.fixture
async def desk(service: RunningService, acme: Tenant, clinic: int) -> Desk:
    """Acme SaaS and its customer, the clinic, at the service."""
    return Desk(service, acme, clinic)


@pytest.fixture
async def standing(service: RunningService, acme: Tenant, clinic: int, customer: Customer, inbox: Inbox) -> Standing:
    """The clinic, connected a moment ago with a token of 60 days."""
    return await connected(service, acme, clinic, customer, inbox)

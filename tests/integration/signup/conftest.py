"""The tenant's desk, as tests of links have it."""

import pytest

from tests.integration.setup_links.desk import Desk
from tests.support.service import RunningService, Tenant


@pytest.fixture
async def desk(service: RunningService, acme: Tenant, clinic: int) -> Desk:
    """Acme SaaS and its customer, the clinic, at the service."""
    return Desk(service, acme, clinic)

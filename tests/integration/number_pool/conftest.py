"""The operator's pool beside the tenant's desk."""

import pytest

from tests.integration.number_pool.pool import Pool
from tests.integration.setup_links.desk import Desk
from tests.support.service import RunningService, Tenant


@pytest.fixture
async def desk(service: RunningService, acme: Tenant, clinic: int) -> Desk:
    """Acme SaaS and its customer, the clinic, at the service."""
    return Desk(service, acme, clinic)


@pytest.fixture
async def pool(service: RunningService) -> Pool:
    """The operator at the pool."""
    return Pool(service)

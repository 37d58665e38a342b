"""What every test may ask for. Each fixture stands in `tests/support`, beside the thing that it starts."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from playwright.async_api import Browser

from setuplinks.core.clock import ManualClock
from setuplinks.core.db.database import Database
from tests.support.chromium import running_chromium
from tests.support.customer import Customer, a_customer
from tests.support.inbox import Inbox, running_inbox
from tests.support.instants import TEST_BEGINS
from tests.support.no_network import cut_off
from tests.support.sandbox import Sandbox, running_sandbox
from tests.support.service import RunningService, Tenant, running_service

pytest_plugins = ["tests.support.databases"]

cut_off()
# How fast examples come tells of the machine, not of the code; and the same code meets the same examples each time.
settings.register_profile("any machine", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands at 2026-05-18T12:00:00Z, a week before the guide's own expiry, until the test moves it."""
    return ManualClock(TEST_BEGINS)


@pytest.fixture
async def inbox() -> AsyncIterator[Inbox]:
    """The tenant's server, to which an endpoint may point."""
    async with running_inbox() as running:
        yield running


@pytest.fixture
async def sandbox(clock: ManualClock) -> AsyncIterator[Sandbox]:
    """The stand-in for Meta, alone, at the time of `clock`. A service has its own: `service.sandbox`."""
    async with running_sandbox(clock) as running:
        yield running


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A Chromium of this test's own; `await browser.new_context()` is one person with own cookies."""
    async with running_chromium() as running:
        yield running


@pytest.fixture
async def service(
    db: Database, clock: ManualClock, data_dir: Path, database_url: str | None
) -> AsyncIterator[RunningService]:
    """The service and its sandbox, once on each database; its work is done by `await service.drain()`."""
    async with running_service(db, clock, data_dir, database_url) as running:
        yield running


@pytest.fixture
async def acme(service: RunningService) -> Tenant:
    """A tenant whose customers are onboarded."""
    return await service.new_tenant("Acme SaaS")


@pytest.fixture
async def stranger(service: RunningService) -> Tenant:
    """Another tenant, who must see nothing of the first one's."""
    return await service.new_tenant("Stranger Inc")


@pytest.fixture
async def clinic(acme: Tenant) -> int:
    """The id of the guide's own customer, of tenant `acme`."""
    made = await acme.api.made(
        f"/admin/tenants/{acme.id}/customers", {"name": "Clínica San Lucas", "external_id": "clinic_001"}
    )
    return int(made["id"])


@pytest.fixture
async def customer(service: RunningService) -> AsyncIterator[Customer]:
    """The person who opens the link, in a browser of their own."""
    async with a_customer(service.url) as person:
        yield person

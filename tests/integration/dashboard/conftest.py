"""People at the dashboard, once on each database."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.dashboard.desk import Person, a_person
from tests.support.service import RunningService, Tenant


@pytest.fixture
async def person(service: RunningService, acme: Tenant) -> AsyncIterator[Person]:
    """Somebody of Acme SaaS who has signed in with the tenant's admin key."""
    async with a_person(service.url) as somebody:
        await somebody.sign_in(acme.key)
        assert somebody.path == f"/dashboard/{acme.id}"
        yield somebody


@pytest.fixture
async def reader(service: RunningService, acme: Tenant) -> AsyncIterator[Person]:
    """The same with a key of scope read."""
    made = await acme.api.made(f"/admin/tenants/{acme.id}/api-keys", {"name": "watcher", "scopes": ["read"]})
    async with a_person(service.url) as somebody:
        await somebody.sign_in(made["key"])
        assert somebody.path == f"/dashboard/{acme.id}"
        yield somebody

"""A sandbox of the test's own."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.sandbox.calls import Meta, running_meta


@pytest.fixture
async def meta() -> AsyncIterator[Meta]:
    async with running_meta() as running:
        yield running

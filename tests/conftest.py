"""What every test may ask for. Each fixture stands in `tests/support`, beside the thing that it starts."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from setuplinks.core.clock import ManualClock
from tests.support.chromium import running_chromium
from tests.support.inbox import Inbox, running_inbox
from tests.support.instants import TEST_BEGINS
from tests.support.no_network import cut_off
from tests.support.sandbox import Sandbox, running_sandbox

pytest_plugins = ["tests.support.databases"]

cut_off()


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
    """The stand-in for Meta, at the time of `clock`; it notifies nobody unless `service` is asked for."""
    async with running_sandbox(clock) as running:
        yield running


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A Chromium of this test's own; `await browser.new_context()` is one person with own cookies."""
    async with running_chromium() as running:
        yield running

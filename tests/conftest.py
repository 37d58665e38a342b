"""What every test may ask for. Each fixture stands in `tests/support`, beside the thing that it starts."""

import pytest

from setuplinks.core.clock import ManualClock
from tests.support.instants import TEST_BEGINS

pytest_plugins = ["tests.support.databases"]


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands at 2026-05-18T12:00:00Z, a week before the guide's own expiry, until the test moves it."""
    return ManualClock(TEST_BEGINS)

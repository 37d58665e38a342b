"""The Graph client beside a scripted Meta."""

from collections.abc import AsyncIterator

import pytest

from setuplinks.core.clock import ManualClock
from setuplinks.meta.graph import Graph
from setuplinks.meta.secret import Secret
from setuplinks.meta.transport import Timeouts
from tests.integration.meta.play import Play, playing
from tests.integration.meta.scripted_meta import ScriptedMeta, scripted_meta


@pytest.fixture
async def meta() -> AsyncIterator[ScriptedMeta]:
    async with scripted_meta() as running:
        yield running


@pytest.fixture
async def graph(meta: ScriptedMeta, clock: ManualClock) -> AsyncIterator[Graph]:
    """A client of that Meta, patient enough for a busy machine."""
    async with Graph(meta.url, "v25.0", "4711", Secret("app-secret"), clock=clock) as client:
        yield client


@pytest.fixture
async def hasty_graph(meta: ScriptedMeta) -> AsyncIterator[Graph]:
    """A client whose patience is short enough for a test of stalls, and long enough for a busy machine to connect."""
    timeouts = Timeouts(connect=1.5, exchange=1.5, read=1.5, write=1.5, send=1.5)
    async with Graph(meta.url, "v25.0", "4711", Secret("app-secret"), timeouts=timeouts) as client:
        yield client


@pytest.fixture
async def play() -> AsyncIterator[Play]:
    """The sandbox with a person who walks through it."""
    async with playing() as running:
        yield running

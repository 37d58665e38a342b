"""Healthy tenants beside hostile ones: how late their webhooks are with and without.

Owns the cast: a server that is not there, one that never answers, one that drips a byte a second, one that sends 1 GB,
one that redirects in circles. All get the same steady traffic through the same service.
"""

from dataclasses import dataclass

import aiohttp

from benchmarks.traffic import notifications, receiver
from benchmarks.traffic.seeding import Line
from benchmarks.traffic.whole_way import Way

HEALTHY = 8
HOSTILE_PATHS = ("/never", "/drip", "/huge", "/circle")
RATE = 160.0
"""Notifications a second for the healthy, over all of them; the hostile get as many each as a healthy one."""


def hooks(receiver_port: int, hostile_port: int, dead_port: int) -> list[str]:
    """The endpoints' URLs: first the healthy ones, then the hostile, whose server is another process."""
    bad = [f"http://127.0.0.1:{hostile_port}{path}" for path in HOSTILE_PATHS]
    return [f"http://127.0.0.1:{receiver_port}/hooks"] * HEALTHY + [f"http://127.0.0.1:{dead_port}/dead", *bad]


@dataclass(frozen=True)
class Lateness:
    """Seconds from sending to arrival at the healthy: alone, and beside the hostile."""

    alone: list[float]
    beside: list[float]


async def measured(way: Way, seconds: float) -> Lateness:
    """The healthy alone, then with the others, so long each."""
    healthy, hostile = way.scene.lines[:HEALTHY], way.scene.lines[HEALTHY:]
    await _run(way, healthy, [], 1.0)
    alone = await _run(way, healthy, [], seconds)
    return Lateness(alone, await _run(way, healthy, hostile, seconds))


async def _run(way: Way, healthy: list[Line], hostile: list[Line], seconds: float) -> list[float]:
    await receiver.told(way.receiver_port, reset=True)
    rate = RATE * (len(healthy) + len(hostile)) / len(healthy)
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{way.port}"
        lines = [*healthy, *hostile]
        sent = await notifications.steadily(session, url, lines, rate, seconds)
    share = sum(1 for number in range(sent) if number % len(lines) < len(healthy))
    return await way.arrived(share)

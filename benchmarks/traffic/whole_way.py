"""From Meta's notification to the tenant's server: taken, routed, delivered and logged.

Owns two loads: as much as 32 connections bring, where the rate is that of the deliveries until the last one is
recorded; and one notification after the other, where the time is that from its sending to its arrival.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp

from benchmarks.load import drive
from benchmarks.servers import Server
from benchmarks.table import Round
from benchmarks.traffic import deliver, notifications, receiver
from benchmarks.traffic.processes import cpu_seconds
from benchmarks.traffic.seeding import Scene
from setuplinks.core import ids
from setuplinks.core.clock import SystemClock

UNLOADED_RATE = 20.0


@dataclass(frozen=True)
class Way:
    """The service on a scene: where notifications go in, which processes do the work, where webhooks come out."""

    scene: Scene
    port: int
    processes: Sequence[Server]
    receiver_port: int

    async def round(self, seconds: float) -> Round:
        """As much as goes in for so long."""
        await receiver.told(self.receiver_port, reset=True)
        first, cpu = ids.uuid7(SystemClock().now()), cpu_seconds(self.scene, self.processes)
        began = time.time()
        sent = await drive(self.port, seconds, notifications.OK, notifications.stream(self.scene.lines))
        count = len(sent.times)
        _, ended = await deliver.settled(self.scene, self.receiver_port, first, count)
        late = (await receiver.told(self.receiver_port)).late["/hooks"]
        return Round(count / (ended - began), tuple(late), cpu_seconds(self.scene, self.processes) - cpu)

    async def unloaded(self, count: int) -> list[float]:
        """One after the other; seconds from sending to arrival."""
        await receiver.told(self.receiver_port, reset=True)
        async with aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{self.port}"
            await notifications.steadily(session, url, self.scene.lines, UNLOADED_RATE, count / UNLOADED_RATE)
        return await self.arrived(count)

    async def arrived(self, count: int, path: str = "/hooks") -> list[float]:
        """Waits until so many came."""
        await receiver.came(self.receiver_port, count, path)
        return (await receiver.told(self.receiver_port)).late[path]

"""Due deliveries sent and logged, beside a raw aiohttp loop that posts the same bytes to the same receiver.

Owns the rounds. A round's deliveries stand ready before it and are released at once; its rate is taken from the rows:
from the first try's start to the last result's record.
"""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence

import msgspec

from benchmarks.servers import Server
from benchmarks.table import Round
from benchmarks.traffic import receiver, seeding
from benchmarks.traffic.processes import cpu_seconds
from benchmarks.traffic.seeding import Scene

AT_ONCE = 100
ENDED = "SELECT count(*) FROM delivery WHERE id >= $1 AND status = 'delivered'"
TIMES = (
    "SELECT (SELECT min(started_at) FROM attempt WHERE delivery_id >= $1), "
    "(SELECT max(ended_at) FROM delivery WHERE id >= $1)"
)
WAITING = (
    "SELECT count(*) FROM endpoint_state s "
    "JOIN delivery d ON d.tenant_id = s.tenant_id AND d.endpoint_id = s.endpoint_id AND d.due_at > 0"
)
DURATIONS = "SELECT duration_us FROM attempt WHERE delivery_id >= $1"


class Fault(RuntimeError):
    """A round did not end as it should; the message says how far it came."""


class RawLoop:
    """The limit's process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def round(self, count: int) -> Round:
        """So many POSTs, as many at once as the service has slots."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{count} {AT_ONCE}\n".encode())
        seconds, cpu, times = msgspec.json.decode(await self._process.stdout.readline())
        return Round(count / seconds, tuple(times), cpu)


@contextlib.asynccontextmanager
async def raw_loop(port: int) -> AsyncIterator[RawLoop]:
    """The raw loop, ready to post to the receiver on this port."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.traffic.posting", f"http://127.0.0.1:{port}/hooks", str(seeding.BODY_BYTES),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=2**26,
    )  # fmt: skip
    try:
        yield RawLoop(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


class Sending:
    """The service's side: a scene, and the processes that send."""

    def __init__(self, scene: Scene, processes: Sequence[Server], receiver_port: int) -> None:
        self._scene, self._processes, self._port = scene, processes, receiver_port

    async def left_over(self) -> None:
        """What the seeding left is delivered, and nothing waits."""
        await seeding.released(self._scene)
        await seeding.became(self._scene, WAITING, (0,))

    async def round(self, count: int) -> Round:
        """So many deliveries, all due at the same moment."""
        await receiver.told(self._port, reset=True)
        first = await seeding.deliveries(self._scene, count)
        cpu = cpu_seconds(self._scene, self._processes)
        await seeding.released(self._scene)
        began, ended = await settled(self._scene, self._port, first, count)
        used = cpu_seconds(self._scene, self._processes) - cpu
        durations = await seeding.asked(self._scene, DURATIONS, first)
        return Round(count / (ended - began), tuple(one[0] / 1e6 for one in durations), used)


async def settled(scene: Scene, port: int, first: str, count: int) -> tuple[float, float]:
    """Waits until so many deliveries since the id `first` came and are recorded.

    The first try's start and the last record, in seconds since 1970. Raises Fault where one came twice.
    """
    came = await receiver.came(port, count)
    await seeding.became(scene, ENDED, (count,), first)
    [(began, ended)] = await seeding.asked(scene, TIMES, first)
    if came > count:
        raise Fault(f"{came} deliveries came of {count}")
    return began / 1e6, ended / 1e6

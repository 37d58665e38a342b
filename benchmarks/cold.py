"""`serve` from cold on a migrated database: seconds to the first answer, and memory.

Owns the starts. The first answer is whatever `/healthz` says first; the file cache is warm, as after a deploy.
"""

import asyncio

import aiohttp

from benchmarks import servers
from benchmarks.seeding import Place


async def starts(place: Place, times: int) -> tuple[list[float], list[float]]:
    """Seconds to the first answer, and resident megabytes then, of that many starts, workers inside."""
    seconds, memory = [], []
    for _ in range(times):
        server = servers.service(place, workers=True)
        try:
            seconds.append(await server.ready())
            await _answered(server)
            memory.append(server.megabytes)
        finally:
            await server.stop()
    return seconds, memory


async def _answered(server: servers.Server) -> None:
    """A few requests more, so that what is loaded with the first of each kind is counted too."""
    async with aiohttp.ClientSession() as session:
        for path in ("/readyz", "/signup/unknown", "/static/signup/signup.css"):
            async with session.get(f"http://127.0.0.1:{server.port}{path}") as answer:
                await answer.read()
    await asyncio.sleep(0)

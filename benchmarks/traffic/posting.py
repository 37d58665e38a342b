"""The limit of every delivery: a loop of aiohttp POSTs that reads no database, signs nothing and logs nothing.

Owns the loop. It runs in a process of its own as the service does; each line on its standard input is one run
(`COUNT AT_ONCE`), answered by a line of JSON: seconds, CPU seconds, and how long each POST took.
Run: `python -m benchmarks.traffic.posting URL BODY_BYTES`.
"""

import asyncio
import sys
import time
from itertools import repeat

import aiohttp
import msgspec
import uvloop


async def posts(session: aiohttp.ClientSession, url: str, body: bytes, count: int, at_once: int) -> list[float]:
    """So many POSTs, so many of them at once; seconds of each."""
    left, times = repeat(None, count), []
    headers = {
        "content-type": "application/json", "webhook-id": "01926f3e-7d5a-7c60-8000-0123456789ab",
        "webhook-timestamp": "1700000000", "webhook-signature": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    }  # fmt: skip

    async def one_after_the_other() -> None:
        for _ in left:
            began = time.perf_counter()
            async with session.post(url, data=body, headers=headers) as answer:
                await answer.read()
            times.append(time.perf_counter() - began)

    await asyncio.gather(*(one_after_the_other() for _ in range(at_once)))
    return times


async def run(url: str, size: int) -> None:
    """One run for each line."""
    body = b"x" * size
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        while line := await asyncio.to_thread(sys.stdin.readline):
            count, at_once = map(int, line.split())
            began, cpu = time.perf_counter(), time.process_time()
            times = await posts(session, url, body, count, at_once)
            said = (time.perf_counter() - began, time.process_time() - cpu, times)
            print(msgspec.json.encode(said).decode(), flush=True)


if __name__ == "__main__":
    uvloop.run(run(sys.argv[1], int(sys.argv[2])))

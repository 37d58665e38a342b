"""Meta's notifications as a load: signed bodies, none like another, each with the instant of its sending.

Owns the bytes of a request, and how many are sent when. The answer to each has to be 200.
"""

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence

import aiohttp

from benchmarks.traffic.seeding import Line
from setuplinks.meta.secret import Secret
from setuplinks.meta.signatures import SIGNATURE_HEADER, body_signature
from tests.support import sandbox as meta

AT_ONCE = 32
OK = b"HTTP/1.1 200"
EMPTY = b"POST /empty HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}"
_SECRET = Secret(meta.APP_SECRET)
_BODY = (
    '{{"object":"whatsapp_business_account","entry":[{{"id":"{waba}","changes":[{{"value":{{"messaging_product":'
    '"whatsapp","metadata":{{"display_phone_number":"15550001111","phone_number_id":"{number}"}},"contacts":[{{'
    '"profile":{{"name":"Ana Pérez"}},"wa_id":"34600111222"}}],"messages":[{{"from":"34600111222","id":"wamid.{sent}",'
    '"timestamp":"1700000000","text":{{"body":"Buenos días, ¿tienen hora para mañana por la tarde?"}},"type":"text"}}]'
    '}},"field":"messages"}}]}}]}}'
)


def body(line: Line) -> bytes:
    """A message to the line's number, sent now."""
    text = _BODY.format(waba=line.meta_waba_id, number=line.meta_phone_number_id, sent=time.perf_counter_ns())
    return text.encode()


def request(line: Line) -> bytes:
    """The same as raw HTTP."""
    raw = body(line)
    head = (
        f"POST /meta/notifications HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"{SIGNATURE_HEADER}: {body_signature(_SECRET, raw)}\r\nContent-Length: {len(raw)}\r\n\r\n"
    )
    return head.encode() + raw


def stream(lines: Sequence[Line]) -> list[Iterator[bytes]]:
    """Requests for 32 connections, over all lines in turn."""
    return [map(request, itertools.cycle([*lines[lane:], *lines[:lane]])) for lane in _lanes(lines)]


def _lanes(lines: Sequence[Line]) -> list[int]:
    return [lane % len(lines) for lane in range(AT_ONCE)]


async def steadily(session: aiohttp.ClientSession, url: str, lines: Sequence[Line], rate: float, seconds: float) -> int:
    """So many a second, whatever the answers take; how many were sent. Raises for any answer but 200."""
    began, tasks = time.perf_counter(), []
    count = int(rate * seconds)
    for number, line in zip(range(count), itertools.cycle(lines), strict=False):
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        tasks.append(asyncio.create_task(_sent(session, url, line)))
    await asyncio.gather(*tasks)
    return count


async def _sent(session: aiohttp.ClientSession, url: str, line: Line) -> None:
    raw = body(line)
    signed = {SIGNATURE_HEADER: body_signature(_SECRET, raw), "content-type": "application/json"}
    async with session.post(f"{url}/meta/notifications", data=raw, headers=signed) as answer:
        answer.raise_for_status()

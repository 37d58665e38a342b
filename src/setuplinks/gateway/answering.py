"""Gives Meta's answer to the client: small ones whole, after a look for what must not leave; files as they come.

Owns that way. What is looked for stands in `meta/gateway_answers`.
"""

import asyncio
import logging
from contextlib import suppress

import aiohttp
from starlette.types import Message, Receive, Send

from setuplinks.core.logs import act
from setuplinks.gateway.forward import Sent
from setuplinks.gateway.models import Answer

MOST_LOOKED_AT = 16 * 1024 * 1024  # JSON; Graph's pages are far smaller
log = logging.getLogger("setuplinks.gateway")

_BODILESS = frozenset({204, 304})
_TEXTS = (b"json", b"text/", b"javascript", b"xml")


def is_text(sent: Sent) -> bool:
    """Whether an answer is to be looked at before it leaves: everything that is no file."""
    kind = header(sent.headers, b"content-type").lower()
    return not kind or sent.response.status >= 400 or any(one in kind for one in _TEXTS)


def header(headers: tuple[tuple[bytes, bytes], ...], name: bytes) -> bytes:
    """A header's value; empty where there is none."""
    return next((value for known, value in headers if known == name), b"")


def with_key(headers: tuple[tuple[bytes, bytes], ...], token: str, key: str) -> tuple[tuple[bytes, bytes], ...]:
    """An error's text stands in a header too, with the token where the text has it; so may a redirect's address."""
    real = token.encode()
    if not any(real in value for _, value in headers):
        return headers
    return tuple((name, value.replace(real, key.encode())) for name, value in headers)


def without(headers: tuple[tuple[bytes, bytes], ...], name: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """All headers but this one."""
    return tuple(one for one in headers if one[0] != name)


async def give(send: Send, answer: Answer, *, bodiless: bool = False) -> None:
    """A whole answer; without a body, and then without a length, to a HEAD and where the status has none."""
    headers, body = list(answer.headers), answer.body
    if bodiless or answer.status in _BODILESS:
        body = b""
    else:
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def hand_on(send: Send, receive: Receive, sent: Sent) -> int:
    """A file as it comes: a slow client holds Meta up, not our memory. How many bytes went on.

    Where the client leaves, Meta's connection is closed. Where Meta breaks off, so does ours: the client sees that it
    has not all of it.
    """
    headers = list(sent.headers)
    if sent.length is not None:
        headers.append((b"content-length", sent.length.encode()))
    gone = asyncio.ensure_future(_gone(receive))
    size = 0
    try:
        await send({"type": "http.response.start", "status": sent.response.status, "headers": headers})
        async for chunk in sent.chunks():
            if gone.done():
                return size
            size += len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    except (aiohttp.ClientError, TimeoutError):
        act(log, "gateway.broken_off", logging.WARNING, bytes=size)  # the server closes what was not answered whole
    finally:
        gone.cancel()
        with suppress(asyncio.CancelledError):
            await gone
    return size


async def _gone(receive: Receive) -> None:
    message: Message = {"type": "http.request"}
    while message["type"] != "http.disconnect":
        message = await receive()

"""Long multipart bodies: the names of parts are seen however the bytes are cut, and the bytes stay what they are."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import Message

from setuplinks.gateway.bodies import SMALL_FILE, Body, read_body
from setuplinks.gateway.refusals import Refusal
from setuplinks.meta.gateway_language import GraphPath

PATH = GraphPath("v25.0", "106", "media")
HEADERS = {b"content-type": b'multipart/form-data; boundary="cut"'}
FILE = bytes(range(256)) * 1200  # longer than what is kept


def part(name: str, value: bytes, filename: str | None = None) -> bytes:
    file = f'; filename="{filename}"\r\nContent-Type: video/mp4' if filename else ""
    return f'--cut\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + value + b"\r\n"


def comes(body: bytes, cuts: list[int]) -> Callable[[], Awaitable[Message]]:
    """A `receive` that gives the body cut at these places."""
    places = [0, *sorted(cut % len(body) for cut in cuts), len(body)]
    chunks = [body[begin:end] for begin, end in itertools.pairwise(places)]

    async def receive() -> Message:
        chunk = chunks.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}

    return receive


async def whole(body: Body) -> bytes:
    return body.kept if body.stream is None else b"".join([chunk async for chunk in body.stream])


def read(raw: bytes, cuts: list[int]) -> tuple[Body, bytes]:
    async def both() -> tuple[Body, bytes]:
        body = await read_body(comes(raw, cuts), {**HEADERS, b"content-length": str(len(raw)).encode()}, PATH)
        return body, await whole(body)

    return asyncio.run(both())


anywhere = st.lists(st.integers(0, 10_000_000), max_size=12)
END = b"--cut--\r\n"


@settings(max_examples=30)
@given(anywhere)
def test_the_key_is_cut_out_and_every_other_byte_goes_on(cuts: list[int]) -> None:
    rest = part("messaging_product", b"whatsapp") + part("file", FILE, "a.mp4") + END
    body, sent = read(part("access_token", b"sl_waba_x") + rest, cuts)
    assert body.said.token == "sl_waba_x"
    assert sent == rest
    assert body.stream is None or body.stream.length == len(rest)


@settings(max_examples=30)
@given(anywhere, st.sampled_from(["method", "ids", "batch", "access_token", "fields", " ids", "ids[0]"]))
def test_a_part_behind_the_file_that_may_not_be_there_is_seen(cuts: list[int], name: str) -> None:
    long = FILE + bytes(SMALL_FILE)
    raw = part("file", long, "a.mp4") + part(name, b"DELETE") + END
    pieces = [0, 1000, *cuts]  # what comes in one piece is read whole, and refused by the rules
    seen = False
    try:
        body, _ = read(raw, pieces)
        seen = body.said.token == "DELETE" or bool(body.said.names & {"method", "ids", "batch", "fields"})
    except Refusal as refused:
        seen = "before the file" in refused.message
    assert seen


@settings(max_examples=30)
@given(anywhere)
def test_names_in_the_file_itself_are_no_parts(cuts: list[int]) -> None:
    file = FILE + b'\r\n--cu\r\nContent-Disposition: form-data; name="method"\r\n\r\n--' + FILE
    raw = part("file", file, "a.mp4") + part("type", b"video/mp4") + END
    _, sent = read(raw, cuts)
    assert sent == raw


def test_a_head_without_an_end_is_refused() -> None:
    with pytest.raises(Refusal, match="head"):
        read(part("file", FILE, "a.mp4") + b"--cut\r\nX: " + b"y" * 40_000 + b"\r\n\r\n" + END, [300_000, 320_000])

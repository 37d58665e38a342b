"""The parameters of a request to Graph: query, then a form, JSON or multipart body over it. Files go to disk."""

from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from setuplinks.sandbox.graph_errors import bad_parameter

LARGEST_BODY = 130 * 1024 * 1024  # bytes; Meta takes files of 100 MB
LARGEST_FIELD = 4 * 1024 * 1024


async def read_params(request: Request) -> dict[str, Any]:
    """Query, then the body over it; files are UploadFile. A body that is not what its type says is error 100."""
    params = unfolded(list(request.query_params.items()))
    if request.method in ("GET", "HEAD"):
        return params
    content_type = request.headers.get("content-type", "")
    if content_type.lower().startswith("multipart/form-data"):
        return params | await _multipart(request)
    body = await request.body()
    if not body:
        return params
    if "json" in content_type or body[:1] in (b"{", b"["):
        try:
            decoded = msgspec.json.decode(body)
        except msgspec.DecodeError:
            raise bad_parameter("Invalid JSON in the request body") from None
        return params | decoded if isinstance(decoded, dict) else params
    return params | unfolded(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


async def _multipart(request: Request) -> dict[str, Any]:
    parser = MultiPartParser(request.headers, _bounded(request), max_part_size=LARGEST_FIELD)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise bad_parameter(f"The multipart body cannot be read: {error.message}") from None
    return unfolded(list(form.multi_items()))


async def _bounded(request: Request) -> AsyncGenerator[bytes, None]:
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > LARGEST_BODY:
            raise MultiPartException("it is larger than any file that is taken.")
        yield piece


def unfolded(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    """The fields of a query or a form. Objects and lists are JSON texts in them, such as `text={"body":"Hola"}`."""
    found: dict[str, Any] = {}
    for name, value in fields:
        if isinstance(value, str) and value[:1] in ("{", "["):
            try:
                found[name] = msgspec.json.decode(value)
                continue
            except msgspec.DecodeError:
                pass  # text that only begins like JSON
        found[name] = value
    return found

"""What of Graph's answers a stand-in must not hand on as it is: addresses that lead past it, tokens, others' rows.

Owns finding them in the bytes. Whatever is not one of these stays as Meta wrote it, to the byte.
"""

import re
import zlib
from collections.abc import Callable, Container
from urllib.parse import urlsplit

import msgspec

from setuplinks.meta.lenient import as_object, as_rows, as_text

_URL = re.compile(rb'"url"\s*:\s*("(?:[^"\\]|\\.)*")')
_PAGES = re.compile(rb'("(?:next|previous)"\s*:\s*")(https?:(?:\\?/){2}[^"\\/?]+)')
# Where Meta keeps files that want a token to be read.
# https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media
_MEDIA_HOSTS = ("fbsbx.com", "facebook.com", "whatsapp.net", "fbcdn.net")
_ENCODED = frozenset({b"gzip", b"x-gzip", b"deflate"})


def plain(body: bytes, encoding: bytes, most: int) -> bytes | None:
    """The body without its content coding; None where it cannot be read or is longer than `most`."""
    if encoding in {b"", b"identity"}:
        return body
    if encoding not in _ENCODED:
        return None
    for window in (47, -15):  # gzip or zlib by their heads; some send deflate bare
        reader = zlib.decompressobj(window)
        try:
            read = reader.decompress(body, most)
        except zlib.error:
            continue
        return read if reader.eof and not reader.unconsumed_tail else None
    return None


def with_key(body: bytes, token: str, key: str) -> bytes:
    """Wherever Meta repeats the token that it was sent, in paging addresses or errors, the client finds its own key."""
    real = token.encode()
    return body.replace(real, key.encode()) if real in body else body


def with_pages(body: bytes, graph_url: str, ours: str) -> bytes:
    """The addresses of the next and the previous page lead to `ours` instead of to Graph."""
    if b'"paging"' not in body:
        return body
    there = graph_url.encode()

    def turned(found: re.Match[bytes]) -> bytes:
        if found[2].replace(b"\\/", b"/") != there:
            return found[0]
        escaped = b"\\/" in found[2]
        return found[1] + (ours.replace("/", "\\/") if escaped else ours).encode()

    return _PAGES.sub(turned, body)


def with_file_address(body: bytes, turned: Callable[[str], str | None]) -> bytes:
    """A file's `url` as `turned` gives it (None: as it was)."""
    found = _URL.search(body)
    if found is None:
        return body
    try:
        url = msgspec.json.decode(found[1], type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body
    ours = turned(url)
    return body if ours is None else body[: found.start(1)] + msgspec.json.encode(ours) + body[found.end(1) :]


def is_file_address(url: str, graph_url: str) -> bool:
    """Whether a token may be sent there: https to Meta's own hosts, or the place where Graph itself is."""
    if len(url) > 4096 or not url.isascii() or not url.isprintable() or "\\" in url or " " in url:
        return False
    try:
        parts, graph = urlsplit(url), urlsplit(graph_url)
        place = (parts.scheme, parts.hostname, parts.port)
    except ValueError:
        return False
    if parts.username is not None or parts.password is not None or not parts.hostname:
        return False
    if place == (graph.scheme, graph.hostname, graph.port):
        return True
    host = parts.hostname.rstrip(".")
    known = any(host == one or host.endswith(f".{one}") for one in _MEDIA_HOSTS)
    return parts.scheme == "https" and parts.port in {None, 443} and known


def only_rows(body: bytes, kept: Container[str]) -> bytes | None:
    """A list without the rows whose id is not `kept`; the same bytes where there are none, None for what is no JSON."""
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(answer, dict):
        return None
    rows = as_rows(answer.get("data"))
    staying = [row for row in rows if as_text(row.get("id")) in kept]
    return body if len(staying) == len(rows) else msgspec.json.encode({**answer, "data": staying})


def error_of(body: bytes) -> object:
    """The `error` of an answer, or None."""
    try:
        return as_object(msgspec.json.decode(body)).get("error")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def object_id(body: bytes) -> str | None:
    """The `id` of an answer, or None."""
    try:
        return as_text(as_object(msgspec.json.decode(body)).get("id"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None

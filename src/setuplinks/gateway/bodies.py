"""A request's body: read whole where it says something, handed on as it comes where it is a file.

Owns the size up to which a body is kept, and the watch over the parts of a long one. What parameters mean is
`meta/gateway_params`.
"""

import re
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, replace

from starlette.types import Message, Receive

from setuplinks.gateway import refusals
from setuplinks.meta import gateway_params as params
from setuplinks.meta.gateway_language import UPLOAD, GraphPath
from setuplinks.meta.gateway_params import NONE, Parameters

MOST_KEPT = 4 * 1024 * 1024  # a body without a file
SMALL_FILE = 256 * 1024  # is sent in one go
LONGEST_HEAD = 16 * 1024  # of one part
MOST_PARTS = 100
_KIND = re.compile(r"[\w.+-]+/[\w.+-]+")
_CHARSET = r"(?:;\s*charset=[\w-]+\s*)?"
_MULTIPART, _FORM = "multipart/form-data", "application/x-www-form-urlencoded"
_BOUNDARY = re.compile(
    rf"""{_MULTIPART}\s*{_CHARSET};\s*boundary=("?)([^"';,\s\\]{{1,200}})\1\s*{_CHARSET};?""", re.IGNORECASE
)
_HEAD_ENDS = re.compile(rb"\r?\n\r?\n")
_LINE_ENDS = re.compile(rb"--|[ \t]*\r?\n")
# Two of these could be read in two ways.
_ONCE = frozenset({b"authorization", b"content-type", b"content-encoding", b"content-length", b"idempotency-key"})


@dataclass(frozen=True, slots=True)
class Body:
    """`kept` in one piece, or `stream` where it is handed on; `said` are its parameters as far as they are known."""

    kept: bytes = b""
    stream: "Stream | None" = None
    said: Parameters = NONE


class _Parts:
    """Watches a multipart body for the names of its parts, however it is cut into chunks."""

    def __init__(self, boundary: str) -> None:
        self._line = b"--" + boundary.encode("latin-1")
        self._rest = b""

    def feed(self, chunk: bytes) -> list[str]:
        """The names of the parts that begin here. Raises Refusal for a head that does not end."""
        names: list[str] = []
        text, at = self._rest + chunk, 0
        while (begins := text.find(self._line, at)) >= 0:
            ends = _HEAD_ENDS.search(text, begins, begins + LONGEST_HEAD)
            _must_stand_alone(text, begins, None if ends is None else begins + len(self._line))
            if ends is None:
                _must_end(text, begins)
                self._rest = text[max(begins - 1, 0) :]  # with the end of the line before
                return names
            names += params.part_names(text[begins + len(self._line) : ends.start()])
            at = ends.end()
        self._rest = text[max(at - 1, len(text) - len(self._line), 0) :]
        return names


def read_headers(given: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Headers by their names. Raises Refusal where one stands twice that may not."""
    headers = dict(given)
    if len(headers) < len(given):
        for name in _ONCE:
            if sum(name == one for one, _ in given) > 1:
                raise refusals.bad_request(f"The header {name.decode()} stands in the request more than once.")
    return headers


async def read_body(receive: Receive, headers: dict[bytes, bytes], path: GraphPath) -> Body:
    """The body of a call. Raises Refusal for one that cannot be passed on."""
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise refusals.bad_request("A compressed body is not taken here; send it plain.")
    kind = headers.get(b"content-type", b"").decode("latin-1").strip()
    bare = kind.partition(";")[0].strip().lower()
    first = await _next(receive)
    chunk, more = first.get("body", b""), first.get("more_body", False)
    if not more and not chunk:
        return Body()
    if bare and _KIND.fullmatch(bare) is None:
        raise refusals.bad_request("The Content-Type is not one that can be read in one way.", status=415)
    told = headers.get(b"content-length", b"")
    length = int(told) if told.isdigit() else None
    a_file = not _is_text(bare) if bare else path.node.startswith(UPLOAD)
    if path.takes_files and (bare == _MULTIPART or a_file):
        return await _file(receive, chunk, more, kind if bare == _MULTIPART else "", length)
    whole = await _whole(receive, chunk, more, length or 0)
    if bare == _MULTIPART:
        return _form_with_parts(whole, _boundary(kind))
    if not bare or _is_text(bare):
        return _text(whole, bare)
    raise refusals.bad_request("Send JSON, a form or multipart/form-data.", status=415)


def _is_text(bare: str) -> bool:
    return bare == _FORM or _is_json(bare)


def _is_json(bare: str) -> bool:
    return bare == "application/json" or bare.endswith("+json")


def _text(whole: bytes, bare: str) -> Body:
    """A body of one kind; what could be taken for the other kind is looked at as that too."""
    may_be_json = whole.lstrip()[:1] in {b"{", b"["}
    if _is_json(bare) or (not bare and may_be_json):
        try:
            said = params.read_json(whole)
        except ValueError as error:
            raise refusals.bad_request(f"Invalid JSON: {error}.") from None
        other = NONE if bare else read_query(whole)
    else:
        said, other = read_query(whole), NONE
        if may_be_json:
            with suppress(ValueError):
                other = params.read_json(whole)
    if other.names:
        said = replace(said, names=said.names | other.names, fields=said.fields + other.fields)
        said = replace(said, refers=said.refers + other.refers)
    return Body(said.rest, None, said)


def _boundary(kind: str) -> str:
    found = _BOUNDARY.fullmatch(kind)
    if found is None:
        raise refusals.bad_request("The multipart body names no boundary, or one that can be read in two ways.")
    return found[2]


def _must_end(text: bytes, at: int) -> None:
    """A part's head has no end yet."""
    if len(text) - at > LONGEST_HEAD:
        raise refusals.bad_request("A part of the multipart body has a head that is too long.")


def _must_stand_alone(text: bytes, at: int, ends: int | None = None) -> None:
    """A boundary that is no line of its own is one for some readers and none for others; `ends` where it is read."""
    begins = at == 0 or text[at - 1 : at] == b"\n"
    if not begins or (ends is not None and _LINE_ENDS.match(text, ends) is None):
        raise refusals.bad_request("The boundary of the multipart body stands within a part of it.")


def read_query(raw: bytes) -> Parameters:
    """Parameters of a query or a form. Raises Refusal."""
    try:
        return params.read_pairs(raw)
    except ValueError as error:
        raise refusals.bad_request(f"This is {error}.") from None


async def _next(receive: Receive) -> Message:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ConnectionAbortedError("the client went away")
    return message


async def _whole(receive: Receive, chunk: bytes, more: bool, told: int) -> bytes:
    parts, size = [chunk], len(chunk)
    while more and max(size, told) <= MOST_KEPT:
        message = await _next(receive)
        chunk, more = message.get("body", b""), message.get("more_body", False)
        parts.append(chunk)
        size += len(chunk)
    if max(size, told) > MOST_KEPT:
        raise refusals.bad_request(f"A body without a file has at most {MOST_KEPT:,} bytes.", status=413)
    return b"".join(parts)


async def _file(receive: Receive, chunk: bytes, more: bool, kind: str, length: int | None) -> Body:
    """The first part of a file; whole where it is small. A form's own fields usually stand before its file."""
    parts = [chunk]
    size = len(chunk)
    while more and size < SMALL_FILE:
        message = await _next(receive)
        chunk, more = message.get("body", b""), message.get("more_body", False)
        parts.append(chunk)
        size += len(chunk)
    head = b"".join(parts)
    boundary = _boundary(kind) if kind else None
    if not more:
        return _form_with_parts(head, boundary) if boundary else Body(head)
    if boundary is None:
        return Body(b"", Stream(receive, head, length, None))
    known = _form_with_parts(head, boundary)
    watch = _Parts(boundary)
    watch.feed(known.kept)
    left = None if length is None else length - len(head) + len(known.kept)
    return Body(b"", Stream(receive, known.kept, left, watch), known.said)


class Stream:
    """A long body: what was read of it, then what comes; to be read once.

    `length` in bytes, None where the client did not say. `refused` is why it ended before Meta had all of it.
    """

    def __init__(self, receive: Receive, head: bytes, length: int | None, watch: _Parts | None) -> None:
        self._receive, self._head, self._watch = receive, head, watch
        self.length = length
        self.refused: refusals.Refusal | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The chunks. A part that may not be there ends the call before Meta has all of it."""
        yield self._head
        more = True
        while more:
            message = await _next(self._receive)
            chunk, more = message.get("body", b""), message.get("more_body", False)
            if self._watch is not None:
                self._look(self._watch, chunk)
            if chunk:
                yield chunk

    def _look(self, watch: _Parts, chunk: bytes) -> None:
        try:
            for name in watch.feed(chunk):
                if name in params.MUST_COME_FIRST:
                    raise refusals.bad_request(f"The part {name} has to stand before the file.")
        except refusals.Refusal as refused:
            self.refused = refused
            raise


def _form_with_parts(body: bytes, boundary: str) -> Body:
    """A multipart body (or its beginning) without the part that carries the key."""
    line = b"--" + boundary.encode("latin-1")
    names: set[str] = set()
    fields: list[str] = []
    refers: list[str] = []
    token, count = None, 0
    at = body.find(line)
    while at >= 0:
        count += 1
        if count > MOST_PARTS:
            raise refusals.bad_request(f"A multipart body has at most {MOST_PARTS} parts.")
        following = body.find(line, at + len(line))
        head = _HEAD_ENDS.search(body, at, min(at + LONGEST_HEAD, len(body)))
        _must_stand_alone(body, at, None if head is None else at + len(line))
        if head is None:
            _must_end(body, at)
            at = following
            continue
        named = params.part_names(body[at + len(line) : head.start()])
        names.update(named)
        value = body[head.end() : following if following >= 0 else len(body)].rstrip(b"\r\n")
        if params.FIELDS in named:
            fields.append(value.decode("utf-8", "replace"))
        if params.REFERENCES.intersection(named):
            refers.append(value.decode("utf-8", "replace"))
        if params.TOKEN in named:
            if following < 0:
                raise refusals.bad_request("The part access_token has to stand before the file.")
            token = value.decode("utf-8", "replace")
            body, following = body[:at] + body[following:], at
        at = following
    return Body(
        body, None, Parameters(body, token, frozenset(names - {params.TOKEN}), tuple(fields), None, tuple(refers))
    )

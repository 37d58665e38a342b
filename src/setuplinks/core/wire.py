"""How values are spelled on the wire: instants, ids, cursors, JSON bodies in and out.

Owns strict decoding of request bodies into typed structs (camelCase and snake_case alike) and the words for what is
wrong with them. It knows nothing of HTTP or of any route.
"""

import base64
import binascii
import re
import types
import typing
import zlib
from datetime import UTC, datetime, timedelta, timezone
from functools import cache, lru_cache
from typing import Annotated, Any, TypeVar

import msgspec

from setuplinks.core.clock import SECOND
from setuplinks.core.problems import Invalid, Malformed

T = TypeVar("T")
MAX_ID = 2**53 - 1
DEEPEST = 50
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]{1,12})?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
_DIGITS = re.compile(r"[0-9]{1,16}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Body(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A request body: fields in snake_case here, both spellings on the wire, unknown ones refused.

    A field of a PATCH that may be absent is typed `X | msgspec.UnsetType | None = msgspec.UNSET`.
    """


class View(msgspec.Struct, rename="camel"):
    """An answer's shape: camelCase on the wire."""


class Id(int):
    """An id of ours in JSON input: an integer or a digit string."""


class Instant(int):
    """An instant in JSON input (RFC 3339 with an offset); µs since 1970 here, whole seconds."""


Moment = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
"""An instant in an answer: `2026-05-25T23:59:59Z`."""


# -- instants --------------------------------------------------------------------------------------------------------
def instant(at: int) -> str:
    """µs since 1970 as RFC 3339 in UTC, whole seconds, rounded down."""
    return _instant(at // SECOND)


@lru_cache(maxsize=4096)
def _instant(second: int) -> str:
    return (_EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%SZ")


def instant_or_none(at: int | None) -> str | None:
    """As `instant`; None stays None."""
    return None if at is None else instant(at)


def parse_instant(text: str) -> int:
    """RFC 3339 with `Z` or an offset → µs since 1970, whole seconds. Raises ValueError in plain words."""
    found = _RFC3339.fullmatch(text)
    if not found:
        raise ValueError("expected a time such as 2026-05-25T23:59:59Z, with Z or an offset")
    *parts, sign, hours, minutes = found.groups()
    try:
        year, month, day, hour, minute, second = (int(part) for part in parts)
        offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0)) * (-1 if sign == "-" else 1)
        if offset and int(minutes) > 59:
            raise ValueError
        # In UTC it has to lie in the calendar too, or it could not be written again: 9999-12-31T23:59:59-01:00.
        at = datetime(year, month, day, hour, minute, second, tzinfo=timezone(offset)).astimezone(UTC)
        return ((at - _EPOCH) // timedelta(seconds=1)) * SECOND
    except (ValueError, OverflowError):
        raise ValueError("there is no such time in the calendar") from None


# -- names and ids ---------------------------------------------------------------------------------------------------
def camel(name: str) -> str:
    """`external_id` → `externalId`."""
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


def snake(name: str) -> str:
    """`externalId` → `external_id`."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def path_id(text: str) -> int | None:
    """An integer id from a path or a query; None where it cannot be one of ours."""
    if not _DIGITS.fullmatch(text):
        return None
    value = int(text)
    return value if 0 < value <= MAX_ID else None


def path_uuid(text: str) -> str | None:
    """A UUID from a path, in its one lower-case spelling; None where it is none."""
    lower = text.lower()
    return lower if _UUID.fullmatch(lower) else None


# -- cursors ---------------------------------------------------------------------------------------------------------
def cursor(at: int, key: int | str) -> str:
    """The opaque place after the row (at µs, key) in a list that runs newest first."""
    text = f"{at}.{key}".encode()
    return base64.urlsafe_b64encode(zlib.crc32(text).to_bytes(4) + text).decode().rstrip("=")


def parse_cursor(text: str) -> tuple[int, str]:
    """The place that `cursor` made. Raises ValueError for anything else."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        at, dot, key = raw[4:].decode("ascii").partition(".")
        if zlib.crc32(raw[4:]).to_bytes(4) != raw[:4] or not dot:
            raise ValueError
        return int(at), key
    except (ValueError, binascii.Error):
        raise ValueError("this is no cursor that a list of ours gave out") from None


# -- faults ----------------------------------------------------------------------------------------------------------
def invalid(name: str, message: str) -> Invalid:
    """The Problem that names one field, by its name on the wire, and says what is wrong with it."""
    return Invalid(f"{name}: {message}", fields={name: message})


def plain_text(name: str, value: str, limit: int) -> str:
    """A one-line text of 1 to `limit` characters, stripped. Raises Invalid.

    Bidi overrides are refused with the control characters: a name must not turn the sentence around it.
    """
    text = value.strip()
    if not text or len(text) > limit:
        raise invalid(name, f"expected 1 to {limit} characters")
    if any(not char.isprintable() or "\u202a" <= char <= "\u202e" or "\u2066" <= char <= "\u2069" for char in text):
        raise invalid(name, "control characters are not taken")
    return text


# -- bodies ----------------------------------------------------------------------------------------------------------
def encode(value: object) -> bytes:
    """JSON bytes of plain values, dataclasses and Views."""
    return msgspec.json.encode(value)


def decode_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in `raw`; empty bytes are an empty object. Raises Malformed."""
    if not raw.strip():
        return {}
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Malformed("The body is not JSON (UTF-8).") from None
    if not isinstance(value, dict):
        raise Malformed("The body has to be a JSON object.")
    if raw.count(b"{") + raw.count(b"[") > DEEPEST and _depth(value) > DEEPEST:
        raise Malformed(f"The body is nested deeper than {DEEPEST} levels.")
    return value


def _depth(value: Any) -> int:
    """How deep lists and objects are nested; level by level, since a recursion could run out of stack."""
    depth, level = 0, [value]
    while level := [one for one in level if isinstance(one, dict | list)]:
        depth += 1
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
    return depth


def decode(raw: bytes, kind: type[T]) -> T:
    """The body as `kind` (a Body). Raises Malformed for no JSON, Invalid naming the field for all else."""
    # Most bodies are right and in camelCase: they are read in one go. Whatever is odd is read again, for its words.
    if raw.count(b"{") + raw.count(b"[") <= DEEPEST and b"\\u0000" not in raw:
        try:
            struct: type = kind
            read: T = _decoder(struct).decode(raw)
            return read
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
    return convert(decode_object(raw), kind, nul=b"\\u0000" in raw)


@cache
def _decoder(kind: type) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind, dec_hook=_read_ours)


def convert(value: dict[str, Any], kind: type[T], *, nul: bool = True) -> T:
    """Plain values as `kind`. Raises Invalid naming the field."""
    if nul:
        _refuse_nul(value, "")
    normal = _one_spelling(value, kind, "")
    try:
        return msgspec.convert(normal, kind, dec_hook=_read_ours)
    except msgspec.ValidationError as error:
        name, message = _plain(str(error))
        raise invalid(name, message) from None


def _refuse_nul(value: Any, path: str) -> None:
    if isinstance(value, str):
        if "\0" in value:
            raise invalid(path, "NUL characters are not taken")
    elif isinstance(value, dict):
        for key, item in value.items():
            _refuse_nul(key, path or "body")
            _refuse_nul(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _refuse_nul(item, f"{path}[{index}]")


@cache
def _spellings(kind: type) -> dict[str, tuple[str, type | None]]:
    """Each accepted key → (its name on the wire, the struct inside of it if there is one)."""
    found: dict[str, tuple[str, type | None]] = {}
    for field in msgspec.structs.fields(kind):
        entry = (field.encode_name, struct_in(field.type))
        found[field.encode_name] = entry
        found[field.name] = entry
    return found


def struct_in(kind: Any) -> type | None:
    """The struct that a field's type is or holds (`X | None`, `list[X]`); None where there is none."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    if typing.get_origin(kind) in (typing.Union, types.UnionType, list, Annotated):
        return next((found for arg in typing.get_args(kind) if (found := struct_in(arg))), None)
    return None


def _one_spelling(value: Any, kind: type, path: str) -> Any:
    spellings = _spellings(kind)
    normal: dict[str, Any] = {}
    for key, item in value.items():
        known = spellings.get(key)
        if known is None:
            raise invalid(f"{path}{key}", "this field is not known")
        name, inside = known
        if name in normal:
            raise invalid(f"{path}{name}", "given twice, in two spellings")
        if inside and isinstance(item, dict):
            item = _one_spelling(item, inside, f"{path}{name}.")  # noqa: PLW2901
        elif inside and isinstance(item, list):
            item = [  # noqa: PLW2901
                _one_spelling(one, inside, f"{path}{name}[{index}].") if isinstance(one, dict) else one
                for index, one in enumerate(item)
            ]
        normal[name] = item
    return normal


def _read_ours(kind: type, value: Any) -> Any:
    if kind is Id:
        found = path_id(value) if isinstance(value, str) else value
        if isinstance(found, bool) or not isinstance(found, int) or not 0 < found <= MAX_ID:
            raise ValueError("expected an id (an integer or a string of digits)")
        return Id(found)
    if kind is Instant:
        if not isinstance(value, str):
            raise ValueError("expected a time such as 2026-05-25T23:59:59Z")
        return Instant(parse_instant(value))
    raise TypeError(f"{kind} is not a type of the wire")


_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}


def _plain(message: str) -> tuple[str, str]:
    """msgspec's message as (field, plain words)."""
    text, _, path = message.partition(" - at `")
    name = path.rstrip("`").removeprefix("$").removeprefix(".") or "body"
    missing = re.fullmatch(r"Object missing required field `(\w+)`", text)
    if missing:
        inner = missing.group(1)
        return (inner if name == "body" else f"{name}.{inner}"), "this field is required"
    expected = re.fullmatch(r"Expected `([\w |]+)`(.*?)(?:, got `(\w+)`)?", text)
    if expected:
        wanted = " or ".join(_WORDS.get(word, word) for word in expected.group(1).split(" | "))
        got = _WORDS.get(expected.group(3) or "", expected.group(3) or "")
        return name, f"expected {wanted}{expected.group(2)}" + (f", got {got}" if got else "")
    return name, text


def schema_of(kind: type) -> dict[str, Any]:
    """The JSON schema of Id and Instant, which msgspec does not know."""
    if kind is Id:
        return {
            "anyOf": [{"type": "integer", "minimum": 1, "maximum": MAX_ID}, {"type": "string", "pattern": "^[0-9]+$"}]
        }
    if kind is Instant:
        return {"type": "string", "format": "date-time"}
    raise TypeError(f"{kind} is not a type of the wire")

"""The bytes of each `value` of a notification, cut out as Meta wrote them: spaces, escapes, order, doubled names.

Owns the cutting. What a value says is read by `notices`, in the same order; a body that is no JSON has no values.
"""

import re

import msgspec

_OBJECT, _LIST = dict[str, msgspec.Raw], list[msgspec.Raw]
EMPTY = b"{}"

# An escape that is half of a surrogate pair, which the decoder refuses. Whole pairs and other escapes are stepped over.
_HALF = re.compile(rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)")


def values(body: bytes) -> list[bytes]:
    """One for each change, in Meta's order, as `notices.changes` counts them; `{}` where a change has none."""
    try:
        return _cut(body)
    except ValueError:
        masked = _HALF.sub(lambda found: b"\\uFFFD" if found[1] else found[0], body)
        return _unmasked(body, masked, _cut(masked))


def _cut(body: bytes) -> list[bytes]:
    found = []
    for entry in _objects(_named(body, "entry")):
        for change in _objects(_named(entry, "changes")):
            value = _named(change, "value")
            found.append(EMPTY if value is None else bytes(value))
    return found


def _named(raw: bytes | msgspec.Raw, name: str) -> msgspec.Raw | None:
    return msgspec.json.decode(raw, type=_OBJECT).get(name)


def _objects(raw: msgspec.Raw | None) -> list[msgspec.Raw]:
    if raw is None or bytes(memoryview(raw)[:1]) != b"[":
        return []
    return [one for one in msgspec.json.decode(raw, type=_LIST) if bytes(memoryview(one)[:1]) == b"{"]


def _unmasked(body: bytes, masked: bytes, cut: list[bytes]) -> list[bytes]:
    """A mask is as long as what it covers, so a place in one text is the same place in the other."""
    found, at = [], 0
    for value in cut:
        begin = masked.find(value, at) if value != EMPTY else -1
        if begin < 0:
            found.append(value)
            continue
        at = begin + len(value)
        found.append(body[begin:at])
    return found

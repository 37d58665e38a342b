"""Reading Meta's JSON without trusting its types.

Owns the small readers by which an oddly typed field becomes None and a number that should be an id becomes text.
It owns no shape of any answer: those stand in `payloads` and `errors`.
"""

from collections.abc import Mapping
from typing import Any

Raw = Mapping[str, Any]


def as_object(value: object) -> Raw:
    """The value where it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_text(value: object) -> str | None:
    """Text, or a number's digits; None for anything else and for empty text."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return value.replace("\0", " ") or None  # no database of ours stores a NUL
    return str(value) if isinstance(value, int) else None


def as_int(value: object) -> int | None:
    """A whole number, also one that was written as text or with a fraction."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if abs(value) < 2**53 else None
    if isinstance(value, str) and len(value) < 20:
        try:
            return int(value)
        except ValueError:
            return None
    return None


def as_flag(value: object) -> bool | None:
    """True or False, also as the words; None for anything else."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return None


def as_texts(value: object) -> tuple[str, ...]:
    """The texts of a list, each once, in Meta's order; a bare text counts as a list of one."""
    items = value if isinstance(value, list) else [value]
    return tuple(dict.fromkeys(text for item in items if (text := as_text(item)) is not None))


def as_rows(value: object) -> list[Raw]:
    """The objects of a list; everything else in it is left out."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def needed_id(raw: Raw) -> str:
    """The object's id. Raises ValueError where there is none."""
    found = as_text(raw.get("id"))
    if found is None:
        raise ValueError("the object carries no id")
    return found

"""What a tenant may have Meta's sign-in filled in with.

Owns the rules for the `prefill` of a setup link: the shape of Meta's `setup` without the keys by which somebody could
reach another's objects (`whatsAppBusinessAccount`, `preVerifiedPhone`, `solutionID`). It does not own how it is sent.

https://developers.facebook.com/documentation/business-messaging/whatsapp/embedded-signup/pre-filled-data
"""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_EMAIL = re.compile(r"[^@\s<>\"']{1,64}@[^@\s<>\"']{1,190}\.[^@\s<>\"'.]{2,63}")
_CATEGORY = re.compile(r"[A-Z][A-Z_]{1,39}")
_COUNTRY = re.compile(r"[A-Za-z]{2}")
_TIME_ZONE = re.compile(r"UTC([+-](0\d|1[0-4]):[0-5]\d)?")
_SNAKE = re.compile(r"_([a-z0-9])")

Check = Callable[[str, object], Any]


class PrefillError(ValueError):
    """A field of the prefill is not what Meta takes. `field` is its path, for example `prefill.business.email`."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field, self.message = field, message


def validate_prefill(value: object, field: str = "prefill") -> dict[str, Any]:
    """Checks a prefill and returns it as Meta takes it: camelCase, no nulls. Raises PrefillError for the first fault.

    ```
    {"business": {"name", "email", "website", "timezone", "phone": {"code", "number"},
                  "address": {"streetAddress1", "streetAddress2", "city", "state", "zipPostal", "country"}},
     "phone": {"displayName", "category", "description"}}
    ```
    snake_case is taken too. Unknown keys are refused.
    """
    return _object(_SETUP)(field, value) or {}


def _text(longest: int, *, lines: bool = False) -> Check:
    def check(field: str, value: object) -> str:
        if not isinstance(value, str):
            raise PrefillError(field, "must be text")
        if len(value) > longest:
            raise PrefillError(field, f"must have at most {longest} characters")
        if _CONTROL.search(value) or (not lines and ("\n" in value or "\t" in value)):
            raise PrefillError(field, "must not contain control characters")
        return value

    return check


def _matching(pattern: re.Pattern[str], longest: int, message: str, *, upper: bool = False) -> Check:
    def check(field: str, value: object) -> str:
        found: str = _text(longest)(field, value)
        if found and not pattern.fullmatch(found):
            raise PrefillError(field, message)
        return found.upper() if upper else found

    return check


def _website(field: str, value: object) -> str:
    found: str = _text(500)(field, value)
    try:
        parts = urlsplit(found)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.username is None
    except ValueError:
        good = False
    if found and (not good or " " in found):
        raise PrefillError(field, "must be a web address that begins with https:// or http://")
    return found


def _calling_code(field: str, value: object) -> int:
    digits = str(value).removeprefix("+") if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not re.fullmatch(r"[1-9][0-9]{0,2}", digits, re.ASCII):
        raise PrefillError(field, "must be a country calling code such as 54")
    return int(digits)


def _local_number(field: str, value: object) -> str:
    written = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    digits = re.sub(r"[ ().-]", "", written)
    if not re.fullmatch(r"[0-9]{4,15}", digits, re.ASCII):
        raise PrefillError(field, "must have 4 to 15 digits, without the country calling code")
    return digits


def _object(shape: Mapping[str, Check]) -> Check:
    def check(field: str, value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise PrefillError(field, "must be an object")
        found: dict[str, Any] = {}
        for key, item in value.items():
            name = _SNAKE.sub(lambda match: match[1].upper(), key) if isinstance(key, str) else ""
            if name not in shape:
                known = ", ".join(shape)
                raise PrefillError(f"{field}.{str(key)[:60]}", f"is not known here; known are {known}")
            if name in found:
                raise PrefillError(f"{field}.{key}", "is given twice")
            if item is not None:
                found[name] = shape[name](f"{field}.{key}", item)
        return found

    return check


_SETUP: dict[str, Check] = {
    "business": _object(
        {
            "name": _text(100),
            "email": _matching(_EMAIL, 254, "must be an e-mail address"),
            "website": _website,
            "timezone": _matching(_TIME_ZONE, 9, "must be an offset such as UTC-03:00"),
            "phone": _object({"code": _calling_code, "number": _local_number}),
            "address": _object(
                {
                    "streetAddress1": _text(200),
                    "streetAddress2": _text(200),
                    "city": _text(100),
                    "state": _text(100),
                    "zipPostal": _text(20),
                    "country": _matching(_COUNTRY, 2, "must be a two-letter country code such as AR", upper=True),
                }
            ),
        }
    ),
    "phone": _object(
        {
            "displayName": _text(100),
            "category": _matching(_CATEGORY, 40, "must be one of Meta's categories, such as RESTAURANT"),
            "description": _text(512, lines=True),
        }
    ),
}

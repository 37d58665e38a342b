"""Languages and time zones as a tenant may name them: checked, in one spelling. Pure.

Which languages the pages are translated into is the pages' matter; any language that Babel knows may be asked for.
"""

from functools import cache, lru_cache
from zoneinfo import available_timezones

from babel import Locale, UnknownLocaleError

LONGEST = 35


@lru_cache(maxsize=1024)
def normal_language(tag: str) -> str:
    """A BCP 47 tag in its usual spelling: `pt_br` → `pt-BR`. Raises ValueError in plain words."""
    try:
        if len(tag) > LONGEST or not tag.isascii():
            raise ValueError
        return str(Locale.parse(tag.replace("_", "-"), sep="-")).replace("_", "-")
    except (UnknownLocaleError, ValueError, TypeError):
        raise ValueError("expected a language tag such as en, es or pt-BR") from None


def check_time_zone(name: str) -> str:
    """An IANA time zone's name as it is. Raises ValueError in plain words."""
    if name not in _zones():
        raise ValueError("expected a time zone such as UTC or America/Argentina/Buenos_Aires")
    return name


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())

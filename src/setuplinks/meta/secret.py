"""A value that must not be printed.

Owns the wrapper that keeps tokens, codes, PINs and the app secret out of logs, reprs and error pages by construction.
It does not own how secrets are stored: that is the vault's.
"""

import hmac
from typing import Final


class Secret:
    """Text that shows itself only where `reveal()` is written.

    Comparing is constant-time. It has no length, no iteration and no JSON form, so that a careless dump fails loudly.
    """

    __slots__ = ("_text",)
    _HIDDEN: Final = "Secret(…)"

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself. Each call of this is a place that a reviewer should look at."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __repr__(self) -> str:
        return self._HIDDEN

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(self._HIDDEN, spec)

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not pickled")

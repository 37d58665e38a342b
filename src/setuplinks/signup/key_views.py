"""What the done page needs to draw of the customer's own key: one frozen value, in one of three states."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ShownKey:
    """A key in clear, the account's name, and its numbers as (as people dial it, Meta's id)."""

    key: str = field(repr=False)
    account: str
    numbers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class KeyOffer:
    """Offered (POST `action_url`), shown now (`keys`, for programs that send to `base_url`), or shown before.

    `shown_at` is "18 May 2026, 14:05".
    """

    action_url: str
    form_token: str
    shown_at: str | None = None
    keys: tuple[ShownKey, ...] = ()
    base_url: str = ""

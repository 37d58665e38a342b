"""What the pages of an open question need to be drawn; as `views`, whose rules hold here too.

Owns the shape of those pages' data. What is asked, and what an answer does, is the provisioning's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:  # `views` has these pages among all others
    from setuplinks.signup.views import Brand


@dataclass(frozen=True, slots=True)
class Asking:
    """What the pages of an open question share. asking.js polls `status_url` and loads the page anew once the server
    asks something else than `asks`. `check_url` takes the POST "look again", `again_url` the POST that gives the
    permission back and leads to Facebook once more. `keeps_until` is a day."""

    brand: Brand
    steps: Literal[2, 3]
    asks: str
    form_token: str
    status_url: str
    check_url: str
    again_url: str
    keeps_until: str
    leave_url: str | None = None  # success redirect with status=pending

    @property
    def own_url(self) -> str:
        """This page's address without what was said the last time."""
        return self.status_url.removesuffix("/status")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnterPin(Asking):
    """The PIN of an earlier registration. POST `action_url`: form_token, pin. What was typed never comes back here.
    POST `off_url`: she has turned it off.

    `wrong` counts the PINs that WhatsApp did not accept, `locked_until` ("23 May 2026, 14:02") says that it takes none.
    """

    template: ClassVar[str] = "pin.html"
    action_url: str
    off_url: str
    number: str | None = None
    wrong: int = 0
    tries_left: int | None = None
    locked_until: str | None = None
    refused: bool = False  # it had no six digits


@dataclass(frozen=True, slots=True)
class OfferedNumber:
    """A number that can be ticked, or that another customer holds."""

    id: str
    number: str
    name: str | None = None
    taken: bool = False


@dataclass(frozen=True, slots=True)
class NumberGroup:
    """The numbers of one WhatsApp account; `name` is None where it has none."""

    name: str | None
    numbers: tuple[OfferedNumber, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChooseNumbers(Asking):
    """Which numbers to connect. POST `action_url`: form_token, number (one field for each that is ticked)."""

    template: ClassVar[str] = "numbers.html"
    action_url: str
    groups: tuple[NumberGroup, ...]
    refused: Literal["none", "gone"] | None = None

    @property
    def count(self) -> int:
        """How many numbers there are, taken ones among them."""
        return sum(len(group.numbers) for group in self.groups)

    @property
    def all_taken(self) -> bool:
        """True where there is nothing to tick."""
        return all(number.taken for group in self.groups for number in group.numbers)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoNumber(Asking):
    """Facebook's permission reaches no WhatsApp account, or one without a number. `looked`: she had us look again."""

    template: ClassVar[str] = "no_number.html"
    reason: Literal["no_waba", "no_number"]
    looked: bool = False

"""What an examination comes to: a row for each thing, in areas, and how serious it is.

Owns the shape and nothing else: what is looked at stands in the other files of this room.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["pass", "warn", "fail", "by_eye"]
WORDS: dict[Verdict, str] = {"pass": "pass", "warn": "warn", "fail": "fail", "by_eye": "check by eye"}


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: `said` is what was found, `fix` where to put it right ("" where nothing is to do).

    `by_eye`: no call tells, and a person has to look at the place that `fix` names. `link` leads to that place.
    """

    name: str
    verdict: Verdict
    said: str
    fix: str = ""
    link: str | None = None


@dataclass(frozen=True)
class Area:
    """Rows that belong together, in the order in which they depend on each other."""

    name: str
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class Report:
    """A whole examination; `checked_at` in µs."""

    checked_at: int
    areas: tuple[Area, ...]

    def __iter__(self) -> Iterator[Check]:
        """Every row."""
        return (check for area in self.areas for check in area.checks)

    def count(self, verdict: Verdict) -> int:
        """How many rows came out so."""
        return sum(check.verdict == verdict for check in self)

    @property
    def verdict(self) -> Verdict:
        """The worst of all rows; what is to be seen by eye counts for nothing."""
        return "fail" if self.count("fail") else "warn" if self.count("warn") else "pass"

    @property
    def summary(self) -> str:
        """All in one sentence."""
        failed, total = self.count("fail"), sum(1 for _ in self)
        said = f"{failed} of {total} fail" if failed else "Nothing fails"
        more = [f"{self.count('warn')} to look at"] if self.count("warn") else []
        more += [f"{self.count('by_eye')} to check by eye"] if self.count("by_eye") else []
        return f"{', '.join([said, *more])}."

"""Is a connected number ready to send? Pure: facts in, checks out.

Owns the checks, their order and their words. What the facts are is read from Meta elsewhere.
"""

from dataclasses import dataclass
from typing import Any

from setuplinks.core.wire import instant

NAME_OK = frozenset({"APPROVED", "AVAILABLE_WITHOUT_REVIEW", "NONE"})
CONNECTED_AT_META = frozenset({"CONNECTED", "FLAGGED", "RATE_LIMITED"})


@dataclass(frozen=True)
class Facts:
    """What is known of a number; None where Meta told nothing."""

    token_valid: bool
    subscribed: bool
    registered: bool
    name_status: str | None
    meta_status: str | None
    can_send: str | None


@dataclass(frozen=True)
class Check:
    """One check: passed or not, and if not, whose turn it is and what that is about."""

    check: str
    passed: bool
    who_must_act: str | None
    message: str


def checks(facts: Facts) -> list[Check]:
    """All checks, in the order in which they build on each other."""
    name_ok = facts.name_status is None or facts.name_status in NAME_OK
    rejected = facts.name_status in {"DECLINED", "EXPIRED"}
    sends = facts.can_send in {None, "AVAILABLE", "LIMITED"} and facts.meta_status in {None, *CONNECTED_AT_META}
    return [
        _check("token", facts.token_valid, "customer", "Meta accepts the token.", "The token is dead; reconnect."),
        _check("subscribed", facts.subscribed, "operator", "The app is subscribed.", "The app is not subscribed."),
        _check("registered", facts.registered, "meta", "The number is registered.", "Registration goes on by itself."),
        _check(
            "name", name_ok, "customer" if rejected else "meta", "The display name may be used.",
            "Meta refused the display name." if rejected else "Meta reviews the display name.",
        ),
        _check("can_send", sends, "customer", "Meta lets it send.", "Meta does not let it send; see Business Manager."),
    ]  # fmt: skip


def _check(name: str, passed: bool, who: str, good: str, bad: str) -> Check:
    return Check(name, passed, None if passed else who, good if passed else bad)


def is_ready(found: list[Check]) -> bool:
    """True where every check passed."""
    return all(check.passed for check in found)


def rows(found: list[Check], before: list[dict[str, Any]], now: int) -> list[dict[str, Any]]:
    """The checks as the API shows them; `since` stays while a check's result stays."""
    earlier = {row["check"]: row for row in before}
    shown = []
    for check in found:
        old = earlier.get(check.check)
        since = old["since"] if old and old["passed"] == check.passed else instant(now)
        shown.append(
            {
                "check": check.check,
                "passed": check.passed,
                "since": since,
                "whoMustAct": check.who_must_act,
                "message": check.message,
            }
        )
    return shown

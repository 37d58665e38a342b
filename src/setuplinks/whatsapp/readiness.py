"""Is a connected number ready to send? Pure: facts in, checks out.

Owns the checks, their order and their words. What the facts are is read from Meta elsewhere.
"""

from dataclasses import dataclass
from typing import Any

from setuplinks.core.wire import instant

NAME_OK = frozenset({"APPROVED", "AVAILABLE_WITHOUT_REVIEW", "NONE"})
CONNECTED_AT_META = frozenset({"CONNECTED", "FLAGGED", "RATE_LIMITED"})
ORDER = ("token", "subscribed", "registered", "name", "can_send")
NO_PAYMENT_METHOD = 141006


@dataclass(frozen=True)
class Facts:
    """What is known of a number; None where Meta told nothing.

    `set_in_again`: the app had been taken off the account, and we have put it back just now. `was_active`: the number
    has worked before.
    """

    token_valid: bool
    subscribed: bool
    registered: bool
    name_status: str | None
    meta_status: str | None
    can_send: str | None
    error_codes: tuple[int, ...] = ()
    set_in_again: bool = False
    was_active: bool = False


@dataclass(frozen=True)
class Check:
    """One check: passed or not, and if not, whose turn it is and what that is about.

    `anew`: it had not passed a moment ago, whatever is stored of it.
    """

    check: str
    passed: bool
    who_must_act: str | None
    message: str
    anew: bool = False


def checks(facts: Facts) -> list[Check]:
    """All checks, in the order in which they build on each other."""
    name_ok = facts.name_status is None or facts.name_status in NAME_OK
    rejected = facts.name_status in {"DECLINED", "EXPIRED"}
    sends = facts.can_send in {None, "AVAILABLE", "LIMITED"} and facts.meta_status in {None, *CONNECTED_AT_META}
    subscribed = "The app had been taken off the account; it is subscribed again."
    blocked = "Meta does not let it send; see Business Manager."
    if NO_PAYMENT_METHOD in facts.error_codes:
        blocked = "Meta does not let it send: a payment method is missing; add one in Business Manager."
    return [
        _check("token", facts.token_valid, "customer", "Meta accepts the token.", "The token is dead; reconnect."),
        _check(
            "subscribed", facts.subscribed, "operator",
            subscribed if facts.set_in_again else "The app is subscribed.", "The app is not subscribed.",
            anew=facts.set_in_again,
        ),
        _check(
            "registered", facts.registered, "customer" if facts.was_active else "meta", "The number is registered.",
            "The number is no longer registered at Meta; reconnect."
            if facts.was_active
            else "Registration goes on by itself; if that lasts, reconnect, and the page asks for the number's PIN.",
        ),
        _check(
            "name", name_ok, "customer" if rejected else "meta", "The display name may be used.",
            "Meta refused the display name." if rejected else "Meta reviews the display name.",
        ),
        _check("can_send", sends, "customer", "Meta lets it send.", blocked),
    ]  # fmt: skip


def _check(name: str, passed: bool, who: str, good: str, bad: str, *, anew: bool = False) -> Check:
    return Check(name, passed, None if passed else who, good if passed else bad, anew)


def is_ready(found: list[Check]) -> bool:
    """True where every check passed."""
    return all(check.passed for check in found)


def failing(rows: list[dict[str, Any]]) -> list[str]:
    """The names of the stored checks that do not pass, in their order."""
    return [row["check"] for row in rows if not row["passed"]]


def rows(found: list[Check], before: list[dict[str, Any]], now: int) -> list[dict[str, Any]]:
    """The checks as they are stored; `since` stays while a check's result stays.

    A check that is not among `found` was not made this time: it stays as it was.
    """
    earlier = {row["check"]: row for row in before}
    fresh = {check.check: _row(check, earlier.get(check.check), now) for check in found}
    return [row for name in ORDER if (row := fresh.get(name) or earlier.get(name)) is not None]


def _row(check: Check, old: dict[str, Any] | None, now: int) -> dict[str, Any]:
    return {
        "check": check.check,
        "passed": check.passed,
        "since": old["since"] if old and old["passed"] == check.passed and not check.anew else instant(now),
        "whoMustAct": check.who_must_act,
        "message": check.message,
    }

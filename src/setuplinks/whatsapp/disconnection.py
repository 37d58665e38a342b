"""Why a connected number was cut off, which checks fail of it, and what brings it back. Pure: values in, values out.

Owns the reasons and their rules. Who finds out that a number is dead stands in `provisioning` and `notifications`.
"""

from typing import Any, Literal, get_args

from setuplinks.core.wire import instant
from setuplinks.whatsapp.models import TOKEN_REASONS, PhoneNumber

Reason = Literal[
    "token_expired", "token_revoked", "app_removed", "account_disabled", "number_removed", "offboarded_in_app"
]
REASONS: tuple[Reason, ...] = get_args(Reason)

# What a customer's new grant undoes for every number of the WABA: it brings a token and sets the app in again.
RENEWED_BY_GRANT = frozenset({*TOKEN_REASONS, "app_removed"})
# What Meta itself takes back, with an event of its own. Any other reason is the stronger one and takes its place.
LIFTED_BY_META = frozenset({"account_disabled", "offboarded_in_app"})

# reason → check → whose turn it is, and the sentence that the check shows meanwhile
_FAILS: dict[str, dict[str, tuple[str, str]]] = {
    "token_expired": {"token": ("customer", "The token has expired; reconnect.")},
    "token_revoked": {"token": ("customer", "The token was revoked; reconnect.")},
    "app_removed": {
        "token": ("customer", "The app was removed from the account; reconnect."),
        "subscribed": ("customer", "The app was removed from the account; reconnect."),
    },
    "account_disabled": {"can_send": ("customer", "Meta has disabled the account; see Business Manager.")},
    "number_removed": {
        "registered": ("customer", "The number is no longer in the account."),
        "can_send": ("customer", "The number is no longer in the account."),
    },
    "offboarded_in_app": {"registered": ("customer", "The number was taken off in the WhatsApp Business app.")},
}
_GOOD = {
    "token": "Meta accepts the token.",
    "subscribed": "The app is subscribed.",
    "registered": "The number is registered.",
    "can_send": "Meta lets it send.",
}


def is_cut_by(number: PhoneNumber, reason: str) -> bool:
    """True where this reason changes something: the number is alive, or off for a reason that passes by itself."""
    if number.status in {"pending", "active"}:
        return True
    weaker = number.disconnect_reason in LIFTED_BY_META and reason not in LIFTED_BY_META
    return number.status == "disconnected" and weaker


def cut_off(number: PhoneNumber, reason: str, now: int) -> dict[str, Any]:
    """The columns of a number that is cut off for this reason."""
    fails = _FAILS[reason]
    shown = [_row(row, fails.get(row["check"]), now) for row in number.readiness]
    known = {row["check"] for row in shown}
    shown += [_row({"check": name, "passed": True}, told, now) for name, told in fails.items() if name not in known]
    return {"status": "disconnected", "disconnect_reason": reason, "readiness": shown, "missing_since": None}


def restored(number: PhoneNumber, now: int) -> dict[str, Any]:
    """The columns of a number whose reason is undone: `active`, or `pending` where another check is still open."""
    undone = _FAILS.get(number.disconnect_reason or "", {})
    shown = [_passed(row, now) if row["check"] in undone else row for row in number.readiness]
    status = "active" if all(row["passed"] for row in shown) else "pending"
    return {"status": status, "disconnect_reason": None, "readiness": shown}


def _row(row: dict[str, Any], told: tuple[str, str] | None, now: int) -> dict[str, Any]:
    if told is None:
        return row
    who, message = told
    since = instant(now) if row["passed"] else row["since"]
    return {"check": row["check"], "passed": False, "since": since, "whoMustAct": who, "message": message}


def _passed(row: dict[str, Any], now: int) -> dict[str, Any]:
    if row["passed"]:
        return row
    name = row["check"]
    return {"check": name, "passed": True, "since": instant(now), "whoMustAct": None, "message": _GOOD[name]}

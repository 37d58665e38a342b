"""The sentences that depend on a code, a step or a permission, and the finishing page's lines.

Owns words only: no HTML, no rows. Every sentence is written in English and goes through the translator when it is
drawn. `%(company)s` is filled in by the page. Codes and steps that are not known here get words without a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from setuplinks.signup.views import ConnectionType, Step, StepState


@dataclass(frozen=True, slots=True)
class Words:
    """A heading and what the page says below it."""

    heading: str
    says: str


_STOPPED_UNKNOWN = Words(
    "Facebook did not finish the connection",
    "Nothing was connected and nothing has changed. Facebook gave no reason that we can pass on. You can try again; if "
    "it happens once more, tell %(company)s.",
)
_STOPPED = {
    "cancelled": Words(
        "You left Facebook before the end",
        "Nothing was connected and nothing has changed. You can go on whenever you like.",
    ),
    "timed_out": Words(
        "The sign-in took too long",
        "Nothing was connected and nothing has changed. You can begin again whenever you like.",
    ),
    "waba_limit_reached": Words(
        "Your business has reached its limit",
        "Nothing was connected. Facebook allows your business no further WhatsApp account. Someone with full control "
        "of the business can remove one or verify the business at business.facebook.com.",
    ),
    "verification_failed": Words(
        "The number was not confirmed",
        "Nothing was connected. The code did not come, or Facebook did not accept it. Wait a little, keep the phone "
        "near you and go on.",
    ),
    "account_restricted": Words(
        "WhatsApp has restricted this account",
        "Nothing was connected. Someone with full control of the business can see the reason at "
        "business.facebook.com. You can go on with another account.",
    ),
    "number_in_use": Words(
        "This number is in use elsewhere",
        "Nothing was connected. The number that you chose belongs to another company's connection or to a WhatsApp "
        "app. Let it go there first, or choose another number.",
    ),
    "meta_refused": _STOPPED_UNKNOWN,
    "code_exchange_failed": Words(
        "The connection was not finished",
        "Nothing was connected. Facebook's permission is good for a few seconds only and could not be used. When you "
        "go on, Facebook asks you once more.",
    ),
    "permission_missing": Words(
        "A permission is missing",
        "Nothing was connected. %(company)s needs every permission that Facebook lists. When you go on, leave all of "
        "them ticked.",
    ),
    "number_mismatch": Words(
        "That was another number",
        "Nothing has changed. This link renews the connection of one number. When you go on, choose that number and "
        "its business.",
    ),
    "connection_type_not_allowed": Words(
        "This number is set up in another way",
        "Nothing was connected. %(company)s does not offer the way in which this number is connected. Choose another "
        "number, or ask %(company)s.",
    ),
    "pin_mismatch": Words(
        "This number has a PIN from before",
        "Nothing was connected. The number was set up on WhatsApp once, with a six-digit PIN. Someone with full "
        "control of your business can turn it off: WhatsApp Manager, Phone numbers, this number, Two-step "
        "verification. Then go on.",
    ),
    "no_phone_number": Words(
        "No number was chosen",
        "Nothing was connected. When you go on, choose or add one number at Facebook.",
    ),
    "no_business_portfolio": Words(
        "No business was chosen",
        "Nothing was connected. When you go on, choose your business at Facebook or make one there.",
    ),
}

_FAILED_UNKNOWN = Words(
    "This link can no longer be used",
    "Nothing was connected. %(company)s can send you a new link.",
)
_FAILED = {
    "visits_exhausted": Words(
        "This link was tried too many times",
        "Nothing was connected. %(company)s can send you a new link.",
    ),
    "tenant_suspended": Words(
        "%(company)s can't connect numbers now",
        "Nothing was connected and nothing has changed. Only %(company)s can tell you more.",
    ),
    "account_restricted": Words(
        "WhatsApp has restricted this account",
        "Nothing was connected. Someone with full control of the business can see the reason at "
        "business.facebook.com. After that, %(company)s can send you a new link.",
    ),
    "meta_refused": Words(
        "WhatsApp did not accept the connection",
        "Nothing was connected. %(company)s has been told and can send you a new link.",
    ),
    "meta_unavailable": Words(
        "WhatsApp could not be reached",
        "Nothing was connected. We tried for a day. %(company)s has been told and can send you a new link.",
    ),
    "no_business_portfolio": Words(
        "No business was chosen",
        "Nothing was connected. %(company)s can send you a new link.",
    ),
    "no_phone_number": Words(
        "No number was chosen",
        "Nothing was connected. %(company)s can send you a new link.",
    ),
    "pin_mismatch": Words(
        "The number's PIN was not entered",
        "Nothing was connected. %(company)s can send you a new link.",
    ),
    "timed_out": Words(
        "The connection was not finished in time",
        "Nothing was connected. %(company)s can send you a new link.",
    ),
    "internal": Words(
        "The connection failed on our side",
        "Nothing was connected. %(company)s has been told and can send you a new link.",
    ),
}

# Meta's `current_step`, an open set: what is not here is not shown.
_META_STEPS = {
    "BUSINESS_ACCOUNT_SELECTION": "Choosing the business",
    "WABA_PHONE_PROFILE_PICKER": "Choosing the account and number",
    "WHATSAPP_BUSINESS_PROFILE_SETUP": "Describing the business",
    "PHONE_NUMBER_SETUP": "Adding the number",
    "PHONE_NUMBER_VERIFICATION": "Confirming the number",
    "PERMISSIONS": "Allowing access",
}

_COUNTS = (
    "Your business has none.", "Your business has one.", "Your business has two.", "Your business has three.",
    "Your business has four.", "Your business has five.", "Your business has six.", "Your business has seven.",
    "Your business has eight.", "Your business has nine.",
)  # fmt: skip


def stopped_words(code: str) -> Words:
    """What a visit that ended with `code` says."""
    return _STOPPED.get(code, _STOPPED_UNKNOWN)


def failed_words(code: str) -> Words:
    """What a link that ended with `code` says."""
    return _FAILED.get(code, _FAILED_UNKNOWN)


def step_words(step: str | None) -> str | None:
    """Where a customer stopped at Meta, in plain words; None where Meta named nothing that we know."""
    return _META_STEPS.get(step or "")


def tries_words(left: int) -> str:
    """How many PINs may still be wrong; each press is one try."""
    if left <= 0:
        return "No try is left."
    return "One try is left." if left == 1 else "%(count)s tries are left."


def count_words(count: int) -> str:
    """How many numbers a business has; small counts in words, as people say them."""
    return _COUNTS[count] if count < len(_COUNTS) else "Your business has %(count)s."


def granted(permissions: frozenset[str]) -> list[str]:
    """What the company will be able to do: at most three true lines, from the permissions that the app asks for."""
    lines = []
    if "whatsapp_business_messaging" in permissions:
        lines.append("Send and receive messages from this number")
    if "whatsapp_business_management" in permissions:
        lines += ["Manage its message templates", "See its name, quality and limits"]
    return lines


def not_granted(permissions: frozenset[str]) -> list[str]:
    """What the company will not be able to do: a line goes as soon as a permission would make it untrue."""
    lines = ["See your Facebook password"]
    if not any(name.startswith("user_") for name in permissions):
        lines.append("See your friends, photos or private messages")
    if not any(name.startswith(("pages_", "ads_", "instagram_", "catalog_")) for name in permissions):
        lines.append("Touch your pages or your ads")
    return lines


def finishing_steps(
    company: str,
    times: Mapping[str, str],
    *,
    connection_type: ConnectionType = "dedicated",
    reconnect: bool = False,
    number: str | None = None,
    translate: Callable[[str], str] = str,
) -> tuple[Step, ...]:
    """The finishing page's lines. `times` holds the clock time ("14:02") of each key that is done.

    Keys in order: permission, number, register (dedicated) or link (coexistence and reconnect), tell.
    The first that is not done is the one being worked on.
    """
    third = ("register", "Registering it with WhatsApp", "Usually 10 to 20 seconds")
    if reconnect:
        third = ("link", "Renewing its connection", "Usually a few seconds")
    elif connection_type == "coexistence":
        third = ("link", "Linking it beside your app", "Usually 10 to 20 seconds")
    lines = [
        ("permission", "Facebook gave permission", None),
        ("number", "Number found", number),
        third,
        ("tell", "Telling %(company)s", None),
    ]
    steps: list[Step] = []
    waiting = False
    for key, title, detail in lines:
        state: StepState = "done" if key in times else "open" if waiting else "now"
        waiting = waiting or state == "now"
        shown = detail if state != "open" and not (state == "done" and key == third[0]) else None
        if shown is not None and key != "number":
            shown = translate(shown)
        words = translate(title).replace("%(company)s", company)
        steps.append(Step(key, state, words, shown, times.get(key), detail_is_number=key == "number"))
    return tuple(steps)


def status_json(steps: tuple[Step, ...], location: str | None = None, asks: str | None = None) -> dict[str, Any]:
    """What finishing.js and asking.js poll: the same lines, where the browser goes once there is somewhere to go, and
    which question is open."""
    return {
        "steps": [
            {
                "key": step.key,
                "state": step.state,
                "title": step.title,
                "detail": step.detail,
                "detailIsNumber": step.detail_is_number,
                "time": step.time,
            }
            for step in steps
        ],
        "location": location,
        "asks": asks,
    }

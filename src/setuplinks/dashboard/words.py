"""The dashboard's words for states, steps, results and who did something; each state with its shape.

Owns words only: values in, words out. A shape is `pass` (disc), `warn` (ring), `fail` (square), `half` (half disc) or
`open` (grey ring); none stands without its word.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from setuplinks.setup_links.codes import CODES
from setuplinks.setup_links.machine import Phase

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
NEEDS = {"pin": "Needs a PIN", "choose_number": "Needs a choice", "no_number": "Needs a number"}
CONNECTIONS = {"coexistence": "keeps the WhatsApp app", "dedicated": "a number of its own"}
TYPES = {"coexistence": "one that keeps the WhatsApp app", "dedicated": "a number of its own"}
WHO = {
    "customer": "the customer’s turn",
    "tenant": "your turn",
    "operator": "the operator’s turn",
    "meta": "Meta’s turn",
}


@dataclass(frozen=True)
class State:
    """A shape and its word."""

    shape: str
    word: str


_PHASES = {
    Phase.STARTED: State("half", "Started"),
    Phase.AUTHORIZING: State("half", "At Facebook"),
    Phase.PROVISIONING: State("half", "Connecting"),
    Phase.COMPLETED: State("pass", "Connected"),
    Phase.FAILED: State("fail", "Failed"),
    Phase.EXPIRED: State("open", "Expired"),
    Phase.REVOKED: State("open", "Withdrawn"),
}
PHASE_WORDS = {
    "pending": "Not started",
    "started": "Started",
    "authorizing": "At Facebook",
    "provisioning": "Connecting",
    "action_required": "Needs an answer",
}
NUMBER_STATES = {
    "available": State("open", "Not connected"),
    "pending": State("half", "Being made ready"),
    "active": State("pass", "Ready"),
    "disconnected": State("fail", "Cut off"),
    "deleted": State("open", "Off-boarded"),
}


def link_state(phase: Phase, *, opened: bool, question: str | None) -> State:
    """Where a link stands, in two words."""
    if phase is Phase.PENDING:
        return State("open", "Opened" if opened else "Not opened yet")
    if phase is Phase.ACTION_REQUIRED:
        return State("warn", NEEDS.get(question or "", "Needs an answer"))
    return _PHASES[phase]


def by(actor: str, key_name: str | None = None) -> str:
    """Who did something, as the audit names it; a key by its name where that is known."""
    kind, _, number = actor.partition(":")
    if kind == "key" and key_name:
        return f"by the key “{key_name}”"
    known = {"operator": "by the operator", "cli": "from the command line", "system": "by the service"}
    return f"by API key {number}" if kind == "key" and number else known.get(actor, f"by {actor}")


# -- a link's timeline -----------------------------------------------------------------------------------------------
_STEPS = {
    "created": ("pass", "Link created"),
    "opened": ("pass", "Opened"),
    "continued": ("pass", "Continued"),
    "joined": ("pass", "Opened in another browser"),
    "at_facebook": ("pass", "At Facebook"),
    "permission_granted": ("pass", "Permission granted"),
    "permission_recovered": ("pass", "Permission recovered"),
    "grant_dropped": ("warn", "A second permission was not used"),
    "visit_ended": ("warn", "Stopped"),
    "abandoned": ("warn", "Left, and did not come back"),
    "renewal_requested": ("warn", "Asked for a new link"),
    "action_required": ("warn", "Waits for an answer"),
    "answered": ("pass", "Answered"),
    "went_on": ("pass", "Went on by itself"),
    "connected": ("pass", "Connected"),
    "history_synced": ("pass", "Chat history has come"),
    "history_declined": ("warn", "Chat history was declined"),
    "not_mine": ("warn", "“Not mine”: disconnected again"),
    "key_shown": ("pass", "The customer saw its own key"),
    "failed": ("fail", "Failed"),
    "expired": ("open", "Expired"),
    "revoked": ("open", "Withdrawn"),
}
_ASKED = {
    "pin": "the PIN of an earlier registration",
    "choose_number": "which of several numbers",
    "no_number": "a number for the WhatsApp account",
}
_REVOKED = {"superseded": "a newer link replaced it", "revoked": ""}


def step(kind: str, detail: dict[str, Any], key_name: str | None = None) -> tuple[State, str]:
    """A line of the timeline: what happened, and its cause ("" where there is none to tell).

    `key_name`: what the key is called that did it.
    """
    shape, word = _STEPS.get(kind, ("open", kind.replace("_", " ").capitalize()))
    code = detail.get("code")
    if kind == "visit_ended" and code == "cancelled":
        word = "Left Facebook"
    if kind == "created":
        return State(shape, word), by(str(detail.get("by", "")), key_name)
    return State(shape, word), _cause(kind, detail, str(code) if code else None)


def _cause(kind: str, detail: dict[str, Any], code: str | None) -> str:
    if kind == "revoked":
        reason = str(detail.get("reason", ""))
        return _REVOKED.get(reason, reason.replace("_", " "))
    if kind in {"action_required", "answered", "went_on"}:
        return _ASKED.get(str(detail.get("question")), "")
    if kind == "permission_recovered":
        return "assigned by the operator" if detail.get("by") == "operator" else "as Meta told of it"
    if kind == "at_facebook":
        return CONNECTIONS.get(str(detail.get("connectionType")), "")
    where = f"at “{str(detail['metaStep']).replace('_', ' ')}”" if detail.get("metaStep") else ""
    if code is not None:
        said = "" if code == "cancelled" else CODES[code].message if code in CODES else code
        return " ".join(part for part in (said, where) if part)
    return str(detail.get("device") or detail.get("number") or where)


# -- deliveries ------------------------------------------------------------------------------------------------------
def delivery_state(status: str, attempts: int) -> State:
    """Where a delivery stands."""
    if status == "delivered":
        return State("pass", "Delivered")
    if status == "failed":
        return State("fail", "Failed")
    return State("warn", "Retrying") if attempts else State("half", "Waiting")


def outcome(status: str, attempts: int) -> str:
    """How a delivery came out: "Delivered, third attempt"."""
    if status == "delivered":
        return f"Delivered, {ordinal(attempts)} attempt"
    if status == "failed":
        return f"Failed after {counted(attempts, 'attempt')}" if attempts else "Ended without an attempt"
    return f"Waiting for the {ordinal(attempts + 1)} attempt"


def result(http_status: int | None, error: str | None) -> State:
    """What one attempt came to: "503 Service Unavailable", "Name does not resolve"."""
    if http_status is not None and (error is None or error.startswith("answered ")):
        shape = "pass" if 200 <= http_status < 300 else "fail"
        return State(shape, answered(http_status))
    words = error or "Delivered"
    return State("fail" if error else "pass", words[0].upper() + words[1:])


def answered(http_status: int) -> str:
    """A status with its name."""
    try:
        return f"{http_status} {HTTPStatus(http_status).phrase}"
    except ValueError:
        return str(http_status)


def ordinal(number: int) -> str:
    """first … tenth, then 11th."""
    if 1 <= number <= len(ORDINALS):
        return ORDINALS[number - 1]
    ending = "th" if 11 <= number % 100 <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def counted(number: int, noun: str) -> str:
    """ "1 attempt", "1,204 attempts"; a noun that ends in y takes -ies."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


# -- endpoints -------------------------------------------------------------------------------------------------------
DISABLED = {
    "failing": "It had done nothing but fail for five days.",
    "gone": "It answered 410 Gone: it wants no more.",
    "by_request": "It was disabled by request.",
}

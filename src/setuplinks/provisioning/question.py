"""What a connection asks its customer: one open question, how long it stays, and how it is told.

Owns the shapes, the times and the words for API and events. The pages have words of their own; who answers stands in
`questions`, when something is asked in `steps`.
"""

from typing import Any

import msgspec

from setuplinks.core.clock import HOUR, MINUTE, SECOND
from setuplinks.core.wire import instant, snake

ANSWERED_WITHIN = 72 * HOUR
# After how long Meta is asked again by itself whether a number is there; the last one stays.
LOOKS = (2 * MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 20 * MINUTE, HOUR)
# A button that is pressed again and again asks Meta no more often.
LOOKS_APART = 10 * SECOND
# How often one run registers one number at most. Meta locks a number at ten in 72 hours; two are left for what follows.
MOST_REGISTRATIONS = 8


class Option(msgspec.Struct, frozen=True, omit_defaults=True):
    """A number that can be ticked. `id` and `waba` are Meta's; `taken`: another customer holds it, it cannot be."""

    id: str
    waba: str
    display: str | None = None
    verified_name: str | None = None
    waba_name: str | None = None
    taken: bool = False


class Question(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is asked, since when and until when; instants in µs.

    `kind`: `no_number` (`reason` is `no_waba` or `no_number`), `choose_number` (`options`) or `pin` (`number` as people
    write it, its Meta id `number_id`, how many wrong ones were given, how many tries are left, and until when Meta
    takes none).
    """

    kind: str
    asked_at: int
    until: int
    options: tuple[Option, ...] = ()
    number: str | None = None
    number_id: str | None = None
    wrong: int = 0
    tries_left: int | None = None
    locked_until: int | None = None
    reason: str | None = None

    @property
    def code(self) -> str:
        """What ends the link when nobody answers."""
        if self.kind == "no_number":
            return "no_business_portfolio" if self.reason == "no_waba" else "no_phone_number"
        return "pin_mismatch" if self.kind == "pin" else "timed_out"

    @property
    def who(self) -> str:
        """Whose turn it is."""
        return "meta" if self.locked_until is not None else "customer"

    @property
    def message(self) -> str:
        """What happened, whose turn it is and what to do, in one sentence or two."""
        if self.kind == "choose_number":
            return "Facebook's permission reaches several numbers. The customer ticks on our page which to connect."
        if self.kind == "pin" and self.locked_until is not None:
            return (
                "Meta takes no PIN for this number for a while. The PIN that was given is tried by itself after that."
            )
        if self.kind == "pin":
            return "The number has a two-step PIN from an earlier registration. The customer enters it on our page."
        if self.reason == "no_waba":
            return "The business has no WhatsApp account. The customer makes one; we look again by ourselves."
        return "The WhatsApp account has no number. The customer adds one; we look again by ourselves."

    def same_matter(self, other: "Question | None") -> bool:
        """True where both ask the same thing, so that the time for an answer goes on."""
        return other is not None and (self.kind, self.number_id) == (other.kind, other.number_id)

    def says_more_than(self, other: "Question | None") -> bool:
        """True where the tenant has not been told of this yet."""
        return other is None or _told(self) != _told(other)


def ask(kind: str, now: int, before: Question | None, **more: Any) -> Question:
    """A question asked now; where `before` asked the same thing, the time for an answer is what is left of it."""
    question = Question(kind, now, now + ANSWERED_WITHIN, **more)
    if before is not None and question.same_matter(before):
        return msgspec.structs.replace(question, asked_at=before.asked_at, until=before.until)
    return question


def api_view(question: Question) -> dict[str, Any]:
    """The question as the API shows it on a link."""
    return {
        "kind": question.kind,
        "message": question.message,
        "whoMustAct": question.who,
        "since": instant(question.asked_at),
        "until": instant(question.until),
        "reason": question.reason,
        "displayPhoneNumber": question.number,
        "options": [
            {
                "metaPhoneNumberId": option.id, "metaWabaId": option.waba, "displayPhoneNumber": option.display,
                "verifiedName": option.verified_name, "wabaName": option.waba_name, "taken": option.taken,
            }
            for option in question.options
        ],
        "wrongPins": question.wrong,
        "triesLeft": question.tries_left,
        "lockedUntil": None if question.locked_until is None else instant(question.locked_until),
    }  # fmt: skip


def event_view(question: Question) -> dict[str, Any]:
    """The question as `setup_link.action_required` tells it: the same in snake_case, with Meta's own bare names."""
    shown = api_view(question)
    return _as_told({**shown, "options": [_as_told(option) for option in shown["options"]]})


def _as_told(shown: dict[str, Any]) -> dict[str, Any]:
    return {snake(name).removeprefix("meta_"): value for name, value in shown.items()}


def _told(question: Question) -> tuple[object, ...]:
    return (
        question.kind, question.reason, question.number_id, question.options, question.wrong, question.tries_left,
        question.locked_until,
    )  # fmt: skip

"""The order of provisioning as pure decisions: a plan is data, `advance` is total.

Owns which step follows which, when a step is tried again, what waits for the customer, and what ends a run. It calls
nobody and reads no clock.
"""

from dataclasses import dataclass
from enum import StrEnum

from setuplinks.core.clock import HOUR, SECOND
from setuplinks.provisioning.question import LOOKS, Question
from setuplinks.setup_links.codes import CODES


class Step(StrEnum):
    """What is done, in words of the product; each may run twice."""

    INSPECT = "inspect_token"
    FIND_WABAS = "find_wabas"
    LIST_NUMBERS = "list_numbers"
    CHOOSE = "choose_number"
    NOTE_SUBSCRIPTION = "note_subscription"
    SUBSCRIBE = "subscribe_app"
    REGISTER = "register_number"
    SYNC_CONTACTS = "sync_contacts"
    SYNC_HISTORY = "sync_history"
    READ_METADATA = "read_metadata"
    FINISH = "finish"


_FOUND = (Step.INSPECT, Step.FIND_WABAS, Step.LIST_NUMBERS, Step.CHOOSE, Step.NOTE_SUBSCRIPTION, Step.SUBSCRIBE)
_END = (Step.READ_METADATA, Step.FINISH)

PLANS: dict[str, tuple[Step, ...]] = {
    "dedicated": (*_FOUND, Step.REGISTER, *_END),
    "coexistence": (*_FOUND, Step.SYNC_CONTACTS, Step.SYNC_HISTORY, *_END),
    "mixed": (*_FOUND, Step.REGISTER, Step.SYNC_CONTACTS, Step.SYNC_HISTORY, *_END),
    "reconnect": (*_FOUND, Step.REGISTER, *_END),
}
FIRST = Step.INSPECT
# Where the work goes on once a question is answered: what the customer may have changed at Meta is read anew.
GOES_ON_AT = {"no_number": Step.INSPECT, "choose_number": Step.CHOOSE, "pin": Step.REGISTER}
# After these the run is recorded before it goes on: the next step needs it committed, or can change something at Meta.
RECORDED_AFTER = frozenset({Step.CHOOSE, Step.NOTE_SUBSCRIPTION, Step.REGISTER, Step.SYNC_HISTORY})

# A run that cannot go on for so long ends the link. What the number can wait for, or do without, holds no link.
RUN_LIVES = 24 * HOUR
PUT_OFF = frozenset({Step.REGISTER, Step.SYNC_CONTACTS, Step.SYNC_HISTORY})
BACKOFF = (1, 2, 4, 8, 15, 30, 60, 120, 300, 600, 1800)  # seconds


@dataclass(frozen=True)
class Run:
    """Where a provisioning stands: what `advance` decides on. Instants in µs; `question` where one is open."""

    plan: str
    step: Step
    tries: int
    working_since: int
    question: Question | None = None


@dataclass(frozen=True)
class Done:
    """The step is done; `plan` where it found that another one is right."""

    plan: str | None = None


@dataclass(frozen=True)
class Part:
    """A part of the step is done (one number of several); the rest follows at once."""


@dataclass(frozen=True)
class Ask:
    """Only the customer can say how it goes on."""

    question: Question


@dataclass(frozen=True)
class Again:
    """The step could not be done now. `wait_s` where Meta named a wait; `code`: what ends the run by it."""

    code: str = "meta_unavailable"
    wait_s: int | None = None


@dataclass(frozen=True)
class Refused:
    """This grant cannot be used: the visit ends with `code`, the customer may choose otherwise."""

    code: str


@dataclass(frozen=True)
class Lost:
    """Nothing that the customer does with this link will help: the link fails with `code`."""

    code: str


Outcome = Done | Part | Ask | Again | Refused | Lost


@dataclass(frozen=True)
class Go:
    """The run goes on with `step` at `due_at`."""

    plan: str
    step: Step
    tries: int
    due_at: int


@dataclass(frozen=True)
class Hold:
    """Row 9: the run waits for the customer and is looked at again at `due_at`; then it stands at `step`."""

    plan: str
    step: Step
    tries: int
    due_at: int
    question: Question


@dataclass(frozen=True)
class Reject:
    """Row 12: back to the customer, with `code`."""

    code: str


@dataclass(frozen=True)
class Fail:
    """Row 14: the link fails with `code`."""

    code: str


@dataclass(frozen=True)
class Complete:
    """Row 13: the last step is done."""


Decision = Go | Hold | Reject | Fail | Complete


def advance(run: Run, outcome: Outcome, now: int, jitter: float = 0.0) -> Decision:
    """What follows when `run`'s step had this outcome. Total: each run and outcome has one decision.

    `jitter` between -1 and 1 moves a wait by up to 20 %.
    """
    if isinstance(outcome, Refused):
        return Reject(outcome.code) if CODES[outcome.code].retryable else Fail(outcome.code)
    if isinstance(outcome, Lost):
        return Fail(outcome.code)
    if isinstance(outcome, Ask):
        return _hold(run, outcome.question, now, tries=run.tries + 1 if run.question else 0)
    if isinstance(outcome, Again):
        return _again(run, outcome, now, jitter)
    if isinstance(outcome, Part):
        return Go(run.plan, run.step, 0, now)
    plan = outcome.plan or run.plan
    steps = PLANS[plan]
    if run.step is steps[-1]:
        return Complete()
    # A plan is changed only where both have the same steps behind them; a step that the new one lacks leads to its end.
    following = steps[steps.index(run.step) + 1] if run.step in steps else _END[0]
    # A look while a question is open is one try, however many steps it takes.
    return Go(plan, following, run.tries if run.question else 0, now)


def looked_at(run: Run, now: int) -> Decision | None:
    """What is done with a run that fell due while its question is open; None where its step is to be tried."""
    question = run.question
    if question is None:
        return None
    if now >= question.until:
        return Fail(question.code)
    looks = question.kind == "no_number"
    lock_ended = question.locked_until is not None and now >= question.locked_until
    return None if looks or lock_ended else _hold(run, question, now, tries=run.tries)


def _hold(run: Run, question: Question, now: int, *, tries: int) -> Hold:
    """Every question has a timer: a look, the end of a lock, at the latest the end of the time for an answer."""
    due_at = question.until
    if question.kind == "no_number":
        due_at = now + LOOKS[min(tries, len(LOOKS) - 1)]
    elif question.locked_until is not None and question.locked_until > now:
        due_at = question.locked_until
    return Hold(run.plan, GOES_ON_AT[question.kind], tries, min(due_at, question.until), question)


def _again(run: Run, outcome: Again, now: int, jitter: float) -> Decision:
    seconds = outcome.wait_s if outcome.wait_s is not None else BACKOFF[min(run.tries, len(BACKOFF) - 1)]
    wait = int(seconds * SECOND * (1 + 0.2 * max(-1.0, min(1.0, jitter))))
    if run.question is not None:  # the customer has the time that was promised, whatever Meta does meanwhile
        due_at = min(now + wait, run.question.until)
        return Hold(run.plan, GOES_ON_AT[run.question.kind], run.tries + 1, due_at, run.question)
    if now + wait - run.working_since >= RUN_LIVES:
        if run.step in PUT_OFF:  # the grant is good: the number stays pending, or has no history; the link completes
            return advance(run, Done(), now)
        return Fail(outcome.code)
    return Go(run.plan, run.step, run.tries + 1, now + wait)

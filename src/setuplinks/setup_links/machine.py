"""The life of a setup link, as pure decisions on values.

Owns which phase may follow which, what the visits make of a link, and when the link must be looked at next. It reads no
clock and no database.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from setuplinks.core.clock import HOUR, MINUTE


class Phase(StrEnum):
    """Where a link stands; `STATUS` gives the guide's word for it."""

    PENDING = "pending"
    STARTED = "started"
    AUTHORIZING = "authorizing"
    PROVISIONING = "provisioning"
    ACTION_REQUIRED = "action_required"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    REVOKED = "revoked"


STATUS = {
    Phase.PENDING: "pending",
    Phase.STARTED: "pending",
    Phase.AUTHORIZING: "pending",
    Phase.PROVISIONING: "pending",
    Phase.ACTION_REQUIRED: "pending",
    Phase.COMPLETED: "completed",
    Phase.FAILED: "failed",
    Phase.EXPIRED: "expired",
    Phase.REVOKED: "revoked",
}
STATUSES = ("pending", "completed", "failed", "expired", "revoked")
WAITING = frozenset({Phase.PENDING, Phase.STARTED, Phase.AUTHORIZING})  # for the customer; these may expire
WORKING = frozenset({Phase.PROVISIONING, Phase.ACTION_REQUIRED})
OPEN = WAITING | WORKING
ENDED = frozenset(Phase) - OPEN


class Act(StrEnum):
    """What may happen to a link; the numbers are the rows of the transition table in docs/concepts.md."""

    START = "start"  # 3a
    AUTHORIZE = "authorize"  # 4
    LEAVE = "leave"  # 5, 8
    GRANT = "grant"  # 7
    ASK = "ask"  # 9
    ANSWER = "answer"  # 10
    REJECT = "reject"  # 12
    COMPLETE = "complete"  # 13
    FAIL = "fail"  # 14
    EXPIRE = "expire"  # 15
    REVOKE = "revoke"  # 16
    RECOVER = "recover"  # 20


_FROM: dict[Act, tuple[frozenset[Phase], Phase]] = {
    Act.START: (WAITING, Phase.STARTED),
    Act.AUTHORIZE: (frozenset({Phase.STARTED, Phase.AUTHORIZING}), Phase.AUTHORIZING),
    Act.LEAVE: (frozenset({Phase.STARTED, Phase.AUTHORIZING}), Phase.STARTED),
    Act.GRANT: (frozenset({Phase.STARTED, Phase.AUTHORIZING}), Phase.PROVISIONING),
    Act.ASK: (frozenset({Phase.PROVISIONING}), Phase.ACTION_REQUIRED),
    Act.ANSWER: (frozenset({Phase.ACTION_REQUIRED}), Phase.PROVISIONING),
    Act.REJECT: (WORKING, Phase.STARTED),
    Act.COMPLETE: (frozenset({Phase.PROVISIONING}), Phase.COMPLETED),
    Act.FAIL: (OPEN, Phase.FAILED),
    Act.EXPIRE: (WAITING, Phase.EXPIRED),
    Act.REVOKE: (OPEN, Phase.REVOKED),
    Act.RECOVER: (WAITING, Phase.PROVISIONING),
}


def after(phase: Phase, act: Act) -> Phase | None:
    """The phase that `act` leads to from `phase`; None where it may not happen. Total: every pair has an answer."""
    sources, target = _FROM[act]
    return target if phase in sources else None


# -- visits ----------------------------------------------------------------------------------------------------------
VISITS_CAP = 20
VISIT_LIVES = 2 * HOUR
EXCHANGE_LIVES = MINUTE
GRACE = HOUR  # a visit that began before the expiry may still end well for so long
ABANDONED_AFTER_LEAVING = 10 * MINUTE
ABANDONED_AFTER_SILENCE = HOUR  # an honest signup from scratch takes 30 minutes


class VisitStatus(StrEnum):
    """Where one browser's go at a link stands."""

    STARTED = "started"
    AUTHORIZING = "authorizing"
    EXCHANGING = "exchanging"
    GRANTED = "granted"
    ENDED = "ended"


VISIT_OPEN = frozenset({VisitStatus.STARTED, VisitStatus.AUTHORIZING, VisitStatus.EXCHANGING})


@dataclass(frozen=True)
class VisitTimes:
    """What the link's times depend on in one visit; instants in µs."""

    status: VisitStatus
    started_at: int
    authorizing_at: int | None = None
    exchanging_at: int | None = None
    abandon_at: int | None = None

    @property
    def is_open(self) -> bool:
        """True while something may still come of it."""
        return self.status in VISIT_OPEN

    @property
    def ends_at(self) -> int | None:
        """When silence ends it; None where nothing is awaited."""
        if self.status is VisitStatus.EXCHANGING:
            return (self.exchanging_at or self.started_at) + EXCHANGE_LIVES
        if self.is_open:
            return (self.authorizing_at or self.started_at) + VISIT_LIVES
        return None


@dataclass(frozen=True)
class Times:
    """What follows for the link: its phase, when it lapses, and when it must be looked at next."""

    phase: Phase
    lapses_at: int
    due_at: int | None


def settle(phase: Phase, expires_at: int, visits: Iterable[VisitTimes]) -> Times:
    """What the visits make of a link that waits for the customer; other phases keep theirs and need no timer here.

    `pending` stays until the first start; later the link is `authorizing` while any visit is at Meta, else `started`.
    """
    visits = list(visits)
    if phase not in WAITING:
        return Times(phase, expires_at, None)
    is_open = [visit for visit in visits if visit.is_open]
    at_meta = any(visit.status in {VisitStatus.AUTHORIZING, VisitStatus.EXCHANGING} for visit in is_open)
    if visits:
        phase = Phase.AUTHORIZING if at_meta else Phase.STARTED
    begun_in_time = any(visit.started_at < expires_at for visit in is_open)
    lapses_at = expires_at + GRACE if begun_in_time else expires_at
    timers = [lapses_at]
    timers += [visit.ends_at for visit in is_open if visit.ends_at is not None]
    timers += [visit.abandon_at for visit in visits if visit.abandon_at is not None]
    return Times(phase, lapses_at, min(timers))


def seen_phase(phase: Phase, lapses_at: int, now: int) -> Phase:
    """The phase as a reader sees it: a link that has lapsed is `expired` before the sweeper has written so."""
    return Phase.EXPIRED if phase in WAITING and now >= lapses_at else phase

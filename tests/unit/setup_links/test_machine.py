"""The life of a link as pure decisions: the table is total, and whatever the visits do, a timer leads out."""

from hypothesis import given
from hypothesis import strategies as st

from setuplinks.core.clock import DAY, HOUR, MINUTE, SECOND
from setuplinks.setup_links.machine import (
    ENDED,
    EXCHANGE_LIVES,
    GRACE,
    OPEN,
    STATUS,
    STATUSES,
    VISIT_LIVES,
    WAITING,
    WORKING,
    Act,
    Phase,
    VisitStatus,
    VisitTimes,
    after,
    seen_phase,
    settle,
)

NOW = 1_000 * DAY
TABLE = {
    "pending": {
        "start": "started", "fail": "failed", "expire": "expired", "revoke": "revoked", "recover": "provisioning",
    },
    "started": {
        "start": "started", "authorize": "authorizing", "leave": "started", "grant": "provisioning", "fail": "failed",
        "expire": "expired", "revoke": "revoked", "recover": "provisioning",
    },
    "authorizing": {
        "start": "started", "authorize": "authorizing", "leave": "started", "grant": "provisioning", "fail": "failed",
        "expire": "expired", "revoke": "revoked", "recover": "provisioning",
    },
    "provisioning": {
        "ask": "action_required", "reject": "started", "complete": "completed", "fail": "failed", "revoke": "revoked",
    },
    "action_required": {"answer": "provisioning", "reject": "started", "fail": "failed", "revoke": "revoked"},
}  # fmt: skip

instants = st.integers(NOW - 3 * HOUR, NOW + 3 * HOUR)
maybe = st.one_of(st.none(), instants)
visits = st.lists(
    st.builds(
        VisitTimes,
        status=st.sampled_from(VisitStatus),
        started_at=instants,
        authorizing_at=maybe,
        exchanging_at=maybe,
        abandon_at=maybe,
    ),
    max_size=6,
)


def test_every_phase_and_act_has_one_answer_and_it_is_the_tables() -> None:
    found = {
        phase.value: {act.value: after(phase, act) for act in Act if after(phase, act) is not None} for phase in Phase
    }
    assert {phase: moves for phase, moves in found.items() if moves} == TABLE


def test_nothing_leaves_an_ended_phase() -> None:
    assert [(phase, act) for phase in ENDED for act in Act if after(phase, act) is not None] == []


def test_every_open_phase_can_fail_and_be_revoked_and_only_waiting_ones_expire() -> None:
    assert {phase for phase in Phase if after(phase, Act.FAIL)} == OPEN
    assert {phase for phase in Phase if after(phase, Act.REVOKE)} == OPEN
    assert {phase for phase in Phase if after(phase, Act.EXPIRE)} == WAITING


def test_a_link_completes_from_provisioning_only() -> None:
    assert [phase for phase in Phase if after(phase, Act.COMPLETE)] == [Phase.PROVISIONING]


def test_each_phase_has_a_status_of_the_api() -> None:
    assert set(STATUS) == set(Phase)
    assert set(STATUS.values()) == set(STATUSES)
    assert {STATUS[phase] for phase in OPEN} == {"pending"}


@given(st.sampled_from(sorted(WAITING)), instants, visits)
def test_a_waiting_link_always_has_a_timer_and_not_after_it_lapses(
    phase: Phase, expires_at: int, given_visits: list[VisitTimes]
) -> None:
    times = settle(phase, expires_at, given_visits)
    assert times.due_at is not None
    assert times.due_at <= times.lapses_at
    assert times.lapses_at in {expires_at, expires_at + GRACE}


@given(st.sampled_from(sorted(WAITING)), instants, visits)
def test_no_visit_outlives_the_links_next_timer_by_its_own_limit(
    phase: Phase, expires_at: int, given_visits: list[VisitTimes]
) -> None:
    times = settle(phase, expires_at, given_visits)
    ends = [visit.ends_at for visit in given_visits if visit.ends_at is not None]
    assert all(times.due_at is not None and times.due_at <= end for end in ends)


@given(st.sampled_from(sorted(WAITING)), instants, visits)
def test_the_phase_is_what_the_visits_make_of_it(phase: Phase, expires_at: int, given_visits: list[VisitTimes]) -> None:
    times = settle(phase, expires_at, given_visits)
    at_meta = any(visit.status in {VisitStatus.AUTHORIZING, VisitStatus.EXCHANGING} for visit in given_visits)
    expected = phase if not given_visits else Phase.AUTHORIZING if at_meta else Phase.STARTED
    assert times.phase is expected


@given(st.sampled_from(sorted(WAITING)), instants, visits)
def test_settling_twice_changes_nothing(phase: Phase, expires_at: int, given_visits: list[VisitTimes]) -> None:
    once = settle(phase, expires_at, given_visits)
    assert settle(once.phase, expires_at, given_visits) == once


@given(st.sampled_from(sorted(set(Phase) - WAITING)), instants, visits)
def test_visits_move_no_other_phase(phase: Phase, expires_at: int, given_visits: list[VisitTimes]) -> None:
    times = settle(phase, expires_at, given_visits)
    assert times.phase is phase
    assert times.due_at is None


def test_only_a_visit_that_began_before_the_expiry_gives_the_grace() -> None:
    before = VisitTimes(VisitStatus.AUTHORIZING, NOW - SECOND)
    late = VisitTimes(VisitStatus.AUTHORIZING, NOW)
    assert settle(Phase.AUTHORIZING, NOW, [before]).lapses_at == NOW + HOUR
    assert settle(Phase.AUTHORIZING, NOW, [late]).lapses_at == NOW
    assert settle(Phase.AUTHORIZING, NOW, [VisitTimes(VisitStatus.ENDED, NOW - SECOND)]).lapses_at == NOW


def test_an_exchange_has_60_seconds_and_a_visit_two_hours_since_it_last_moved() -> None:
    assert VisitTimes(VisitStatus.EXCHANGING, NOW, NOW, NOW + 5).ends_at == NOW + 5 + EXCHANGE_LIVES == NOW + 5 + MINUTE
    assert VisitTimes(VisitStatus.STARTED, NOW).ends_at == NOW + VISIT_LIVES == NOW + 2 * HOUR
    assert VisitTimes(VisitStatus.AUTHORIZING, NOW, NOW + 7).ends_at == NOW + 7 + 2 * HOUR
    assert VisitTimes(VisitStatus.GRANTED, NOW).ends_at is None
    assert VisitTimes(VisitStatus.ENDED, NOW).ends_at is None


@given(st.sampled_from(Phase), instants, instants)
def test_readers_see_a_lapsed_link_as_expired_and_never_one_that_works(phase: Phase, lapses_at: int, now: int) -> None:
    seen = seen_phase(phase, lapses_at, now)
    assert seen is (Phase.EXPIRED if phase in WAITING and now >= lapses_at else phase)
    assert not (phase in WORKING and seen is Phase.EXPIRED)

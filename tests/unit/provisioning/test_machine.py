"""The order of provisioning: `advance` has one answer for every run and outcome, and every run comes to an end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setuplinks.core.clock import DAY, HOUR, SECOND
from setuplinks.provisioning.machine import (
    BACKOFF,
    FIRST,
    PLANS,
    PUT_OFF,
    RUN_LIVES,
    Again,
    Ask,
    Complete,
    Done,
    Fail,
    Go,
    Hold,
    Lost,
    Outcome,
    Part,
    Refused,
    Reject,
    Run,
    Step,
    advance,
    looked_at,
)
from setuplinks.provisioning.question import ANSWERED_WITHIN, LOOKS, Question, ask
from setuplinks.setup_links.codes import CODES

NOW = 1_000 * DAY
codes = st.sampled_from(sorted(CODES))
questions = st.builds(
    Question,
    kind=st.sampled_from(["no_number", "choose_number", "pin"]),
    asked_at=st.integers(NOW - ANSWERED_WITHIN, NOW),
    until=st.integers(NOW, NOW + ANSWERED_WITHIN),
    locked_until=st.one_of(st.none(), st.integers(NOW - DAY, NOW + 4 * DAY)),
    reason=st.sampled_from([None, "no_waba", "no_number"]),
)
outcomes: st.SearchStrategy[Outcome] = st.one_of(
    st.just(Part()),
    st.builds(Ask, questions),
    st.builds(Done, st.one_of(st.none(), st.sampled_from(sorted(PLANS)))),
    st.builds(Again, codes, st.one_of(st.none(), st.integers(0, 7 * 24 * 3600))),
    st.builds(Refused, codes),
    st.builds(Lost, codes),
)
runs = st.builds(
    Run,
    plan=st.sampled_from(sorted(PLANS)),
    step=st.sampled_from(Step),
    tries=st.integers(0, 10_000),
    working_since=st.integers(NOW - 2 * DAY, NOW),
    question=st.one_of(st.none(), questions),
)


@given(runs, outcomes, st.floats(-1, 1))
def test_every_run_and_outcome_has_a_decision(run: Run, outcome: Outcome, jitter: float) -> None:
    decision = advance(run, outcome, NOW, jitter)
    assert isinstance(decision, Go | Hold | Reject | Fail | Complete)
    if isinstance(decision, Go):
        assert decision.due_at >= NOW
        assert decision.step in Step
    if isinstance(decision, Hold):
        assert decision.due_at <= decision.question.until
        assert decision.step in PLANS["dedicated"]


@given(questions, st.sampled_from(["ask", "again"]), st.sampled_from(sorted(PLANS)))
def test_a_question_that_nobody_answers_ends_the_link_when_its_time_is_over(
    question: Question, meta: str, plan: str
) -> None:
    held = advance(Run(plan, FIRST, 0, NOW), Ask(question), NOW)
    assert isinstance(held, Hold)
    now, looks = NOW, 0
    while isinstance(held, Hold):
        now = max(now, held.due_at)
        run = Run(held.plan, held.step, held.tries, NOW - 30 * DAY, held.question)
        verdict = looked_at(run, now)
        if verdict is None:
            looks += 1
            verdict = advance(run, Ask(held.question) if meta == "ask" else Again(), now)
        assert isinstance(verdict, Hold | Fail)
        assert looks < 1_000
        held = verdict
    assert (held, now) == (Fail(question.code), max(question.until, NOW))


@given(questions, st.integers(0, 10_000))
def test_looking_at_a_question_before_its_time_changes_nothing_of_it(question: Question, tries: int) -> None:
    run = Run("dedicated", Step.CHOOSE, tries, NOW, question)
    verdict = looked_at(run, NOW)
    if isinstance(verdict, Hold):
        again = looked_at(Run(verdict.plan, verdict.step, verdict.tries, NOW, verdict.question), NOW)
        assert again == verdict
        assert (verdict.question, verdict.tries) == (question, tries)
    else:
        waits_for_meta = question.kind == "no_number" or question.locked_until is not None
        assert verdict == (Fail(question.code) if question.until <= NOW else None)
        assert verdict is not None or waits_for_meta


def test_a_missing_number_is_looked_for_soon_and_then_less_and_less_often() -> None:
    question = ask("no_number", NOW, None, reason="no_number")
    waits, run = [], Run("dedicated", Step.LIST_NUMBERS, 0, NOW)
    for _ in range(len(LOOKS) + 2):
        held = advance(run, Ask(question), NOW)
        assert isinstance(held, Hold)
        assert held.step is Step.INSPECT
        waits.append(held.due_at - NOW)
        run = Run(held.plan, held.step, held.tries, NOW, held.question)
        found = advance(run, Done(), NOW)  # the look's first steps
        assert isinstance(found, Go)
        run = Run(found.plan, Step.LIST_NUMBERS, found.tries, NOW, question)
    assert waits == [*LOOKS, LOOKS[-1], LOOKS[-1]]


def test_the_same_question_asked_again_has_what_is_left_of_its_time() -> None:
    first = ask("pin", NOW, None, number_id="1")
    again = ask("pin", NOW + HOUR, first, number_id="1", wrong=1)
    assert (again.asked_at, again.until, again.wrong) == (NOW, NOW + ANSWERED_WITHIN, 1)
    other = ask("pin", NOW + HOUR, first, number_id="2")
    assert (other.asked_at, other.until) == (NOW + HOUR, NOW + HOUR + ANSWERED_WITHIN)


def test_time_in_which_the_customer_was_asked_is_not_time_in_which_meta_was_away() -> None:
    question = ask("no_number", NOW - 50 * HOUR, None, reason="no_waba")
    held = advance(Run("dedicated", Step.INSPECT, 7, NOW - 50 * HOUR, question), Again(), NOW)
    assert isinstance(held, Hold)
    assert NOW < held.due_at <= question.until


@pytest.mark.parametrize("plan", sorted(PLANS))
def test_a_plan_whose_steps_all_succeed_runs_in_order_and_completes(plan: str) -> None:
    run, seen = Run(plan, FIRST, 0, NOW), []
    while not isinstance(decision := advance(run, Done(), NOW), Complete):
        assert isinstance(decision, Go)
        seen.append(run.step)
        run = Run(decision.plan, decision.step, decision.tries, NOW)
    assert (*seen, run.step) == PLANS[plan]


@pytest.mark.parametrize("plan", sorted(PLANS))
def test_the_app_is_subscribed_only_after_that_was_noted_and_before_anything_is_registered(plan: str) -> None:
    steps = PLANS[plan]
    assert steps.index(Step.NOTE_SUBSCRIPTION) == steps.index(Step.SUBSCRIBE) - 1
    assert all(
        steps.index(Step.SUBSCRIBE) < steps.index(step) for step in (Step.REGISTER, Step.SYNC_CONTACTS) if step in steps
    )
    both = Step.REGISTER in steps and Step.SYNC_CONTACTS in steps
    assert both is (plan == "mixed")
    assert Step.REGISTER in steps or Step.SYNC_CONTACTS in steps
    assert steps[-1] is Step.FINISH


def test_the_plan_follows_what_graph_says_of_the_number() -> None:
    decision = advance(Run("dedicated", Step.CHOOSE, 0, NOW), Done("coexistence"), NOW)
    assert decision == Go("coexistence", Step.NOTE_SUBSCRIPTION, 0, NOW)


def test_waits_grow_and_jitter_moves_them_by_a_fifth() -> None:
    def wait(tries: int, jitter: float = 0.0) -> float:
        decision = advance(Run("dedicated", Step.INSPECT, tries, NOW), Again(), NOW, jitter)
        assert isinstance(decision, Go)
        assert decision.tries == tries + 1
        return (decision.due_at - NOW) / SECOND

    waits = [wait(tries) for tries in range(len(BACKOFF) + 2)]
    assert waits == sorted(waits)
    assert waits[0] == 1
    assert waits[-1] == BACKOFF[-1]
    assert (wait(5, -1), wait(5, 1), wait(5, -7)) == (24, 36, 24)


@given(st.sampled_from(sorted(PLANS)), st.sampled_from([step for step in Step if step not in PUT_OFF]))
def test_a_step_that_meta_never_answers_ends_the_run_within_24_hours(plan: str, step: Step) -> None:
    now, run = NOW, Run(plan, step, 0, NOW)
    while isinstance(decision := advance(run, Again(), now), Go):
        now, run = decision.due_at, Run(plan, step, decision.tries, NOW)
        assert now - NOW < RUN_LIVES == 24 * HOUR
    assert decision == Fail("meta_unavailable")


@pytest.mark.parametrize(
    ("plan", "step", "following"),
    [
        ("dedicated", Step.REGISTER, Step.READ_METADATA),
        ("coexistence", Step.SYNC_CONTACTS, Step.SYNC_HISTORY),
        ("coexistence", Step.SYNC_HISTORY, Step.READ_METADATA),
    ],
)
def test_what_a_number_can_wait_for_or_do_without_is_put_off_and_the_link_goes_on(
    plan: str, step: Step, following: Step
) -> None:
    now, run = NOW, Run(plan, step, 0, NOW)
    while isinstance(decision := advance(run, Again(), now), Go) and decision.step is step:
        now, run = decision.due_at, Run(plan, step, decision.tries, NOW)
    assert decision == Go(plan, following, 0, now)


def test_a_wait_that_meta_names_is_waited() -> None:
    decision = advance(Run("dedicated", Step.LIST_NUMBERS, 0, NOW), Again(wait_s=300), NOW)
    assert decision == Go("dedicated", Step.LIST_NUMBERS, 1, NOW + 300 * SECOND)


@pytest.mark.parametrize("code", sorted(CODES))
def test_what_the_customer_can_mend_goes_back_to_them_and_all_else_fails_the_link(code: str) -> None:
    decision = advance(Run("dedicated", Step.FIND_WABAS, 0, NOW), Refused(code), NOW)
    assert decision == (Reject(code) if CODES[code].retryable else Fail(code))
    assert advance(Run("dedicated", Step.FIND_WABAS, 0, NOW), Lost(code), NOW) == Fail(code)

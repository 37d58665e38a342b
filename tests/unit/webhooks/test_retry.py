"""Timing of retries, the breaker and giving up, by values alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setuplinks.core.clock import DAY, HOUR, MINUTE, SECOND
from setuplinks.webhooks import retry
from setuplinks.webhooks.retry import Health, Verdict

NOW = 1_779_105_600 * SECOND


def test_the_ladder_is_the_documented_one_and_ends() -> None:
    waits = [(due - NOW) for tries in range(10) if (due := retry.next_due(tries, NOW, 0.5)) is not None]
    assert waits == [
        0, 5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR,
    ]  # fmt: skip
    assert retry.next_due(10, NOW, 0.5) is None
    assert retry.next_due(11, NOW, 0.5, HOUR) is None


@given(tries=st.integers(1, 9), chance=st.floats(0, 1, exclude_max=True))
def test_jitter_stays_within_a_fifth(tries: int, chance: float) -> None:
    due = retry.next_due(tries, NOW, chance)
    assert due is not None
    assert 0.8 * retry.LADDER[tries] - 1 <= due - NOW <= 1.2 * retry.LADDER[tries] + 1


def test_retry_after_lengthens_a_wait_and_never_shortens_one() -> None:
    assert retry.next_due(1, NOW, 0.5, MINUTE) == NOW + MINUTE
    assert retry.next_due(2, NOW, 0.5, SECOND) == NOW + 5 * MINUTE
    assert retry.next_due(1, NOW, 0.5, 90 * DAY) == NOW + retry.RETRY_AFTER_MOST


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("120", 120 * SECOND),
        (" 7 ", 7 * SECOND),
        ("99999999999999999999", DAY),
        ("Mon, 18 May 2026 12:10:00 GMT", 10 * MINUTE),
        ("Mon, 18 May 2026 12:10:00 -0000", 10 * MINUTE),
        ("Mon, 18 May 2020 12:10:00 GMT", 0),
        ("Fri, 18 May 2096 12:10:00 GMT", DAY),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("٣", None),
        (None, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str | None, wait: int | None) -> None:
    assert retry.retry_after(header, NOW) == wait


@given(st.text(max_size=60))
def test_no_retry_after_header_breaks_the_reader(header: str) -> None:
    wait = retry.retry_after(header, NOW)
    assert wait is None or 0 <= wait <= DAY


def test_the_breaker_opens_at_the_fifth_straight_failure_and_not_before() -> None:
    health = retry.weigh(Health(), [Verdict.RETRY] * 4, NOW)
    assert health.breaker_until is None
    health = retry.weigh(health, [Verdict.RETRY], NOW)
    assert health.breaker_until == NOW + 5 * SECOND
    assert health.failing_since == NOW
    mixed = retry.weigh(Health(), [Verdict.RETRY] * 4 + [Verdict.DELIVERED] + [Verdict.RETRY] * 4, NOW)
    assert mixed.breaker_until is None
    assert mixed.failures == 4


def test_each_failed_probe_doubles_the_pause_up_to_five_minutes() -> None:
    health, now, pauses = retry.weigh(Health(), [Verdict.RETRY] * 5, NOW), NOW, []
    for _ in range(9):
        assert health.breaker_until is not None
        pauses.append(health.breaker_until - now)
        now = health.breaker_until
        health = retry.weigh(health, [Verdict.RETRY], now)
    assert pauses == [n * SECOND for n in (5, 10, 20, 40, 80, 160, 300, 300, 300)]


def test_stragglers_that_fail_while_the_breaker_is_open_do_not_lengthen_the_pause() -> None:
    opened = retry.weigh(Health(), [Verdict.RETRY] * 5, NOW)
    later = retry.weigh(opened, [Verdict.RETRY] * 5, NOW + SECOND)
    assert (later.breaker_until, later.breaker_step) == (opened.breaker_until, opened.breaker_step)


def test_one_success_makes_an_endpoint_healthy_again() -> None:
    opened = retry.weigh(Health(), [Verdict.RETRY] * 8, NOW)
    assert retry.weigh(opened, [Verdict.DELIVERED], NOW + MINUTE) == Health()


def test_an_endpoint_is_given_up_after_five_days_of_nothing_but_failure() -> None:
    failing = retry.weigh(Health(), [Verdict.RETRY], NOW)
    assert not retry.given_up(failing, NOW + 5 * DAY - 1)
    assert retry.given_up(failing, NOW + 5 * DAY)
    assert not retry.given_up(retry.weigh(failing, [Verdict.DELIVERED], NOW + DAY), NOW + 30 * DAY)

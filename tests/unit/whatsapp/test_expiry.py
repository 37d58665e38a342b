"""Which word is said of a token's end, and when."""

import pytest

from setuplinks.core.clock import DAY, HOUR
from setuplinks.whatsapp.expiry import days_left, next_word

END = 1_000 * DAY


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (60 * DAY, 14 * DAY), (14 * DAY + 1, 14 * DAY), (14 * DAY, 7 * DAY), (10 * DAY, 7 * DAY), (7 * DAY, DAY),
        (DAY + 1, DAY), (DAY, 0), (HOUR, 0),
    ],
)  # fmt: skip
def test_the_next_word_is_the_first_that_lies_ahead(left: int, expected: int) -> None:
    assert next_word(END, END - left) == END - expected


def test_a_token_that_never_ends_has_no_word() -> None:
    assert next_word(None, 0) is None


def test_a_token_that_is_over_still_has_its_last_word() -> None:
    assert next_word(END, END + DAY) == END + DAY + 1


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (14 * DAY + 1, None), (14 * DAY, 14), (8 * DAY, 14), (7 * DAY, 7), (2 * DAY, 7), (DAY, 1), (1, 1), (0, 0),
        (-DAY, 0),
    ],
)  # fmt: skip
def test_of_several_that_are_due_the_nearest_counts(left: int, expected: int | None) -> None:
    assert days_left(END, END - left) == expected

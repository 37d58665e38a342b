"""The country of a number by how it begins, and numbers as people write them."""

import pytest
from babel import Locale

from setuplinks.number_pool.countries import _table, country_of, written


@pytest.mark.parametrize(
    ("number", "country"),
    [
        ("+5493515550101", "AR"),
        ("+493012345678", "DE"),
        ("+15550783881", "US"),
        ("+14165550100", "CA"),
        ("+18095550100", "DO"),
        ("+18765550100", "JM"),
        ("+77012345678", "KZ"),
        ("+74951234567", "RU"),
        ("+441534123456", "JE"),
        ("+442071234567", "GB"),
        ("+59991234567", "CW"),
        ("+390612345678", "IT"),
        ("+80012345678", None),
        ("+88213000001", None),
    ],
)
def test_the_longest_beginning_decides(number: str, country: str | None) -> None:
    assert country_of(number) == country


def test_every_country_of_the_table_is_one_of_iso() -> None:
    known = {str(code) for code in Locale("en").territories}
    assert set(_table().values()) - known == set()
    assert len(set(_table().values())) > 225


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+54 9 351 555-0101", "+5493515550101"),
        (" +1 (555) 078.3881 ", "+15550783881"),
        ("5493515550101", None),
        ("+0549351555", None),
        ("+54x9351", None),
        ("+12", None),
        ("+5493515550101234567", None),
        ("+٥٤٩٣٥١٥٥٥", None),
        ("", None),
    ],
)
def test_what_people_write_is_one_number_or_none(text: str, number: str | None) -> None:
    assert written(text) == number

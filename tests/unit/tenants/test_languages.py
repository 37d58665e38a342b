"""Languages and time zones in one spelling."""

import pytest

from setuplinks.tenants.languages import check_time_zone, normal_language


@pytest.mark.parametrize(
    ("tag", "stored"),
    [
        ("en", "en"),
        ("es", "es"),
        ("pt-BR", "pt-BR"),
        ("PT_br", "pt-BR"),
        ("ar", "ar"),
        ("hi", "hi"),
        ("tr", "tr"),
        ("es-419", "es-419"),
    ],
)
def test_a_language_is_stored_in_its_usual_spelling(tag: str, stored: str) -> None:
    assert normal_language(tag) == stored


@pytest.mark.parametrize("tag", ["", "xx-yy", "english please", "e", "../en", "en\0", "é", "a" * 200, "-", "en-"])
def test_what_is_no_language_is_refused(tag: str) -> None:
    with pytest.raises(ValueError, match="language tag"):
        normal_language(tag)


def test_a_time_zone_is_taken_by_its_iana_name_only() -> None:
    assert check_time_zone("America/Argentina/Buenos_Aires") == "America/Argentina/Buenos_Aires"
    for name in ("", "Mars/Olympus", "../etc/passwd", "/etc/passwd", "utc "):
        with pytest.raises(ValueError, match="time zone"):
            check_time_zone(name)

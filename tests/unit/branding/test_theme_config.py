"""What a tenant may write into `themeConfig`."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setuplinks.branding.theme import KEYS, ThemeInvalid, read_theme, validate_theme

GUIDE = {
    "primaryColor": "#10B981",
    "backgroundImage": "https://your-cdn.com/onboarding-bg.jpg",
    "logoUrl": "https://your-cdn.com/logo.png",
    "companyName": "Acme SaaS",
}


def test_the_guides_own_theme_is_taken_as_it_stands() -> None:
    assert validate_theme(GUIDE) == GUIDE


def test_snake_case_is_taken_as_well() -> None:
    assert validate_theme({"primary_color": "#10b981", "dark_background_color": "#000"}) == {
        "primaryColor": "#10B981",
        "darkBackgroundColor": "#000000",
    }


def test_an_empty_value_is_left_out() -> None:
    assert validate_theme({"logoUrl": None}) == {}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("primaryColor", "red"),
        ("primaryColor", "#12345"),
        ("primaryColor", "#10B981;}body{display:none"),
        ("primaryColor", "url(https://evil.example)"),
        ("primaryColor", "#10B981\n"),
        ("primaryColor", "#١٢٣"),
        ("primaryColor", 1096065),
        ("companyName", ""),
        ("companyName", "x" * 81),
        ("companyName", "Acme\x00SaaS"),
        ("companyName", "Acme\nSaaS"),
        ("companyName", "Acme\u202eSaaS"),
        ("companyName", "Acme\ue000SaaS"),
        ("logoUrl", "http://your-cdn.com/logo.png"),
        ("logoUrl", "javascript:alert(1)"),
        ("logoUrl", "data:image/png;base64,AAAA"),
        ("logoUrl", "https://"),
        ("logoUrl", "https://user:secret@your-cdn.com/logo.png"),
        ("logoUrl", "https://your-cdn.com:0/logo.png"),
        ("logoUrl", "https://your-cdn.com:99999/logo.png"),
        ("logoUrl", "https://your cdn.com/logo.png"),
        ("logoUrl", 'https://your-cdn.com/"onload='),
        ("backgroundImage", "https://your-cdn.com/" + "x" * 2000),
        ("helpUrl", "//acme.example/help"),
        ("customCss", "body{}"),
        ("primaryColour", "#10B981"),
    ],
)
def test_what_cannot_be_taken_is_refused_by_the_name_of_its_key(field: str, value: object) -> None:
    with pytest.raises(ThemeInvalid) as refused:
        validate_theme({field: value})
    assert refused.value.field == field
    assert refused.value.message


def test_a_key_given_in_both_spellings_is_refused() -> None:
    with pytest.raises(ThemeInvalid) as refused:
        validate_theme({"primaryColor": "#111", "primary_color": "#222"})
    assert refused.value.field == "primary_color"


@given(
    st.dictionaries(st.one_of(st.sampled_from(sorted(KEYS)), st.text(max_size=12)), st.text(max_size=40), max_size=4)
)
def test_any_text_is_taken_clean_or_refused(config: dict[str, object]) -> None:
    checked = None
    with contextlib.suppress(ThemeInvalid):
        checked = validate_theme(config)
    assert checked is None or set(checked) <= KEYS
    assert checked is None or validate_theme(dict(checked)) == checked


def test_the_tenants_name_holds_where_the_theme_names_none() -> None:
    assert read_theme(None, "Acme Holding").company == "Acme Holding"
    assert read_theme(GUIDE, "Acme Holding").company == "Acme SaaS"
    assert read_theme(GUIDE, "Acme Holding").logo_url == "https://your-cdn.com/logo.png"

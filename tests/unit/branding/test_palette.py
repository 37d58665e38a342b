"""The tenant's colour: the roles that the design names, and that no colour whatever can make a page unreadable."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from setuplinks.branding.oklch import contrast, lowest_contrast
from setuplinks.branding.theme import COLOUR_KEYS, DARK_KEYS, Scheme, build_palette, neutral_palette

colours = st.integers(0, 0xFFFFFF).map(lambda value: f"#{value:06X}")
themes = st.dictionaries(st.sampled_from([*COLOUR_KEYS, *DARK_KEYS]), colours)


def of(primary: str, **more: str) -> tuple[Scheme, Scheme]:
    palette = build_palette({"primaryColor": primary, **more}, "Acme")
    return palette.light, palette.dark


def test_green_has_the_roles_of_the_design() -> None:
    light, dark = of("#10B981")
    assert (light.brand_fill, light.on_brand) == ("#10B981", "#14150F")
    assert (dark.brand_fill, dark.on_brand) == ("#10B981", "#14150F")
    assert (light.brand_text, dark.brand_text) == ("#067E57", "#10B981")
    assert (light.brand_mark, dark.brand_mark) == ("#07A06F", "#10B981")
    assert (light.brand_soft, dark.brand_soft) == ("#E7F8F2", "#19352A")
    assert contrast(light.brand_fill, light.on_brand) == pytest.approx(7.2, abs=0.05)


@pytest.mark.parametrize(
    ("given_colour", "fill", "label", "text_light", "text_dark"),
    [
        ("#EF4444", "#DF3236", "#FFFFFF", "#D01F2A", "#FF5552"),
        ("#FACC15", "#FACC15", "#14150F", "#886D02", "#FACC15"),
        ("#7C3AED", "#7C3AED", "#FFFFFF", "#7C3AED", "#9C76FE"),
        ("#111827", "#111827", "#FFFFFF", "#111827", "#7B8598"),
        ("#F5F5F4", "#F5F5F4", "#14150F", "#717171", "#F5F5F4"),
    ],
)
def test_other_colours_are_repaired_as_the_design_shows(
    given_colour: str, fill: str, label: str, text_light: str, text_dark: str
) -> None:
    light, dark = of(given_colour)
    assert (light.brand_fill, light.on_brand) == (fill, label)
    assert (dark.brand_fill, dark.on_brand) == (fill, label)
    assert (light.brand_text, dark.brand_text) == (text_light, text_dark)


def test_a_fill_that_hardly_differs_from_the_page_gets_an_edge() -> None:
    light, dark = of("#F5F5F4")
    assert (light.brand_border, dark.brand_border) == (light.edge, "#F5F5F4")
    navy_light, navy_dark = of("#111827")
    assert (navy_light.brand_border, navy_dark.brand_border) == ("#111827", navy_dark.edge)


def test_a_readable_label_colour_of_the_tenant_is_kept_and_an_unreadable_one_is_not() -> None:
    kept, _ = of("#10B981", buttonTextColor="#052E1C")
    assert kept.on_brand == "#052E1C"
    palette = build_palette({"primaryColor": "#10B981", "buttonTextColor": "#FFFFFF"}, "Acme")
    assert palette.light.on_brand == "#14150F"
    assert any("buttonTextColor #FFFFFF" in warning for warning in palette.warnings)


def test_a_repaired_colour_is_told_and_one_that_stays_is_not() -> None:
    assert build_palette({"primaryColor": "#10B981"}, "Acme").warnings == ()
    assert any("#DF3236" in warning for warning in build_palette({"primaryColor": "#EF4444"}, "Acme").warnings)


def test_hover_moves_away_from_the_label() -> None:
    green, _ = of("#10B981")
    violet, _ = of("#7C3AED")
    assert contrast(green.brand_hover, green.on_brand) > contrast(green.brand_fill, green.on_brand)
    assert contrast(violet.brand_hover, violet.on_brand) > contrast(violet.brand_fill, violet.on_brand)


def test_a_background_of_the_light_scheme_never_reaches_the_dark_one() -> None:
    light, dark = of("#10B981", backgroundColor="#FFF7ED", textColor="#1C1917")
    assert (light.canvas, light.ink) == ("#FFF7ED", "#1C1917")
    assert (dark.canvas, dark.ink) == ("#131412", "#F3F2ED")


def test_a_dark_background_for_the_light_scheme_is_drawn_with_the_dark_neutrals() -> None:
    light, _ = of("#10B981", backgroundColor="#0B1020")
    assert light.dark
    assert light.canvas == "#0B1020"
    assert light.ink == "#F3F2ED"


def test_without_a_colour_the_brand_is_ink() -> None:
    palette = neutral_palette()
    assert palette.light.brand_fill == palette.light.ink
    assert palette.dark.brand_fill == palette.dark.ink
    assert palette.company == ""


def test_what_the_light_half_sets_the_dark_half_answers() -> None:
    css = build_palette({"backgroundColor": "#FFF7ED", "primaryColor": "#10B981"}, "Acme").css()
    light, dark = css.split("@media (prefers-color-scheme:dark)")
    assert "--canvas:#FFF7ED" in light
    assert "--canvas:#131412" in dark
    assert set(re.findall(r"--[a-z0-9-]+", light)) <= set(re.findall(r"--[a-z0-9-]+", dark))


@settings(max_examples=300, deadline=None)
@given(themes)
def test_no_theme_makes_a_page_unreadable_in_either_scheme(theme: dict[str, str]) -> None:
    palette = build_palette(theme, "Acme")
    for scheme in (palette.light, palette.dark):
        assert contrast(scheme.brand_fill, scheme.on_brand) >= 4.5
        assert contrast(scheme.brand_hover, scheme.on_brand) >= 4.5
        assert lowest_contrast(scheme.brand_text, (scheme.canvas, scheme.surface, scheme.brand_soft)) >= 4.6
        assert lowest_contrast(scheme.brand_mark, (scheme.canvas, scheme.surface, scheme.wash)) >= 3
        assert lowest_contrast(scheme.ink, scheme.grounds) >= 4.5
        assert lowest_contrast(scheme.ink_2, (*scheme.grounds, scheme.wash)) >= 4.5
        assert lowest_contrast(scheme.ink_3, (scheme.canvas, scheme.surface)) >= 4.5
        assert lowest_contrast(scheme.warn, (scheme.canvas, scheme.surface)) >= 4.5
        assert lowest_contrast(scheme.brand_border, (scheme.canvas,)) >= 1.2


@settings(deadline=None)
@given(themes)
def test_the_style_text_holds_only_role_names_and_colours(theme: dict[str, str]) -> None:
    css = build_palette(theme, "Acme</style>").css()
    declarations = r"(--[a-z0-9-]+:#[0-9A-F]{6};?)+"
    assert re.fullmatch(
        rf":root\{{{declarations}\}}@media \(prefers-color-scheme:dark\)\{{:root\{{{declarations}\}}\}}", css
    )

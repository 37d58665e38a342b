"""The colour arithmetic against published values and its own laws."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setuplinks.branding.oklch import contrast, luminance, mix, shift_until, shifted, to_hex, to_oklch

colours = st.integers(0, 0xFFFFFF).map(lambda value: f"#{value:06X}")


def test_black_on_white_has_the_greatest_contrast() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)


def test_luminance_of_the_primaries_is_what_wcag_says() -> None:
    assert luminance("#FF0000") == pytest.approx(0.2126)
    assert luminance("#00FF00") == pytest.approx(0.7152)


def test_oklch_of_red_is_what_css_color_4_says() -> None:
    red = to_oklch("#FF0000")
    assert (red.lightness, red.chroma) == (pytest.approx(0.6280, abs=1e-4), pytest.approx(0.2577, abs=1e-4))


def test_a_mix_is_what_a_translucent_layer_shows() -> None:
    assert mix("#10B981", "#FFFFFF", 0.10) == "#E7F8F2"


@given(colours)
def test_a_screen_colour_survives_the_way_through_oklch_to_within_one_step_of_chroma(colour: str) -> None:
    there_and_back = to_hex(to_oklch(colour))
    assert abs(luminance(there_and_back) - luminance(colour)) < 0.01


@given(colours, st.integers(-220, 220))
def test_every_shift_is_a_colour_that_a_screen_can_show(colour: str, steps: int) -> None:
    assert len(shifted(colour, steps)) == 7
    assert int(shifted(colour, steps)[1:], 16) >= 0


@given(colours, st.sampled_from(["#FFFFFF", "#FAF9F6", "#E7F8F2"]), st.floats(1.0, 7.0))
def test_darkening_reaches_every_ratio_on_a_light_ground(colour: str, ground: str, ratio: float) -> None:
    found, steps = shift_until(colour, (ground,), ratio, darker=True)
    assert contrast(found, ground) >= ratio
    assert steps >= 0

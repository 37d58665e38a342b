"""Colours as people see them: sRGB hex, OKLCH, and the contrast that WCAG 2 measures.

Owns the arithmetic. Knows no roles and no themes. Hex is `#RRGGBB`, upper case.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

LIGHTNESS_STEP = 0.005
CHROMA_STEP = 0.002


@dataclass(frozen=True, slots=True)
class Oklch:
    """Lightness 0 to 1, chroma from 0, hue in radians."""

    lightness: float
    chroma: float
    hue: float


def channels(colour: str) -> tuple[int, int, int]:
    """Red, green, blue of `#RRGGBB`, 0 to 255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _hex(red: float, green: float, blue: float) -> str:
    return f"#{round(red):02X}{round(green):02X}{round(blue):02X}"


def _linear(channel: float) -> float:
    value: float = channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
    return value


def _encoded(channel: float) -> float:
    bounded = min(1.0, max(0.0, channel))
    value: float = 12.92 * bounded if bounded <= 0.0031308 else 1.055 * bounded ** (1 / 2.4) - 0.055
    return value


@lru_cache(maxsize=4096)
def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2, 0 to 1."""
    red, green, blue = (_linear(channel / 255) for channel in channels(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    """Contrast ratio by WCAG 2, 1 to 21."""
    darker, lighter = sorted((luminance(first), luminance(second)))
    return (lighter + 0.05) / (darker + 0.05)


def lowest_contrast(colour: str, grounds: Iterable[str]) -> float:
    """The contrast on the ground where it is worst."""
    return min(contrast(colour, ground) for ground in grounds)


def mix(colour: str, ground: str, share: float) -> str:
    """`share` (0 to 1) of the colour laid on the ground, as a browser blends a translucent layer."""
    pairs = zip(channels(colour), channels(ground), strict=True)
    red, green, blue = (over * share + under * (1 - share) for over, under in pairs)
    return _hex(red, green, blue)


def to_oklch(colour: str) -> Oklch:
    """Björn Ottosson's OKLab in polar form."""
    red, green, blue = (_linear(channel / 255) for channel in channels(colour))
    long = math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    medium = math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    short = math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    lightness = 0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short
    a = 1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short
    b = 0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short
    return Oklch(lightness, math.hypot(a, b), math.atan2(b, a))


def _to_linear(lightness: float, a: float, b: float) -> tuple[float, float, float]:
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def to_hex(colour: Oklch) -> str:
    """The nearest sRGB colour of this lightness and hue: chroma is lowered until it exists on a screen."""
    if colour.lightness <= 0:
        return "#000000"
    if colour.lightness >= 1:
        return "#FFFFFF"
    cosine, sine = math.cos(colour.hue), math.sin(colour.hue)
    chroma = colour.chroma
    while True:
        linear = _to_linear(colour.lightness, chroma * cosine, chroma * sine)
        if chroma <= 0 or all(0 <= channel <= 1 for channel in linear):
            red, green, blue = (_encoded(channel) * 255 for channel in linear)
            return _hex(red, green, blue)
        chroma = max(0.0, chroma - CHROMA_STEP)


def shifted(colour: str, steps: int) -> str:
    """The same hue, `steps` × 0.005 lighter (positive) or darker (negative)."""
    if steps == 0:
        return colour
    base = to_oklch(colour)
    return to_hex(Oklch(base.lightness + steps * LIGHTNESS_STEP, base.chroma, base.hue))


def shift_until(colour: str, grounds: Iterable[str], ratio: float, *, darker: bool) -> tuple[str, int]:
    """Move lightness one way until `ratio` holds on every ground; black or white where it never does.

    Returns the colour and how many steps it took.
    """
    against = tuple(grounds)
    sign = -1 if darker else 1
    for steps in range(round(1 / LIGHTNESS_STEP) + 2):
        candidate = shifted(colour, sign * steps)
        if lowest_contrast(candidate, against) >= ratio or candidate == ("#000000" if darker else "#FFFFFF"):
            return candidate, steps
    return ("#000000" if darker else "#FFFFFF"), round(1 / LIGHTNESS_STEP)

"""A tenant's theme: what it may say, and the palette that the pages are drawn with.

Owns the theme's keys, their validation and the colour rules (contrast is repaired, never refused). Pure: no images
are fetched here, no rows are read. The neutral tokens stand in the pages' stylesheet as well; a test holds them equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from urllib.parse import urlsplit

from setuplinks.branding.oklch import LIGHTNESS_STEP, contrast, lowest_contrast, luminance, mix, shift_until, shifted

ThemeConfig = dict[str, str]

NAME_LIMIT = 80
URL_LIMIT = 2000
COLOUR_KEYS = ("primaryColor", "buttonTextColor", "backgroundColor", "cardColor", "textColor", "borderColor")
DARK_KEYS = tuple(f"dark{key[0].upper()}{key[1:]}" for key in COLOUR_KEYS)
IMAGE_KEYS = ("backgroundImage", "logoUrl")
LINK_KEYS = ("helpUrl", "privacyUrl", "termsUrl")
KEYS = frozenset((*COLOUR_KEYS, *DARK_KEYS, *IMAGE_KEYS, *LINK_KEYS, "companyName"))

WHITE = "#FFFFFF"
INK_LABEL = "#14150F"
LABEL_RATIO = 4.5
TEXT_RATIO = 4.6
MARK_RATIO = 3.0
GROUND_RATIO = 7.0
EDGE_RATIO = 1.25
CHEAP_DARKENING = 0.10
HOVER_STEPS = 8

_COLOUR = re.compile(r"#(?:[0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})")
_SNAKE = re.compile(r"_([a-z])")
_URL_TEXT = re.compile(
    r"[!#-&(-;=?-\[\]_a-z~]+"
)  # printable ASCII but for quotes, angle brackets, backslash, ^ ` { | }
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


class ThemeInvalid(ValueError):
    """A theme's key that cannot be taken. `field` is the key, `message` says what it must be."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


@dataclass(frozen=True, slots=True)
class Scheme:
    """Every colour role of one scheme. Neutrals first, then what comes from the tenant's colour."""

    dark: bool
    canvas: str
    surface: str
    sunken: str
    raised: str
    line: str
    edge: str
    ink: str
    ink_2: str
    ink_3: str
    ok: str
    ok_soft: str
    warn: str
    warn_soft: str
    bad: str
    bad_soft: str
    brand_fill: str = ""
    brand_hover: str = ""
    on_brand: str = ""
    brand_border: str = ""
    brand_text: str = ""
    brand_mark: str = ""
    brand_soft: str = ""
    brand_line: str = ""
    wash: str = ""

    @property
    def grounds(self) -> tuple[str, ...]:
        """Every ground on which text may stand."""
        return self.canvas, self.surface, self.sunken, self.raised


LIGHT = Scheme(
    dark=False,
    canvas="#FAF9F6",
    surface="#FFFFFF",
    sunken="#F2F0EB",
    raised="#FFFFFF",
    line="#E5E3DC",
    edge="#8A887F",
    ink="#1B1B18",
    ink_2="#52514A",
    ink_3="#6B6960",
    ok="#0B6B45",
    ok_soft="#E6F3EC",
    warn="#7D4E00",
    warn_soft="#FAF0DA",
    bad="#B42318",
    bad_soft="#FBEAE7",
)
DARK = Scheme(
    dark=True,
    canvas="#131412",
    surface="#1B1C19",
    sunken="#0E0F0D",
    raised="#242622",
    line="#31332E",
    edge="#77786F",
    ink="#F3F2ED",
    ink_2="#BDBBB2",
    ink_3="#9A988E",
    ok="#5CCB98",
    ok_soft="#17301F",
    warn="#E8B45A",
    warn_soft="#33280F",
    bad="#F28B82",
    bad_soft="#3A1C19",
)


@dataclass(frozen=True, slots=True)
class Theme:
    """A validated theme with the company's name settled. Colours are `#RRGGBB`."""

    company: str
    colours: Mapping[str, str]
    logo_url: str | None = None
    background_image: str | None = None
    help_url: str | None = None
    privacy_url: str | None = None
    terms_url: str | None = None


@dataclass(frozen=True, slots=True)
class Palette:
    """Both schemes of a theme, and a plain sentence for each colour that had to be repaired."""

    company: str
    light: Scheme
    dark: Scheme
    warnings: tuple[str, ...] = ()

    def css(self) -> str:
        """Text of the page's one style element: brand roles, and the neutrals that differ from the stylesheet's."""
        light = _differing(self.light, LIGHT)
        # What the light half sets it sets for both schemes, so the dark half must answer each of those roles too.
        dark = [role for role in _ROLES if role in light or role in _differing(self.dark, DARK)]
        return (
            f":root{{{_declarations(self.light, light)}}}"
            f"@media (prefers-color-scheme:dark){{:root{{{_declarations(self.dark, dark)}}}}}"
        )


def validate_theme(config: Mapping[str, object]) -> ThemeConfig:
    """Check a `themeConfig` and return it with camelCase keys and `#RRGGBB` colours; empty values are left out.

    Raises ThemeInvalid naming the first key that is unknown or has a value that cannot be taken. What was taken once is
    remembered: a tenant's links carry the same few themes.
    """
    items = tuple(config.items())
    simple = all(isinstance(value, str) for _, value in items)
    return dict(_remembered(items)) if simple else _validated(items)


@lru_cache(maxsize=512)
def _remembered(items: tuple[tuple[str, object], ...]) -> ThemeConfig:
    return _validated(items)


def _validated(items: tuple[tuple[str, object], ...]) -> ThemeConfig:
    checked: ThemeConfig = {}
    for given, value in items:
        key = _SNAKE.sub(lambda match: match[1].upper(), given) if isinstance(given, str) else ""
        if key not in KEYS:
            raise ThemeInvalid(str(given)[:NAME_LIMIT], f"is not a theme key; known are {', '.join(sorted(KEYS))}")
        if key in checked:
            raise ThemeInvalid(given, "is given twice")
        if value is None:
            continue
        if not isinstance(value, str):
            raise ThemeInvalid(given, "must be a string")
        checked[key] = _checked(given, key, value)
    return checked


def read_theme(config: Mapping[str, str] | None, company: str) -> Theme:
    """A theme from a validated config; `company` (the tenant's name) holds where the theme names none."""
    given = config or {}
    return Theme(
        company=given.get("companyName") or company,
        colours={key: given[key] for key in (*COLOUR_KEYS, *DARK_KEYS) if key in given},
        logo_url=given.get("logoUrl"),
        background_image=given.get("backgroundImage"),
        help_url=given.get("helpUrl"),
        privacy_url=given.get("privacyUrl"),
        terms_url=given.get("termsUrl"),
    )


def build_palette(theme_config: Mapping[str, str] | None, company: str) -> Palette:
    """All colour roles of a validated theme for both schemes. The last 512 are kept: a miss costs milliseconds."""
    theme = read_theme(theme_config, company)
    light, dark, warnings = _schemes(tuple(theme.colours.items()))
    return Palette(theme.company, light, dark, warnings)


def neutral_palette() -> Palette:
    """The palette of a page without a tenant: the brand is ink."""
    return build_palette(None, "")


def _checked(given: str, key: str, value: str) -> str:
    if key == "companyName":
        return _checked_name(given, value)
    if key in IMAGE_KEYS or key in LINK_KEYS:
        return _checked_url(given, value)
    if not _COLOUR.fullmatch(value):
        raise ThemeInvalid(given, "must be a colour like #10B981 or #1BA")
    digits = value[1:].upper()
    return "#" + (digits if len(digits) == 6 else "".join(digit * 2 for digit in digits))


def _checked_name(given: str, value: str) -> str:
    name = value.strip()
    if not name or len(name) > NAME_LIMIT:
        raise ThemeInvalid(given, f"must have 1 to {NAME_LIMIT} characters")
    # Bidi overrides are refused as well: a name must not turn the sentence around it.
    if any(not char.isprintable() or "\u202a" <= char <= "\u202e" or "\u2066" <= char <= "\u2069" for char in name):
        raise ThemeInvalid(given, "must not hold control characters")
    return name


def _checked_url(given: str, value: str) -> str:
    if (
        len(value) > URL_LIMIT
        or not value.isascii()
        or any(char <= " " or char in "\"'<>\\^`{|}\x7f" for char in value)
    ):
        raise ThemeInvalid(given, f"must be an https URL of at most {URL_LIMIT} plain characters")
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ThemeInvalid(given, "must be an https URL") from None
    if parts.scheme != "https" or not parts.hostname or not _HOST.fullmatch(parts.hostname) or port == 0:
        raise ThemeInvalid(given, "must be an https URL")
    if parts.username is not None or parts.password is not None:
        raise ThemeInvalid(given, "must not hold a user name or password")
    return value


@lru_cache(maxsize=512)
def _schemes(colours: tuple[tuple[str, str], ...]) -> tuple[Scheme, Scheme, tuple[str, ...]]:
    given = dict(colours)
    warnings: list[str] = []
    light_keys = {key: given[key] for key in COLOUR_KEYS if key in given}
    dark_keys = {key: given[dark] for key, dark in zip(COLOUR_KEYS, DARK_KEYS, strict=True) if dark in given}
    # The brand and its label hold for both schemes; grounds, text and lines of the light one never leak into the dark.
    for key in ("primaryColor", "buttonTextColor"):
        if key in light_keys and not (key == "buttonTextColor" and "primaryColor" in dark_keys):
            dark_keys.setdefault(key, light_keys[key])
    light = _scheme(light_keys, LIGHT, "", warnings)
    dark = _scheme(dark_keys, DARK, " (dark)", warnings)
    return light, dark, tuple(dict.fromkeys(warnings))


def _scheme(given: Mapping[str, str], base: Scheme, where: str, warnings: list[str]) -> Scheme:
    neutral = _neutrals(given, base, where, warnings)
    primary = given.get("primaryColor")
    soft = mix(primary or neutral.ink, neutral.surface, 0.16 if neutral.dark else 0.10)
    wash = mix(soft, neutral.canvas, 0.55 if neutral.dark else 0.70) if primary else neutral.sunken
    if neutral not in (LIGHT, DARK):
        neutral = _legible(neutral, wash)
    grounds = (neutral.surface, neutral.canvas)
    if primary is None:
        return _ink_brand(neutral, soft)
    fill, label = _fill(primary, given.get("buttonTextColor"), where, warnings)
    text, _ = shift_until(primary, (*grounds, soft), TEXT_RATIO, darker=not neutral.dark)
    mark, _ = shift_until(primary, (*grounds, soft, wash), MARK_RATIO, darker=not neutral.dark)
    faint = lowest_contrast(fill, grounds) < EDGE_RATIO
    if faint:
        warnings.append(f"primaryColor {primary}{where}: buttons get a border, as they hardly differ from the page")
    return replace(
        neutral,
        brand_fill=fill,
        brand_hover=shifted(fill, -HOVER_STEPS if luminance(label) > luminance(fill) else HOVER_STEPS),
        on_brand=label,
        brand_border=neutral.edge if faint else fill,
        brand_text=text,
        brand_mark=mark,
        brand_soft=soft,
        brand_line=mix(primary, neutral.surface, 0.40 if neutral.dark else 0.35),
        wash=wash,
    )


def _fill(primary: str, label: str | None, where: str, warnings: list[str]) -> tuple[str, str]:
    if label is not None:
        if contrast(primary, label) >= LABEL_RATIO:
            return primary, label
        warnings.append(f"buttonTextColor {label}{where}: not readable on {primary}, another is used")
    if contrast(primary, WHITE) >= LABEL_RATIO:
        return primary, WHITE
    darker, steps = shift_until(primary, (WHITE,), LABEL_RATIO, darker=True)
    if steps * LIGHTNESS_STEP > CHEAP_DARKENING and contrast(primary, INK_LABEL) >= LABEL_RATIO:
        return primary, INK_LABEL
    warnings.append(f"primaryColor {primary}{where}: buttons use {darker}, so that white words on them are readable")
    return darker, WHITE


def _ink_brand(neutral: Scheme, soft: str) -> Scheme:
    text, _ = shift_until(neutral.ink, (*neutral.grounds, soft), TEXT_RATIO, darker=not neutral.dark)
    return replace(
        neutral,
        brand_fill=text,
        brand_hover=shifted(text, -HOVER_STEPS if not neutral.dark else HOVER_STEPS),
        on_brand=neutral.canvas,
        brand_border=text,
        brand_text=text,
        brand_mark=text,
        brand_soft=soft,
        brand_line=neutral.edge,
        wash=neutral.sunken,
    )


def _neutrals(given: Mapping[str, str], base: Scheme, where: str, warnings: list[str]) -> Scheme:
    canvas, surface = given.get("backgroundColor"), given.get("cardColor")
    ground = canvas or surface
    if ground is not None:
        # A dark page in the light scheme keeps its character: it is drawn with the dark neutrals.
        base = DARK if luminance(ground) < luminance("#767676") else LIGHT
    fixed = base
    if canvas is not None:
        canvas, _ = shift_until(canvas, (base.ink,), GROUND_RATIO, darker=base.dark)
        fixed = replace(fixed, canvas=canvas, sunken=mix(base.ink, canvas, 0.04), raised=mix(base.ink, canvas, 0.06))
    if surface is not None:
        surface, _ = shift_until(surface, (base.ink,), GROUND_RATIO, darker=base.dark)
        fixed = replace(fixed, surface=surface)
    if "borderColor" in given:
        fixed = replace(fixed, line=given["borderColor"])
    if "textColor" in given:
        text, _ = shift_until(given["textColor"], fixed.grounds, TEXT_RATIO, darker=not base.dark)
        fixed = replace(fixed, ink=text)
    for key, used in (("backgroundColor", fixed.canvas), ("cardColor", fixed.surface), ("textColor", fixed.ink)):
        if given.get(key, used) != used:
            warnings.append(f"{key} {given[key]}{where}: {used} is used to keep the page readable")
    return fixed


def _legible(scheme: Scheme, wash: str) -> Scheme:
    """Our own text and status colours, moved where the tenant's grounds ask for it."""

    def moved(colour: str, ratio: float, *more: str) -> str:
        return shift_until(colour, (*scheme.grounds, wash, *more), ratio, darker=not scheme.dark)[0]

    return replace(
        scheme,
        edge=moved(scheme.edge, MARK_RATIO),
        ink=moved(scheme.ink, TEXT_RATIO),
        ink_2=moved(scheme.ink_2, TEXT_RATIO),
        ink_3=moved(scheme.ink_3, LABEL_RATIO),
        ok=moved(scheme.ok, LABEL_RATIO, scheme.ok_soft),
        warn=moved(scheme.warn, LABEL_RATIO, scheme.warn_soft),
        bad=moved(scheme.bad, LABEL_RATIO, scheme.bad_soft),
    )


_ROLES = tuple(name for name in Scheme.__slots__ if name != "dark")


def css_name(role: str) -> str:
    """`ink_2` is written `--ink-2`."""
    return "--" + role.replace("_", "-")


def _differing(scheme: Scheme, base: Scheme) -> list[str]:
    return [role for role in _ROLES if getattr(scheme, role) != getattr(base, role)]


def _declarations(scheme: Scheme, roles: Iterable[str]) -> str:
    return ";".join(f"{css_name(role)}:{getattr(scheme, role)}" for role in roles)

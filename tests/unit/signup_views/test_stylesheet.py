"""The stylesheet against the rules that hold for it."""

import re
from dataclasses import fields

import pytest

from setuplinks.branding.theme import DARK, LIGHT, Scheme, css_name
from setuplinks.signup.rendering import STATIC_DIRECTORY

CSS = (STATIC_DIRECTORY / "signup.css").read_text()
NEUTRALS = [field.name for field in fields(Scheme) if field.name != "dark" and field.default != ""]


@pytest.mark.parametrize(("scheme", "block"), [(LIGHT, 0), (DARK, 1)], ids=["light", "dark"])
def test_the_stylesheet_and_the_theme_rules_name_the_same_neutrals(scheme: Scheme, block: int) -> None:
    declared = dict(re.findall(r"(--[a-z0-9-]+): (#[0-9A-F]{6})", re.findall(r":root \{[^}]*\}", CSS)[block]))
    assert {css_name(name): declared.get(css_name(name)) for name in NEUTRALS} == {
        css_name(name): getattr(scheme, name) for name in NEUTRALS
    }


def test_only_logical_properties_place_things() -> None:
    sides = "(?:left|right|top|bottom)"
    physical = re.findall(rf"(?:margin|padding|border)-{sides}|[ ;{{]{sides}:|text-align: {sides}", CSS)
    assert physical == []


def test_nothing_is_fetched_from_elsewhere() -> None:
    assert "http" not in CSS
    assert "@import" not in CSS


def test_motion_stands_behind_the_readers_wish() -> None:
    calm, _, moving = CSS.partition("@media (prefers-reduced-motion: no-preference)")
    assert "animation:" not in calm
    assert moving.count("animation:") == 4


@pytest.mark.parametrize("script", sorted(STATIC_DIRECTORY.glob("*.js")), ids=lambda path: path.name)
def test_no_script_writes_markup_or_runs_text(script: object) -> None:
    text = (STATIC_DIRECTORY / str(script)).read_text()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text)
    assert '"use strict";' in text

"""From a page's data to its HTML: the template environment, the static files' addresses and the translator.

Owns no words and no rules. Templates are compiled once. The landing page, which is asked for thousands of times a
second, is drawn once per brand and kind with gaps where the link's own texts stand; a link only fills the gaps.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from jinja2 import BytecodeCache, Environment, PackageLoader, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import Markup, escape

from setuplinks.signup import wording
from setuplinks.signup.icons import ICONS
from setuplinks.signup.views import Landing, Page, initials

STATIC_DIRECTORY = Path(__file__).parent / "static"
KEPT_LANDINGS = 256

# What differs between two links of one brand. Nothing in the template may decide by these, only print them.
_LANDING_GAPS = ("customer_name", "action_url", "form_token", "beacon_url", "valid_until", "kept_number")
_LANDING_KIND = tuple(field.name for field in fields(Landing) if field.name not in _LANDING_GAPS)
# Unguessable, so that no tenant's text can be taken for a gap.
_GAP_KEY = secrets.token_hex(8)
_GAP = re.compile(f"\ue000{_GAP_KEY}:([a-z_]+)\ue001")


def _gap(name: str) -> str:
    return f"\ue000{_GAP_KEY}:{name}\ue001"


def isolated(text: str) -> Markup:
    """A name from elsewhere inside our sentence: its writing direction stays its own."""
    return Markup("<bdi>" + str(escape(text)) + "</bdi>")  # noqa: S704 - escaped right here


def number(text: str) -> Markup:
    """A phone number: left to right and in one piece wherever it stands."""
    return Markup('<bdi class="number" dir="ltr">' + str(escape(text)) + "</bdi>")  # noqa: S704 - escaped right here


def _initials_or_gap(name: str) -> str:
    return _gap("initials") if name == _gap("customer_name") else initials(name)


class _Compiled(BytecodeCache):
    """Each template is compiled once in a process, however many renderers it has."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """What was compiled before; Jinja holds it against the template's text."""
        if bucket.key in self._kept:
            bucket.bytecode_from_string(self._kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keeps what was compiled."""
        self._kept[bucket.key] = bucket.bytecode_to_string()


_COMPILED = _Compiled()


class Renderer:
    """Draws pages. `static_url` is where STATIC_DIRECTORY is served, `public_url` makes preview pictures absolute."""

    def __init__(
        self,
        static_url: str = "/static/signup",
        public_url: str = "",
        translate: Callable[[str], str] = str,
        language: str = "en",
    ) -> None:
        self._static_url = static_url.rstrip("/")
        self._translate = translate
        self._landings: dict[tuple[object, ...], list[str]] = {}
        self._environment = Environment(
            loader=PackageLoader("setuplinks.signup", "templates"),
            autoescape=True,
            auto_reload=False,
            bytecode_cache=_COMPILED,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            _=self.translated,
            isolated=isolated,
            number=number,
            icon=SimpleNamespace(**ICONS),
            asset=SimpleNamespace(**self._assets()),
            public_url=public_url,
            language=language,
            direction="rtl" if language.partition("-")[0] in {"ar", "fa", "he", "ur"} else "ltr",
            stopped_words=wording.stopped_words,
            failed_words=wording.failed_words,
            step_words=wording.step_words,
            tries_words=self._tries_words,
            count_words=self._count_words,
            granted=wording.granted,
            not_granted=wording.not_granted,
        )
        self._environment.filters["initials"] = _initials_or_gap
        names = self._environment.list_templates(extensions=["html"])
        self._templates = {name: self._environment.get_template(name) for name in names}

    def render(self, page: Page, nonce: str) -> str:
        """The whole document. `nonce` is this answer's CSP nonce."""
        if isinstance(page, Landing):
            return self._landing(page, nonce)
        return self._templates[page.template].render(page=page, brand=page.brand, nonce=nonce)

    def translated(self, message: str, /, **values: object) -> Markup:
        """gettext for templates: translate, then put the values in; what is not marked as HTML is escaped."""
        text = self._translate(message)
        for name, value in values.items():
            text = text.replace(f"%({name})s", str(escape(value)))
        return Markup(text)  # noqa: S704 - the message is ours, the values are escaped

    def _tries_words(self, left: int) -> Markup:
        return self.translated(wording.tries_words(left), count=left)

    def _count_words(self, count: int) -> Markup:
        return self.translated(wording.count_words(count), count=count)

    def _landing(self, page: Landing, nonce: str) -> str:
        kind = tuple(getattr(page, name) for name in _LANDING_KIND)
        parts = self._landings.get(kind)
        if parts is None:
            gaps: dict[str, Any] = {name: _gap(name) for name in _LANDING_GAPS}
            pattern = replace(page, **gaps)
            template = self._templates[page.template]
            parts = _GAP.split(template.render(page=pattern, brand=page.brand, nonce=_gap("nonce")))
            if len(self._landings) >= KEPT_LANDINGS:
                self._landings.pop(next(iter(self._landings)))
            self._landings[kind] = parts
        texts = {name: str(escape(getattr(page, name))) for name in _LANDING_GAPS}
        texts["initials"] = str(escape(initials(page.customer_name)))
        texts["nonce"] = str(escape(nonce))
        # re.split with a group gives text, gap, text, gap, …, text.
        filled = parts.copy()
        filled[1::2] = [texts[name] for name in parts[1::2]]
        return "".join(filled)

    def _assets(self) -> dict[str, str]:
        """`asset.landing_js` is `/static/signup/landing.js?v=…`: the hash lets browsers keep a file for ever.

        Fonts go without: the stylesheet names them too, and two addresses would be loaded twice.
        """
        files = (path for path in STATIC_DIRECTORY.rglob("*") if path.suffix in {".css", ".js", ".woff2", ".svg"})
        return {
            path.name.replace(".", "_").replace("-", "_"): (
                f"{self._static_url}/{path.relative_to(STATIC_DIRECTORY).as_posix()}"
                + ("" if path.suffix == ".woff2" else f"?v={hashlib.sha256(path.read_bytes()).hexdigest()[:12]}")
            )
            for path in sorted(files)
        }

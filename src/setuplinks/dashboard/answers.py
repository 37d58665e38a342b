"""How a page of the dashboard leaves the server: drawn, under a policy that allows no script and no other place.

Owns headers, the template environment and the stylesheet's address.
"""

import hashlib
import re
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from setuplinks.dashboard.clockface import span
from setuplinks.dashboard.views import Page
from setuplinks.dashboard.words import PHASE_WORDS, counted
from setuplinks.doctor.models import WORDS
from setuplinks.settings import Settings
from setuplinks.webhooks.models import EVENT_TYPES

STATIC_DIRECTORY = Path(__file__).parent / "static"
STATIC_URL = "/static/dashboard"
STYLESHEET = "dashboard.css"
FOR_EVER = "public, max-age=31536000, immutable"
HSTS = "max-age=31536000; includeSubDomains"
POLICY = (
    "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
}


class Answers:
    """Makes responses out of pages."""

    def __init__(self, settings: Settings) -> None:
        self._headers = dict(HEADERS)
        if settings.public_url.startswith("https://"):
            self._headers["Strict-Transport-Security"] = HSTS
        self._environment = Environment(
            loader=PackageLoader("setuplinks.dashboard", "templates"), autoescape=True, auto_reload=False,
            undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        self._environment.filters.update(
            sentence=sentence, anchor=anchor, span=span, counted=counted, zip=zip, breakable=breakable
        )
        mark = hashlib.sha256((STATIC_DIRECTORY / STYLESHEET).read_bytes()).hexdigest()[:12]
        self._environment.globals.update(
            stylesheet=f"{STATIC_URL}/{STYLESHEET}?v={mark}", words=WORDS, public_url=settings.public_url,
            types=[(name, name) for name in EVENT_TYPES], phases=list(PHASE_WORDS.items()),
        )  # fmt: skip

    def page(self, page: Page, status: int = 200) -> Response:
        """The page as HTML."""
        html = self._environment.get_template(page.template).render(page=page)
        return HTMLResponse(html, status, headers=self._headers)

    def see_other(self, path: str) -> Response:
        """303: the browser goes on with a GET."""
        return RedirectResponse(path, 303, headers=self._headers)


def sentence(text: str) -> str:
    """A row's words as a sentence begins; an address, a path or a setting stays as it is."""
    first = text.partition(" ")[0].removesuffix(":")
    return text[0].upper() + text[1:] if first.isalpha() else text


def breakable(name: str) -> Markup:
    """A long name that may be broken where its parts end."""
    return Markup(re.sub(r"([._](?=[a-z])|/)", r"\1<wbr>", str(escape(name))))  # noqa: S704 - escaped before


def anchor(name: str) -> str:
    """A row's name as the end of an address."""
    return name.lower().replace(" ", "-")


class Files(StaticFiles):
    """The dashboard's own files; an address with the file's hash may be kept for ever."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """As Starlette's, with the headers of a static file."""
        response = await super().get_response(path, scope)
        hashed = b"v=" in scope.get("query_string", b"")
        response.headers["Cache-Control"] = FOR_EVER if hashed else "public, max-age=300"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

"""How a page leaves the server: status, security headers, Content-Security-Policy with its nonce.

Owns the headers of every signup page. What a page shows stands in `views` and the templates.
"""

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, RedirectResponse, Response

from setuplinks.core.randomness import random_bytes
from setuplinks.meta.embedded_signup import csp_sources
from setuplinks.settings import Settings
from setuplinks.signup.rendering import Renderer
from setuplinks.signup.views import Page, SignIn

COMMON = {
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "X-Frame-Options": "DENY",
}
# Plain `same-origin` cuts the popup off its opener, and Meta's SDK then never answers.
SIGN_IN = {**COMMON, "Referrer-Policy": "strict-origin", "Cross-Origin-Opener-Policy": "same-origin-allow-popups"}
# With `no-referrer` browsers send `Origin: null` on our own form posts, so the link pages say `same-origin`.
CALLBACK = {**COMMON, "Cross-Origin-Opener-Policy": "unsafe-none"}
NONCE = "{nonce}"
HSTS = "max-age=31536000; includeSubDomains"


class Answers:
    """Makes responses out of pages."""

    def __init__(self, settings: Settings, renderer: Renderer) -> None:
        self._renderer = renderer
        self._https = settings.public_url.startswith("https://")
        self._sdk = csp_sources(settings.meta_sdk_url, settings.meta_dialog_url, settings.meta_graph_url)
        self._form_action = " ".join(["'self'", *self._sdk["form-action"]])
        self._plain = self._policy(None, NONCE).encode().split(NONCE.encode())

    def page(self, page: Page, status: int = 200, headers: Mapping[str, str] = COMMON) -> Response:
        """The page as HTML under its own policy."""
        nonce = urlsafe_b64encode(random_bytes(18)).decode()
        policy = nonce.encode().join(self._plain)
        if isinstance(page, SignIn):
            headers, policy = SIGN_IN, self._policy(page, nonce).encode()
        response = _Document(self._renderer.render(page, nonce).encode(), status, _encoded(headers), policy)
        return self._finished(response)

    def see_other(self, location: str, headers: Mapping[str, str] = COMMON) -> Response:
        """303: the browser goes on with a GET."""
        response = RedirectResponse(location, 303, headers=dict(headers))
        # An answer without content needs no policy of its own; browsers apply the form's page's `form-action`.
        return self._finished(response)

    def json(self, value: Any, status: int = 200) -> Response:
        """JSON for one of our own scripts."""
        return self._finished(JSONResponse(value, status, headers=dict(COMMON)))

    def nothing(self) -> Response:
        """204."""
        return self._finished(Response(status_code=204, headers=dict(COMMON)))

    def _finished(self, response: Response) -> Response:
        if self._https:
            response.headers["Strict-Transport-Security"] = HSTS
        return response

    def _policy(self, page: Page | None, nonce: str) -> str:
        rules = {
            "default-src": "'none'",
            "script-src": f"'self' 'nonce-{nonce}'",
            "style-src": f"'self' 'nonce-{nonce}'",
            "font-src": "'self'",
            "img-src": "'self'",
            "connect-src": "'self'",
            "base-uri": "'none'",
            # Chromium holds the 303 after a POST against this too, and some of our forms lead to Meta.
            "form-action": self._form_action,
            "frame-ancestors": "'none'",
        }
        if isinstance(page, SignIn):
            for name in ("script-src", "connect-src", "img-src"):
                rules[name] = " ".join([rules[name], *self._sdk[name]])
            rules["frame-src"] = " ".join(self._sdk["frame-src"])
            # The SDK inserts a style element without a nonce; a nonce here would switch 'unsafe-inline' off.
            rules["style-src"] = " ".join(["'self'", *self._sdk["style-src"]])
        return "; ".join(f"{name} {value}" for name, value in rules.items())


class _Document(Response):
    """An HTML page whose headers are bytes already; Starlette's own way makes them anew for each answer."""

    def __init__(self, body: bytes, status: int, headers: list[tuple[bytes, bytes]], policy: bytes) -> None:
        self.status_code, self.body, self.background = status, body, None
        self.raw_headers = [
            (b"content-type", b"text/html; charset=utf-8"), (b"content-length", b"%d" % len(body)),
            (b"content-security-policy", policy), *headers,
        ]  # fmt: skip


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Headers as they go over the wire."""
    kept = _ENCODED.get(id(headers))
    return kept if kept is not None else _in_bytes(headers)


def _in_bytes(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


# By identity: these sets are constants, and they stand under nearly every page.
_ENCODED = {id(headers): _in_bytes(headers) for headers in (COMMON, SIGN_IN, CALLBACK)}

"""What the pages know of a browser: its cookie, the token of a form, whether a post is its own, and what device it is.

Owns the cookie's name and life and the form token. The cookie names the browser, not a visit: several links may be open
in one browser. It is 256 random bits; only its hash is stored.
"""

import hmac
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from setuplinks.core import ids
from setuplinks.core.clock import DAY, SECOND, Clock
from setuplinks.core.vault import KeyRing
from setuplinks.settings import Settings

LIVES = 30 * DAY
FORM_LIVES = DAY
TOKEN_HEX = 32
_PHONES = (("iPhone", "phone"), ("iPad", "tablet"), ("Android", "phone"), ("Mobile", "phone"))
_BROWSERS = (
    ("Edg", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser", "Samsung Internet"), ("Firefox/", "Firefox"),
    ("FxiOS", "Firefox"), ("CriOS", "Chrome"), ("Chrome/", "Chrome"), ("Safari/", "Safari"),
)  # fmt: skip


@dataclass(frozen=True)
class Browser:
    """One browser: the secret that its cookie holds, and whether it brought it along."""

    secret: str = field(repr=False)
    known: bool


class Browsers:
    """Reads and sets the cookie, makes and checks form tokens."""

    def __init__(self, settings: Settings, ring: KeyRing, clock: Clock) -> None:
        # A browser takes `__Host-` only with Secure; plain http on loopback goes without both.
        self._secure = not settings.on_loopback
        self._name = "__Host-setuplinks" if self._secure else "setuplinks"
        self._origin = settings.public_url
        self._keys = ring.derived("signup form token")
        self._clock = clock

    def of(self, request: Request) -> Browser:
        """The request's browser; a fresh secret where it brought none."""
        given = request.cookies.get(self._name, "")
        if 43 <= len(given) <= 64 and given.isascii():
            return Browser(given, True)
        return Browser(ids.token(256), False)

    def remember(self, response: Response, browser: Browser) -> None:
        """Sets the cookie. SameSite=Lax: the return from Meta is a cross-site GET and must carry it."""
        response.set_cookie(
            self._name, browser.secret, max_age=LIVES // SECOND, path="/", secure=self._secure, httponly=True,
            samesite="lax",
        )  # fmt: skip

    def form_token(self, link_id: str) -> str:
        """A token for the forms of one link's pages; good for a day."""
        stamp = f"{self._clock.now() // SECOND:x}"
        return f"{stamp}.{self._mac(self._keys[0], stamp, link_id)}"

    def token_is_good(self, token: str, link_id: str) -> bool:
        """True for a token that this installation made for this link within the last day."""
        stamp, _, mac = token.partition(".")
        try:
            at = int(stamp, 16) * SECOND
        except ValueError:
            return False
        if not -SECOND <= self._clock.now() - at <= FORM_LIVES:
            return False
        return any(hmac.compare_digest(mac.encode(), self._mac(k, stamp, link_id).encode()) for k in self._keys)

    def is_own_post(self, request: Request) -> bool:
        """True where the browser says that the post comes from one of our own pages."""
        site = request.headers.get("sec-fetch-site")
        return request.headers.get("origin") == self._origin and site in {None, "same-origin"}

    def _mac(self, key: bytes, stamp: str, link_id: str) -> str:
        return hmac.digest(key, f"{stamp}|{link_id}".encode(), "sha256").hex()[:TOKEN_HEX]


def device(request: Request) -> str:
    """The device in two words for the timeline: "phone, Safari"."""
    agent = request.headers.get("user-agent", "")
    kind = next((word for mark, word in _PHONES if mark in agent), "computer")
    browser = next((word for mark, word in _BROWSERS if mark in agent), "")
    return f"{kind}, {browser}" if browser else kind


def is_phone(request: Request) -> bool:
    """True for phones and tablets: popups are poor there, so the sign-in takes the whole page."""
    agent = request.headers.get("user-agent", "")
    return any(mark in agent for mark, _ in _PHONES)


def is_prefetch(request: Request) -> bool:
    """True for a request that no person made: a browser that loads ahead."""
    purpose = request.headers.get("sec-purpose", "") + request.headers.get("purpose", "")
    return "prefetch" in purpose or "prerender" in purpose or request.headers.get("x-moz") == "prefetch"

"""Who is signed in to the dashboard: the cookie, the tokens of its forms, and whether a post is one of our own.

Owns the session's name, life and proof. Nothing is stored: the cookie carries its times, whose key it was exchanged for
(never the key) and a MAC under a key that is made of the master key and the operator's key, so that a change of either
ends every session. Whether a tenant's key still counts is asked at each request (`access`).
"""

import hmac
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response

from setuplinks.core import ids
from setuplinks.core.clock import HOUR, MINUTE, SECOND, Clock
from setuplinks.core.vault import KeyRing
from setuplinks.settings import Settings

LIVES = 8 * HOUR  # from the sign-in
RESTS = 30 * MINUTE  # without a request
RENEW_AFTER = MINUTE
FORM_LIVES = HOUR
NONCE_BITS = 128
PATH = "/"  # `__Host-` wants it


@dataclass(frozen=True)
class Session:
    """A session that has been proven. Instants in µs; `key` is the tenant and id of a tenant's key, None: operator."""

    began: int
    seen: int
    nonce: str
    key: tuple[int, int] | None = None

    @property
    def holder(self) -> str:
        """The holder's part of the cookie."""
        return "operator" if self.key is None else f"{self.key[0]}-{self.key[1]}"


class Sessions:
    """Makes, reads and ends sessions."""

    def __init__(self, settings: Settings, ring: KeyRing, clock: Clock) -> None:
        # A browser takes `__Host-` only with Secure; plain http on loopback goes without both.
        self._secure = not settings.on_loopback
        self._name = "__Host-setuplinks-dashboard" if self._secure else "setuplinks-dashboard"
        self._origin, self._clock = settings.public_url, clock
        secret = settings.operator_key.get_secret_value().encode()
        self._keys = [hmac.digest(key, secret, "sha256") for key in ring.derived("dashboard session")]

    def begin(self, response: Response, key: tuple[int, int] | None = None) -> None:
        """Signs the browser in, as the holder of this tenant's key or as the operator."""
        now = self._clock.now()
        self._set(response, Session(now, now, ids.token(NONCE_BITS), key))

    def of(self, request: Request) -> Session | None:
        """The request's session; None without one, and for one that has ended or is not ours."""
        began, seen, nonce, holder, mac = (request.cookies.get(self._name, "").split(".") + [""] * 5)[:5]
        if not self._is_ours(mac, f"session|{began}|{seen}|{nonce}|{holder}"):
            return None
        tenant_id, _, key_id = holder.partition("-")
        key = None if holder == "operator" else (int(tenant_id), int(key_id))
        session = Session(int(began, 16) * SECOND, int(seen, 16) * SECOND, nonce, key)
        now = self._clock.now()
        young = -SECOND <= now - session.began <= LIVES and -SECOND <= now - session.seen <= RESTS
        return session if young else None

    def renew(self, response: Response, session: Session) -> None:
        """Notes that the session is in use."""
        now = self._clock.now()
        if now - session.seen >= RENEW_AFTER:
            self._set(response, replace(session, seen=now))

    def end(self, response: Response) -> None:
        """Signs the browser out."""
        response.delete_cookie(self._name, path=PATH, secure=self._secure, httponly=True, samesite="strict")

    def form_token(self, session: Session | None) -> str:
        """A token for the forms of a page; good for an hour, in this session only."""
        stamp = f"{self._clock.now() // SECOND:x}"
        return f"{stamp}.{self._mac(self._keys[0], self._form(stamp, session))}"

    def is_own_form(self, request: Request, token: str, session: Session | None) -> bool:
        """Whether the post was pressed on one of our own pages, by the browser's word and by the page's token."""
        site = request.headers.get("sec-fetch-site")
        if request.headers.get("origin") != self._origin or site not in {None, "same-origin"}:
            return False
        stamp, _, mac = token.partition(".")
        if not self._is_ours(mac, self._form(stamp, session)):
            return False
        return -SECOND <= self._clock.now() - int(stamp, 16) * SECOND <= FORM_LIVES

    def _form(self, stamp: str, session: Session | None) -> str:
        return f"form|{stamp}|{session.nonce if session else ''}"

    def _set(self, response: Response, session: Session) -> None:
        began, seen = f"{session.began // SECOND:x}", f"{session.seen // SECOND:x}"
        text = f"{began}|{seen}|{session.nonce}|{session.holder}"
        value = f"{text.replace('|', '.')}.{self._mac(self._keys[0], f'session|{text}')}"
        # Strict: no page of the dashboard is ever entered from elsewhere with a session.
        response.set_cookie(self._name, value, path=PATH, secure=self._secure, httponly=True, samesite="strict")

    def _is_ours(self, mac: str, text: str) -> bool:
        return any(hmac.compare_digest(mac.encode(), self._mac(key, text).encode()) for key in self._keys)

    def _mac(self, key: bytes, text: str) -> str:
        return hmac.digest(key, text.encode("utf-8", "replace"), "sha256").hex()

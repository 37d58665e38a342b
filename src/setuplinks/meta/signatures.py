"""Meta's three HMACs: what a notification, a signed request and a proof of the app secret look like.

Owns the arithmetic and the parsing. It does not own where the bodies come from, nor when they count as replays.
All of them are HMAC-SHA256 under the app secret.
"""

import base64
import binascii
import hmac

import msgspec

from setuplinks.meta.secret import Secret

SIGNATURE_HEADER = "X-Hub-Signature-256"
_PREFIX = "sha256="
_HASH = "sha256"  # by its name it is made in one call of the library
_MAX_SIGNED_REQUEST = 16_384


class BadSignedRequest(ValueError):
    """The `signed_request` cannot be read, or Meta did not sign it. The message names no part of it."""


class SignedRequest(msgspec.Struct, frozen=True):
    """The payload of a deauthorize or data-deletion call. `user_id` is the app-scoped person; times are unix seconds.

    https://developers.facebook.com/docs/development/create-an-app/app-dashboard/data-deletion-callback
    """

    user_id: str
    issued_at: int | None = None
    expires_at: int | None = None


def appsecret_proof(app_secret: Secret, token: Secret) -> str:
    """Hex HMAC of the access token: proves that a call with this token comes from the app's own server.

    https://developers.facebook.com/docs/graph-api/guides/secure-requests
    """
    return hmac.digest(app_secret.reveal().encode(), token.reveal().encode(), _HASH).hex()


def body_signature(app_secret: Secret, body: bytes) -> str:
    """The value of `X-Hub-Signature-256` for this raw body: `sha256=` and 64 hex digits.

    Only the raw bytes will do: Meta escapes unicode, and a body that was parsed and written again has another hash.
    https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/create-webhook-endpoint
    """
    return _PREFIX + hmac.digest(app_secret.reveal().encode(), body, _HASH).hex()


def body_is_signed(app_secret: Secret, body: bytes, header: str | None) -> bool:
    """True where the header is Meta's signature of this raw body; constant-time; False for a missing or odd header."""
    if header is None:
        return False
    expected = body_signature(app_secret, body)
    # Compared as bytes: compare_digest refuses text that is not ASCII, and a header may hold anything.
    return hmac.compare_digest(expected.encode(), header.strip().lower().encode("utf-8", "replace"))


def read_signed_request(app_secret: Secret, text: str, *, now: int | None = None) -> SignedRequest:
    """Checks and reads `signed_request`: `<b64url(hmac)>.<b64url(json)>`, no padding, the HMAC over the encoded text.

    `now` is µs since 1970; given, a payload past its own `expires` is refused. Raises BadSignedRequest.
    https://developers.facebook.com/docs/development/create-an-app/app-dashboard/data-deletion-callback
    """
    if len(text) > _MAX_SIGNED_REQUEST:
        raise BadSignedRequest("too long")
    signature, dot, encoded = text.partition(".")
    if not dot or not signature or not encoded:
        raise BadSignedRequest("two parts with a dot between are needed")
    expected = hmac.digest(app_secret.reveal().encode(), encoded.encode("utf-8", "replace"), _HASH)
    if not hmac.compare_digest(expected, _unb64(signature)):
        raise BadSignedRequest("the signature is not this app's")
    try:
        payload = msgspec.json.decode(_unb64(encoded))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadSignedRequest("the payload is not JSON") from None
    if not isinstance(payload, dict):
        raise BadSignedRequest("the payload is not an object")
    if str(payload.get("algorithm", "")).upper() != "HMAC-SHA256":
        raise BadSignedRequest("the algorithm is not HMAC-SHA256")
    user_id = payload.get("user_id")
    if isinstance(user_id, bool) or not isinstance(user_id, str | int) or not str(user_id):
        raise BadSignedRequest("the payload names no user")
    request = SignedRequest(str(user_id), _seconds(payload.get("issued_at")), _seconds(payload.get("expires")))
    if now is not None and request.expires_at and request.expires_at * 1_000_000 < now:
        raise BadSignedRequest("the payload has expired")
    return request


def _seconds(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _unb64(text: str) -> bytes:
    try:
        raw = text.rstrip("=").encode("ascii")
        return base64.b64decode(raw + b"=" * (-len(raw) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadSignedRequest("not base64url") from None

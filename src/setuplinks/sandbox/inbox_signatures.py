"""What a tenant's server checks, written from the public specifications alone: webhook and redirect signatures.

Standard Webhooks: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from urllib.parse import quote

WEBHOOK_TOLERANCE = 5 * 60  # seconds
REDIRECT_TOLERANCE = 10 * 60
# the parameters that a setup link adds to a redirect; others were the tenant's own and are not signed
REDIRECT_PARAMETERS = frozenset(
    [
        "status",
        "setup_link_id",
        "waba_id",
        "phone_number_id",
        "customer_id",
        "external_id",
        "state",
        "phone_status",
        "error_code",
        "ts",
    ]
)


def webhook_verdict(secrets: Iterable[str], headers: Mapping[str, str], body: bytes, now: float) -> str:
    """`verified`, or why not. One of the secrets must fit one of the `v1,` signatures."""
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    given = headers.get("webhook-signature", "")
    if not (message_id and timestamp and given):
        return "a webhook header is missing"
    if not _is_instant(timestamp) or abs(now - int(timestamp)) > WEBHOOK_TOLERANCE:
        return "the timestamp is more than 5 minutes off"
    keys = [key for key in map(secret_bytes, secrets) if key is not None]
    if not keys:
        return "no secret to check with"
    signed = f"{message_id}.{timestamp}.".encode() + body
    candidates = [part[3:] for part in given.split(" ") if part.startswith("v1,")]
    for key in keys:
        expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
        if any(hmac.compare_digest(expected, candidate.encode()) for candidate in candidates):
            return "verified"
    return "no signature fits"


def _is_instant(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 12


def secret_bytes(secret: str) -> bytes | None:
    """The key in `whsec_<base64>`; None where it is none."""
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return None


def redirect_verdict(keys: Iterable[str], parameters: Mapping[str, str], now: float) -> str:
    """`verified`, or why not: hex HMAC-SHA256 over the added parameters, sorted, RFC 3986-encoded."""
    given = [part.encode() for part in parameters.get("sig", "").split(",") if part]
    if not given:
        return "sig is missing"
    stamp = parameters.get("ts", "")
    if not _is_instant(stamp) or abs(now - int(stamp)) > REDIRECT_TOLERANCE:
        return "ts is more than 10 minutes off"
    signed = "&".join(
        f"{quote(name, safe='')}={quote(parameters[name], safe='')}"
        for name in sorted(REDIRECT_PARAMETERS & set(parameters))
    )
    known = [hmac.new(key.encode(), signed.encode(), hashlib.sha256).hexdigest().encode() for key in keys]
    if not known:
        return "no redirect key to check with"
    fits = any(hmac.compare_digest(expected, candidate) for expected in known for candidate in given)
    return "verified" if fits else "no signature fits"

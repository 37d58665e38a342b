"""Standard Webhooks signatures: secrets, signing with several of them, and checking.

Owns the scheme's text (`id.timestamp.body`, HMAC-SHA256, base64) and the shape of a secret (`whsec_` + base64).
It does not own which secrets an endpoint has or when one lapses (`service`).
Scheme: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence

PREFIX = "whsec_"
SECRET_BYTES = 32
TOLERANCE = 5 * 60
"""Seconds that a message may be older or newer than the receiver's clock."""


class SignatureInvalid(ValueError):
    """The headers do not prove that the body came from a holder of the secret, just now."""


def new_secret() -> str:
    """A fresh secret: `whsec_` and 32 random bytes in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def key_of(secret: str) -> bytes:
    """The key's bytes behind a `whsec_…` secret (padding optional). Raises ValueError for anything else."""
    if not secret.startswith(PREFIX):
        raise ValueError("a webhook secret starts with whsec_")
    encoded = secret.removeprefix(PREFIX)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:  # binascii.Error is one too
        raise ValueError("a webhook secret is whsec_ and base64") from None
    if not key:
        raise ValueError("a webhook secret is not empty")
    return key


def sign(keys: Sequence[str], message_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` header: one `v1,…` for each secret, the newest first, separated by spaces.

    `timestamp` is in whole unix seconds.
    """
    content = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    return " ".join("v1," + base64.b64encode(_digest(secret, content)).decode() for secret in keys)


def headers(keys: Sequence[str], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The scheme's three headers for one try of a message."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(keys, message_id, timestamp, body),
    }


def verify(keys: Sequence[str], given: Mapping[str, str], body: bytes, now: int, *, tolerance: int = TOLERANCE) -> None:
    """Checks a received message against any of the secrets; `now` in unix seconds. Raises SignatureInvalid."""
    lower = {name.lower(): value for name, value in given.items()}
    message_id, stamp = lower.get("webhook-id"), lower.get("webhook-timestamp")
    signature = lower.get("webhook-signature")
    if not message_id or not stamp or not signature:
        raise SignatureInvalid("a header is missing: webhook-id, webhook-timestamp, webhook-signature")
    if not stamp.isascii() or not stamp.isdigit() or len(stamp) > 12:
        raise SignatureInvalid("webhook-timestamp is not a number of seconds")
    if abs(now - int(stamp)) > tolerance:
        raise SignatureInvalid("webhook-timestamp is too old or too new")
    content = b"%s.%s.%s" % (message_id.encode(), stamp.encode(), body)
    wanted = [_digest(secret, content) for secret in keys]
    if not any(hmac.compare_digest(one, digest) for one in _signatures(signature) for digest in wanted):
        raise SignatureInvalid("no signature matches")


def _digest(secret: str, content: bytes) -> bytes:
    return hmac.digest(key_of(secret), content, hashlib.sha256)


def _signatures(header: str) -> list[bytes]:
    found = []
    for part in header.split(" "):
        version, _, encoded = part.partition(",")
        if version == "v1":
            try:
                found.append(base64.b64decode(encoded, validate=True))
            except ValueError:
                continue  # another sender's garbage beside a good signature must not refuse the message
    return found

"""Standard Webhooks signatures: secrets and keys, signing with several of them, and checking.

Owns the scheme's text (`id.timestamp.body`), `v1` (HMAC-SHA256 under a secret, `whsec_` + base64), `v1a` (ed25519, the
public key `whpk_` + base64), and Meta's own signature for those who take Meta's format. It does not own which secrets
an endpoint has or when one lapses (`endpoints`).
Scheme: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hmac
import secrets
from collections.abc import Mapping, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PREFIX = "whsec_"
PUBLIC_PREFIX = "whpk_"
META_HEADER = "x-hub-signature-256"
SECRET_BYTES = 32
_HASH = "sha256"  # by its name it is made in one call of the library
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


def new_signing_key() -> bytes:
    """A fresh ed25519 private key: its 32 bytes."""
    return Ed25519PrivateKey.generate().private_bytes_raw()


def public_key(signing_key: bytes) -> str:
    """What a receiver checks `v1a` with: `whpk_` and the 32 bytes of the public key in base64."""
    public = Ed25519PrivateKey.from_private_bytes(signing_key).public_key().public_bytes_raw()
    return PUBLIC_PREFIX + base64.b64encode(public).decode()


def meta_signature(secret: str, body: bytes) -> str:
    """The value of `X-Hub-Signature-256`, as Meta makes it under an app secret: here the endpoint's secret, as text."""
    return "sha256=" + hmac.digest(secret.encode(), body, _HASH).hex()


class Signer:
    """An endpoint's secrets and ed25519 keys, opened once for many messages; the newest first."""

    def __init__(self, secrets_: Sequence[str], asymmetric: Sequence[bytes] = ()) -> None:
        self._keys = [key_of(one) for one in secrets_]
        self._asymmetric = [Ed25519PrivateKey.from_private_bytes(one) for one in asymmetric]

    def signature(self, message_id: str, timestamp: int, body: bytes) -> str:
        """One `v1,…` for each secret and one `v1a,…` for each key, separated by spaces. `timestamp`: unix seconds."""
        content = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
        made = ["v1," + base64.b64encode(hmac.digest(key, content, _HASH)).decode() for key in self._keys]
        made += ["v1a," + base64.b64encode(key.sign(content)).decode() for key in self._asymmetric]
        return " ".join(made)

    def headers(self, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
        """The scheme's three headers for one try of a message."""
        signature = self.signature(message_id, timestamp, body)
        return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": signature}


def sign(keys: Sequence[str], message_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` header: one `v1,…` for each secret, the newest first, separated by spaces.

    `timestamp` is in whole unix seconds.
    """
    return Signer(keys).signature(message_id, timestamp, body)


def headers(
    keys: Sequence[str], message_id: str, timestamp: int, body: bytes, asymmetric: Sequence[bytes] = ()
) -> dict[str, str]:
    """The scheme's three headers for one try of a message."""
    return Signer(keys, asymmetric).headers(message_id, timestamp, body)


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
    return hmac.digest(key_of(secret), content, _HASH)


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

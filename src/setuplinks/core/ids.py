"""Ids and secrets that are made before the write.

Owns UUIDs, random tokens and Crockford base32. Integer ids come from `Database.next_id`.
"""

import hashlib
import secrets
import threading
import uuid

from setuplinks.core.randomness import random_bits

CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_lock = threading.Lock()
_last = [0, 0, 0]  # the ms that was given last, the one that was written for it, the count within that


def uuid4() -> str:
    """A random UUID; link ids are of this kind, so that they tell nothing."""
    return _dashed((random_bits(128) & ~(0xF << 76) & ~(3 << 62)) | 4 << 76 | 2 << 62)


def uuid7(now: int) -> str:
    """A UUIDv7 (RFC 9562) of the instant `now` (µs): 48 bits of ms, 12 that count within one ms, 62 random.

    Ids of one ms stand in the order in which this process made them. Where 12 bits do not suffice, the ms that is
    written runs ahead (RFC 9562, 6.2).
    """
    given = now // 1_000
    with _lock:
        if given != _last[0]:
            _last[:] = given, given, random_bits(11)
        elif _last[2] < 0xFFF:
            _last[2] += 1
        else:
            _last[1:] = _last[1] + 1, 0
        _, millisecond, sequence = _last
    value = (millisecond & 0xFFFFFFFFFFFF) << 80 | 7 << 76 | sequence << 64 | 2 << 62 | random_bits(62)
    return _dashed(value)


def _dashed(value: int) -> str:
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def instant_of(uuid7_text: str) -> int:
    """The instant (µs, whole ms) that a UUIDv7 was made at."""
    return (uuid.UUID(uuid7_text).int >> 80) * 1_000


def crockford(bits: int) -> str:
    """Random lower-case Crockford base32 with at least `bits` bits: 130 bits are 26 characters."""
    # One draw for all characters: 32 letters are exactly 5 bits each.
    length = -(-bits // 5)
    drawn = random_bits(5 * length)
    return "".join([CROCKFORD[drawn >> 5 * place & 31] for place in range(length)])


def token(bits: int = 256) -> str:
    """A random URL-safe text with at least `bits` bits."""
    return secrets.token_urlsafe(-(-bits // 8))


def digest(secret: str) -> bytes:
    """SHA-256 of a high-entropy secret; only this is stored and looked at."""
    return hashlib.sha256(secret.encode()).digest()

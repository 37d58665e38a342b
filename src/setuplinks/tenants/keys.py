"""API keys as values: how they are made, how they look, what is stored of them.

A key's prefix shows its kind. Only its SHA-256 is stored; the key itself is shown once.
"""

from typing import Literal

from setuplinks.core.ids import crockford, digest

OPERATOR_PREFIX = "sl_op_"
TENANT_PREFIX = "sl_live_"
WABA_PREFIX = "sl_waba_"
REDIRECT_PREFIX = "rk_"
SHOWN = 12

Scope = Literal["admin", "read", "gateway"]
SCOPES: tuple[Scope, ...] = ("admin", "read", "gateway")


def new_key(prefix: str) -> str:
    """A fresh key of 256 bits with the prefix of its kind."""
    return prefix + crockford(256)


def hash_key(key: str) -> bytes:
    """What is stored of a key and looked at."""
    return digest(key)


def shown(key: str) -> str:
    """The start of a key, by which a person tells it from others; no secret."""
    return key[:SHOWN]

"""A fresh master key, as `SETUPLINKS_MASTER_KEYS` takes it. It is random, and shown to nobody but the caller."""

import base64
import os
import secrets


def new_master_key() -> str:
    """`kid:base64 of 32 bytes`; the kid is random too, so that it differs from those in use."""
    return f"k{secrets.token_hex(3)}:{base64.b64encode(os.urandom(32)).decode()}"

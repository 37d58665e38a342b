"""Addresses of files: Meta's, which want the real token, become ours, and ours lead to Meta's again.

Owns the sealed text in such an address. It holds Meta's address with whose file it is, so no other key opens it and
nobody can make one: the gateway fetches what Meta handed out through it, and nothing else.
"""

import base64
import binascii
import os

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from setuplinks.core.vault import KeyRing
from setuplinks.gateway.models import Grant, Target
from setuplinks.meta.gateway_answers import is_file_address

PATH = "/graph/media/"
LABEL = "gateway media addresses"
LONGEST = 8_192
_NONCE = 12


class FileAddress(msgspec.Struct, frozen=True, array_like=True):
    """Where a file is at Meta, and whose."""

    tenant_id: int
    customer_id: int
    waba_id: int
    meta_waba_id: str
    url: str


class FileAddresses:
    """Makes addresses and reads them; the same in every process, by a key that the master keys derive."""

    def __init__(self, ring: KeyRing, public_url: str, graph_url: str) -> None:
        self._keys = tuple(AESGCM(key) for key in ring.derived(LABEL))
        self._public_url, self._graph_url = public_url, graph_url

    def ours(self, target: Target, url: str) -> str | None:
        """Our address of a file of `target`; None where Meta's leads to a place that gets no token."""
        if not is_file_address(url, self._graph_url):
            return None
        address = FileAddress(target.tenant_id, target.customer_id, target.waba_id, target.meta_waba_id, url)
        nonce = os.urandom(_NONCE)
        whole = nonce + self._keys[0].encrypt(nonce, msgspec.json.encode(address), LABEL.encode())
        return f"{self._public_url}{PATH}{base64.urlsafe_b64encode(whole).decode().rstrip('=')}"

    def read(self, grant: Grant, text: str) -> FileAddress | None:
        """What our address stands for, where it is this key's; None for anything else."""
        if len(text) > LONGEST:
            return None
        try:
            whole = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        for key in self._keys:
            try:
                found = msgspec.json.decode(
                    key.decrypt(whole[:_NONCE], whole[_NONCE:], LABEL.encode()), type=FileAddress
                )
            except (InvalidTag, ValueError):
                continue
            mine = found.tenant_id == grant.tenant_id and grant.waba_id in {None, found.waba_id}
            return found if mine and is_file_address(found.url, self._graph_url) else None
        return None

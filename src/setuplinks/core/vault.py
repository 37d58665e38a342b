"""Envelope encryption: one data key for each tenant, wrapped under the key ring's current master key.

Owns the data keys and their cache. AES-256-GCM with the AAD `tenant|table|row|field`, so that a ciphertext opens only
where it was written. It does not own what is sealed. Without a master key nothing starts.
"""

import base64
import binascii
import hmac
import os
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from setuplinks.core.clock import HOUR, SECOND, Clock
from setuplinks.core.problems import Problem
from setuplinks.core.randomness import random_bytes

if TYPE_CHECKING:
    from setuplinks.core.db.database import Database
    from setuplinks.core.db.unit import Unit

INSTALLATION = 0
CACHE_FOR = 30 * SECOND
REWRAP_EVERY = HOUR
VERSION = 1
_HEAD = struct.Struct(">BI")  # format version, data key id
_NONCE = 12

FIND_KEYS = "SELECT id, kid, wrapped FROM data_key WHERE tenant_id = $1 ORDER BY id"
ADD_KEY = (
    "INSERT INTO data_key (tenant_id, id, kid, wrapped, created_at) VALUES ($1, $2, $3, $4, $5) "
    "ON CONFLICT (tenant_id, id) DO NOTHING"
)
FIND_STALE = "SELECT tenant_id, id, kid, wrapped FROM data_key WHERE kid = $1 ORDER BY tenant_id, id LIMIT $2"
FIND_KIDS = "SELECT DISTINCT kid FROM data_key"
REWRAP = "UPDATE data_key SET kid = $4, wrapped = $5 WHERE tenant_id = $1 AND id = $2 AND kid = $3"


class KeyRingInvalid(ValueError):
    """MASTER_KEYS cannot be used; the message says why, without the key."""


class VaultClosed(Problem):
    """What was sealed cannot be opened: the master key or the data key is missing, or the bytes are not ours."""

    status = 500
    code = "internal"
    title = "A stored secret cannot be opened."


class KeyRing:
    """The master keys by `kid`; the first one is current, the others open what they once wrapped."""

    def __init__(self, keys: dict[str, bytes]) -> None:
        if not keys:
            raise KeyRingInvalid("no master key is given")
        self._keys = {kid: AESGCM(key) for kid, key in keys.items()}
        self._raw = tuple(keys.values())
        self.current, *former = keys
        self.former = tuple(former)

    @classmethod
    def parse(cls, text: str) -> "KeyRing":
        """Reads `kid:base64 of 32 bytes`, comma-separated.

        Raises KeyRingInvalid.
        """
        keys: dict[str, bytes] = {}
        for entry in filter(None, (part.strip() for part in text.split(","))):
            kid, colon, encoded = entry.partition(":")
            if not colon or not kid or len(kid) > 32:
                raise KeyRingInvalid("each entry is kid:base64, for example k1:… (44 characters of base64)")
            try:
                key = base64.b64decode(encoded, validate=True)
            except binascii.Error:
                raise KeyRingInvalid(f"the key {kid!r} is not base64") from None
            if len(key) != 32:
                raise KeyRingInvalid(f"the key {kid!r} has {len(key)} bytes; it needs 32")
            if kid in keys:
                raise KeyRingInvalid(f"the kid {kid!r} stands twice")
            keys[kid] = key
        return cls(keys)

    def derived(self, label: str) -> tuple[bytes, ...]:
        """Keys for another use, one from each master key, the current one's first: HMAC-SHA256(key, label)."""
        return tuple(hmac.digest(key, label.encode(), "sha256") for key in self._raw)

    def wrap(self, tenant_id: int, key_id: int, data_key: bytes) -> bytes:
        """The data key under the current master key."""
        nonce = os.urandom(_NONCE)
        return nonce + self._keys[self.current].encrypt(nonce, data_key, _wrap_aad(tenant_id, key_id))

    def unwrap(self, tenant_id: int, key_id: int, kid: str, wrapped: bytes) -> bytes:
        """The data key again; VaultClosed where its master key is not in the ring."""
        if kid not in self._keys:
            raise VaultClosed(f"The master key {kid!r} is not in MASTER_KEYS.")
        try:
            return self._keys[kid].decrypt(wrapped[:_NONCE], wrapped[_NONCE:], _wrap_aad(tenant_id, key_id))
        except InvalidTag:
            raise VaultClosed(f"The master key {kid!r} does not open this installation's keys.") from None


def _wrap_aad(tenant_id: int, key_id: int) -> bytes:
    return f"{tenant_id}|data_key|{key_id}|wrapped".encode()


@dataclass(frozen=True)
class Sealer:
    """Seals and opens for one tenant; newest data key seals, each one opens."""

    tenant_id: int
    keys: dict[int, AESGCM] = field(repr=False)

    def seal(self, data: bytes, table: str, row: str | int, name: str) -> bytes:
        """Ciphertext that opens only for this tenant, table, row and field."""
        key_id = max(self.keys)
        nonce = random_bytes(_NONCE)
        head = _HEAD.pack(VERSION, key_id)
        return head + nonce + self.keys[key_id].encrypt(nonce, data, self._aad(table, row, name))

    def open(self, sealed: bytes, table: str, row: str | int, name: str) -> bytes:
        """What was sealed. Raises VaultClosed for foreign, moved or damaged bytes."""
        sealed = bytes(sealed)
        try:
            version, key_id = _HEAD.unpack_from(sealed)
            if version != VERSION:
                raise VaultClosed("The sealed bytes are of a newer format.")
            nonce, body = sealed[_HEAD.size : _HEAD.size + _NONCE], sealed[_HEAD.size + _NONCE :]
            return self.keys[key_id].decrypt(nonce, body, self._aad(table, row, name))
        except (InvalidTag, KeyError, ValueError, struct.error):
            raise VaultClosed(f"{table}.{name} cannot be opened here.") from None

    def _aad(self, table: str, row: str | int, name: str) -> bytes:
        return f"{self.tenant_id}|{table}|{row}|{name}".encode()


class Vault:
    """Hands out sealers; keeps them for at most 30 s."""

    def __init__(self, db: "Database", ring: KeyRing, clock: Clock) -> None:
        self._db, self._ring, self._clock = db, ring, clock
        self._cache: dict[int, tuple[int, Sealer]] = {}

    async def tenant(self, tenant_id: int) -> Sealer:
        """The tenant's sealer. Raises VaultClosed where it has no data key or the ring does not open it."""
        cached = self._cache.get(tenant_id)
        now = self._clock.now()
        if cached and 0 <= now - cached[0] < CACHE_FOR:
            return cached[1]
        rows = await self._db.read(FIND_KEYS, tenant_id)
        if not rows:
            self._cache.pop(tenant_id, None)
            raise VaultClosed("This tenant's data key is gone; its secrets were erased.")
        keys = {
            row["id"]: AESGCM(self._ring.unwrap(tenant_id, row["id"], row["kid"], bytes(row["wrapped"])))
            for row in rows
        }
        sealer = Sealer(tenant_id, keys)
        self._cache[tenant_id] = (now, sealer)
        return sealer

    def create(self, tx: "Unit", tenant_id: int) -> Sealer:
        """Makes the tenant's first data key in the unit that creates the tenant."""
        sealer, wrapped = self._fresh(tenant_id, 1)
        tx.must(VaultClosed("This tenant has a data key already."), ADD_KEY, *wrapped)
        return sealer

    async def renew(self, tenant_id: int) -> None:
        """Adds a newer data key: what is sealed from now on uses it, older bytes still open."""
        rows = await self._db.read(FIND_KEYS, tenant_id)
        _, wrapped = self._fresh(tenant_id, max((row["id"] for row in rows), default=0) + 1)
        async with self._db.transaction() as tx:
            tx.add(ADD_KEY, *wrapped)
        self.forget(tenant_id)

    async def installation(self) -> Sealer:
        """The sealer of the installation (tenant 0), made on first use."""
        if INSTALLATION not in self._cache and not await self._db.read(FIND_KEYS, INSTALLATION):
            _, wrapped = self._fresh(INSTALLATION, 1)
            async with self._db.transaction() as tx:
                tx.add(ADD_KEY, *wrapped)  # whoever comes second adds nothing, and reads the first one's key
        return await self.tenant(INSTALLATION)

    async def rewrap(self, batch: int = 100) -> int:
        """Wraps up to `batch` data keys that an older master key holds under the current one; how many were done.

        Resumable: each is one guarded write, and what is done is no longer found. Keys of a master key that is gone are
        passed over, so that they hold up no other; VaultClosed names it once nothing else is left.
        """
        done, closed = 0, None
        for kid in self._ring.former:
            for row in await self._db.read(FIND_STALE, kid, batch - done):
                try:
                    plain = self._ring.unwrap(row["tenant_id"], row["id"], row["kid"], bytes(row["wrapped"]))
                except VaultClosed as error:
                    closed = error
                    continue
                wrapped = self._ring.wrap(row["tenant_id"], row["id"], plain)
                async with self._db.transaction() as tx:
                    tx.add(REWRAP, row["tenant_id"], row["id"], row["kid"], self._ring.current, wrapped)
                done += 1
        if done:
            return done
        lost = {row["kid"] for row in await self._db.read(FIND_KIDS)} - {self._ring.current, *self._ring.former}
        if lost:
            raise VaultClosed(f"The master key {min(lost)!r} is not in MASTER_KEYS.")
        if closed is not None:
            raise closed
        return 0

    def forget(self, tenant_id: int | None = None) -> None:
        """Drops cached sealers: one tenant's, or all (the database's notices were lost)."""
        if tenant_id is None:
            self._cache.clear()
        else:
            self._cache.pop(tenant_id, None)

    def _fresh(self, tenant_id: int, key_id: int) -> tuple[Sealer, tuple[int, int, str, bytes, int]]:
        plain = AESGCM.generate_key(256)
        wrapped = self._ring.wrap(tenant_id, key_id, plain)
        row = (tenant_id, key_id, self._ring.current, wrapped, self._clock.now())
        return Sealer(tenant_id, {key_id: AESGCM(plain)}), row


class Rewrapper:
    """Wraps data keys that an older master key still holds under the current one, in the background; a runner.

    A restart with another first key in the ring starts it; it looks again once an hour.
    """

    name = "key-rewrapper"
    channel = "master-keys"

    def __init__(self, vault: Vault, clock: Clock) -> None:
        self._vault, self._clock = vault, clock
        self._due = 0

    async def run_once(self) -> int:
        """One batch; how many keys were wrapped again. Raises VaultClosed where an older master key is gone."""
        now = self._clock.now()
        if now < self._due:
            return 0
        done = await self._vault.rewrap()
        if not done:
            self._due = now + REWRAP_EVERY
        return done

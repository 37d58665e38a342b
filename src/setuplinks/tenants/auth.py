"""Who calls: from a bearer token or an `X-API-Key` header to a Caller with its role, tenant and scopes.

Owns the check of the operator's key and of tenant keys; what was read of them is kept in `key_memory`. Which route
needs what is declared with the route (`tenants/routes`).
"""

import hmac
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

from starlette.requests import Request

from setuplinks.core.clock import MINUTE, SECOND, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Row
from setuplinks.core.problems import Forbidden, TooMany, Unauthenticated
from setuplinks.tenants.directory import Directory
from setuplinks.tenants.key_memory import KeyMemory, Known
from setuplinks.tenants.keys import TENANT_PREFIX, hash_key

LONGEST_KEY = 512

NOTE_USE = "UPDATE api_key SET last_used_at = $3 WHERE tenant_id = $1 AND id = $2"


class TenantSuspended(Forbidden):
    """The operator suspended the tenant: its keys read, and change nothing."""

    code = "tenant_suspended"
    title = "This tenant is suspended."


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. `tenant_id` is None for the operator, who reaches every tenant."""

    role: Literal["operator", "tenant"]
    tenant_id: int | None
    key_id: int | None
    scopes: frozenset[str]
    actor: str
    suspended: bool = False

    @property
    def home(self) -> int:
        """The tenant whose data key seals what is kept for this caller; 0 is the installation."""
        return self.tenant_id or 0

    def has(self, scope: str) -> bool:
        """Whether the key may do this; `admin` may also read."""
        return scope in self.scopes or (scope == "read" and "admin" in self.scopes)

    def need(self, scope: str) -> None:
        """Raises Forbidden where the key's scopes do not allow it."""
        if not self.has(scope):
            raise Forbidden(f"This key needs the scope `{scope}`.")


OPERATOR = Caller("operator", None, None, frozenset({"admin", "read"}), "operator")
CLI = Caller("operator", None, None, frozenset({"admin", "read"}), "cli")


# What a key is known by: its hash, or once it has proven itself, as a session's key has, its tenant and id.
_Proof = bytes | tuple[int, int]


class _Key(NamedTuple):
    caller: Caller
    expires_at: int | None


class Auth:
    """Checks keys. Built once; `start` has to run before the first request so that a revocation is heard."""

    def __init__(
        self, db: Database, clock: Clock, directory: Directory, operator_key: str, *, per_minute: int = 0
    ) -> None:
        self._clock, self._directory = clock, directory
        self._operator = hash_key(operator_key)
        self._keys = KeyMemory[_Proof, _Key](db, clock, NOTE_USE)
        self._per_minute = per_minute
        self._window: tuple[int, dict[str, int]] = (0, {})

    async def start(self) -> None:
        """Begins to listen for revoked keys and suspended tenants."""
        await self._keys.start()

    async def settle(self) -> None:
        """Waits until every note of a key's last use is written."""
        await self._keys.settle()

    def is_operator(self, key: str) -> bool:
        """Whether this is the operator's key."""
        return len(key) <= LONGEST_KEY and hmac.compare_digest(hash_key(key), self._operator)

    async def caller(self, request: Request) -> Caller:
        """The caller of this request. Raises Unauthenticated, or TooMany where a limit is set."""
        caller = await self.by_key(_key_of(request))
        if self._per_minute:
            self._count(caller.actor)
        return caller

    async def by_key(self, key: str) -> Caller:
        """Whose key this is. Raises Unauthenticated."""
        if self.is_operator(key):
            return OPERATOR
        if not key.startswith(TENANT_PREFIX) or len(key) > LONGEST_KEY:
            raise _refused("This key is not known.")
        return await self._tenant_caller(hash_key(key))

    async def by_id(self, tenant_id: int, key_id: int) -> Caller:
        """The caller behind a key that has proven itself before, while it counts. Raises Unauthenticated."""
        return await self._tenant_caller((tenant_id, key_id))

    async def _tenant_caller(self, proof: _Proof) -> Caller:
        known = self._keys.fresh(proof) or await self._keys.read(proof, partial(self._find, proof))
        if known is None:
            raise _refused("This key is not known, or it was revoked.")
        caller, expires_at = known.value
        if expires_at is not None and expires_at <= self._clock.now():
            raise _refused("This key has expired.")
        self._keys.used(known, caller.tenant_id, caller.key_id)
        return caller

    async def _find(self, proof: _Proof) -> Known[_Key] | None:
        find = self._directory
        row = await (find.key(proof) if isinstance(proof, bytes) else find.key_by_id(*proof))
        return None if row is None else Known(_Key(_caller_of(row), row["expires_at"]), row["last_used_at"] or 0)

    def _count(self, actor: str) -> None:
        minute = self._clock.now() // MINUTE
        if self._window[0] != minute:
            self._window = (minute, {})
        counts = self._window[1]
        counts[actor] = counts.get(actor, 0) + 1
        if counts[actor] > self._per_minute:
            wait = -(-(MINUTE - self._clock.now() % MINUTE) // SECOND)
            raise TooMany("This key made too many requests in this minute.", headers={"Retry-After": str(wait)})


def _caller_of(row: Row) -> Caller:
    return Caller(
        "tenant",
        int(row["tenant_id"]),
        int(row["id"]),
        frozenset(row["scopes"].split()),
        f"key:{row['id']}",
        suspended=row["tenant_status"] == "suspended",
    )


def _key_of(request: Request) -> str:
    header = request.headers.get("authorization")
    if header is not None:
        kind, _, value = header.partition(" ")
        key = value.strip() if kind.lower() == "bearer" else ""
    else:
        key = request.headers.get("x-api-key", "").strip()
    if not key:
        raise _refused("Send `Authorization: Bearer <key>` or `X-API-Key: <key>`.")
    if len(key) > LONGEST_KEY:
        raise _refused("This key is not known.")
    return key


def _refused(detail: str) -> Unauthenticated:
    return Unauthenticated(detail, headers={"WWW-Authenticate": 'Bearer realm="setuplinks"'})

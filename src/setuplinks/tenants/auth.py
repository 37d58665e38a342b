"""Who calls: from a bearer token or an `X-API-Key` header to a Caller with its role, tenant and scopes.

Owns the check of the operator's key and of tenant keys, their short cache and the note of their last use. Which route
needs what is declared with the route (`tenants/routes`).
"""

import asyncio
import hmac
import logging
from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request

from setuplinks.core.clock import MINUTE, SECOND, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Row
from setuplinks.core.problems import Forbidden, Problem, TooMany, Unauthenticated
from setuplinks.tenants.directory import Directory
from setuplinks.tenants.keys import TENANT_PREFIX, hash_key

CACHE_FOR = 30 * SECOND
NOTE_USE_EVERY = MINUTE
CACHED = 10_000
CHANNEL = "keys"
LONGEST_KEY = 512

NOTE_USE = "UPDATE api_key SET last_used_at = $3 WHERE tenant_id = $1 AND id = $2"

log = logging.getLogger("setuplinks.auth")


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


@dataclass(slots=True)
class _Known:
    caller: Caller
    read_at: int
    expires_at: int | None
    noted_at: int


class Auth:
    """Checks keys. Built once; `start` has to run before the first request so that a revocation is heard."""

    def __init__(
        self, db: Database, clock: Clock, directory: Directory, operator_key: str, *, per_minute: int = 0
    ) -> None:
        self._db, self._clock, self._directory = db, clock, directory
        self._operator = hash_key(operator_key)
        self._known: dict[_Proof, _Known] = {}
        self._era = 0
        self._notes: set[asyncio.Task[None]] = set()
        self._per_minute = per_minute
        self._window: tuple[int, dict[str, int]] = (0, {})

    async def start(self) -> None:
        """Begins to listen for revoked keys and suspended tenants."""
        await self._db.listen(CHANNEL, self.forget)
        self._db.on_listen_lost(self.forget)

    def forget(self) -> None:
        """Drops every cached key; one that is being read right now is not kept either."""
        self._era += 1
        self._known.clear()

    async def settle(self) -> None:
        """Waits until every note of a key's last use is written."""
        while self._notes:
            # Tasks that are done already are gathered without yielding, so the set is emptied here.
            notes = tuple(self._notes)
            await asyncio.gather(*notes, return_exceptions=True)
            self._notes.difference_update(notes)

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
        now = self._clock.now()
        known = self._known.get(proof)
        if known is None or not 0 <= now - known.read_at < CACHE_FOR:
            era = self._era
            find = self._directory
            row = await (find.key(proof) if isinstance(proof, bytes) else find.key_by_id(*proof))
            if row is None:
                self._known.pop(proof, None)
                raise _refused("This key is not known, or it was revoked.")
            known = _Known(_caller_of(row), now, row["expires_at"], row["last_used_at"] or 0)
            if era == self._era:
                if len(self._known) >= CACHED:
                    self._known.clear()
                self._known[proof] = known
        if known.expires_at is not None and known.expires_at <= now:
            raise _refused("This key has expired.")
        if now - known.noted_at >= NOTE_USE_EVERY:
            known.noted_at = now
            self._note_use(known.caller, now)
        return known.caller

    def _note_use(self, caller: Caller, now: int) -> None:
        task = asyncio.get_running_loop().create_task(self._write_use(caller, now))
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)

    async def _write_use(self, caller: Caller, now: int) -> None:
        try:
            async with self._db.transaction() as tx:
                tx.add(NOTE_USE, caller.tenant_id, caller.key_id, now)
        except Problem as error:  # the note is a courtesy; the request that it tells of was answered
            log.warning("auth.last_use_not_noted: %s", error.code)

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

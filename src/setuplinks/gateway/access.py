"""From a key to a Grant: whose it is, what it may do, whether it counts now and from here.

Owns the short cache of WABA keys and the note of their last use; tenant keys are checked and cached by `tenants/auth`.
A revocation, a suspension or the loss of the database's notices empties the cache in every process at once.
"""

import asyncio
import logging
from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import Scope

from setuplinks.core.addresses import Network
from setuplinks.core.clock import Clock
from setuplinks.core.db.database import Database
from setuplinks.core.problems import Problem, Unauthenticated
from setuplinks.core.rate_limits import client_address
from setuplinks.gateway import refusals
from setuplinks.gateway.models import Grant
from setuplinks.meta.gateway_language import USES
from setuplinks.tenants.auth import CACHE_FOR, CACHED, CHANNEL, LONGEST_KEY, NOTE_USE_EVERY, Auth
from setuplinks.tenants.keys import TENANT_PREFIX, WABA_PREFIX, hash_key
from setuplinks.whatsapp import waba_keys
from setuplinks.whatsapp.waba_keys import WabaKey

GATEWAY = "gateway"
ALL_USES = frozenset(USES)
SEND_ONE = "send a key of the WABA (sl_waba_…), or a key of the tenant with the scope `gateway`."

log = logging.getLogger("setuplinks.gateway")


@dataclass(slots=True)
class _Known:
    key: WabaKey
    grant: Grant
    closed: str | None  # why the key opens nothing though it is good
    read_at: int
    noted_at: int


class Access:
    """Checks keys. `start` has to run before the first request."""

    def __init__(self, db: Database, clock: Clock, auth: Auth, proxies: tuple[Network, ...]) -> None:
        self._db, self._clock, self._auth, self._proxies = db, clock, auth, proxies
        self._known: dict[bytes, _Known] = {}
        self._era = 0
        self._notes: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begins to listen for revoked keys and suspended owners."""
        await self._db.listen(CHANNEL, self.forget)
        self._db.on_listen_lost(self.forget)

    def forget(self) -> None:
        """Drops every cached key; one that is being read right now is not kept either."""
        self._era += 1
        self._known.clear()

    async def settle(self) -> None:
        """Waits until every note of a key's last use is written."""
        while self._notes:
            notes = tuple(self._notes)
            await asyncio.gather(*notes, return_exceptions=True)
            self._notes.difference_update(notes)

    async def grant(self, key: str | None, scope: Scope) -> Grant:
        """What this key opens to whoever made the request `scope`. Raises Refusal, or a Problem (database away)."""
        if not key:
            raise refusals.bad_key(f"no key was sent; {SEND_ONE}")
        if len(key) <= LONGEST_KEY:
            if key.startswith(WABA_PREFIX):
                return await self._of_waba(key, scope)
            if key.startswith(TENANT_PREFIX):
                return await self._of_tenant(key)
        raise refusals.bad_key(f"this key is not known; {SEND_ONE}")

    async def _of_tenant(self, key: str) -> Grant:
        try:
            caller = await self._auth.by_key(key)
        except Unauthenticated as refused:
            raise refusals.bad_key(f"{refused.detail} {SEND_ONE.capitalize()}") from None
        if caller.tenant_id is None or caller.key_id is None or GATEWAY not in caller.scopes:
            raise refusals.lacks_scope(GATEWAY)
        if caller.suspended:
            raise refusals.bad_key("this tenant is suspended; ask the operator.")
        return Grant(caller.tenant_id, caller.key_id, caller.actor, ALL_USES, key)

    async def _of_waba(self, key: str, scope: Scope) -> Grant:
        hashed, now = hash_key(key), self._clock.now()
        known = self._known.get(hashed)
        if known is None or not 0 <= now - known.read_at < CACHE_FOR:
            known = await self._read(key, hashed, now)
        if known.key.expires_at is not None and known.key.expires_at <= now:
            raise refusals.bad_key("this key has expired; make another one.")
        if known.closed is not None:
            raise refusals.bad_key(known.closed)
        if known.key.addresses and not known.key.takes(client_address(Request(scope), self._proxies)):
            raise refusals.bad_key("this key may not be used from this address; see its `addresses`.")
        if now - known.noted_at >= NOTE_USE_EVERY:
            known.noted_at = now
            task = asyncio.get_running_loop().create_task(self._note_use(known.key, now))
            self._notes.add(task)
            task.add_done_callback(self._notes.discard)
        return known.grant

    async def _read(self, key: str, hashed: bytes, now: int) -> _Known:
        era = self._era
        row = await self._db.one(waba_keys.FIND_BY_HASH, hashed)
        if row is None:
            self._known.pop(hashed, None)
            raise refusals.bad_key(f"this key is not known, or it was revoked; {SEND_ONE}")
        read = WabaKey.of(row)
        grant = Grant(
            read.tenant_id, read.id, f"waba_key:{read.id}", read.scopes, key, read.customer_id, read.waba_id,
            read.meta_waba_id,
        )  # fmt: skip
        closed = why_closed(row["tenant_status"], row["customer_status"])
        known = _Known(read, grant, closed, now, read.last_used_at or 0)
        if era == self._era:
            if len(self._known) >= CACHED:
                self._known.clear()
            self._known[hashed] = known
        return known

    async def _note_use(self, key: WabaKey, now: int) -> None:
        try:
            async with self._db.transaction() as tx:
                tx.add(waba_keys.NOTE_USE, key.tenant_id, key.id, now)
        except Problem as error:  # the note is a courtesy; the request that it tells of was answered
            log.warning("gateway.last_use_not_noted: %s", error.code)


def why_closed(tenant_status: str, customer_status: str) -> str | None:
    """Why nothing of this customer is reached, in words; None where it is."""
    if tenant_status != "active":
        return "this tenant is suspended; ask the operator."
    if customer_status == "suspended":
        return "this customer is suspended; ask the company that runs this service for it."
    return None

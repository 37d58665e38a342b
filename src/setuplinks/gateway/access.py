"""From a key to a Grant: whose it is, what it may do, whether it counts now and from here.

Owns the check of WABA keys; tenant keys are `tenants/auth`'s. A revocation, a suspension or the loss of the database's
notices makes every process forget at once what it read (`tenants/key_memory`).
"""

from functools import partial
from typing import NamedTuple

from starlette.requests import Request
from starlette.types import Scope

from setuplinks.core.addresses import Network
from setuplinks.core.clock import Clock
from setuplinks.core.db.database import Database
from setuplinks.core.problems import Unauthenticated
from setuplinks.core.rate_limits import client_address
from setuplinks.gateway import refusals
from setuplinks.gateway.models import Grant
from setuplinks.meta.gateway_language import USES
from setuplinks.tenants.auth import LONGEST_KEY, Auth
from setuplinks.tenants.key_memory import KeyMemory, Known
from setuplinks.tenants.keys import TENANT_PREFIX, WABA_PREFIX, hash_key
from setuplinks.whatsapp import waba_keys
from setuplinks.whatsapp.waba_keys import WabaKey

GATEWAY = "gateway"
ALL_USES = frozenset(USES)
SEND_ONE = "send a key of the WABA (sl_waba_…), or a key of the tenant with the scope `gateway`."


class _Key(NamedTuple):
    key: WabaKey
    grant: Grant
    closed: str | None  # why the key opens nothing though it is good


class Access:
    """Checks keys. `start` has to run before the first request."""

    def __init__(self, db: Database, clock: Clock, auth: Auth, proxies: tuple[Network, ...]) -> None:
        self._db, self._clock, self._auth, self._proxies = db, clock, auth, proxies
        self._keys = KeyMemory[bytes, _Key](db, clock, waba_keys.NOTE_USE)

    async def start(self) -> None:
        """Begins to listen for revoked keys and suspended owners."""
        await self._keys.start()

    async def settle(self) -> None:
        """Waits until every note of a key's last use is written."""
        await self._keys.settle()

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

    async def _of_waba(self, text: str, scope: Scope) -> Grant:
        hashed = hash_key(text)
        known = self._keys.fresh(hashed) or await self._keys.read(hashed, partial(self._find, text, hashed))
        if known is None:
            raise refusals.bad_key(f"this key is not known, or it was revoked; {SEND_ONE}")
        key, grant, closed = known.value
        if key.expires_at is not None and key.expires_at <= self._clock.now():
            raise refusals.bad_key("this key has expired; make another one.")
        if closed is not None:
            raise refusals.bad_key(closed)
        if key.addresses and not key.takes(client_address(Request(scope), self._proxies)):
            raise refusals.bad_key("this key may not be used from this address; see its `addresses`.")
        self._keys.used(known, key.tenant_id, key.id)
        return grant

    async def _find(self, text: str, hashed: bytes) -> Known[_Key] | None:
        row = await self._db.one(waba_keys.FIND_BY_HASH, hashed)
        if row is None:
            return None
        key = WabaKey.of(row)
        grant = Grant(
            key.tenant_id, key.id, f"waba_key:{key.id}", key.scopes, text, key.customer_id, key.waba_id,
            key.meta_waba_id,
        )  # fmt: skip
        closed = why_closed(row["tenant_status"], row["customer_status"])
        return Known(_Key(key, grant, closed), key.last_used_at or 0)


def why_closed(tenant_status: str, customer_status: str) -> str | None:
    """Why nothing of this customer is reached, in words; None where it is."""
    if tenant_status != "active":
        return "this tenant is suspended; ask the operator."
    if customer_status == "suspended":
        return "this customer is suspended; ask the company that runs this service for it."
    return None

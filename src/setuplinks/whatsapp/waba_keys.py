"""Keys of one WABA for the gateway: what one is, how it is issued, found and revoked.

Owns the table `waba_api_key` and its SQL. Only a key's SHA-256 is stored. A revocation wakes the channel of all keys:
every process forgets at once. What a key may reach is the gateway's to say; the routes stand in `waba_key_api`.
"""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import ip_address, ip_network

import msgspec

from setuplinks.core import wire
from setuplinks.core.addresses import Network, unwrapped
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Row, Unit
from setuplinks.core.problems import Conflict, NotFound
from setuplinks.tenants import audit
from setuplinks.tenants.key_memory import CHANNEL
from setuplinks.tenants.keys import WABA_PREFIX, hash_key, new_key, shown
from setuplinks.whatsapp.models import Waba

SCOPES = ("send", "manage", "read")
NAME_LIMIT = 80
MOST_ADDRESSES = 100

_KEY = (
    "k.tenant_id, k.id, k.customer_id, k.waba_id, w.meta_waba_id, k.name, k.prefix, k.scopes, k.addresses, "
    "k.link_id, k.created_by, k.expires_at, k.created_at, k.last_used_at"
)
_FROM = " FROM waba_api_key k JOIN waba w ON w.tenant_id = k.tenant_id AND w.id = k.waba_id "
# The way in: a key names no tenant. $1 is its SHA-256; a key of a WABA, customer or tenant that is gone is none.
FIND_BY_HASH = (
    f"SELECT {_KEY}, c.status AS customer_status, t.status AS tenant_status{_FROM}"
    "JOIN customer c ON c.tenant_id = k.tenant_id AND c.id = k.customer_id JOIN tenant t ON t.id = k.tenant_id "
    "WHERE k.hash = $1 AND k.revoked_at IS NULL AND w.status <> 'deleted' AND c.deleted_at IS NULL "
    "AND t.status <> 'deleted'"
)
NOTE_USE = "UPDATE waba_api_key SET last_used_at = $3 WHERE tenant_id = $1 AND id = $2"
LIST = (
    f"SELECT {_KEY}{_FROM}WHERE k.tenant_id = $1 AND k.waba_id = $2 AND k.revoked_at IS NULL "
    "AND (k.created_at, k.id) < ($3, $4) ORDER BY k.created_at DESC, k.id DESC LIMIT $5"
)
FIND = f"SELECT {_KEY}{_FROM}WHERE k.tenant_id = $1 AND k.waba_id = $2 AND k.id = $3 AND k.revoked_at IS NULL"
OF_WABA = f"SELECT {_KEY}{_FROM}WHERE k.tenant_id = $1 AND k.waba_id = $2 AND k.revoked_at IS NULL ORDER BY k.id"
# With those that were revoked: a link shows a key once, whatever became of it.
OF_LINK = f"SELECT {_KEY}, k.revoked_at{_FROM}WHERE k.tenant_id = $1 AND k.link_id = $2 ORDER BY k.id"
ADD = (
    "INSERT INTO waba_api_key (tenant_id, id, customer_id, waba_id, name, prefix, hash, scopes, addresses, link_id, "
    "created_by, expires_at, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) "
    "ON CONFLICT (tenant_id, link_id, waba_id) DO NOTHING"
)
# Takes the WABA's row, so that who off-boards it at this moment comes before or after, never between.
STANDS = "UPDATE waba SET version = version WHERE tenant_id = $1 AND id = $2 AND status <> 'deleted'"
REVOKE = "UPDATE waba_api_key SET revoked_at = $3 WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL"
REVOKE_OF_WABA = "UPDATE waba_api_key SET revoked_at = $3 WHERE tenant_id = $1 AND waba_id = $2 AND revoked_at IS NULL"
ERASE_OF_CUSTOMER = "DELETE FROM waba_api_key WHERE tenant_id = $1 AND customer_id = $2"


class WabaGone(Conflict):
    """The WABA was off-boarded: it has no keys any more."""

    code = "waba_gone"
    title = "This WABA is no longer connected."


class KeyWasShown(Conflict):
    """The setup link showed its key before, in another tab or to somebody else."""

    code = "key_was_shown"
    title = "This link's key was shown already."


class WabaKey(msgspec.Struct, frozen=True):
    """One living key. Times are µs since 1970; `addresses` are networks as text, none of them: from anywhere."""

    tenant_id: int
    id: int
    customer_id: int
    waba_id: int
    meta_waba_id: str
    name: str
    prefix: str
    scopes: frozenset[str]
    addresses: tuple[str, ...]
    link_id: str | None
    created_by: str
    expires_at: int | None
    created_at: int
    last_used_at: int | None

    @classmethod
    def of(cls, row: Row) -> "WabaKey":
        """The typed row of one of this module's reads."""
        fields = {name: row[name] for name in cls.__struct_fields__}
        fields["scopes"] = frozenset(fields["scopes"].split())
        fields["addresses"] = tuple(msgspec.json.decode(fields["addresses"]))
        return cls(**fields)

    @property
    def scope_list(self) -> list[str]:
        """The scopes in their usual order."""
        return [scope for scope in SCOPES if scope in self.scopes]

    def takes(self, address: str) -> bool:
        """Whether the key may be used from this address; text that is no address only where there is no list."""
        if not self.addresses:
            return True
        try:
            here = unwrapped(ip_address(address))
        except ValueError:
            return False
        return any(here.version == network.version and here in network for network in _networks(self.addresses))


class Wish(msgspec.Struct, frozen=True):
    """What somebody wants a key to be, in wire values; None is the default: all scopes, no end, from anywhere."""

    name: str
    scopes: Sequence[str] | None = None
    expires_at: int | None = None
    addresses: Sequence[str] | None = None


async def issue(
    tx: Unit, db: Database, waba: Waba, wish: Wish, *, now: int, actor: str, link_id: str | None = None
) -> tuple[WabaKey, str]:
    """A new key of the WABA and the key itself, which is shown once.

    Raises Invalid naming the field; at the commit WabaGone, and KeyWasShown where `link_id` has one for this WABA.
    """
    if waba.status == "deleted":
        raise WabaGone("Connect it again by a new setup link.")
    scopes = _checked_scopes(wish.scopes)
    if wish.expires_at is not None and wish.expires_at <= now:
        raise wire.invalid("expiresAt", "this time is past")
    name, addresses = wire.plain_text("name", wish.name, NAME_LIMIT), _checked_addresses(wish.addresses or ())
    text = new_key(WABA_PREFIX)
    made = WabaKey(
        waba.tenant_id, await db.next_id("waba_api_key"), waba.customer_id, waba.id, waba.meta_waba_id, name,
        shown(text), scopes, addresses, link_id, actor, wish.expires_at, now, None,
    )  # fmt: skip
    tx.must(WabaGone("Connect it again by a new setup link."), STANDS, waba.tenant_id, waba.id)
    tx.must(
        KeyWasShown("Ask for another key where it was not kept."), ADD, made.tenant_id, made.id, made.customer_id,
        made.waba_id, made.name, made.prefix, hash_key(text), " ".join(made.scope_list),
        msgspec.json.encode(list(made.addresses)).decode(), link_id, actor, made.expires_at, now,
    )  # fmt: skip
    detail = {"name": name, "scopes": made.scope_list, "prefix": made.prefix, "waba_id": waba.id}
    audit.add(tx, now, waba.tenant_id, actor, "waba_api_key.created", "waba_api_key", made.id, detail)
    return made, text


async def revoke(tx: Unit, tenant_id: int, waba_id: int, key_id: int, *, now: int, actor: str) -> None:
    """The key stops at once, in every process. Raises NotFound."""
    row = await tx.one(FIND, tenant_id, waba_id, key_id)
    if row is None:
        raise NotFound("There is no such key of this WABA.")
    tx.must(NotFound("There is no such key of this WABA."), REVOKE, tenant_id, key_id, now)
    _told(tx, WabaKey.of(row), now, actor, {})


async def revoke_all(tx: Unit, tenant_id: int, waba_id: int, *, now: int, actor: str, reason: str) -> None:
    """All keys of a WABA that leaves, also one that is being issued at this moment; to be added after its row."""
    for row in await tx.all(OF_WABA, tenant_id, waba_id):
        _told(tx, WabaKey.of(row), now, actor, {"reason": reason})
    tx.add(REVOKE_OF_WABA, tenant_id, waba_id, now)
    tx.wake(CHANNEL)


async def revoke_of_link(
    tx: Unit, tenant_id: int, waba_id: int, link_id: str, *, now: int, actor: str, reason: str
) -> None:
    """The key of a WABA that stays, which a setup link showed to somebody who says that this was not theirs."""
    for row in await tx.all(OF_LINK, tenant_id, link_id):
        if row["waba_id"] == waba_id and row["revoked_at"] is None:
            tx.add(REVOKE, tenant_id, row["id"], now)
            _told(tx, WabaKey.of(row), now, actor, {"reason": reason})


def erase_of_customer(tx: Unit, tenant_id: int, customer_id: int) -> None:
    """Nothing is left of the customer's keys but their audit lines; to be added after what revokes them."""
    tx.add(ERASE_OF_CUSTOMER, tenant_id, customer_id)
    tx.wake(CHANNEL)


def _told(tx: Unit, key: WabaKey, now: int, actor: str, more: dict[str, str]) -> None:
    tx.wake(CHANNEL)
    detail = {"name": key.name, "waba_id": key.waba_id, **more}
    audit.add(tx, now, key.tenant_id, actor, "waba_api_key.revoked", "waba_api_key", key.id, detail)


def _checked_scopes(scopes: Sequence[str] | None) -> frozenset[str]:
    if scopes is None:
        return frozenset(SCOPES)
    if not scopes or not set(scopes) <= set(SCOPES):
        raise wire.invalid("scopes", f"expected some of {', '.join(SCOPES)}")
    return frozenset(scopes)


def _checked_addresses(given: Sequence[str]) -> tuple[str, ...]:
    if len(given) > MOST_ADDRESSES:
        raise wire.invalid("addresses", f"at most {MOST_ADDRESSES} entries")
    found: dict[str, None] = {}
    for index, text in enumerate(given):
        try:
            network = ip_network(text.strip(), strict=False)
        except ValueError:
            message = "expected an address such as 203.0.113.7, or a range such as 203.0.113.0/24"
            raise wire.invalid(f"addresses[{index}]", message) from None
        whole = network.prefixlen == network.max_prefixlen
        found[str(network.network_address if whole else network)] = None
    return tuple(found)


@lru_cache(maxsize=4096)
def _networks(addresses: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in addresses)

"""The global look-ups: from a key or an id that names no tenant to the tenant that it belongs to.

Everything else in the service reads with the tenant in hand. It owns no table; it reads the ids of other rooms' tables
and nothing else of them.
"""

from typing import Literal

from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Row

Kind = Literal["tenant", "customer", "setup_link", "waba", "phone_number", "webhook_endpoint", "delivery"]
KEPT = 10_000

_KEY = (
    "SELECT k.tenant_id, k.id, k.scopes, k.expires_at, k.last_used_at, t.status AS tenant_status "
    "FROM api_key k JOIN tenant t ON t.id = k.tenant_id WHERE k.revoked_at IS NULL AND t.status <> 'deleted' "
)
FIND_KEY = f"{_KEY}AND k.hash = $1"
FIND_KEY_BY_ID = f"{_KEY}AND k.tenant_id = $1 AND k.id = $2"
# From tenant to tenant by the primary key: an index for this alone would be written three times for each delivery.
_OF_DELIVERY = (
    "WITH RECURSIVE t (tenant_id) AS (SELECT min(tenant_id) FROM delivery UNION ALL "
    "SELECT (SELECT min(n.tenant_id) FROM delivery n WHERE n.tenant_id > t.tenant_id) FROM t "
    "WHERE t.tenant_id IS NOT NULL) "
    "SELECT tenant_id FROM t WHERE EXISTS (SELECT 1 FROM delivery d WHERE d.tenant_id = t.tenant_id AND d.id = $1)"
)
OWNER: dict[Kind, str] = {
    "tenant": "SELECT id AS tenant_id FROM tenant WHERE id = $1 AND status <> 'deleted'",
    "customer": "SELECT tenant_id FROM customer WHERE id = $1",
    "setup_link": "SELECT tenant_id FROM setup_link WHERE id = $1",
    "waba": "SELECT tenant_id FROM waba WHERE id = $1",
    "phone_number": "SELECT tenant_id FROM phone_number WHERE id = $1",
    "webhook_endpoint": "SELECT tenant_id FROM webhook_endpoint WHERE id = $1",
    "delivery": _OF_DELIVERY,
}
TEXT_IDS: frozenset[Kind] = frozenset({"setup_link", "delivery"})


class Directory:
    """Finds the tenant behind an id or a key. An object never changes its tenant, so answers are kept."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._kept: dict[tuple[Kind, int | str], int] = {}

    async def tenant_of(self, kind: Kind, object_id: int | str) -> int | None:
        """The tenant that holds the object; None where there is no such object."""
        known = self._kept.get((kind, object_id))
        if known is not None:
            return known
        row = await self._db.one(OWNER[kind], object_id)
        if row is None:
            return None
        tenant_id = int(row["tenant_id"])
        if kind != "tenant":  # a tenant may be deleted; the others only leave rows that no tenant read finds
            if len(self._kept) >= KEPT:
                self._kept.clear()
            self._kept[kind, object_id] = tenant_id
        return tenant_id

    async def key(self, hashed: bytes) -> Row | None:
        """The living API key with this SHA-256: tenant_id, id, scopes, expires_at, last_used_at, tenant_status."""
        return await self._db.one(FIND_KEY, hashed)

    async def key_by_id(self, tenant_id: int, key_id: int) -> Row | None:
        """The same of the tenant's key with this id."""
        return await self._db.one(FIND_KEY_BY_ID, tenant_id, key_id)

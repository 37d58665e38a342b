"""The audit trail: one row for each change, in the unit of the change.

Owns the table `audit`. A row says who did what to which object; it never holds a secret, and it stays when the object
is erased.
"""

from typing import Any

import msgspec

from setuplinks.core.db.unit import Unit
from setuplinks.core.ids import uuid7

ADD = (
    "INSERT INTO audit (tenant_id, id, at, actor, action, object_kind, object_id, detail) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
)


def add(
    tx: Unit,
    now: int,
    tenant_id: int,
    actor: str,
    action: str,
    object_kind: str,
    object_id: int | str,
    detail: dict[str, Any] | None = None,
) -> None:
    """Appends the audit row to the unit: `action` is a past participle with its noun, such as `customer.created`.

    `actor` is who did it (`operator`, `key:12`, `cli`, `system`); `detail` names what changed, never a secret's value.
    """
    body = msgspec.json.encode(detail or {}).decode()
    tx.add(ADD, tenant_id, uuid7(now), now, actor, action, object_kind, str(object_id), body)

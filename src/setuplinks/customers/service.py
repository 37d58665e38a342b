"""What can be done with a customer; every verb appends to the unit that it is given.

Off-boarding is a workflow over many rooms and stands in `provisioning`; it ends in `erase`.
"""

import re
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.structs import replace

from setuplinks.core import wire
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Unit
from setuplinks.core.problems import NotFound, RaceLost
from setuplinks.customers import store
from setuplinks.customers.models import Customer, ExternalIdTaken
from setuplinks.tenants import audit
from setuplinks.tenants import service as tenants
from setuplinks.tenants.key_memory import CHANNEL as KEYS

NAME_LIMIT = 200
EXTERNAL_ID_LIMIT = 255
EMAIL_LIMIT = 254
LARGEST_METADATA = 16_384
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_PHONE = re.compile(r"\+?[0-9][0-9 ()./\-]{3,30}")


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants a customer to be, in wire values; UNSET is left as it is."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    external_id: str | msgspec.UnsetType | None = msgspec.UNSET
    email: str | msgspec.UnsetType | None = msgspec.UNSET
    phone: str | msgspec.UnsetType | None = msgspec.UNSET
    metadata: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET
    status: str | msgspec.UnsetType = msgspec.UNSET


async def read(reads: store.PointReads, tenant_id: int, customer_id: int) -> Customer:
    """The tenant's customer. Raises NotFound."""
    found = await store.find(reads, tenant_id, customer_id)
    if found is None:
        raise NotFound
    return found


async def create(tx: Unit, db: Database, tenant_id: int, wish: Wish, *, now: int, actor: str) -> Customer:
    """A new customer of the tenant. Raises Invalid, NotFound (no such tenant), ExternalIdTaken with the other's id."""
    await tenants.read(tx, tenant_id)
    if isinstance(wish.name, msgspec.UnsetType):
        raise wire.invalid("name", "this field is required")
    blank = Customer(tenant_id, 0, "", None, None, None, {}, "active", "none", 0, now, now)
    made = _as_wished(blank, wish)
    if made.external_id is not None:
        await _refuse_taken(tx, made)
    made = replace(made, id=await db.next_id("customer"))
    store.insert(tx, ExternalIdTaken(None) if made.external_id is not None else RaceLost(), made)
    audit.add(tx, now, tenant_id, actor, "customer.created", "customer", made.id)
    return made


async def update(tx: Unit, tenant_id: int, customer_id: int, wish: Wish, *, now: int, actor: str) -> Customer:
    """The customer as wished; nothing is written where nothing changes. Raises NotFound, Invalid, ExternalIdTaken."""
    old = await read(tx, tenant_id, customer_id)
    new = _as_wished(old, wish)
    if new == old:
        return old
    changed = [name for name in Customer.__struct_fields__ if getattr(old, name) != getattr(new, name)]
    if "external_id" in changed and new.external_id is not None:
        await _refuse_taken(tx, new)
    new = replace(new, version=old.version + 1, updated_at=now)
    store.update(tx, RaceLost(), new, old.version)
    if new.status != old.status:
        tx.wake(KEYS)  # a suspended customer's keys stop at once
    audit.add(tx, now, tenant_id, actor, "customer.updated", "customer", customer_id, {"changed": changed})
    return new


def erase(tx: Unit, customer: Customer, *, now: int, actor: str) -> None:
    """The customer's own data is erased and its external id is free again; the last act of off-boarding.

    The unit must not call `set_connection` for it as well: it is one row.
    """
    store.erase(tx, RaceLost(), customer.tenant_id, customer.id, customer.version, now)
    audit.add(tx, now, customer.tenant_id, actor, "customer.deleted", "customer", customer.id)


async def _refuse_taken(tx: Unit, customer: Customer) -> None:
    other = await store.find_external(tx, customer.tenant_id, customer.external_id or "")
    if other is not None and other.id != customer.id:
        raise ExternalIdTaken(other.id)


def _as_wished(customer: Customer, wish: Wish) -> Customer:
    changes: dict[str, Any] = {}
    if not isinstance(wish.name, msgspec.UnsetType):
        changes["name"] = wire.plain_text("name", wish.name, NAME_LIMIT)
    if not isinstance(wish.external_id, msgspec.UnsetType):
        given = wish.external_id
        changes["external_id"] = None if given is None else wire.plain_text("externalId", given, EXTERNAL_ID_LIMIT)
    if not isinstance(wish.email, msgspec.UnsetType):
        changes["email"] = None if wish.email is None else _checked_email(wish.email)
    if not isinstance(wish.phone, msgspec.UnsetType):
        changes["phone"] = None if wish.phone is None else _checked_phone(wish.phone)
    if not isinstance(wish.metadata, msgspec.UnsetType):
        changes["metadata"] = checked_metadata("metadata", wish.metadata or {})
    if not isinstance(wish.status, msgspec.UnsetType):
        changes["status"] = wish.status
    return replace(customer, **changes)


def checked_metadata(name: str, value: dict[str, Any]) -> dict[str, Any]:
    """A tenant's own JSON object, at most 16 KB. Raises Invalid naming the field `name`."""
    if len(wire.encode(value)) > LARGEST_METADATA:
        raise wire.invalid(name, f"at most {LARGEST_METADATA:,} bytes of JSON")
    return value


def _checked_email(value: str) -> str:
    text = wire.plain_text("email", value, EMAIL_LIMIT)
    if not _EMAIL.fullmatch(text):
        raise wire.invalid("email", "expected an e-mail address")
    return text


def _checked_phone(value: str) -> str:
    text = value.strip()
    if not _PHONE.fullmatch(text):
        raise wire.invalid("phone", "expected a phone number such as +5491123456789")
    return text

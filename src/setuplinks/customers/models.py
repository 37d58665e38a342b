"""What a customer is: whom a tenant onboards. It has no account here; a setup link is how it meets us."""

from typing import Any, Literal

import msgspec

from setuplinks.core.db.unit import Row
from setuplinks.core.problems import Conflict

Status = Literal["active", "inactive", "suspended"]
Connection = Literal["none", "pending", "connected", "disconnected"]


class ExternalIdTaken(Conflict):
    """The tenant has a customer with this external id; `existingId` is that one's id."""

    code = "external_id_taken"
    title = "Another customer has this external id."

    def __init__(self, existing_id: int | None) -> None:
        extra: dict[str, Any] = {} if existing_id is None else {"existingId": existing_id}
        super().__init__("externalId: another customer of this tenant has it", fields={"externalId": "taken"}, **extra)


class Customer(msgspec.Struct, frozen=True):
    """One customer. `connection` is derived from its numbers by the units that change them."""

    tenant_id: int
    id: int
    name: str
    external_id: str | None
    email: str | None
    phone: str | None
    metadata: dict[str, Any]
    status: str
    connection: str
    version: int
    created_at: int
    updated_at: int

    @property
    def active(self) -> bool:
        """Only an active customer gets links."""
        return self.status == "active"


def customer_of(row: Row) -> Customer:
    """A row of `customer`."""
    fields: dict[str, Any] = dict(row)
    fields["metadata"] = msgspec.json.decode(fields["metadata"])
    return Customer(**fields)

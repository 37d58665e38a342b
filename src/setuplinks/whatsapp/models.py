"""What a customer ends up with: a WABA, its phone numbers, and the credential that reaches them.

Owns the typed rows; how the API shows them stands in `views`. Meta's ids are strings (`meta_…`), ours are integers.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from setuplinks.core.db.unit import Row
from setuplinks.core.problems import Conflict

# A connected number belongs to one customer of the installation; `available` and `deleted` rows hold nothing.
CONNECTED = ("pending", "active", "disconnected")
NUMBER_STATUSES = ("available", *CONNECTED, "deleted")
TOKEN_REASONS = ("token_expired", "token_revoked")


class NumberTaken(Conflict):
    """Another customer of the installation holds the number."""

    code = "number_in_use"
    title = "The number is connected to another customer."


class NumberMoved(Conflict):
    """Somebody else changed the number or its WABA between our read and our write."""

    code = "number_moved"
    title = "The number was changed at the same moment; read it again."


@dataclass(frozen=True)
class Waba:
    """One row of `waba`: a WhatsApp Business Account as one customer connected it."""

    tenant_id: int
    id: int
    customer_id: int
    meta_waba_id: str
    name: str | None
    currency: str | None
    timezone_id: str | None
    business_id: str | None
    account_review_status: str | None
    status: str
    connection_type: str
    version: int
    created_at: int
    updated_at: int

    @classmethod
    def of(cls, row: Row) -> "Waba":
        """The typed row."""
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class PhoneNumber:
    """One row of `phone_number`."""

    tenant_id: int
    id: int
    customer_id: int
    waba_id: int
    meta_waba_id: str
    meta_phone_number_id: str
    display_phone_number: str | None
    display_phone_number_normalized: str | None
    verified_name: str | None
    name_status: str | None
    quality_rating: str | None
    throughput_tier: str | None
    messaging_limit: str | None
    connection_type: str
    is_coexistence: bool
    is_official_business_account: bool
    status: str
    disconnect_reason: str | None
    readiness: list[dict[str, Any]]
    pin: bytes | None = field(repr=False)
    registered: bool
    link_id: str | None
    connected_at: int | None
    created_at: int
    updated_at: int
    version: int
    token_expires_at: int | None = None
    meta_status: str | None = None  # CONNECTED, FLAGGED, RESTRICTED …, as Meta has it
    observed_at: int | None = None  # when the question left whose answer stands here; None before the first look
    missing_since: int | None = None  # Meta knew no such number; cut off at a second look
    history: dict[str, Any] | None = None  # phase, progress, declined, updated_at

    @classmethod
    def of(cls, row: Row) -> "PhoneNumber":
        """The typed row; `token_expires_at` where the read joined the credential."""
        values = {name: row[name] for name in cls.__dataclass_fields__ if name != "token_expires_at"}
        values["readiness"] = json.loads(row["readiness"])
        values["history"] = json.loads(row["history"]) if row["history"] else None
        for name in ("is_coexistence", "is_official_business_account", "registered"):
            values[name] = bool(row[name])
        if "token_expires_at" in row.keys():  # noqa: SIM118 - a driver's row iterates over values
            values["token_expires_at"] = row["token_expires_at"]
        return cls(**values)

    @property
    def is_connected(self) -> bool:
        """True where the customer holds the number."""
        return self.status in CONNECTED


def normalized(display: str | None) -> str | None:
    """`+54 9 351 555-0100` as `+5493515550100` (E.164); None where there are no digits."""
    digits = "".join(character for character in display or "" if character.isdigit())
    return "+" + digits if digits else None

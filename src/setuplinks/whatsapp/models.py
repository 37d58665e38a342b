"""What a customer ends up with: a WABA, its phone numbers, and the credential that reaches them.

Owns the shapes and their API view. Meta's ids are strings (`meta_…`), ours are integers.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from setuplinks.core.db.unit import Row
from setuplinks.core.problems import Conflict
from setuplinks.core.wire import instant

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

    def answer(self) -> dict[str, Any]:
        """The WABA as the API answers it."""
        return {
            "id": self.id,
            "tenantId": self.tenant_id,
            "customerId": self.customer_id,
            "metaWabaId": self.meta_waba_id,
            "name": self.name,
            "currency": self.currency,
            "timezoneId": self.timezone_id,
            "businessId": self.business_id,
            "accountReviewStatus": self.account_review_status,
            "status": self.status,
            "connectionType": self.connection_type,
            "createdAt": instant(self.created_at),
        }


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

    @classmethod
    def of(cls, row: Row) -> "PhoneNumber":
        """The typed row; `token_expires_at` where the read joined the credential."""
        values = {name: row[name] for name in cls.__dataclass_fields__ if name != "token_expires_at"}
        values["readiness"] = json.loads(row["readiness"])
        for name in ("is_coexistence", "is_official_business_account", "registered"):
            values[name] = bool(row[name])
        if "token_expires_at" in row.keys():  # noqa: SIM118 - a driver's row iterates over values
            values["token_expires_at"] = row["token_expires_at"]
        return cls(**values)

    @property
    def is_connected(self) -> bool:
        """True where the customer holds the number."""
        return self.status in CONNECTED

    def answer(self) -> dict[str, Any]:
        """The number as the API answers it."""
        return {
            "id": self.id,
            "tenantId": self.tenant_id,
            "customerId": self.customer_id,
            "wabaId": self.waba_id,
            "metaWabaId": self.meta_waba_id,
            "metaPhoneNumberId": self.meta_phone_number_id,
            "displayPhoneNumber": self.display_phone_number,
            "displayPhoneNumberNormalized": self.display_phone_number_normalized,
            "verifiedName": self.verified_name,
            "nameStatus": self.name_status,
            "qualityRating": self.quality_rating,
            "throughputTier": self.throughput_tier,
            "messagingLimit": self.messaging_limit,
            "connectionType": self.connection_type,
            "isCoexistence": self.is_coexistence,
            "isOfficialBusinessAccount": self.is_official_business_account,
            "status": self.status,
            "disconnectReason": self.disconnect_reason,
            "readiness": self.readiness,
            "tokenExpiresAt": None if self.token_expires_at is None else instant(self.token_expires_at),
            "connectedAt": None if self.connected_at is None else instant(self.connected_at),
        }


def normalized(display: str | None) -> str | None:
    """`+54 9 351 555-0100` as `+5493515550100` (E.164); None where there are no digits."""
    digits = "".join(character for character in display or "" if character.isdigit())
    return "+" + digits if digits else None

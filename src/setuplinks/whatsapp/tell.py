"""How numbers and WABAs are told in events: snake_case, with Meta's own bare names.

Owns the data of `whatsapp.phone_number.*` and `whatsapp.waba.*`. No follow-up call is needed after reading one.
"""

from typing import Any, Protocol

from setuplinks.customers.models import Customer
from setuplinks.whatsapp.models import PhoneNumber, Waba


class OfLink(Protocol):
    """The parts of a setup link that an event carries along."""

    @property
    def id(self) -> str: ...
    @property
    def state(self) -> str | None: ...
    @property
    def metadata(self) -> dict[str, Any]: ...


def number_data(number: PhoneNumber, waba: Waba, customer: Customer, link: OfLink | None) -> dict[str, Any]:
    """The data of a `whatsapp.phone_number.*` event (`tenant_id` is added by the outbox)."""
    return {
        "customer_id": customer.id,
        "external_id": customer.external_id,
        "setup_link_id": link.id if link else None,
        "connection_type": number.connection_type,
        "waba_id": waba.meta_waba_id,
        "phone_number_id": number.meta_phone_number_id,
        "internal_waba_id": waba.id,
        "internal_phone_number_id": number.id,
        "display_phone_number": number.display_phone_number,
        "verified_name": number.verified_name,
        "quality_rating": number.quality_rating,
        "status": number.status,
        "state": link.state if link else None,
        "metadata": link.metadata if link else {},
    }


def waba_data(waba: Waba, customer: Customer, link: OfLink | None) -> dict[str, Any]:
    """The data of a `whatsapp.waba.*` event."""
    return {
        "customer_id": customer.id,
        "external_id": customer.external_id,
        "setup_link_id": link.id if link else None,
        "connection_type": waba.connection_type,
        "waba_id": waba.meta_waba_id,
        "internal_waba_id": waba.id,
        "name": waba.name,
        "currency": waba.currency,
        "business_id": waba.business_id,
        "account_review_status": waba.account_review_status,
        "status": waba.status,
        "state": link.state if link else None,
        "metadata": link.metadata if link else {},
    }

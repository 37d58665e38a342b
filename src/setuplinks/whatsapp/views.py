"""WABAs and phone numbers as the API shows them: one shape for the answer and for its description.

Owns names and order on the wire (camelCase). The rows behind stand in `models`.
"""

from typing import Any, Self

from setuplinks.core import wire
from setuplinks.core.wire import Moment, instant, instant_or_none
from setuplinks.whatsapp.models import PhoneNumber, Waba


class ReadinessView(wire.View):
    """One check of a number: passed or not, since when, and if not, who must act."""

    check: str
    passed: bool
    since: Moment
    who_must_act: str | None
    message: str


class HistorySyncView(wire.View):
    """How far Meta is with the chat history of a number in coexistence.

    `phase` is 0 (the last day), 1 (90 days) or 2 (180 days), `progress` 0 to 100; both null until Meta told of one.
    `declined`: the business does not share its history.
    """

    phase: int | None
    progress: int | None
    declined: bool
    updated_at: Moment


class PhoneNumberView(wire.View):
    """A phone number."""

    id: int
    tenant_id: int
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
    meta_status: str | None
    disconnect_reason: str | None
    readiness: list[ReadinessView]
    history_sync: HistorySyncView | None
    token_expires_at: Moment | None
    connected_at: Moment | None

    @classmethod
    def of(cls, number: PhoneNumber) -> Self:
        """The number as the API shows it."""
        return cls(
            id=number.id,
            tenant_id=number.tenant_id,
            customer_id=number.customer_id,
            waba_id=number.waba_id,
            meta_waba_id=number.meta_waba_id,
            meta_phone_number_id=number.meta_phone_number_id,
            display_phone_number=number.display_phone_number,
            display_phone_number_normalized=number.display_phone_number_normalized,
            verified_name=number.verified_name,
            name_status=number.name_status,
            quality_rating=number.quality_rating,
            throughput_tier=number.throughput_tier,
            messaging_limit=number.messaging_limit,
            connection_type=number.connection_type,
            is_coexistence=number.is_coexistence,
            is_official_business_account=number.is_official_business_account,
            status=number.status,
            meta_status=number.meta_status,
            disconnect_reason=number.disconnect_reason,
            readiness=[readiness_view(row) for row in number.readiness],
            history_sync=_history(number.history),
            token_expires_at=instant_or_none(number.token_expires_at),
            connected_at=instant_or_none(number.connected_at),
        )


class WabaView(wire.View):
    """A WhatsApp Business Account, as one customer connected it."""

    id: int
    tenant_id: int
    customer_id: int
    meta_waba_id: str
    name: str | None
    currency: str | None
    timezone_id: str | None
    business_id: str | None
    account_review_status: str | None
    status: str
    connection_type: str
    created_at: Moment

    @classmethod
    def of(cls, waba: Waba) -> Self:
        """The WABA as the API shows it."""
        return cls(
            id=waba.id,
            tenant_id=waba.tenant_id,
            customer_id=waba.customer_id,
            meta_waba_id=waba.meta_waba_id,
            name=waba.name,
            currency=waba.currency,
            timezone_id=waba.timezone_id,
            business_id=waba.business_id,
            account_review_status=waba.account_review_status,
            status=waba.status,
            connection_type=waba.connection_type,
            created_at=instant(waba.created_at),
        )


def readiness_view(row: dict[str, Any]) -> ReadinessView:
    """One stored check."""
    return ReadinessView(row["check"], row["passed"], row["since"], row["whoMustAct"], row["message"])


def _history(told: dict[str, Any] | None) -> HistorySyncView | None:
    if told is None:
        return None
    return HistorySyncView(told["phase"], told["progress"], told["declined"], instant(told["updated_at"]))

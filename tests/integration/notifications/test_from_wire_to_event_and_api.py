"""Every row of Meta's tables of notifications, from the wire to the tenant's events and to what the API then shows.

One table: a sample or a value, what was told before it, the events that it makes, and the fields that it leaves behind.
"""

from dataclasses import dataclass, field
from typing import Any

import pytest

from setuplinks.core.clock import MINUTE, SECOND
from tests.integration.notifications.conftest import Connected
from tests.support.notices import SAMPLES

CUT, BACK, NUMBER = (f"whatsapp.phone_number.{word}" for word in ("disconnected", "reconnected", "updated"))
WABA, OTHER, TEMPLATE = "whatsapp.waba.updated", "whatsapp.notification", "whatsapp.template.updated"
LINK = "setup_link.created"
ACTIVE = {"status": "active", "disconnectReason": None}


@dataclass(frozen=True)
class Row:
    """`told`: a sample's name, or the field of `value`. `number`, `waba`: fields of the API afterwards."""

    told: str
    events: tuple[str, ...] = ()
    number: dict[str, Any] = field(default_factory=lambda: ACTIVE)
    waba: dict[str, Any] = field(default_factory=dict)
    value: dict[str, Any] | None = None
    before: str | None = None

    @property
    def name(self) -> str:
        """What a failing test is called by."""
        return self.told if self.value is None else f"{self.told}-{self.value.get('event', 'value')}"


def cut(sample: str, reason: str, *more: str, waba: str = "active") -> Row:
    """A row by which the number is cut off: told with a way back."""
    off = {"status": "disconnected", "disconnectReason": reason}
    return Row(f"account_update_{sample}", (LINK, CUT, *more), off, {"status": waba})


def back(sample: str, before: str, *more: str) -> Row:
    """A row by which Meta gives back what it took."""
    return Row(
        f"account_update_{sample}", (BACK, *more), ACTIVE, {"status": "active"}, before=f"account_update_{before}"
    )


def account(event: str, **value: Any) -> Row:
    """An account event that the connection does not hang on: told whole."""
    return Row("account_update", (WABA,), ACTIVE, {"status": "active"}, {"event": event, **value})


ROWS = (
    # 4.3 account_update
    Row("account_update_partner_added"),  # what our own finish has told
    Row("account_update_partner_app_installed"),
    cut("partner_removed", "app_removed"),
    cut("partner_removed_in_app", "offboarded_in_app"),
    cut("partner_app_uninstalled", "app_removed"),
    Row("account_update_partner_app_uninstalled_without_waba_info"),  # names nobody
    cut("account_deleted", "number_removed", WABA, waba="disabled"),
    cut("account_offboarded", "offboarded_in_app"),
    back("account_reconnected", "account_offboarded"),
    cut("disabled", "account_disabled", WABA, waba="disabled"),
    cut("disabled_older_shape", "account_disabled", WABA, waba="disabled"),
    back("reinstated", "disabled", WABA),
    Row("account_update_scheduled_for_disable", (WABA,), waba={"status": "active"}),
    Row("account_update_violation", (WABA,), waba={"status": "active"}),
    Row("account_update_restriction", (WABA,), waba={"status": "active"}),
    Row("account_update_ad_account_linked", (WABA,), waba={"status": "active"}),
    account("VERIFIED_ACCOUNT"),
    account(
        "PARTNER_CLIENT_CERTIFICATION_STATUS_UPDATE",
        partner_client_certification_info={
            "client_business_id": "2729063490586005",
            "status": "FAILED",
            "rejection_reasons": ["ADDRESS_NOT_MATCHING"],
        },
    ),
    account(
        "PARTNER_CLIENT_CERTIFICATION_NEEDED",
        partner_client_certification_needed_info={
            "client_business_id": "2729063490586005",
        },
    ),
    account("MM_LITE_TERMS_SIGNED"),
    account("AUTH_INTL_PRICE_ELIGIBILITY_UPDATE", auth_international_rate_eligibility={"start_time": 1779105600}),
    account("BUSINESS_PRIMARY_LOCATION_COUNTRY_UPDATE", country="AR"),
    account("VOLUME_BASED_PRICING_TIER_UPDATE", volume_tier_info={"tier": "25K-50K"}),
    account("AN_EVENT_THAT_IS_NEW", new_info={"x": 1}),
    # 4.4 other fields
    Row("account_review_update", (WABA,), waba={"accountReviewStatus": "REJECTED", "status": "active"}),
    Row("account_alerts", ("whatsapp.account.alert",)),
    Row("phone_number_name_update", (NUMBER,), {**ACTIVE, "verifiedName": "Demo Bakery", "nameStatus": "APPROVED"}),
    Row("phone_number_name_update_declined", (OTHER,), {**ACTIVE, "nameStatus": "APPROVED"}),
    Row("phone_number_quality_update", (NUMBER,), {**ACTIVE, "qualityRating": "RED", "messagingLimit": "TIER_1K"}),
    Row(
        "phone_number_quality_update",
        (NUMBER,),
        {**ACTIVE, "qualityRating": "UNKNOWN"},
        value={
            "display_phone_number": "15550783881",
            "event": "UNFLAGGED",
            "current_limit": "TIER_250",
        },
    ),
    Row(
        "phone_number_quality_update",
        (NUMBER,),
        {**ACTIVE, "messagingLimit": "TIER_2K"},
        value={
            "display_phone_number": "15550783881",
            "event": "ONBOARDING",
            "max_daily_conversations_per_business": "TIER_2K",
        },
    ),
    Row(
        "phone_number_throughput_upgrade",
        (NUMBER,),
        {
            **ACTIVE,
            "throughputTier": "HIGH",
            "messagingLimit": "TIER_UNLIMITED",
        },
    ),
    Row("business_capability_update", (NUMBER, WABA), {**ACTIVE, "messagingLimit": "TIER_2K"}),
    Row(
        "business_capability_update",
        (NUMBER, WABA),
        {**ACTIVE, "messagingLimit": "TIER_UNLIMITED"},
        value={
            "max_daily_conversation_per_phone": -1,
            "max_phone_numbers_per_business": 20,
        },
    ),
    Row("security", (OTHER,)),
    Row("message_template_status_update", (TEMPLATE,)),
    Row("message_template_quality_update", (TEMPLATE,)),
    Row("template_category_update", (TEMPLATE,)),
    Row(
        "message_template_components_update",
        (TEMPLATE,),
        value={
            "message_template_id": 1689556908129832,
            "message_template_name": "order",
            "message_template_language": "en_US",
        },
    ),
    Row(
        "user_preferences",
        (OTHER,),
        value={
            "messaging_product": "whatsapp",
            "metadata": {"phone_number_id": "106540352242922"},
            "user_preferences": [{"wa_id": "5493515550100", "category": "marketing_messages", "value": "stop"}],
        },
    ),
    Row("calls_unknown_field", (OTHER,)),
    # 4.5 messages
    Row("messages_text", ("whatsapp.message.received",)),
    Row("messages_image", ("whatsapp.message.received",)),
    Row("messages_without_wa_id", ("whatsapp.message.received",)),
    Row("messages_two_people", ("whatsapp.message.received",) * 2),
    Row("messages_status_delivered", ("whatsapp.message.status",)),
    Row("messages_status_failed", ("whatsapp.message.status",)),
    Row("messages_errors", (OTHER,)),
    # 4.6 coexistence
    Row("history_chunk", ("whatsapp.history",)),
    Row("history_declined", ("whatsapp.history",)),
    Row("smb_app_state_sync", ("whatsapp.contacts.synced",)),
    Row("smb_message_echoes", ("whatsapp.message.echo",)),
)


def test_the_table_has_every_sample() -> None:
    assert {row.told for row in ROWS if row.value is None} == {path.stem for path in SAMPLES.glob("*.json")}


def notification(connected: Connected, row: Row) -> dict[str, Any]:
    """The row on the wire, about this connection, told now."""
    if row.value is None:
        return connected.sample(row.told)
    digits = "".join(filter(str.isdigit, connected.display))
    ids = {"106540352242922": connected.number, "15550783881": digits}
    value = {name: ids.get(one, one) if isinstance(one, str) else one for name, one in row.value.items()}
    if "metadata" in value:
        value["metadata"] = {"phone_number_id": connected.number, "display_phone_number": digits}
    change = {"field": row.told, "value": value}
    now = connected.service.clock.now() // SECOND
    entry = {"id": connected.waba, "time": now, "changes": [change]}
    return {"object": "whatsapp_business_account", "entry": [entry]}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_a_row(connected: Connected, row: Row) -> None:
    if row.before is not None:
        await connected.tell(row.before)
        connected.service.clock.advance(MINUTE)
    told = await connected.tell(notification(connected, row))
    assert sorted(event.type for event in told) == sorted(row.events)
    for event in told:
        assert event.data["customer_id"] == connected.customer_id
        if event.type != LINK:
            assert event.data["waba_id"] == connected.waba
    number = await connected.of_number()
    assert {name: number[name] for name in row.number} == row.number
    waba = (await connected.tenant.api.get(f"/admin/wabas/{number['wabaId']}")).json
    assert {name: waba[name] for name in row.waba} == row.waba


async def test_news_of_a_number_by_its_print_alone_names_the_number(connected: Connected) -> None:
    [event] = await connected.tell("security")
    assert event.data["phone_number_id"] == connected.number
    assert event.data["value"]["event"] == "PIN_CHANGED"

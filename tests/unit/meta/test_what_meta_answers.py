"""Meta's answers as values: its own samples, what may be missing, what may be of another type."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from setuplinks.meta.payloads import (
    Health,
    PhoneNumber,
    SentMessage,
    SubscribedApp,
    Template,
    TokenGrant,
    TokenInfo,
    Waba,
    hears,
)
from setuplinks.meta.secret import Secret

SECOND = 1_000_000

DEBUG: dict[str, Any] = {
    "app_id": "1111222233334444",
    "type": "SYSTEM_USER",
    "application": "Demo App",
    "data_access_expires_at": 0,
    "expires_at": 0,
    "is_valid": True,
    "issued_at": 1790000000,
    "scopes": ["business_management", "whatsapp_business_management", "whatsapp_business_messaging", "public_profile"],
    "granular_scopes": [
        {"scope": "whatsapp_business_management", "target_ids": ["524126980791429"]},
        {"scope": "whatsapp_business_messaging", "target_ids": ["524126980791429"]},
    ],
    "user_id": "122100000000000001",
}
NUMBER: dict[str, Any] = {
    "id": "106540352242922",
    "verified_name": "Demo Bakery",
    "display_phone_number": "+54 9 351 555-0100",
    "status": "CONNECTED",
    "quality_rating": "GREEN",
    "code_verification_status": "VERIFIED",
    "name_status": "APPROVED",
    "new_name_status": "NONE",
    "platform_type": "CLOUD_API",
    "throughput": {"level": "STANDARD"},
    "account_mode": "LIVE",
    "is_on_biz_app": False,
    "is_official_business_account": False,
    "is_pin_enabled": True,
    "is_preverified_number": False,
    "search_visibility": "NON_VISIBLE",
    "whatsapp_business_manager_messaging_limit": "TIER_250",
    "last_onboarded_time": "2026-09-01T10:00:00+0000",
    "webhook_configuration": {"application": "https://example.test/hook"},
    "health_status": {
        "can_send_message": "AVAILABLE",
        "entities": [
            {"entity_type": "PHONE_NUMBER", "id": "106540352242922", "can_send_message": "AVAILABLE"},
            {"entity_type": "WABA", "id": "524", "can_send_message": "BLOCKED", "errors": [{"error_code": 141006}]},
        ],
    },
}


def test_the_sample_of_a_token_reads_as_it_is_meant() -> None:
    info = TokenInfo.of({"data": DEBUG})
    assert (info.is_valid, info.app_id, info.type, info.user_id) == (
        True,
        "1111222233334444",
        "SYSTEM_USER",
        "122100000000000001",
    )
    assert (info.waba_ids, info.expires_at_us, info.data_access_expires_at_us) == (("524126980791429",), None, None)


def test_a_token_of_sixty_days_has_an_end() -> None:
    info = TokenInfo.of({"data": {**DEBUG, "expires_at": 1795184000, "data_access_expires_at": 1797776000}})
    assert info.expires_at_us == 1795184000 * SECOND
    assert info.data_access_expires_at_us == 1797776000 * SECOND


@pytest.mark.parametrize(
    ("granular", "expected"),
    [
        pytest.param([{"scope": "whatsapp_business_management"}], (), id="no target_ids"),
        pytest.param([{"scope": "whatsapp_business_management", "target_ids": None}], (), id="null target_ids"),
        pytest.param([{"scope": "whatsapp_business_manage_events", "target_ids": ["5"]}], ("5",), id="June 2026"),
        pytest.param([{"scope": "business_management", "target_ids": ["272"]}], (), id="portfolios are no WABAs"),
        pytest.param([{"scope": "whatsapp_business_messaging", "target_ids": [5, "6"]}], ("5", "6"), id="numbers"),
        pytest.param(
            [
                {"scope": "whatsapp_business_messaging", "target_ids": ["7", "5"]},
                {"scope": "whatsapp_business_management", "target_ids": ["5", "6"]},
                {"scope": "whatsapp_business_management", "target_ids": ["6"]},
            ],
            ("7", "5", "6"),
            id="a union in Meta's order",
        ),
        pytest.param("odd", (), id="no list"),
    ],
)
def test_wabas_of_a_token_are_read_from_every_shape(granular: object, expected: tuple[str, ...]) -> None:
    assert TokenInfo.of({"data": {**DEBUG, "granular_scopes": granular}}).waba_ids == expected


def test_a_dead_token_is_an_answer_with_its_reason() -> None:
    error = {"code": 190, "message": "Session has expired", "subcode": 463}
    info = TokenInfo.of({"data": {"is_valid": False, "error": error, "scopes": []}})
    assert (info.is_valid, info.error_code, info.error_subcode, info.waba_ids) == (False, 190, 463, ())


def test_a_grant_promises_nothing_but_the_token() -> None:
    short = TokenGrant.of({"access_token": "EAAx"})
    long = TokenGrant.of({"access_token": "EAAx", "token_type": "bearer", "expires_in": 5183944})
    assert (short.expires_in, short.expires_at_us(7), short.access_token) == (None, None, Secret("EAAx"))
    assert long.expires_at_us(1_000 * SECOND) == (1_000 + 5183944) * SECOND
    assert "EAAx" not in repr(long)


@pytest.mark.parametrize("raw", [{}, {"access_token": ""}, {"access_token": None}, {"access_token": {"a": 1}}])
def test_an_answer_without_a_token_is_no_grant(raw: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="access_token"):
        TokenGrant.of(raw)


def test_the_sample_of_a_number_reads_as_it_is_meant() -> None:
    number = PhoneNumber.of(NUMBER)
    assert (number.id, number.display_phone_number) == ("106540352242922", "+54 9 351 555-0100")
    assert (number.throughput_level, number.messaging_limit) == ("STANDARD", "TIER_250")
    assert number.webhook_configuration == {"application": "https://example.test/hook"}
    assert number.health is not None
    assert number.health.error_codes == (141006,)
    assert (number.connection_type, number.needs_registration, number.name_in_review) == ("dedicated", False, False)


@pytest.mark.parametrize(
    ("platform", "level", "expected"),
    [
        ("CLOUD_API", "STANDARD", False),
        ("CLOUD_API", "HIGH", False),
        ("CLOUD_API", None, False),
        (None, "STANDARD", False),
        ("CLOUD_API", "NOT_APPLICABLE", True),
        ("NOT_APPLICABLE", "STANDARD", True),
        ("NOT_APPLICABLE", "NOT_APPLICABLE", True),
        ("NOT_APPLICABLE", None, True),
        (None, None, True),
        ("ON_PREMISE", "STANDARD", False),
    ],
)
def test_a_number_needs_registration_where_a_field_says_so_or_none_says_anything(
    platform: str | None, level: str | None, expected: bool
) -> None:
    raw = {"id": "1", "platform_type": platform, "throughput": {"level": level} if level else None}
    assert PhoneNumber.of(raw).needs_registration is expected


@pytest.mark.parametrize(
    ("on_app", "platform", "expected"),
    [
        (True, "CLOUD_API", "coexistence"),
        ("true", "CLOUD_API", "coexistence"),
        (True, "NOT_APPLICABLE", "dedicated"),
        (False, "CLOUD_API", "dedicated"),
        (None, "CLOUD_API", "dedicated"),
    ],
)
def test_the_connection_type_is_read_from_graph(on_app: object, platform: str, expected: str) -> None:
    number = PhoneNumber.of({"id": "1", "is_on_biz_app": on_app, "platform_type": platform})
    assert number.connection_type == expected


def test_a_coexistence_number_is_never_registered_by_us() -> None:
    raw = {"id": "1", "is_on_biz_app": True, "platform_type": "CLOUD_API", "throughput": {"level": "NOT_APPLICABLE"}}
    assert PhoneNumber.of(raw).needs_registration is False


def test_the_old_name_of_the_limit_counts_where_the_new_one_is_missing() -> None:
    assert PhoneNumber.of({"id": "1", "messaging_limit_tier": "TIER_1K"}).messaging_limit == "TIER_1K"


def test_the_sample_of_a_waba_reads_as_it_is_meant() -> None:
    waba = Waba.of(
        {
            "id": "524126980791429",
            "name": "Demo Bakery",
            "timezone_id": "1",
            "currency": "USD",
            "account_review_status": "APPROVED",
            "business_verification_status": "not_verified",
            "owner_business_info": {"name": "Demo Bakery", "id": "2729063490586005"},
        }
    )
    assert (waba.id, waba.timezone_id, waba.currency) == ("524126980791429", "1", "USD")
    assert (waba.business_id, waba.business_name, waba.health) == ("2729063490586005", "Demo Bakery", None)


def test_ids_are_text_even_where_meta_writes_numbers() -> None:
    waba = Waba.of({"id": 524126980791429, "timezone_id": 1, "owner_business_info": {"id": 2729063490586005}})
    assert (waba.id, waba.timezone_id, waba.business_id) == ("524126980791429", "1", "2729063490586005")


def test_only_our_own_app_counts_as_subscribed() -> None:
    apps = [
        SubscribedApp.of({"whatsapp_business_api_data": {"id": "99", "name": "Another partner"}}),
        SubscribedApp.of({"override_callback_uri": "https://x.example"}),
    ]
    ours = SubscribedApp.of({"whatsapp_business_api_data": {"id": 4711}})
    assert (hears(apps, "4711"), hears([*apps, ours], "4711")) == (False, True)


def test_a_sent_message_is_named_by_its_wamid() -> None:
    raw = {
        "contacts": [{"input": "549", "wa_id": "549"}],
        "messages": [{"id": "wamid.A", "message_status": "accepted"}],
    }
    assert SentMessage.of(raw) == SentMessage("wamid.A", "549", "accepted")
    with pytest.raises(ValueError, match="no message"):
        SentMessage.of({"messages": []})


def test_a_template_has_its_language_and_status() -> None:
    raw = {"id": 168, "name": "hello_world", "language": "en_US", "status": "APPROVED", "category": "UTILITY"}
    assert Template.of(raw) == Template("168", "hello_world", "en_US", "APPROVED", "UTILITY")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys([*DEBUG, *NUMBER, "data", "error", "entities"], ANYTHING)))
def test_no_answer_of_any_shape_breaks_the_reading(raw: dict[str, Any]) -> None:
    raw = msgspec.json.decode(msgspec.json.encode(raw))
    assert isinstance(TokenInfo.of(raw).waba_ids, tuple)
    assert isinstance(SubscribedApp.of(raw), SubscribedApp)
    assert isinstance(Health.of(raw).error_codes, tuple)
    sure = {**raw, "id": "1"}
    assert (PhoneNumber.of(sure).id, Waba.of(sure).id, Template.of(sure).id) == ("1", "1", "1")

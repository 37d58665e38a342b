"""The sandbox's Graph answers against JSON schemas that are written from Meta's documents, field by field.

What a page marks as promised is required here; what it marks as possible is typed where it comes.
"""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.contract.meta_schemas import ID, NATURAL, SENT, SUCCESS, TEXT, TIME, Schema, check, closed, listed
from tests.integration.sandbox.calls import APP_TOKEN, Customer, Meta, running_meta

HEALTH_STATES: Schema = {"enum": ["AVAILABLE", "LIMITED", "BLOCKED"]}


EXCHANGE = closed(["access_token"], access_token=TEXT, token_type={"const": "bearer"}, expires_in=NATURAL)
DEBUG_TOKEN = closed(
    ["data"],
    data=closed(
        ["app_id", "type", "application", "expires_at", "is_valid", "issued_at", "scopes", "user_id"],
        app_id=ID,
        type=TEXT,
        application=TEXT,
        data_access_expires_at=NATURAL,
        expires_at=NATURAL,
        is_valid={"const": True},
        issued_at=NATURAL,
        scopes={"type": "array", "items": TEXT, "minItems": 1},
        granular_scopes={
            "type": "array",
            "items": closed(["scope"], scope=TEXT, target_ids={"type": "array", "items": ID}),
        },
        user_id=ID,
    ),
)
INVALID_TOKEN = closed(
    ["data"],
    data=closed(
        ["is_valid", "scopes"],
        is_valid={"const": False},
        error=closed(["code", "message"], code={"const": 190}, message=TEXT, subcode=NATURAL),
        scopes={"type": "array"},
    ),
)
WABA = closed(["id", "name"], id=ID, name=TEXT)
WABA_FIELDS = {
    "id": ID,
    "name": TEXT,
    "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
    "timezone_id": {"type": "string", "pattern": "^[0-9]+$"},
    "message_template_namespace": {"type": "string", "pattern": "^[0-9a-f]{8}(_[0-9a-f]{4}){3}_[0-9a-f]{12}$"},
    "account_review_status": {"enum": ["PENDING", "APPROVED", "REJECTED", "LIMIT_REACHED"]},
    "business_verification_status": TEXT,
    "country": TEXT,
    "ownership_type": TEXT,
    "owner_business_info": closed(["id", "name"], id=ID, name=TEXT),
    "health_status": {"type": "object", "required": ["can_send_message", "entities"]},
}
DEFAULT_NUMBER = closed(
    ["id", "verified_name", "code_verification_status", "display_phone_number", "quality_rating", "platform_type"],
    id=ID,
    verified_name=TEXT,
    code_verification_status={"enum": ["VERIFIED", "NOT_VERIFIED", "EXPIRED"]},
    display_phone_number={"type": "string", "pattern": r"^\+[0-9 -]{7,20}$"},
    quality_rating={"enum": ["GREEN", "YELLOW", "RED", "UNKNOWN", "NA"]},
    platform_type={"enum": ["CLOUD_API", "ON_PREMISE", "NOT_APPLICABLE"]},
    throughput=closed(["level"], level={"enum": ["STANDARD", "HIGH", "NOT_APPLICABLE"]}),
    last_onboarded_time=TIME,
    webhook_configuration={"type": "object", "additionalProperties": {"type": "string"}},
    status={"enum": ["PENDING", "LINKED", "UNLINKED", "DELETED", "MIGRATED", "BANNED", "RESTRICTED"]},
)
NUMBER_FIELDS = {
    **{name: schema for name, schema in DEFAULT_NUMBER["properties"].items() if name != "status"},
    "status": {"enum": ["CONNECTED", "PENDING", "DISCONNECTED", "FLAGGED", "RESTRICTED", "RATE_LIMITED"]},
    "name_status": {"enum": ["APPROVED", "AVAILABLE_WITHOUT_REVIEW", "DECLINED", "EXPIRED", "PENDING_REVIEW", "NONE"]},
    "new_name_status": TEXT,
    "account_mode": {"enum": ["LIVE", "SANDBOX"]},
    "is_on_biz_app": {"type": "boolean"},
    "is_official_business_account": {"type": "boolean"},
    "is_pin_enabled": {"type": "boolean"},
    "is_preverified_number": {"type": "boolean"},
    "search_visibility": TEXT,
    "whatsapp_business_manager_messaging_limit": {"type": "string", "pattern": "^TIER_"},
    "health_status": closed(
        ["can_send_message", "entities"],
        can_send_message=HEALTH_STATES,
        entities={"type": "array", "minItems": 1, "items": {
            "type": "object",
            "required": ["entity_type", "id", "can_send_message"],
            "properties": {"entity_type": TEXT, "id": ID, "can_send_message": HEALTH_STATES},
        }},
    ),
}  # fmt: skip
SUBSCRIPTIONS = closed(
    ["data"],
    data={"type": "array", "items": closed(
        ["whatsapp_business_api_data"],
        whatsapp_business_api_data=closed(["id", "name", "link"], id=ID, name=TEXT, link=TEXT),
        override_callback_uri=TEXT,
    )},
)  # fmt: skip
SYNC = closed(["messaging_product", "request_id"], messaging_product={"const": "whatsapp"}, request_id=TEXT)
TEMPLATE = closed(
    ["name", "language", "status", "category", "id"],
    name=TEXT,
    language=TEXT,
    status=TEXT,
    category={"enum": ["AUTHENTICATION", "MARKETING", "UTILITY"]},
    components={"type": "array", "items": {"type": "object", "required": ["type"]}},
    parameter_format=TEXT,
    id=ID,
)
CREATED_TEMPLATE = closed(["id", "status", "category"], id=ID, status={"const": "PENDING"}, category=TEXT)
MEDIA = closed(
    ["messaging_product", "url", "mime_type", "sha256", "file_size", "id"],
    messaging_product={"const": "whatsapp"}, url=TEXT, mime_type=TEXT, id=ID,
    file_size={"type": "string", "pattern": "^[0-9]+$"}, sha256={"type": "string", "pattern": "^[0-9a-f]{64}$"},
)  # fmt: skip
CREATED = closed(["id"], id=ID)
POOL_NUMBER = closed(
    ["id", "display_phone_number", "verification_status"],
    id=ID, display_phone_number=TEXT, verification_status={"enum": ["VERIFIED", "PENDING", "FAILED", "EXPIRED"]},
)  # fmt: skip
POOL_FIELDS = {
    "id": ID,
    "phone_number": TEXT,
    "code_verification_status": {"const": "VERIFIED"},
    "code_verification_time": TIME,
    "verification_expiry_time": TIME,
}
ERROR = closed(
    ["error"],
    error=closed(
        ["message", "type", "code", "fbtrace_id"],
        message=TEXT,
        type={"enum": ["OAuthException", "GraphMethodException"]},
        code=NATURAL,
        error_subcode=NATURAL,
        error_data=closed(["messaging_product", "details"], messaging_product={"const": "whatsapp"}, details=TEXT),
        is_transient={"type": "boolean"},
        error_user_title=TEXT,
        error_user_msg=TEXT,
        fbtrace_id={"type": "string", "pattern": "^[A-Za-z0-9]+$"},
    ),
)


@pytest.fixture
async def meta() -> AsyncIterator[Meta]:
    async with running_meta() as running:
        yield running


@pytest.mark.parametrize("scenario", ["default", "never_expiring"])
async def test_the_exchange_answers_as_documented(meta: Meta, scenario: str) -> None:
    played = await meta.play(scenario)
    check(EXCHANGE, (await meta.exchange(played["code"])).json)


@pytest.mark.parametrize("scenario", ["default", "never_expiring", "no_target_ids", "june_2026_scopes", "no_waba"])
async def test_debug_token_answers_as_documented(meta: Meta, scenario: str) -> None:
    customer = await meta.connect(scenario)
    answer = await meta.graph("GET", "debug_token", APP_TOKEN, params={"input_token": customer.token})
    check(DEBUG_TOKEN, answer.json)


async def test_debug_token_answers_as_documented_for_a_dead_token(meta: Meta) -> None:
    customer = await meta.connect("dead_token")
    for token in (customer.token, "unknown"):
        answer = await meta.graph("GET", "debug_token", APP_TOKEN, params={"input_token": token})
        check(INVALID_TOKEN, answer.json)


async def test_a_waba_answers_as_documented(meta: Meta) -> None:
    customer = await meta.connect()
    every = {"fields": ",".join(WABA_FIELDS)}
    check(WABA, (await meta.graph("GET", customer.waba, customer.token)).json)
    asked = (await meta.graph("GET", customer.waba, customer.token, params=every)).json
    check(closed(list(WABA_FIELDS), **WABA_FIELDS), asked)


@pytest.mark.parametrize("scenario", ["default", "coexistence", "name_in_review", "unverified_number"])
async def test_numbers_answer_as_documented_listed_and_alone(meta: Meta, scenario: str) -> None:
    customer = await meta.connect(scenario)
    every = {"fields": ",".join(NUMBER_FIELDS)}
    path = f"{customer.waba}/phone_numbers"
    check(listed(DEFAULT_NUMBER), (await meta.graph("GET", path, customer.token)).json)
    check(DEFAULT_NUMBER, (await meta.graph("GET", customer.number, customer.token)).json)
    asked = closed(list(NUMBER_FIELDS), **NUMBER_FIELDS)
    check(asked, (await meta.graph("GET", customer.number, customer.token, params=every)).json)
    check(listed(asked), (await meta.graph("GET", path, customer.token, params=every)).json)


async def test_subscribing_answers_as_documented(meta: Meta) -> None:
    customer = await meta.connect()
    path = f"{customer.waba}/subscribed_apps"
    check(SUBSCRIPTIONS, (await meta.graph("GET", path, customer.token)).json)
    check(SUCCESS, (await meta.graph("POST", path, customer.token)).json)
    check(SUBSCRIPTIONS, (await meta.graph("GET", path, customer.token)).json)
    check(SUCCESS, (await meta.graph("DELETE", path, customer.token)).json)


async def test_registering_and_sending_answer_as_documented(meta: Meta) -> None:
    customer = await meta.connect()
    check(SUCCESS, (await meta.register(customer)).json)
    for kind, content in (
        ("text", {"body": "Hola"}),
        ("template", {"name": "hello_world", "language": {"code": "en_US"}}),
    ):
        body = {"messaging_product": "whatsapp", "to": "5493515550100", "type": kind, kind: content}
        check(SENT, (await meta.graph("POST", f"{customer.number}/messages", customer.token, json=body)).json)
    check(SUCCESS, (await meta.graph("POST", f"{customer.number}/deregister", customer.token)).json)


async def test_coexistence_sync_answers_as_documented(meta: Meta) -> None:
    customer = await meta.connect("coexistence")
    body = {"messaging_product": "whatsapp", "sync_type": "history"}
    check(SYNC, (await meta.graph("POST", f"{customer.number}/smb_app_data", customer.token, json=body)).json)


async def test_templates_answer_as_documented(meta: Meta) -> None:
    customer = await meta.connect()
    answer = await meta.graph("GET", f"{customer.waba}/message_templates", customer.token)
    check(listed(TEMPLATE), answer.json)


async def test_a_made_template_and_a_file_answer_as_documented(meta: Meta) -> None:
    customer = await meta.connect()
    path, body = f"{customer.waba}/message_templates", {"name": "hi", "language": "es", "category": "UTILITY"}
    check(CREATED_TEMPLATE, (await meta.graph("POST", path, customer.token, json=body)).json)
    check(SUCCESS, (await meta.graph("DELETE", path, customer.token, params={"name": "hi"})).json)
    form = aiohttp.FormData({"messaging_product": "whatsapp", "type": "image/png"})
    form.add_field("file", b"\x89PNG", filename="a.png", content_type="image/png")
    made = await meta.graph("POST", f"{customer.number}/media", customer.token, data=form)
    check(CREATED, made.json)
    check(MEDIA, (await meta.graph("GET", made.json["id"], customer.token)).json)
    check(SUCCESS, (await meta.graph("DELETE", made.json["id"], customer.token)).json)


async def test_the_partners_portfolio_answers_as_documented(meta: Meta) -> None:
    partner, system = meta.world.config.partner_business_id, "the-system-token"
    made = await meta.graph("POST", f"{partner}/add_phone_numbers", system, data={"phone_number": "15550783881"})
    check(CREATED, made.json)
    number = made.json["id"]
    check(listed(POOL_NUMBER), (await meta.graph("GET", f"{partner}/preverified_numbers", system)).json)
    query = {"code_method": "SMS", "language": "en_US"}
    check(SUCCESS, (await meta.graph("POST", f"{number}/request_code", system, params=query)).json)
    verified = await meta.graph("POST", f"{number}/verify_code", system, params={"code": "123456"})
    check(closed(["success", "id"], success={"const": True}, id=ID), verified.json)
    params = {"fields": ",".join(POOL_FIELDS), "code_verification_status": "VERIFIED"}
    rows = await meta.graph("GET", f"{partner}/preverified_numbers", system, params=params)
    check(listed(closed(list(POOL_FIELDS), **POOL_FIELDS)), rows.json)
    customer = await meta.connect()
    path = f"{customer.played['businessId']}/system_user_access_tokens"
    check(EXCHANGE, (await meta.graph("POST", path, system, data={"fetch_only": "true"})).json)


async def failing(meta: Meta, customer: Customer) -> list[Any]:
    """One answer of each kind of error."""
    used = await meta.exchange(customer.played["code"])
    return [
        used,
        await meta.exchange("nonsense"),
        await meta.exchange("nonsense", client_secret="wrong"),
        await meta.exchange("nonsense", client_id="9"),
        await meta.graph("GET", "debug_token", "wrong"),
        await meta.graph("GET", customer.waba, "wrong"),
        await meta.graph("GET", customer.waba, None),
        await meta.graph("GET", "404404404", customer.token),
        await meta.graph("POST", f"{customer.waba}/nothing", customer.token),
        await meta.graph("GET", customer.waba, customer.token, params={"fields": "none"}),
        await meta.register(customer, "1"),
        await meta.register(customer, "111111"),
    ]


async def test_every_error_has_metas_shape(meta: Meta) -> None:
    customer = await meta.connect("already_registered_pin")
    for answer in await failing(meta, customer):
        assert answer.status >= 400
        check(ERROR, answer.json)


@pytest.mark.parametrize("code", [1, 2, 4, 10, 368, 80007, 130429, 131031, 131042, 131056, 133000, 133004, 133015])
async def test_every_error_on_demand_has_metas_shape(meta: Meta, code: int) -> None:
    customer = await meta.connect()
    await meta.ask("POST", "/sandbox/faults", json={"call": "waba", "code": code})
    answer = await meta.graph("GET", customer.waba, customer.token)
    assert answer.codes[0] == code
    check(ERROR, answer.json)

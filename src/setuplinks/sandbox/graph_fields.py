"""How Graph shows objects: the fields of WABA and number, field selection and paging (contract 3.1, 3.2)."""

import base64
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from setuplinks.sandbox.clock import graph_time
from setuplinks.sandbox.graph_call import Answer, GraphCall
from setuplinks.sandbox.graph_errors import bad_parameter
from setuplinks.sandbox.world import Number, Waba

Fields = dict[str, Callable[[], Any]]

WABA_DEFAULT = ("id", "name")
NUMBER_DEFAULT = (
    "verified_name",
    "code_verification_status",
    "display_phone_number",
    "quality_rating",
    "platform_type",
    "throughput",
    "last_onboarded_time",
    "webhook_configuration",
    "id",
)


def app_row(app_id: str, name: str) -> Answer:
    """An app, as it stands beside what it has to do with."""
    return {"id": app_id, "name": name, "link": f"https://www.facebook.com/games/?app_id={app_id}"}


def waba_fields(waba: Waba, app: str = "") -> Fields:
    """`app` is our app's name."""
    return {
        "id": lambda: waba.id,
        "name": lambda: waba.name,
        "currency": lambda: waba.currency,
        "timezone_id": lambda: waba.timezone_id,
        "country": lambda: waba.country,
        "message_template_namespace": lambda: waba.namespace,
        "account_review_status": lambda: waba.review_status,
        "business_verification_status": lambda: "not_verified",
        "ownership_type": lambda: "CLIENT_OWNED",
        "primary_business_location": lambda: waba.country,
        "owner_business_info": lambda: {"name": waba.business.name, "id": waba.business.id},
        "on_behalf_of_business_info": lambda: {
            "name": waba.business.name,
            "id": waba.business.id,
            "status": "APPROVED",
            "type": "SELF",
        },
        "health_status": lambda: {
            "can_send_message": "AVAILABLE",
            "entities": [{"entity_type": "WABA", "id": waba.id, "can_send_message": "AVAILABLE"}],
        },
        "status": lambda: "ACTIVE",
        "is_enabled_for_insights": lambda: True,
        "marketing_messages_onboarding_status": lambda: "ELIGIBLE",
        "marketing_messages_lite_api_status": lambda: "ELIGIBLE",
        "disable_marketing_messages_on_cloud_api": lambda: False,
        "creation_time": lambda: int(waba.created),
        # Edges, as Graph's field expansion reads them along: `fields=phone_numbers{id}`.
        "phone_numbers": lambda: {"data": [_brief(number) for number in waba.numbers]},
        "message_templates": lambda: {"data": waba.templates},
        "subscribed_apps": lambda: {
            "data": [{"whatsapp_business_api_data": app_row(app_id, app)} for app_id in waba.subscriptions]
        },
    }


def _brief(number: Number) -> Answer:
    names = ("verified_name", "code_verification_status", "display_phone_number", "quality_rating", "id")
    fields = number_fields(number, "", "")
    return {name: fields[name]() for name in names}


def can_send(number: Number) -> str:
    if number.status != "CONNECTED" or number.platform_type == "NOT_APPLICABLE":
        return "BLOCKED"
    return "LIMITED" if number.name_status == "PENDING_REVIEW" else "AVAILABLE"


def _health(number: Number) -> Answer:
    verdict = can_send(number)
    entity: Answer = {"entity_type": "PHONE_NUMBER", "id": number.id, "can_send_message": verdict}
    if verdict == "BLOCKED":
        entity["errors"] = [
            {
                "error_code": 141000,
                "error_description": "The phone number is not registered.",
                "possible_solution": "Register the phone number.",
            }
        ]
    elif verdict == "LIMITED":
        entity["additional_info"] = ["The display name has not been approved yet."]
    return {
        "can_send_message": verdict,
        "entities": [
            entity,
            {"entity_type": "WABA", "id": number.waba.id, "can_send_message": "AVAILABLE"},
            {"entity_type": "BUSINESS", "id": number.waba.business.id, "can_send_message": "AVAILABLE"},
        ],
    }


def _webhooks(number: Number, app_id: str, app_callback: str) -> Answer:
    shown: Answer = {}
    if number.override:
        shown["phone_number"] = number.override["override_callback_uri"]
    if override := number.waba.subscriptions.get(app_id):
        shown["whatsapp_business_account"] = override["override_callback_uri"]
    shown["application"] = app_callback
    return shown


def number_fields(number: Number, app_id: str, app_callback: str) -> Fields:
    return {
        "id": lambda: number.id,
        "verified_name": lambda: number.verified_name,
        "display_phone_number": lambda: number.display,
        "status": lambda: number.status,
        "quality_rating": lambda: number.quality_rating,
        "quality_score": lambda: {"score": number.quality_rating},
        "code_verification_status": lambda: number.code_verification_status,
        "name_status": lambda: number.name_status,
        "new_name_status": lambda: "NONE",
        "platform_type": lambda: number.platform_type,
        "throughput": lambda: {"level": number.throughput},
        "account_mode": lambda: "LIVE",
        "is_on_biz_app": lambda: number.on_biz_app,
        "is_official_business_account": lambda: number.official,
        "is_pin_enabled": lambda: number.pin is not None,
        "is_preverified_number": lambda: number.preverified,
        "search_visibility": lambda: "NON_VISIBLE",
        "whatsapp_business_manager_messaging_limit": lambda: number.messaging_limit,
        "messaging_limit_tier": lambda: number.messaging_limit,
        "last_onboarded_time": lambda: graph_time(number.last_onboarded or number.created),
        "webhook_configuration": lambda: _webhooks(number, app_id, app_callback),
        "health_status": lambda: _health(number),
        "eligibility_for_api_business_global_search": lambda: "NON_ELIGIBLE_UNDEFINED_COUNTRY",
        "new_certificate": lambda: None,
        "username": lambda: None,
        "whatsapp_business_account": lambda: {"id": number.waba.id, "name": number.waba.name},
        "conversational_automation": lambda: {"id": number.id, **number.automation},
        "certificate": lambda: "CmYKIgi" + number.id,
        "country_code": lambda: number.waba.country,
        "country_dial_code": lambda: number.display.split(" ")[0].lstrip("+"),
    }


def asked_fields(text: str) -> dict[str, list[str]]:
    """`a,b{c,d}` → {"a": [], "b": ["c", "d"]}; modifiers such as `.limit(5)` are dropped."""
    asked: dict[str, list[str]] = {}
    depth, word = 0, ""
    for char in text + ",":
        depth += (char == "{") - (char == "}")
        if char == "," and depth == 0:
            name, _, inner = word.partition("{")
            if name.strip():
                asked[name.strip().split(".")[0]] = [
                    part.strip() for part in inner.rstrip("}").split(",") if part.strip()
                ]
            word = ""
        else:
            word += char
    return asked


def shown(fields: Fields, default: tuple[str, ...], asked_text: str, node: str) -> Answer:
    """The default fields, or those asked for and always `id`; an unknown one is error 100."""
    if not asked_text:
        return {name: fields[name]() for name in default}
    row: Answer = {}
    for name, inner in asked_fields(asked_text).items():
        if name not in fields:
            raise bad_parameter(f"Tried accessing nonexisting field ({name}) on node type ({node})")
        if (value := fields[name]()) is not None:  # Graph leaves out what has no value
            row[name] = _narrowed(value, inner)
    row.setdefault("id", fields["id"]())
    return row


def _narrowed(value: Any, inner: list[str]) -> Any:
    """Only these fields of an object, or of every row of a list."""
    if not inner or not isinstance(value, dict):
        return value
    if isinstance(value.get("data"), list):
        return value | {"data": [_narrowed(row, inner) for row in value["data"]]}
    return {key: value[key] for key in inner if key in value}


def cursor_of(row_id: str) -> str:
    return base64.urlsafe_b64encode(row_id.encode()).decode().rstrip("=")


def _row_id(cursor: str) -> str:
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError:  # not base64, or not text
        raise bad_parameter("Invalid cursors values.") from None


def paged(call: GraphCall, ids: list[str], row: Callable[[str], Answer]) -> Answer:
    """One page over `ids` by `limit` and `after`; `next` is there only where more follow. Tokens stay out of it."""
    limit_text = call.text("limit") or "25"
    if len(limit_text) > 4 or not limit_text.isdecimal() or not 0 < int(limit_text) <= 1000:
        raise bad_parameter("The parameter limit must be a positive integer.")
    limit, start = int(limit_text), 0
    if after := call.text("after"):
        if (last := _row_id(after)) not in ids:
            raise bad_parameter("Invalid cursors values.")
        start = ids.index(last) + 1
    chosen = ids[start : start + limit]
    answer: Answer = {"data": [row(row_id) for row_id in chosen]}
    if chosen:
        paging: Answer = {"cursors": {"before": cursor_of(chosen[0]), "after": cursor_of(chosen[-1])}}
        if start + limit < len(ids):
            query = {"fields": call.text("fields"), "limit": str(limit), "after": cursor_of(chosen[-1])}
            paging["next"] = f"{call.base_url}{call.path}?" + urlencode({k: v for k, v in query.items() if v})
        answer["paging"] = paging
    return answer

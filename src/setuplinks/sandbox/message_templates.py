"""Whether a template message fits the account's template: name, language, state, and the values for its blanks.

https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
"""

import re
from typing import Any

from setuplinks.sandbox.graph_errors import GraphError, bad_parameter
from setuplinks.sandbox.world import Number

Content = dict[str, Any]
BLANK = re.compile(r"\{\{\s*([A-Za-z0-9_]+)\s*\}\}")
KINDS = ("action", "coupon_code", "currency", "date_time", "document", "image", "limited_time_offer", "location",
         "order_status", "payload", "product", "text", "tap_target_configuration", "video")  # fmt: skip
STOPPED = {"PAUSED": (132015, "(#132015) Template is Paused"), "DISABLED": (132016, "(#132016) Template is Disabled")}
FILES = {"IMAGE": "image", "VIDEO": "video", "DOCUMENT": "document", "LOCATION": "location"}


def checked_template(number: Number, content: Any) -> Content:
    """The account's template that this message fills; raises 100, 131008 or 132xxx."""
    if not isinstance(content, dict):
        raise bad_parameter("The parameter template is required.")
    name, language = content.get("name"), content.get("language")
    if not name:
        raise bad_parameter("The parameter template['name'] is required.")
    code = language.get("code") if isinstance(language, dict) else None
    if not code:
        raise bad_parameter("The parameter template['language']['code'] is required.")
    found = next((t for t in number.waba.templates if (t["name"], t["language"]) == (name, code)), None)
    if found is not None and found["status"] in STOPPED:
        stopped, text = STOPPED[found["status"]]
        raise GraphError(stopped, text, details=f"template name ({name}) is {found['status'].lower()}")
    if found is None or found["status"] != "APPROVED":
        raise GraphError(
            132001,
            "(#132001) Template name does not exist in the translation",
            status=404,
            details=f"template name ({name}) does not exist in {code}",
        )
    given = _given(content.get("components"))
    for component in found.get("components") or []:
        kind = str(component.get("type", "")).upper()
        if kind in ("HEADER", "BODY"):
            _fits(kind.lower(), component, given.get(kind.lower(), []))
    return found


def _given(components: Any) -> dict[str, list[Content]]:
    """Values by the component that they are for."""
    found: dict[str, list[Content]] = {}
    if components is None:
        return found
    if not isinstance(components, list):
        raise bad_parameter("Param template['components'] must be an array.")
    for place, component in enumerate(components):
        path = f"template['components'][{place}]"
        kind = str(component.get("type", "")).lower() if isinstance(component, dict) else ""
        if not kind:
            raise bad_parameter(f"The parameter {path}['type'] is required.")
        if kind not in ("header", "body", "button", "footer", "carousel", "limited_time_offer", "order_status"):
            raise bad_parameter(
                f"Param {path}['type'] must be one of {{HEADER, BODY, BUTTON, CAROUSEL}} - got \"{kind}\"."
            )
        values = component.get("parameters") or []
        for at, value in enumerate(values if isinstance(values, list) else [values]):
            if not isinstance(value, dict) or not value.get("type"):
                raise GraphError(
                    131008, "(#131008) Required parameter is missing", details=f"{path}['parameters'][{at}]['type']"
                )
            if str(value["type"]).lower() not in KINDS:
                raise bad_parameter(f"Param {path}['parameters'][{at}]['type'] must be one of {{{', '.join(KINDS)}}}")
        if kind in ("header", "body"):
            found[kind] = values
    return found


def _fits(kind: str, component: Content, values: list[Content]) -> None:
    """As many values as blanks; a header with a file wants that file."""
    wanted = FILES.get(str(component.get("format", "TEXT")).upper())
    if wanted is not None:
        if len(values) != 1 or str(values[0].get("type")).lower() != wanted:
            raise GraphError(
                132012, "(#132012) Parameter format does not match format in the created template",
                details=f"{kind}: Format mismatch, expected {wanted.upper()}, received "
                f"{str(values[0].get('type')).upper() if values else 'UNKNOWN'}",
            )  # fmt: skip
        return
    blanks = set(BLANK.findall(str(component.get("text", ""))))
    if len(values) != len(blanks):
        raise GraphError(
            132000, "(#132000) Number of parameters does not match the expected number of params",
            details=f"{kind}: number of localizable_params ({len(values)}) does not match the expected number of "
            f"params ({len(blanks)})",
        )  # fmt: skip
    for value in values:
        if str(value["type"]).lower() == "text" and not value.get("text"):
            raise GraphError(131008, "(#131008) Required parameter is missing", details=f"{kind}: text is required")


def filled(template: Content, content: Content) -> str:
    """The body's text as the end user reads it."""
    components: list[Content] = template.get("components") or []
    body: Content = next((c for c in components if str(c.get("type", "")).upper() == "BODY"), {})
    given = _given(content.get("components")).get("body", [])
    names = list(dict.fromkeys(BLANK.findall(str(body.get("text", "")))))
    words = {str(value.get("parameter_name") or name): _word(value) for name, value in zip(names, given, strict=False)}
    return BLANK.sub(lambda blank: words.get(blank[1], blank[0]), str(body.get("text", "")))


def _word(value: Content) -> str:
    inner = value.get(str(value.get("type")))
    if isinstance(inner, dict):
        return str(inner.get("fallback_value", ""))
    return str(inner or value.get("text") or "")

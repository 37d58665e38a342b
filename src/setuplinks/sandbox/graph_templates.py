"""Message templates: list, make, change, delete, by account and by id; what Meta's review makes of them (contract 3.8).

https://developers.facebook.com/documentation/business-messaging/whatsapp/reference/whatsapp-business-account/template-api
"""

import re
from typing import Any

from setuplinks.sandbox.graph_call import Answer, GraphCall
from setuplinks.sandbox.graph_errors import GraphError, bad_parameter
from setuplinks.sandbox.graph_fields import asked_fields, paged
from setuplinks.sandbox.world import Token, Waba, World

CATEGORIES = ("AUTHENTICATION", "MARKETING", "UTILITY")
STATES = ("APPROVED", "DISABLED", "FLAGGED", "IN_APPEAL", "PAUSED", "PENDING", "REJECTED")
COMPONENTS = ("BODY", "BUTTONS", "CALL_PERMISSION_REQUEST", "CAROUSEL", "FOOTER", "HEADER", "LIMITED_TIME_OFFER")
NAME = re.compile(r"[a-z0-9_]{1,512}")
BODY_LIMIT = 1024
MOST_TEMPLATES = 250  # of an account whose business is not verified
SHOWN = ("name", "parameter_format", "components", "language", "status", "category", "id")


async def templates(call: GraphCall, _token: Token, waba: Waba) -> Answer:
    """The account's, filtered by `name`, `language`, `status`, `category`; with `summary` their counts as well."""
    wanted = {name: call.text(name) for name in ("name", "language", "status", "category") if call.text(name)}
    rows = {str(t["id"]): t for t in waba.templates if all(_is(t, name, text) for name, text in wanted.items())}
    page = paged(call, list(rows), lambda template_id: _shown(rows[template_id], call.text("fields")))
    counts = {"total_count": len(rows), "message_template_count": len(waba.templates)}
    counts |= {"message_template_limit": MOST_TEMPLATES, "are_translations_complete": True}
    asked = [name for name in asked_fields(call.text("summary")) if name in counts]
    return page | ({"summary": {name: counts[name] for name in asked}} if asked else {})


def _is(template: Answer, name: str, text: str) -> bool:
    held = str(template.get(name, ""))
    return text in held if name == "name" else held.upper() == text.upper()


def _shown(template: Answer, asked: str) -> Answer:
    names = [*asked_fields(asked), "id"] if asked else SHOWN
    return {name: template[name] for name in names if name in template}


async def create(call: GraphCall, _token: Token, waba: Waba) -> Answer:
    """Pending until Meta has reviewed it; a name stands once in each language."""
    name, language, category = call.required("name"), call.required("language"), call.required("category").upper()
    if category not in CATEGORIES:
        raise bad_parameter("Param category must be one of {AUTHENTICATION, MARKETING, UTILITY}")
    if not NAME.fullmatch(name):
        raise GraphError(
            100, "Invalid parameter", subcode=2388042, user_title="Message template name is not valid",
            user_msg="The name can only have lowercase letters, digits and underscores.",
        )  # fmt: skip
    components = _components(call.params.get("components", []))
    if any((t["name"], t["language"]) == (name, language) for t in waba.templates):
        raise GraphError(
            100, "Invalid parameter", subcode=2388024, user_title="Content in this language already exists"
        )
    made: Answer = {"id": call.world.next_id("16"), "status": "PENDING", "category": category}
    parameter_format = call.text("parameter_format").upper() or "POSITIONAL"
    waba.templates.append(
        {"name": name, "language": language, "components": components, "parameter_format": parameter_format, **made}
    )
    _reviewed_later(call.world, made["id"])
    return made


def _components(components: Any) -> list[Answer]:
    if not isinstance(components, list):
        raise bad_parameter("Param components must be an array.")
    for place, component in enumerate(components):
        kind = str(component.get("type", "")).upper() if isinstance(component, dict) else ""
        if kind not in COMPONENTS:
            raise bad_parameter(f"Param components[{place}]['type'] must be one of {{{', '.join(COMPONENTS)}}}")
        if kind == "BODY" and len(str(component.get("text", ""))) > BODY_LIMIT:
            raise bad_parameter(f"Param components[{place}]['text'] must be at most {BODY_LIMIT} characters long.")
    return components


async def delete(call: GraphCall, _token: Token, waba: Waba) -> Answer:
    """By name in all languages, or with `hsm_id` the one."""
    name, template_id = call.required("name"), call.text("hsm_id")
    kept = [t for t in waba.templates if t["name"] != name or (template_id and t["id"] != template_id)]
    if len(kept) == len(waba.templates):
        raise GraphError(100, "Invalid parameter", subcode=2593002, user_title="Message template not found")
    waba.templates[:] = kept
    return {"success": True}


def find(world: World, template_id: str) -> tuple[Waba, Answer] | None:
    """A template by its id, with its account."""
    for waba in world.wabas.values():
        for template in waba.templates:
            if template["id"] == template_id:
                return waba, template
    return None


async def read(call: GraphCall, template: Answer) -> Answer:
    """One template."""
    return _shown(template, call.text("fields"))


async def change(call: GraphCall, template: Answer) -> Answer:
    """New components or another category; it is reviewed again."""
    if "components" not in call.params and "category" not in call.params:
        raise bad_parameter("The parameter components or category is required.")
    if "components" in call.params:
        template["components"] = _components(call.params["components"])
    if category := call.text("category").upper():
        if category not in CATEGORIES:
            raise bad_parameter("Param category must be one of {AUTHENTICATION, MARKETING, UTILITY}")
        template["category"] = category
    template["status"] = "PENDING"
    _reviewed_later(call.world, template["id"])
    return {"success": True, "id": template["id"], "name": template["name"], "category": template["category"]}


def _reviewed_later(world: World, template_id: str) -> None:
    seconds = world.settings.template_review_seconds
    if seconds is not None:
        world.agenda.after(seconds, lambda: _approve(world, template_id))


def _approve(world: World, template_id: str) -> None:
    found = find(world, template_id)
    if found is not None and found[1]["status"] == "PENDING":
        review(world, template_id, "APPROVED", "NONE")


def review(world: World, template_id: str, status: str, reason: str) -> Answer | None:
    """Sets a template's status and tells it. None where there is no such template or status."""
    found = find(world, template_id)
    if found is None or status not in STATES:
        return None
    waba, template = found
    template["status"] = status
    told: Answer = {
        "event": status,
        "message_template_id": int(template["id"]),
        "message_template_name": template["name"],
        "message_template_language": template["language"],
        "reason": reason,
        "message_template_category": template["category"],
    }
    world.notify("message_template_status_update", waba.id, told)
    return template

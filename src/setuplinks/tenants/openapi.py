"""The OpenAPI 3.1 document of routes that read their own request: bodies, answers, errors, keys.

Owns the spelling of a route's declaration and the schemas of bodies (both spellings of each field) and of problems.
What a route declares is what it decodes with: one struct serves both.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from setuplinks.core import wire
from setuplinks.core.problems import MEDIA_TYPE
from setuplinks.tenants.context import Deps

REF = "#/components/schemas/{name}"
_PARAM = re.compile(r"{(\w+)}")

PROBLEM: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "What went wrong, by RFC 9457. `code` is stable; `errors` names the fields.",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
SECURITY: dict[str, Any] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer <key>`"},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key and body get the same answer for 24 hours; the same key with another body gets 409.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
TOLD = {
    "400": "The request cannot be read.",
    "401": "A valid API key is needed.",
    "403": "The key may not do this.",
    "404": "There is no such object for this key.",
    "409": "The object's state, or the Idempotency-Key, does not allow this.",
    "413": "The body is larger than 1,000,000 bytes.",
    "422": "Fields are not valid; `errors` names them.",
    "429": "Too many requests; `Retry-After` says for how long.",
}


@dataclass(frozen=True, slots=True)
class Query:
    """A query parameter; also taken in snake_case."""

    name: str
    about: str
    schema: dict[str, Any] = field(default_factory=lambda: {"type": "string"})


PAGING = (
    Query("limit", "How many at most.", {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}),
    Query("after", "`nextCursor` of the page before."),
)


def operation(
    method: str,
    path: str,
    takes: type | None,
    answers: type | None,
    status: int,
    *,
    pages: bool,
    query: Sequence[Query],
    conflicts: bool,
    optional_body: bool,
    forbids: bool,
) -> dict[str, Any]:
    """What one route declares, as FastAPI's `openapi_extra`."""
    asked = [*query, *(PAGING if pages else ())]
    parameters: list[dict[str, Any]] = [_path_parameter(name) for name in _PARAM.findall(path)]
    parameters += [
        {"name": one.name, "in": "query", "required": False, "description": one.about, "schema": one.schema}
        for one in asked
    ]
    errors = ["401", "429"]
    errors += ["403"] if forbids or method != "GET" else []
    errors += ["404"] if _PARAM.search(path) else []
    errors += ["409"] if conflicts or method == "POST" else []
    errors += ["422"] if takes or asked or method == "POST" else []
    errors += ["413"] if method != "GET" else []
    errors += ["400"] if takes or method != "GET" else []
    declared: dict[str, Any] = {
        "security": [{"bearer": []}, {"apiKey": []}],
        "responses": {str(status): _success(answers, pages=pages, post=method == "POST")},
    }
    declared["responses"].update({code: _problem(code) for code in sorted(errors)})
    if method == "POST":
        parameters.append(IDEMPOTENCY)
    if parameters:
        declared["parameters"] = parameters
    if takes:
        content = {"application/json": {"schema": {"$ref": REF.format(name=takes.__name__)}}}
        declared["requestBody"] = {"required": not optional_body, "content": content}
    return declared


def install_openapi(app: FastAPI, deps: Deps, *, title: str, version: str, description: str) -> None:
    """Makes `app.openapi()` the document of all its routes; built at the first request for it."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(
                title=title, version=version, openapi_version="3.1.0", description=description, routes=app.routes,
                servers=[{"url": deps.settings.public_url}],
            )  # fmt: skip
            components = made.setdefault("components", {})
            components["schemas"] = {**components.get("schemas", {}), **schemas(deps.schemas), "Problem": PROBLEM}
            components["securitySchemes"] = SECURITY
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def schemas(kinds: list[type]) -> dict[str, Any]:
    """The JSON schemas of the declared structs, by name. Bodies take each field in both spellings."""
    distinct = sorted(set(kinds), key=lambda kind: kind.__name__)
    _, found = msgspec.json.schema_components(distinct, schema_hook=wire.schema_of, ref_template=REF)
    for kind in _with_inner(distinct):
        if issubclass(kind, wire.Body):
            _both_spellings(found[kind.__name__], kind)
    return found


def _with_inner(kinds: list[type]) -> set[type]:
    seen: set[type] = set()
    waiting = list(kinds)
    while waiting:
        kind = waiting.pop()
        if kind in seen:
            continue
        seen.add(kind)
        waiting += [inner for one in msgspec.structs.fields(kind) if (inner := wire.struct_in(one.type)) is not None]
    return seen


def _both_spellings(schema: dict[str, Any], kind: type) -> None:
    either: list[dict[str, Any]] = []
    for one in msgspec.structs.fields(kind):
        if one.name == one.encode_name:
            continue
        known = schema["properties"][one.encode_name]
        schema["properties"][one.name] = {"description": f"The same as `{one.encode_name}`.", **known}
        either.append({"not": {"required": [one.name, one.encode_name]}})
        if one.required:
            schema["required"].remove(one.encode_name)
            either.append({"anyOf": [{"required": [one.encode_name]}, {"required": [one.name]}]})
    if either:
        schema["allOf"] = either


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _success(answers: type | None, *, pages: bool, post: bool) -> dict[str, Any]:
    out: dict[str, Any] = {"description": "Done." if answers is None else "The answer."}
    if post:
        out["headers"] = {
            "Idempotency-Replayed": {
                "description": "`true` where this is the stored answer of an earlier request.",
                "schema": {"type": "string"},
            }
        }
    if answers is None:
        return out
    schema: dict[str, Any] = {"$ref": REF.format(name=answers.__name__)}
    if pages:
        schema = {
            "type": "object",
            "required": ["data", "nextCursor"],
            "properties": {"data": {"type": "array", "items": schema}, "nextCursor": {"type": ["string", "null"]}},
        }
    out["content"] = {"application/json": {"schema": schema}}
    return out


def _problem(code: str) -> dict[str, Any]:
    schema = {"$ref": REF.format(name="Problem")}
    return {"description": TOLD[code], "content": {MEDIA_TYPE: {"schema": schema}}}

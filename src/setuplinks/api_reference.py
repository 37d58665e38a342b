"""The API's own reference page at `/docs`: one plain page drawn from the OpenAPI document, no script, no third party.

Owns its looks. What stands on it comes from the routes' declarations.
"""

import json
import re
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup, escape

_CODE = re.compile(r"`([^`]+)`")
TEMPLATE = Path(__file__).parent / "api_reference.html"


def reference_page(doc: dict[str, Any]) -> str:
    """The page for an OpenAPI document."""
    tags: dict[str, list[dict[str, Any]]] = {}
    for path, item in doc.get("paths", {}).items():
        for method, operation in item.items():
            tag = (operation.get("tags") or ["Other"])[0]
            tags.setdefault(tag, []).append(_operation(method, path, operation, _schemas(doc)))
    schemas = [(name, _fields(schema), json.dumps(schema, indent=2)) for name, schema in _schemas(doc).items()]
    environment = Environment(autoescape=True)
    environment.filters.update(marked=_marked, first_sentence=_first_sentence)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(doc=doc, tags=tags, schemas=schemas)


def _marked(text: str) -> Markup:
    """What stands between backticks as code; all else is escaped."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped right here


def _first_sentence(text: str) -> str:
    return text.partition("\n")[0].partition(". ")[0].rstrip(".") + "."


def _operation(method: str, path: str, operation: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    body = _shape(operation.get("requestBody", {}))
    return {
        "id": operation.get("operationId", ""),
        "method": method.upper(),
        "path": path,
        "description": operation.get("description", ""),
        "parameters": [
            {"name": p["name"], "where": p["in"], "description": p.get("description", "")}
            for p in operation.get("parameters", [])
            if "name" in p
        ],
        "body": body,
        "fields": _fields(schemas.get(body, {})),
        "answers": [
            {"status": status, "description": answer.get("description", ""), "shape": _shape(answer)}
            for status, answer in operation.get("responses", {}).items()
        ],
    }


def _shape(holder: dict[str, Any]) -> str:
    """The name of the shape that a body or an answer has; empty where it has none of its own."""
    content = holder.get("content", {})
    first: dict[str, Any] = next(iter(content.values()), {})
    schema = first.get("schema", {})
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _fields(schema: dict[str, Any]) -> list[tuple[str, str]]:
    """(name, type) of each field. Bodies take both spellings; the page shows the one that answers have."""
    return [(name, _type(field)) for name, field in schema.get("properties", {}).items() if "_" not in name]


def _type(schema: dict[str, Any]) -> str:
    """A schema in a word or two."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(part) for part in schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(json.dumps(value) for value in schema["enum"])
    kind = schema.get("type", "any")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return f"{kind} ({schema['format']})" if "format" in schema else str(kind)


def _schemas(doc: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = doc.get("components", {}).get("schemas", {})
    return dict(sorted(found.items()))

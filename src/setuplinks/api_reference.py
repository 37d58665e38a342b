"""The API's own reference page at `/docs`: one plain page drawn from the OpenAPI document, no script, no third party.

Owns its looks. What stands on it comes from the routes' declarations.
"""

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment

TEMPLATE = Path(__file__).parent / "api_reference.html"


def reference_page(doc: dict[str, Any]) -> str:
    """The page for an OpenAPI document."""
    tags: dict[str, list[dict[str, Any]]] = {}
    for path, item in doc.get("paths", {}).items():
        for method, operation in item.items():
            tag = (operation.get("tags") or ["Other"])[0]
            tags.setdefault(tag, []).append(_operation(method, path, operation))
    schemas = [(name, json.dumps(schema, indent=2)) for name, schema in _schemas(doc).items()]
    template = Environment(autoescape=True).from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(doc=doc, tags=tags, schemas=schemas)


def _operation(method: str, path: str, operation: dict[str, Any]) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
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
        "body": json.dumps(body, indent=2) if body else "",
        "answers": [
            {"status": status, "description": answer.get("description", "")}
            for status, answer in operation.get("responses", {}).items()
        ],
    }


def _schemas(doc: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = doc.get("components", {}).get("schemas", {})
    return dict(sorted(found.items()))

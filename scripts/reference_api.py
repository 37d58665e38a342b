"""The OpenAPI document as a page that people read: each route with what it takes and what it answers.

Owns the wording of schemas. It knows the document only, not the service.
"""

from typing import Any

METHODS = ("get", "post", "patch", "put", "delete")


def api_sections(document: dict[str, Any]) -> str:
    """Routes by tag, in the document's order, then the objects that they speak of."""
    by_tag: dict[str, list[str]] = {}
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                tag = next(iter(item[method].get("tags", [])), "Others")
                by_tag.setdefault(tag, []).append(_route(method.upper(), path, item[method]))
    routes = "\n\n".join(f"## {tag}\n\n" + "\n\n".join(found) for tag, found in by_tag.items())
    known = document.get("components", {}).get("schemas", {})
    objects = "\n\n".join(_object(name, schema) for name, schema in sorted(known.items()) if schema.get("properties"))
    return f"{routes}\n\n## Objects\n\n{objects}"


def _route(method: str, path: str, operation: dict[str, Any]) -> str:
    parts = [f"### {method} {path}"]
    told = operation.get("description") or operation.get("summary")
    if told:
        parts.append(" ".join(told.split()))
    facts = []
    body = _content(operation.get("requestBody", {}))
    if body is not None:
        needed = "" if operation["requestBody"].get("required") else ", may be left out"
        facts.append(f"- takes {_type(body)}{needed}")
    facts += [
        f"- `?{parameter['name']}=` {parameter.get('description', '')}".rstrip()
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "query"
    ]
    for status, response in operation.get("responses", {}).items():
        answer = _content(response)
        if status < "400":
            facts.append(f"- answers {status}" + (f" with {_type(answer)}" if answer is not None else ""))
    problems = [status for status in operation.get("responses", {}) if status >= "400"]
    if problems:
        facts.append(f"- problems: {', '.join(problems)}")
    return "\n\n".join([*parts, "\n".join(facts)]) if facts else "\n\n".join(parts)


def _content(holder: dict[str, Any]) -> dict[str, Any] | None:
    for media in holder.get("content", {}).values():
        schema: dict[str, Any] = media.get("schema", {})
        return schema
    return None


def _object(name: str, schema: dict[str, Any]) -> str:
    required = set(schema.get("required", []))
    if required == set(schema["properties"]):
        required = set()  # an answer always has all its fields, and saying so at each one tells nothing
    lines = [f"### {name}", ""]
    if schema.get("description"):
        lines += [" ".join(schema["description"].split()), ""]
    lines += ["| field | type | |", "| --- | --- | --- |"]
    for field, inner in schema["properties"].items():
        about = " ".join(inner.get("description", "").split())
        if about.startswith("The same as `"):
            continue  # the other spelling of a field that stands here already
        notes = "; ".join(filter(None, [about.rstrip("."), "required" if field in required else "", _default(inner)]))
        lines.append(f"| `{field}` | {_type(inner)} | {notes} |".replace("|  |", "| |"))
    return "\n".join(lines)


def _default(schema: dict[str, Any]) -> str:
    default = schema.get("default")
    return "" if default is None else f"default `{default}`".replace("`True`", "`true`").replace("`False`", "`false`")


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    for together in ("anyOf", "oneOf", "allOf"):
        if together in schema:
            return " or ".join(dict.fromkeys(filter(None, map(_type, schema[together]))))
    kind = schema.get("type", "any")
    kinds = kind if isinstance(kind, list) else [kind]
    words = [_word(one, schema) for one in kinds]
    return " or ".join(words)


def _word(kind: str, schema: dict[str, Any]) -> str:
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if kind == "object" and {"data", "nextCursor"} <= set(schema.get("properties", {})):
        return f"a page of {_type(schema['properties']['data']['items'])}"
    return str(schema.get("format", kind)) if kind == "string" else str(kind)

"""The common parts of the schemas that are written from Meta's documents: how they are closed, held and listed."""

from typing import Any

from jsonschema import Draft202012Validator

Schema = dict[str, Any]


def closed(required: list[str], **properties: Schema) -> Schema:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


TEXT: Schema = {"type": "string", "minLength": 1}
ID: Schema = {"type": "string", "pattern": "^[0-9]{5,20}$"}
NATURAL: Schema = {"type": "integer", "minimum": 0}
TIME: Schema = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0000$"}
SUCCESS = closed(["success"], success={"const": True})
PAGING = closed(["cursors"], cursors=closed(["before", "after"], before=TEXT, after=TEXT), next=TEXT, previous=TEXT)
SENT = closed(
    ["messaging_product", "contacts", "messages"],
    messaging_product={"const": "whatsapp"},
    contacts={"type": "array", "items": closed(["input", "wa_id"], input=TEXT, wa_id=ID)},
    messages={"type": "array", "items": closed(
        ["id"], id={"type": "string", "pattern": r"^wamid\."}, message_status=TEXT)},
)  # fmt: skip


def listed(row: Schema) -> Schema:
    return closed(["data"], data={"type": "array", "items": row}, paging=PAGING)


def check(schema: Schema, answer: Any) -> None:
    """Fails with every place at which the answer leaves the schema."""
    wrong = [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(answer)]
    assert wrong == []

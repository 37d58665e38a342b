"""WhatsApp Flows: list, make, change, publish, and the file that describes one. Nothing is validated or run.

https://developers.facebook.com/documentation/business-messaging/whatsapp/flows/reference/flowsapi
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.datastructures import UploadFile

from setuplinks.sandbox.clock import graph_time
from setuplinks.sandbox.graph_call import Answer, GraphCall
from setuplinks.sandbox.graph_errors import GraphError, bad_parameter
from setuplinks.sandbox.graph_fields import Fields, app_row, paged, shown
from setuplinks.sandbox.graph_media import address, forget, keep
from setuplinks.sandbox.world import Media, Token, Waba

CATEGORIES = ("SIGN_UP", "SIGN_IN", "APPOINTMENT_BOOKING", "LEAD_GENERATION", "SHOPPING", "CONTACT_US",
              "CUSTOMER_SUPPORT", "SURVEY", "OTHER")  # fmt: skip
DEFAULT = ("id", "name", "status", "categories", "validation_errors")
FILE = "flow.json"
LARGEST = 10 * 1024 * 1024
PREVIEW_SECONDS = 30 * 86_400.0


@dataclass(slots=True)
class Flow:
    """One flow; `file` is its description, where it has been given."""

    id: str
    waba: Waba
    name: str
    categories: list[str]
    updated: float
    status: str = "DRAFT"
    endpoint_uri: str | None = None
    file: Media | None = None
    versions: dict[str, str] = field(default_factory=dict)  # json_version, data_api_version


async def listed(call: GraphCall, _token: Token, waba: Waba) -> Answer:
    """The account's flows."""
    rows = {flow.id: flow for flow in call.world.flows.values() if flow.waba is waba}
    return paged(call, list(rows), lambda i: shown(_fields(call, rows[i]), DEFAULT, call.text("fields"), "Flow"))


async def create(call: GraphCall, _token: Token, waba: Waba) -> Answer:
    """A draft; with `flow_json` and `publish` it is published at once."""
    name = call.required("name")
    categories = _categories(call.params.get("categories"))
    if any(flow.waba is waba and flow.name == name for flow in call.world.flows.values()):
        raise GraphError(100, "Invalid parameter", subcode=4016019, user_title="Flow name is not unique")
    flow = Flow(call.world.next_id("15"), waba, name, categories, call.world.clock.now())
    flow.endpoint_uri = call.text("endpoint_uri") or None
    if source := call.params.get("flow_json"):
        _describe(call, flow, source.encode() if isinstance(source, str) else msgspec.json.encode(source))
    call.world.flows[flow.id] = flow
    if call.text("publish").lower() == "true" and flow.file is not None:
        flow.status = "PUBLISHED"
    return {"id": flow.id, "success": True, "validation_errors": []}


def _categories(given: Any) -> list[str]:
    wanted = given if isinstance(given, list) else [name for name in str(given or "").split(",") if name]
    if not wanted or any(name not in CATEGORIES for name in wanted):
        raise bad_parameter(f"Param categories must be a list of {{{', '.join(CATEGORIES)}}}")
    return wanted


def _fields(call: GraphCall, flow: Flow) -> Fields:
    world, waba = call.world, flow.waba
    ends = graph_time(world.clock.now() + PREVIEW_SECONDS)
    return {
        "id": lambda: flow.id,
        "name": lambda: flow.name,
        "status": lambda: flow.status,
        "categories": lambda: flow.categories,
        "validation_errors": list,
        "updated_at": lambda: graph_time(flow.updated),
        "json_version": lambda: flow.versions.get("json_version"),
        "data_api_version": lambda: flow.versions.get("data_api_version"),
        "endpoint_uri": lambda: flow.endpoint_uri,
        "data_channel_uri": lambda: flow.endpoint_uri,
        "preview": lambda: {"preview_url": f"{call.base_url}/sandbox#flow-{flow.id}", "expires_at": ends},
        "whatsapp_business_account": lambda: {
            "id": waba.id, "name": waba.name, "currency": waba.currency, "timezone_id": waba.timezone_id,
            "message_template_namespace": waba.namespace,
        },
        "application": lambda: app_row(world.config.app_id or "0", world.config.app_name),
        "health_status": lambda: {
            "can_send_message": "AVAILABLE",
            "entities": [{"entity_type": "FLOW", "id": flow.id, "can_send_message": "AVAILABLE"}],
        },
    }  # fmt: skip


async def read(call: GraphCall, flow: Flow) -> Answer:
    """One flow. `preview.invalidate(false)` and the like are read as the field alone."""
    return shown(_fields(call, flow), DEFAULT, call.text("fields"), "Flow")


async def change(call: GraphCall, flow: Flow) -> Answer:
    """Name, categories, address."""
    flow.updated = call.world.clock.now()
    if name := call.text("name"):
        flow.name = name
    if "categories" in call.params:
        flow.categories = _categories(call.params["categories"])
    if "endpoint_uri" in call.params:
        flow.endpoint_uri = call.text("endpoint_uri") or None
    return {"success": True}


async def delete(call: GraphCall, flow: Flow) -> Answer:
    """Only a draft."""
    _as(flow, "DRAFT", "Only a draft can be deleted; a published flow is deprecated.")
    del call.world.flows[flow.id]
    return {"success": True}


async def publish(_call: GraphCall, flow: Flow) -> Answer:
    """A draft that has its file."""
    _as(flow, "DRAFT", "The flow is not a draft.")
    if flow.file is None:
        raise GraphError(100, "Invalid parameter", subcode=4016021, user_title="The flow has no flow.json yet")
    flow.status = "PUBLISHED"
    return {"success": True}


async def deprecate(_call: GraphCall, flow: Flow) -> Answer:
    """A published one."""
    _as(flow, "PUBLISHED", "The flow is not published.")
    flow.status = "DEPRECATED"
    return {"success": True}


def _as(flow: Flow, status: str, otherwise: str) -> None:
    if flow.status != status:
        raise GraphError(139000, "(#139000) The flow cannot be changed in its state", details=otherwise)


async def assets(call: GraphCall, flow: Flow) -> Answer:
    """Its one file."""
    if flow.file is None:
        return {"data": []}
    url = address(call.world, call.base_url, flow.file)
    return {"data": [{"name": FILE, "asset_type": "FLOW_JSON", "download_url": url}]}


async def put_asset(call: GraphCall, flow: Flow) -> Answer:
    """Takes `flow.json` anew."""
    file = call.params.get("file")
    if call.text("asset_type") != "FLOW_JSON" or not isinstance(file, UploadFile):
        raise bad_parameter("The parameters file, name and asset_type (FLOW_JSON) are required.")
    if (file.size or 0) > LARGEST:
        raise bad_parameter("Param file is too large")
    _describe(call, flow, await file.read())
    return {"success": True, "validation_errors": []}


def _describe(call: GraphCall, flow: Flow, content: bytes) -> None:
    try:
        described = msgspec.json.decode(content)
    except msgspec.DecodeError:
        raise bad_parameter("The file is not JSON") from None
    if not isinstance(described, dict):
        raise bad_parameter("The file is not a JSON object")
    named = {"json_version": described.get("version"), "data_api_version": described.get("data_api_version")}
    flow.versions = {name: str(value) for name, value in named.items() if value}
    if flow.file is not None:
        forget(call.world, flow.file)
    kept = call.world.spool.keep_small(content)
    flow.file = keep(call.world, flow.waba, None, "application/json", kept, FILE)


FlowEdge = Callable[[GraphCall, Flow], Awaitable[Answer]]
FLOW_EDGES: dict[tuple[str, str], FlowEdge] = {
    ("GET", ""): read,
    ("POST", ""): change,
    ("DELETE", ""): delete,
    ("GET", "assets"): assets,
    ("POST", "assets"): put_asset,
    ("POST", "publish"): publish,
    ("POST", "deprecate"): deprecate,
}

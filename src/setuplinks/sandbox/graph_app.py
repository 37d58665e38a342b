"""The app itself: `/{app}`, `/{app}/subscriptions`, `/{app}/permissions`, by the app's own token (contract 3.3)."""

from collections.abc import Awaitable, Callable
from typing import Any

from setuplinks.sandbox.app_state import WHATSAPP, WHATSAPP_FIELDS, Subscription
from setuplinks.sandbox.graph_call import Answer, GraphCall
from setuplinks.sandbox.graph_errors import bad_parameter
from setuplinks.sandbox.graph_fields import Fields, shown
from setuplinks.sandbox.graph_wabas import challenge
from setuplinks.sandbox.oauth import check_app_token

OBJECTS = (WHATSAPP, "user", "page", "permissions", "application", "instagram")

Edge = Callable[[GraphCall], Awaitable[Answer]]


def edge(call: GraphCall, name: str) -> tuple[str, Edge] | None:
    """Name in faults and logs, and handler, where the path names the app that the token is of."""
    configured, own = call.world.config.app_id, (call.bearer or "").partition("|")
    if call.parts[0] != (configured or (own[0] if own[1] else None)):
        return None
    return APP_EDGES.get((call.method, name))


async def read(call: GraphCall) -> Answer:
    """The app's settings; `id`, `name`, `link`, `category` where no field is asked for."""
    check_app_token(call)
    world, settings = call.world, call.world.app
    fields: Fields = {
        "id": lambda: call.parts[0],
        "name": lambda: world.config.app_name,
        "link": lambda: f"https://www.facebook.com/games/?app_id={call.parts[0]}",
        "category": lambda: "Business and pages",
        "app_domains": lambda: settings.domains,
        "deauth_callback_url": lambda: settings.deauthorize_url,
        "privacy_policy_url": lambda: settings.privacy_url,
    }
    row = shown(fields, ("id", "name", "link", "category"), call.text("fields"), "Application")
    return {name: value for name, value in row.items() if value not in (None, [])}


async def subscriptions(call: GraphCall) -> Answer:
    """What the app hears of, and where."""
    check_app_token(call)
    rows = [
        {
            "object": name,
            "callback_url": held.callback_url,
            "active": held.active,
            "fields": [{"name": one, "version": call.version} for one in held.fields],
        }
        for name, held in call.world.app_subscriptions.items()
    ]
    return {"data": rows}


async def subscribe(call: GraphCall) -> Answer:
    """Sets address and fields of one object, after the challenge."""
    check_app_token(call)
    name = _object(call)
    wanted = _names(call.params.get("fields"))
    if name == WHATSAPP and (unknown := sorted(set(wanted) - set(WHATSAPP_FIELDS))):
        raise bad_parameter(f"Param fields[0] must be one of {{{', '.join(WHATSAPP_FIELDS)}}} - got {unknown[0]!r}")
    held = call.world.app_subscriptions.get(name)
    url = call.text("callback_url") or (held.callback_url if held else "")
    if not url or not wanted:
        raise bad_parameter("The parameters callback_url and fields are required.")
    await challenge(url, call.required("verify_token"))
    call.world.app_subscriptions[name] = Subscription(url, wanted)
    return {"success": True}


async def unsubscribe(call: GraphCall) -> Answer:
    """Takes fields off, or without `fields` the whole object."""
    check_app_token(call)
    name, fields = _object(call), _names(call.params.get("fields"))
    held = call.world.app_subscriptions.get(name)
    if held is not None:
        held.fields = [one for one in held.fields if one not in fields] if fields else []
        if not held.fields:
            del call.world.app_subscriptions[name]
    return {"success": True}


async def permissions(call: GraphCall) -> Answer:
    """Permissions and what Meta's review made of them."""
    check_app_token(call)
    return {"data": [{"permission": name, "status": status} for name, status in call.world.app.permissions.items()]}


def _object(call: GraphCall) -> str:
    name = call.required("object")
    if name not in OBJECTS:
        raise bad_parameter(f"Param object must be one of {{{', '.join(OBJECTS)}}}")
    return name


def _names(value: Any) -> list[str]:
    """Fields as Graph takes them: a list, or names with commas between."""
    rows = value if isinstance(value, list) else str(value or "").strip("[]").split(",")
    return [name for name in (str(row).strip().strip('"') for row in rows) if name]


# (method, edge) → (name in faults and logs, handler)
APP_EDGES: dict[tuple[str, str], tuple[str, Edge]] = {
    ("GET", ""): ("app", read),
    ("GET", "subscriptions"): ("app_subscriptions", subscriptions),
    ("POST", "subscriptions"): ("app_subscriptions", subscribe),
    ("DELETE", "subscriptions"): ("app_subscriptions", unsubscribe),
    ("GET", "permissions"): ("app_permissions", permissions),
}

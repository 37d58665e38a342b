"""Graph's objects by id: finds the object, checks that the token reaches it, and hands the call to its edge."""

from collections.abc import Awaitable, Callable

from setuplinks.sandbox import graph_app as app
from setuplinks.sandbox import graph_flows as flows
from setuplinks.sandbox import graph_media as media
from setuplinks.sandbox import graph_messages as messages
from setuplinks.sandbox import graph_numbers as numbers
from setuplinks.sandbox import graph_partner as partner
from setuplinks.sandbox import graph_portfolio as portfolio
from setuplinks.sandbox import graph_profile as profile
from setuplinks.sandbox import graph_templates as templates
from setuplinks.sandbox import graph_wabas as wabas
from setuplinks.sandbox.graph_call import Answer, GraphCall, injected_fault
from setuplinks.sandbox.graph_errors import GraphError, error_of, missing_object
from setuplinks.sandbox.world import Number, Token, Waba

WabaEdge = Callable[[GraphCall, Token, Waba], Awaitable[Answer]]
Work = Callable[[], Awaitable[Answer]]
NumberEdge = Callable[[GraphCall, Token, Number], Awaitable[Answer]]

# (method, edge) → (name in faults and logs, handler); the empty edge is the object itself
WABA_EDGES: dict[tuple[str, str], tuple[str, WabaEdge]] = {
    ("GET", ""): ("waba", wabas.read),
    ("GET", "phone_numbers"): ("phone_numbers", wabas.phone_numbers),
    ("GET", "subscribed_apps"): ("subscribed_apps", wabas.subscriptions),
    ("POST", "subscribed_apps"): ("subscribed_apps", wabas.subscribe),
    ("DELETE", "subscribed_apps"): ("subscribed_apps", wabas.unsubscribe),
    ("GET", "message_templates"): ("message_templates", templates.templates),
    ("POST", "message_templates"): ("message_templates", templates.create),
    ("DELETE", "message_templates"): ("message_templates", templates.delete),
    ("GET", "flows"): ("flows", flows.listed),
    ("POST", "flows"): ("flows", flows.create),
}
NUMBER_EDGES: dict[tuple[str, str], tuple[str, NumberEdge]] = {
    ("GET", ""): ("phone", numbers.read),
    ("POST", ""): ("phone", numbers.change),
    ("POST", "register"): ("register", numbers.register),
    ("POST", "deregister"): ("deregister", numbers.deregister),
    ("POST", "request_code"): ("request_code", numbers.request_code),
    ("POST", "verify_code"): ("verify_code", numbers.verify_code),
    ("POST", "smb_app_data"): ("smb_app_data", numbers.smb_app_data),
    ("POST", "messages"): ("messages", messages.messages),
    ("POST", "marketing_messages"): ("messages", messages.messages),
    ("POST", "media"): ("media", media.upload),
    ("GET", "whatsapp_business_profile"): ("whatsapp_business_profile", profile.read),
    ("POST", "whatsapp_business_profile"): ("whatsapp_business_profile", profile.change),
    ("GET", "block_users"): ("block_users", profile.blocked),
    ("POST", "block_users"): ("block_users", profile.block),
    ("DELETE", "block_users"): ("block_users", profile.unblock),
    ("GET", "message_qrdls"): ("message_qrdls", profile.codes),
    ("POST", "message_qrdls"): ("message_qrdls", profile.make_code),
    ("DELETE", "message_qrdls"): ("message_qrdls", profile.forget_code),
    ("GET", "settings"): ("phone_settings", profile.settings),
    ("POST", "settings"): ("phone_settings", profile.change_settings),
    ("GET", "whatsapp_commerce_settings"): ("phone_settings", profile.commerce),
    ("POST", "whatsapp_commerce_settings"): ("phone_settings", profile.change_commerce),
    ("GET", "whatsapp_business_encryption"): ("phone_settings", profile.encryption),
    ("POST", "whatsapp_business_encryption"): ("phone_settings", profile.change_encryption),
    ("POST", "conversational_automation"): ("conversational_automation", profile.automate),
}
MEDIA_VERBS = {"GET": media.read, "DELETE": media.delete}
TEMPLATE_VERBS = {"GET": templates.read, "POST": templates.change}
MANAGEMENT_FREE = {"messages", "media"}  # what works without whatsapp_business_management


async def object_call(call: GraphCall) -> Answer:
    """`/{version}/{id}` and `/{version}/{id}/{edge}`."""
    object_id, edge = call.parts[0], "/".join(call.parts[1:])
    world = call.world
    if object_id == "me":
        call.name = "me"
        await injected_fault(call)
        return _me(call, call.token())
    if (edge_of_app := app.edge(call, edge)) is not None:
        call.name = edge_of_app[0]
        await injected_fault(call)
        return await edge_of_app[1](call)
    if (edge_of_partner := partner.edge(call, edge)) is not None:
        call.name = edge
        await injected_fault(call)
        return await edge_of_partner(call)
    if (edge_of_portfolio := portfolio.edge(call, edge)) is not None:
        call.name = edge
        await injected_fault(call)
        return await edge_of_portfolio(call)
    if call.parts[1:2] == ["message_qrdls"] and len(call.parts) == 3:
        edge, call.params["code"] = "message_qrdls", call.parts[2]
    waba, number = world.wabas.get(object_id), world.numbers.get(object_id)
    if waba is not None and (known := WABA_EDGES.get((call.method, edge))) is not None:
        call.name, call.usage_id = known[0], waba.id
        await injected_fault(call)
        token = call.token()
        _reach(token, waba, call)
        return await known[1](call, token, waba)
    if number is not None and (found := NUMBER_EDGES.get((call.method, edge))) is not None:
        call.name, call.usage_id = found[0], number.waba.id
        await injected_fault(call)
        token = call.token()
        _reach(token, number.waba, call)
        return await found[1](call, token, number)
    if (of_account := _of_account(call, object_id, edge)) is not None:
        call.name, owner, work = of_account
        call.usage_id = owner.id
        await injected_fault(call)
        _reach(call.token(), owner, call)
        return await work()
    await injected_fault(call)
    if not partner.is_system_user(call):
        call.token()
    if edge and (waba is not None or number is not None):
        raise GraphError(2500, f"Unknown path components: /{edge}")
    raise missing_object(object_id, call.method)


def _of_account(call: GraphCall, object_id: str, edge: str) -> tuple[str, Waba, Work] | None:
    """What belongs to an account and has an id of its own: a file, a template, a flow. Its name, account, handler."""
    world, asked = call.world, (call.method, edge)
    file = world.media.get(object_id)
    if file is not None and not edge and call.method in MEDIA_VERBS:
        return "media", file.waba, lambda: MEDIA_VERBS[call.method](call, file)
    template = templates.find(world, object_id)
    if template is not None and not edge and call.method in TEMPLATE_VERBS:
        return "message_template", template[0], lambda: TEMPLATE_VERBS[call.method](call, template[1])
    flow = world.flows.get(object_id)
    if flow is not None and asked in flows.FLOW_EDGES:
        return "flow", flow.waba, lambda: flows.FLOW_EDGES[asked](call, flow)
    return None


def _reach(token: Token, waba: Waba, call: GraphCall) -> None:
    """A WABA that was not granted looks like one that does not exist."""
    if waba not in token.wabas:
        raise missing_object(call.parts[0], call.method)
    if token.scenario.without_management and call.name not in MANAGEMENT_FREE:
        raise error_of(200, "(#200) Requires whatsapp_business_management permission to manage the object")
    if call.name not in MANAGEMENT_FREE:
        call.world.meter.call(call.world.settings, waba.id)


def _me(call: GraphCall, token: Token) -> Answer:
    row: Answer = {"id": token.user_id, "name": f"{call.world.config.app_name} system user"}
    asked = [name.strip() for name in call.text("fields").split(",") if name.strip()]
    if "client_business_id" in asked and token.business is not None:
        row["client_business_id"] = token.business.id
    return {key: value for key, value in row.items() if not asked or key == "id" or key in asked}

"""Whose an object is that only Meta knows of: files, templates and flows, asked with the token that reaches them.

Owns these questions. A no is an answer; everything else that fails raises GraphError.
"""

from setuplinks.meta.calls import Calls
from setuplinks.meta.error_table import Kind
from setuplinks.meta.errors import Call, GraphError
from setuplinks.meta.lenient import Raw, as_object, as_text
from setuplinks.meta.secret import Secret

_MEDIA = Call("/{media_id}")
_FLOW = Call("/{flow_id}")
_TEMPLATE = Call("/{template_id}")
_TEMPLATES = Call("/{waba_id}/message_templates")
_NO = frozenset({Kind.NOT_FOUND, Kind.FIX_REQUEST, Kind.PERMISSION})


async def media_is_of(graph: Calls, token: Secret, media_id: str, meta_phone_number_id: str) -> bool:
    """Whether a file was uploaded to this number, or sent to it: Meta compares where the number is named.

    https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media
    """
    answer = await _read(graph, _MEDIA, media_id, token, {"phone_number_id": meta_phone_number_id})
    return as_text(answer.get("id")) == media_id and "mime_type" in answer


async def waba_of_flow(graph: Calls, token: Secret, flow_id: str) -> str | None:
    """The WABA that a flow is of; None where it is no flow: a number names its WABA too, and has no categories.

    https://developers.facebook.com/docs/whatsapp/flows/reference/flowsapi
    """
    answer = await _read(graph, _FLOW, flow_id, token, {"fields": "id,categories,whatsapp_business_account"})
    if "categories" not in answer:
        return None
    return as_text(as_object(answer.get("whatsapp_business_account")).get("id"))


async def template_is_of(graph: Calls, token: Secret, template_id: str, meta_waba_id: str) -> bool:
    """Whether a template is of this WABA: its own object names none, so it is looked for in the WABA's by its name.

    https://developers.facebook.com/docs/graph-api/reference/whats-app-business-hsm
    """
    name = as_text((await _read(graph, _TEMPLATE, template_id, token, {"fields": "id,name"})).get("name"))
    if name is None:
        return False
    rows = await graph.rows(_TEMPLATES, meta_waba_id, token, {"name": name, "fields": "id,name"})
    return any(as_text(row.get("id")) == template_id for row in rows)


async def _read(graph: Calls, call: Call, meta_id: str, token: Secret, query: dict[str, str]) -> Raw:
    try:
        return await graph.call(call, (meta_id,), timeout=graph.timeouts.read, token=token, query=query)
    except GraphError as error:
        if error.kind not in _NO:
            raise
        return {}

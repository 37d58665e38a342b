"""Several calls in one: `POST /` with `batch`, and reading many objects by `?ids=`, as Graph does.

https://developers.facebook.com/docs/graph-api/batch-requests
"""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from setuplinks.sandbox.graph import object_call
from setuplinks.sandbox.graph_call import NO_ANSWER, Answer, GraphCall, Handler, carried_out, usage_headers
from setuplinks.sandbox.graph_errors import GraphError, bad_parameter
from setuplinks.sandbox.graph_params import unfolded
from setuplinks.sandbox.oauth import debug_token

MOST = 50
METHODS = ("GET", "POST", "DELETE")


async def root_call(call: GraphCall) -> Answer | Response:
    """`/` and `/{version}`: a batch, or objects by `ids`."""
    if call.method == "POST" and "batch" in call.params:
        call.name = "batch"
        return JSONResponse([await _part(call, part) for part in _parts(call)])
    return await by_ids(call)


async def by_ids(call: GraphCall) -> Answer | Response:
    """`?ids=a,b`: the object, or the edge that the path names, of each, under its id. One that is missing fails all."""
    ids = [one.strip() for one in call.text("ids").split(",") if one.strip()]
    if call.method != "GET" or not ids:
        raise GraphError(100, "Unsupported get request.", kind="GraphMethodException")
    if len(ids) > MOST:
        raise bad_parameter(f"Too many IDs. Maximum: {MOST}. Provided: {len(ids)}.")
    edge, found = [part for part in call.parts if part], {}
    for one in ids:
        call.parts = [one, *edge]
        found[one] = await object_call(call)
    call.name = "ids"
    return found


async def any_call(call: GraphCall) -> Answer | Response:
    """One path of Graph: an object or its edge, or with `ids` an edge of several objects."""
    by_name = call.parts and not any(char.isdigit() for char in call.parts[0]) and call.parts[0] != "me"
    if call.method == "GET" and "ids" in call.params and (by_name or not call.parts):
        return await by_ids(call)
    return await object_call(call)


def _parts(call: GraphCall) -> list[dict[str, Any]]:
    parts = call.params["batch"]
    if not isinstance(parts, list) or not parts or not all(isinstance(part, dict) for part in parts):
        raise bad_parameter("Param batch must be an array.")
    if len(parts) > MOST:
        raise bad_parameter(f"Too many requests in batch message. Maximum batch size is {MOST}")
    if not call.bearer:
        raise GraphError(104, "An access token is required to request this resource.")
    return parts


async def _part(whole: GraphCall, part: dict[str, Any]) -> Answer | None:
    """One part's answer: `code`, `headers`, `body` as text. None where its connection would have ended."""
    method, target = str(part.get("method", "GET")).upper(), urlsplit(str(part.get("relative_url", "")))
    params = unfolded(parse_qsl(target.query, keep_blank_values=True))
    if body := part.get("body"):
        params |= unfolded(parse_qsl(body, keep_blank_values=True)) if isinstance(body, str) else dict(body)
    path = target.path.strip("/")
    named = path.partition("/")[0]
    if not (named[:1] == "v" and named[1:2].isdigit()):
        path = f"{whole.version or 'v25.0'}/{path}"
    call = GraphCall(whole.world, method, f"/{path}", params, None)
    call.bearer = call.text("access_token") or whole.bearer
    call.params.setdefault("appsecret_proof", whole.params.get("appsecret_proof"))
    call.base_url = whole.base_url
    handler: Handler = debug_token if call.parts == ["debug_token"] else any_call
    outcome = await carried_out(call, handler if method in METHODS else _unknown_method)
    if outcome.status == NO_ANSWER:
        return None
    answer: Answer = {"code": outcome.status, "body": outcome.content.decode("utf-8", "replace")}
    if str(whole.params.get("include_headers", "true")).lower() != "false":
        headers = {**usage_headers(call), "Content-Type": outcome.media_type}
        answer["headers"] = [{"name": name, "value": value} for name, value in headers.items()]
    return answer


async def _unknown_method(_call: GraphCall) -> Answer:
    raise bad_parameter("Param method must be one of {GET, POST, DELETE}")


def is_root_call(request: Request) -> bool:
    """Whether `/` is meant as Graph's root, and not as this program's first page."""
    return request.method == "POST" or "ids" in request.query_params

"""One call of the Graph API: parameters, token, faults, answer headers, the log of calls. Knows no objects."""

import asyncio
import email
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from email.message import Message
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from setuplinks.sandbox.broken_connection import Aborted
from setuplinks.sandbox.graph_errors import GraphError, bad_parameter, dead_token, error_of
from setuplinks.sandbox.world import Token, World

Answer = dict[str, Any]
CODE_SUBCODES = {36007, 36008, 36009}
NO_ANSWER = 0  # in the log of calls, where the connection ended without one
THROTTLES = (4, 80007, 130429)


class BareAnswer(Exception):
    """A fault that is no Graph error: this status and body, as they are."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(status)
        self.status, self.body = status, body


class Unanswered(Exception):
    """A fault: the connection ends, and the call was not carried out."""


class GraphCall:
    """What a handler is given. Query, form and JSON parameters are one mapping, the body winning."""

    def __init__(self, world: World, method: str, path: str, params: dict[str, Any], bearer: str | None) -> None:
        self.world, self.method, self.path, self.params = world, method, path, params
        self.version, *self.parts = path.strip("/").split("/")
        self.bearer = bearer or self.text("access_token") or None
        self.base_url = ""
        self.name = "unknown"
        self.usage_id: str | None = None  # WABA whose limits this call counts against
        self.error_code: int | None = None
        self.fate: str | None = None  # `lost` or `cut`: carried out, but the answer does not arrive

    def text(self, name: str) -> str:
        """A parameter as text; empty where it is missing."""
        value = self.params.get(name)
        return "" if value is None else value if isinstance(value, str) else str(value)

    def required(self, name: str) -> str:
        if not (value := self.text(name)):
            raise bad_parameter(f"The parameter {name} is required.")
        return value

    def token(self) -> Token:
        """The live token that the call carries; 190 otherwise. A given appsecret_proof must be right."""
        if not self.bearer:
            raise GraphError(104, "An access token is required to request this resource.")
        token = self.world.tokens.get(self.bearer)
        if token is None:
            raise dead_token(None)
        if token.dead_subcode is not None:
            raise dead_token(token.dead_subcode)
        if token.expires is not None and token.expires <= self.world.clock.now():
            raise dead_token(463)
        self.check_proof(self.bearer)
        self.scenario_faults(token.scenario.faults, token.faults_left)
        return token

    def check_proof(self, access_token: str) -> None:
        """appsecret_proof = hex HMAC-SHA256 of the token under the app secret (contract 2.6)."""
        given, world = self.text("appsecret_proof"), self.world
        secret = world.config.app_secret or world.last_secret
        if not given:
            if world.settings.require_appsecret_proof:
                raise GraphError(
                    100, "API calls from the server require an appsecret_proof argument", kind="GraphMethodException"
                )
            return
        right = hmac.new((secret or "").encode(), access_token.encode(), hashlib.sha256).hexdigest()
        if secret and not hmac.compare_digest(right.encode(), given.encode("utf-8", "replace")):
            raise GraphError(100, "Invalid appsecret_proof provided in the API argument", kind="GraphMethodException")

    def scenario_faults(self, faults: tuple[Any, ...], left: dict[int, int]) -> None:
        """Raises what the scenario of this token or code has for this call."""
        for position, fault in enumerate(faults):
            if fault.call != self.name or left.get(position, 1) <= 0:
                continue
            if position in left:
                left[position] -= 1
            raise error_of(fault.code, fault.message, fault.subcode, fault.status)


async def read_params(request: Request) -> dict[str, Any]:
    """Query, then form or JSON body over it. A body that is not what its type says is error 100."""
    params: dict[str, Any] = dict(request.query_params)
    if request.method in ("GET", "HEAD"):
        return params
    body = await request.body()
    if not body:
        return params
    if "json" in request.headers.get("content-type", "") or body[:1] in (b"{", b"["):
        try:
            decoded = msgspec.json.decode(body)
        except msgspec.DecodeError:
            raise bad_parameter("Invalid JSON in the request body") from None
        if isinstance(decoded, dict):
            params |= decoded
    elif request.headers.get("content-type", "").startswith("multipart/form-data"):
        params |= _multipart(request.headers["content-type"], body)
    else:
        params |= dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    return params


def _multipart(content_type: str, body: bytes) -> dict[str, Any]:
    """A form with a file: texts as they are, the file as (type, bytes)."""
    whole = email.message_from_bytes(b"Content-Type: " + content_type.encode("latin-1", "replace") + b"\r\n\r\n" + body)
    found: dict[str, Any] = {}
    for part in whole.get_payload() if whole.is_multipart() else []:
        if not isinstance(part, Message):
            continue
        name = part.get_param("name", header="content-disposition")
        raw = part.get_payload(decode=True)
        content = raw if isinstance(raw, bytes) else b""
        is_file = part.get_filename() is not None
        found[str(name)] = (part.get_content_type(), content) if is_file else content.decode("utf-8", "replace")
    return found


async def injected_fault(call: GraphCall) -> None:
    """Waits and fails as `POST /sandbox/faults` asked for: by rate first, then what was set for this call."""
    world = call.world
    await _by_rate(call)
    for fault in world.faults:
        if fault.call not in (call.name, "*") or (fault.object_id and fault.object_id not in call.parts):
            continue
        if fault.method not in (None, call.method):
            continue
        if fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                world.faults.remove(fault)
        if fault.delay_ms:
            await asyncio.sleep(fault.delay_ms / 1000)
        if fault.code is not None:
            raise error_of(fault.code, fault.message, fault.subcode, fault.status)
        if fault.status is not None:
            raise BareAnswer(fault.status, fault.body or "")
        return


async def _by_rate(call: GraphCall) -> None:
    forecast = call.world.forecast
    fate = forecast.next(call.name)
    if fate.delay:
        await asyncio.sleep(fate.delay)
    match fate.kind:
        case None:
            return
        case "lost" | "cut":
            call.fate = fate.kind
        case "reset":
            raise Unanswered
        case "stall":
            await asyncio.sleep(forecast.weather.stall_seconds if forecast.weather else 0)
            raise Unanswered
        case "empty":
            raise BareAnswer(200, "")
        case "html":
            raise BareAnswer(502, "<html><body><h1>Sorry, something went wrong.</h1></body></html>")
        case "throttle":
            raise error_of(THROTTLES[forecast.struck["throttle"] % len(THROTTLES)])
        case status:
            raise error_of(2, status=int(status))


def usage_headers(call: GraphCall) -> dict[str, str]:
    """Meta's rate and trace headers (contract 3.10), with the figures of the settings; regain time in minutes."""
    settings = call.world.settings
    used = settings.app_usage
    headers = {
        "X-App-Usage": f'{{"call_count":{used},"total_time":{used},"total_cputime":{used}}}',
        "facebook-api-version": call.version,
        "x-fb-trace-id": secrets.token_urlsafe(8),
        "x-fb-request-id": secrets.token_urlsafe(12),
        "x-fb-rev": "1000000001",
    }
    if call.usage_id is not None:
        used = settings.business_usage
        headers["X-Business-Use-Case-Usage"] = (
            f'{{"{call.usage_id}":[{{"type":"whatsapp_business_management","call_count":{used},"total_cputime":{used},'
            f'"total_time":{used},"estimated_time_to_regain_access":{settings.regain_minutes}}}]}}'
        )
    return headers


Handler = Callable[[GraphCall], Awaitable[Answer]]


async def respond(request: Request, world: World, handler: Handler) -> Response:
    """Runs one call and answers as Graph does; every call is logged without its parameters."""
    authorization = request.headers.get("authorization", "")
    bearer = authorization[7:].strip() if authorization[:7].lower() == "bearer " else None
    call = GraphCall(world, request.method, request.url.path, {}, bearer)
    headers: Mapping[str, str] = {}
    try:
        call.params = await read_params(request)
        call.bearer = bearer or call.text("access_token") or None
        call.base_url = str(request.base_url).rstrip("/")
        answer, status = await handler(call), 200
        content = msgspec.json.encode(answer)
        media_type = "application/json; charset=UTF-8"
    except GraphError as error:
        content, status, call.error_code = msgspec.json.encode(error.body()), error.status, error.code
        media_type, headers = "application/json; charset=UTF-8", error.headers
        if error.code == 190 or error.subcode in CODE_SUBCODES:
            reason = "invalid_token" if error.code == 190 else "invalid_code"
            headers = {"WWW-Authenticate": f'OAuth "Facebook Platform" "{reason}" "{error.message}"', **headers}
    except BareAnswer as bare:
        content, status, media_type = bare.body.encode(), bare.status, "text/html; charset=utf-8"
    except Unanswered:
        world.record(request.method, request.url.path, call.name, NO_ANSWER, None)
        return Aborted()
    if call.fate is not None:
        world.record(request.method, request.url.path, call.name, NO_ANSWER, call.error_code)
        return Aborted(content if call.fate == "cut" else b"")
    world.record(request.method, request.url.path, call.name, status, call.error_code)
    return Response(content, status, {**usage_headers(call), **headers}, media_type)

"""One call of the Graph API: parameters, token, faults, answer headers, the log of calls. Knows no objects."""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response

from setuplinks.sandbox.broken_connection import Aborted
from setuplinks.sandbox.graph_errors import GraphError, bad_parameter, dead_token, error_of
from setuplinks.sandbox.graph_params import read_params
from setuplinks.sandbox.world import Token, World

Answer = dict[str, Any]
CODE_SUBCODES = {36007, 36008, 36009}
NO_ANSWER = 0  # in the log of calls, where the connection ended without one
PASSWORD_CHANGED = 460
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

    async def close(self) -> None:
        """Lets go of the files that came with it."""
        for value in self.params.values():
            if isinstance(value, UploadFile):
                await value.close()

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
        if token.dies_at == self.name:
            token.dead_subcode, token.dies_at = token.dead_subcode or PASSWORD_CHANGED, None
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
            await world.wait_by(fault)
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


Handler = Callable[[GraphCall], Awaitable[Answer | Response]]
JSON = "application/json; charset=UTF-8"


@dataclass(slots=True)
class Outcome:
    """What a call came to: an answer's parts, or a ready answer (a file), or none (the connection ends)."""

    status: int
    content: bytes = b""
    media_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    ready: Response | None = None


async def carried_out(call: GraphCall, handler: Handler) -> Outcome:
    """Runs one call and writes it into the log, without its parameters."""
    world = call.world
    outcome = await _outcome(call, handler)
    if call.fate is not None:
        outcome = Outcome(NO_ANSWER, outcome.content if call.fate == "cut" else b"")
    world.record(call.method, call.path, call.name, outcome.status, call.error_code)
    return outcome


async def _outcome(call: GraphCall, handler: Handler) -> Outcome:
    try:
        answer = await handler(call)
        if isinstance(answer, Response):
            return Outcome(answer.status_code, ready=answer)
        return Outcome(200, msgspec.json.encode(answer))
    except GraphError as error:
        return _refused(call, error)
    except BareAnswer as bare:
        return Outcome(bare.status, bare.body.encode(), "text/html; charset=utf-8")
    except Unanswered:
        return Outcome(NO_ANSWER)


def _refused(call: GraphCall, error: GraphError) -> Outcome:
    call.error_code = error.code
    headers: Mapping[str, str] = error.headers
    if error.code == 190 or error.subcode in CODE_SUBCODES:
        reason = "invalid_token" if error.code == 190 else "invalid_code"
        headers = {"WWW-Authenticate": f'OAuth "Facebook Platform" "{reason}" "{error.message}"', **headers}
    return Outcome(error.status, msgspec.json.encode(error.body()), JSON, headers)


async def respond(request: Request, world: World, handler: Handler) -> Response:
    """Answers one request as Graph does."""
    authorization = request.headers.get("authorization", "")
    bearer = authorization[7:].strip() if authorization[:7].lower() == "bearer " else None
    call = GraphCall(world, request.method, request.url.path, {}, bearer)
    call.base_url = str(request.base_url).rstrip("/")

    async def handle(call: GraphCall) -> Answer | Response:
        call.params = await read_params(request)
        call.bearer = bearer or call.text("access_token") or None
        return await handler(call)

    try:
        outcome = await carried_out(call, handle)
    finally:
        await call.close()
    if outcome.status == NO_ANSWER:
        return Aborted(outcome.content)
    if outcome.ready is not None:
        outcome.ready.headers.update(usage_headers(call))
        return outcome.ready
    return Response(
        outcome.content, outcome.status, {**usage_headers(call), **outcome.headers}, media_type=outcome.media_type
    )

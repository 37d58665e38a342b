"""The control API, `/sandbox/…`: clock, state, scenarios, settings, faults, played signups. JSON, camelCase."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from setuplinks.sandbox import flow, grants, play, views
from setuplinks.sandbox.bad_weather import Weather, refusal
from setuplinks.sandbox.clock import parse_time, rfc3339
from setuplinks.sandbox.scenarios import DEFAULT, SCENARIOS, Scenario
from setuplinks.sandbox.sender import Sender
from setuplinks.sandbox.telling import tell_account_update
from setuplinks.sandbox.world import InjectedFault, World

Body = dict[str, Any]
Verb = Callable[[Request, Body], Awaitable[Any]]


class ControlRefused(Exception):
    """A request that the control API does not take; answered with `status` and the sentence."""

    def __init__(self, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.status = status


def answered(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def route(path: str, verbs: dict[str, Verb]) -> Route:
    """One path, a verb for each method; ControlRefused becomes `{"error": …}`."""

    async def endpoint(request: Request) -> Response:
        try:
            body = await _body(request)
            return answered(await verbs[request.method](request, body))
        except ControlRefused as refused:
            return answered({"error": str(refused)}, refused.status)

    return Route(path, endpoint, methods=list(verbs))


async def _body(request: Request) -> Body:
    raw = await request.body() if request.method in ("POST", "PUT", "PATCH") else b""
    try:
        value = msgspec.json.decode(raw) if raw else {}
    except msgspec.DecodeError:
        raise ControlRefused("the body is not JSON", 400) from None
    if not isinstance(value, dict):
        raise ControlRefused("the body must be an object", 400)
    return value


def named_scenario(name: Any) -> Scenario:
    if name not in SCENARIOS:
        raise ControlRefused(f"no scenario {name!r}; GET /sandbox/scenarios lists them")
    return SCENARIOS[name]


def seconds(value: Any) -> float:
    """A finite number of seconds that stays inside the calendar."""
    number = float(value)
    if not -1e9 < number < 1e9:
        raise ValueError("advanceSeconds must be a number of seconds within 30 years")
    return number


def whole(value: Any, name: str) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise ControlRefused(f"{name} must be a whole number") from None


def routes(world: World, sender: Sender) -> list[Route]:
    control = Control(world, sender)
    return [
        route("/sandbox/clock", {"GET": control.clock, "POST": control.move_clock}),
        route("/sandbox/state", {"GET": control.state}),
        route("/sandbox/calls", {"GET": control.calls, "DELETE": control.forget_calls}),
        route("/sandbox/reset", {"POST": control.reset}),
        route("/sandbox/settings", {"GET": control.settings, "PUT": control.change_settings}),
        route("/sandbox/scenarios", {"GET": control.scenarios}),
        route("/sandbox/scenario", {"GET": control.next_scenario, "PUT": control.set_scenario}),
        route("/sandbox/faults", {"GET": control.faults, "POST": control.add_fault, "DELETE": control.clear_faults}),
        route("/sandbox/signups", {"GET": control.signups, "POST": control.play_signup}),
        route("/sandbox/notifications", {"GET": control.notifications}),
        route("/sandbox/tokens/kill", {"POST": control.kill_tokens}),
        route("/sandbox/phone-numbers/{phone_number_id}", {"GET": control.number, "PATCH": control.change_number}),
        route("/sandbox/wabas/{waba_id}", {"GET": control.waba, "PATCH": control.change_waba}),
        route("/sandbox/wabas/{waba_id}/phone-numbers", {"POST": control.add_number}),
    ]


class Control:
    """The verbs, over one world."""

    def __init__(self, world: World, sender: Sender) -> None:
        self.world, self.sender = world, sender

    async def clock(self, _request: Request, _body: Body) -> Body:
        now = self.world.clock.now()
        return {"now": rfc3339(now), "unix": now, "frozen": self.world.clock.frozen}

    async def move_clock(self, request: Request, body: Body) -> Body:
        """`advanceSeconds`, `now` (RFC 3339), `frozen`; any of them."""
        try:
            if "now" in body:
                self.world.clock.set(parse_time(str(body["now"])))
            if "advanceSeconds" in body:
                self.world.clock.advance(seconds(body["advanceSeconds"]))
        except (TypeError, ValueError) as error:
            raise ControlRefused(str(error)) from None
        if "frozen" in body:
            self.world.clock.freeze(bool(body["frozen"]))
        return await self.clock(request, body)

    async def state(self, _request: Request, _body: Body) -> Body:
        return views.state(self.world)

    async def calls(self, request: Request, _body: Body) -> Body:
        """`?call=exchange` filters; `counts` is over the whole life of this state."""
        wanted = request.query_params.get("call")
        rows = [views.call(c) for c in self.world.calls if wanted in (None, c.call)]
        return {"data": rows, "counts": dict(self.world.call_counts)}

    async def forget_calls(self, _request: Request, _body: Body) -> Body:
        self.world.calls.clear()
        self.world.call_counts.clear()
        return {"ok": True}

    async def reset(self, _request: Request, _body: Body) -> Body:
        self.world.clear()
        self.sender.forget()
        return {"ok": True}

    async def settings(self, _request: Request, _body: Body) -> Body:
        return views.camel_fields(self.world.settings)

    async def change_settings(self, _request: Request, body: Body) -> Body:
        """Merges; an unknown name or a value of another type is refused and nothing changes."""
        try:
            self.world.settings = views.merged(self.world.settings, body)
        except (KeyError, TypeError, ValueError) as error:
            raise ControlRefused(str(error)) from None
        return views.camel_fields(self.world.settings)

    async def scenarios(self, _request: Request, _body: Body) -> Body:
        return {"data": [{"name": s.name, "summary": s.summary} for s in SCENARIOS.values()]}

    async def next_scenario(self, _request: Request, _body: Body) -> Body:
        return {
            "standing": self.world.standing.name,
            "queue": [s.name for s in self.world.queue],
            "byState": {state: s.name for state, s in self.world.by_state.items()},
        }

    async def set_scenario(self, request: Request, body: Body) -> Body:
        """`next`: one name or a list, for the signups to come; `standing`: all others; `state` with `name`: one."""
        if "next" in body:
            names = body["next"] if isinstance(body["next"], list) else [body["next"]]
            self.world.queue.extend([named_scenario(name) for name in names])
        if "standing" in body:
            self.world.standing = named_scenario(body["standing"]) if body["standing"] else DEFAULT
        if "state" in body:
            self.world.by_state[str(body["state"])] = named_scenario(body.get("name"))
        if body.get("clear"):
            self.world.queue.clear()
            self.world.by_state.clear()
        return await self.next_scenario(request, body)

    async def faults(self, _request: Request, _body: Body) -> Body:
        forecast = self.world.forecast
        return {
            "data": [views.camel_fields(fault) for fault in self.world.faults],
            "byRate": None if forecast.weather is None else views.camel_fields(forecast.weather),
            "struck": dict(forecast.struck),
        }

    async def add_fault(self, _request: Request, body: Body) -> Body:
        """`call`: one fault, for some calls. `rates`, `latencyMs`: a share of all calls, in place of the last such."""
        if "call" not in body:
            return self._by_rate(body)
        try:
            fault = views.merged(InjectedFault(call=str(body["call"])), body)
        except (KeyError, TypeError, ValueError) as error:
            raise ControlRefused(str(error)) from None
        self.world.faults.append(fault)
        return views.camel_fields(fault)

    async def clear_faults(self, request: Request, _body: Body) -> Body:
        """`?call=register` ends those of that call alone. A call that waits by a `delayMs` goes on."""
        self.world.end_faults(request.query_params.get("call"))
        return {"ok": True}

    def _by_rate(self, body: Body) -> Body:
        try:
            weather = views.merged(Weather(), body)
        except (KeyError, TypeError, ValueError) as error:
            raise ControlRefused(str(error)) from None
        if (why := refusal(weather)) is not None:
            raise ControlRefused(why)
        self.world.forecast.set(weather)
        return views.camel_fields(weather)

    async def signups(self, request: Request, _body: Body) -> Body:
        limit = whole(request.query_params.get("limit", "100"), "limit")
        rows = list(self.world.signups.values())[-limit:]
        return {"data": [play.result(signup) | {"code": None, "redirectUrl": None} for signup in reversed(rows)]}

    async def play_signup(self, _request: Request, body: Body) -> Body:
        """`dialogUrl`, `scenario`?, `popup`?, `choices`? → how the dialog ended: its redirect, or code and message."""
        if "scenario" in body and body["scenario"] is not None:
            named_scenario(body["scenario"])
        if not isinstance(body.get("dialogUrl"), str):
            raise ControlRefused("dialogUrl is required")
        choices = {} if body.get("choices") is None else body["choices"]
        if not isinstance(choices, dict):
            raise ControlRefused("choices must be an object")
        try:
            signup = play.play(self.world, body["dialogUrl"], choices, body.get("scenario"), body.get("popup"))
        except flow.DialogRefused as refused:
            raise ControlRefused(f"the dialog shows error {refused.code}: {refused.message}", 409) from None
        except play.BadChoice as bad:
            raise ControlRefused(f"choices: {bad}") from None
        return play.result(signup)

    async def notifications(self, _request: Request, _body: Body) -> Body:
        return {"data": [views.notification(note) for note in reversed(self.sender.sent)]}

    async def kill_tokens(self, _request: Request, body: Body) -> Body:
        """All tokens of a WABA (or all) answer 190 with this subcode from now on; 463, 460, 458, … `event`:
        the WABA's account_update comes too, with `wabaInfo: false` as in Meta's samples that name nothing."""
        subcode, event = whole(body.get("subcode", 463), "subcode"), body.get("event")
        tokens = list(self.world.tokens.values())
        waba = self.world.wabas.get(str(body.get("wabaId")))
        if body.get("wabaId"):
            tokens = self.world.tokens_of([str(body["wabaId"])])
        if event is not None and (event not in ("PARTNER_APP_UNINSTALLED", "PARTNER_REMOVED") or waba is None):
            raise ControlRefused("event is PARTNER_APP_UNINSTALLED or PARTNER_REMOVED, of the WABA that wabaId names")
        if event is not None and waba is not None:
            tell_account_update(self.world, waba, event, {}, with_waba_info=body.get("wabaInfo") is not False)
        for token in tokens:
            token.dead_subcode = subcode
        return {"killed": len(tokens)}

    async def number(self, request: Request, _body: Body) -> Body:
        number = self.world.numbers.get(request.path_params["phone_number_id"])
        if number is None:
            raise ControlRefused("no such number", 404)
        return views.number(number)

    async def change_number(self, request: Request, body: Body) -> Body:
        await self.number(request, body)
        number = self.world.numbers[request.path_params["phone_number_id"]]
        self._change(number, body, views.NUMBER_EDITABLE)
        return views.number(number)

    async def waba(self, request: Request, _body: Body) -> Body:
        waba = self.world.wabas.get(request.path_params["waba_id"])
        if waba is None:
            raise ControlRefused("no such WABA", 404)
        return views.waba(waba)

    async def add_number(self, request: Request, body: Body) -> Body:
        """The person adds a number in WhatsApp Manager: verified, not registered; its fields as PATCH has them."""
        await self.waba(request, body)
        waba = self.world.wabas[request.path_params["waba_id"]]
        number = grants.new_number(self.world, waba, grants.free_display_number(self.world), waba.name)
        self._change(number, body, views.NUMBER_EDITABLE)
        return views.number(number)

    async def change_waba(self, request: Request, body: Body) -> Body:
        await self.waba(request, body)
        waba = self.world.wabas[request.path_params["waba_id"]]
        self._change(waba, body, views.WABA_EDITABLE)
        return views.waba(waba)

    def _change(self, record: Any, body: Body, editable: dict[str, str]) -> None:
        unknown = sorted(set(body) - set(editable))
        if unknown:
            raise ControlRefused(f"cannot be set: {', '.join(unknown)}; can be: {', '.join(sorted(editable))}")
        for name, value in body.items():
            held = getattr(record, editable[name])
            if not (isinstance(value, str | None) if name == "pin" else type(value) is type(held)):
                raise ControlRefused(f"{name}: not a value that it can have")
        for name, value in body.items():
            setattr(record, editable[name], value)

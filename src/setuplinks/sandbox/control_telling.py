"""The part of the control API that makes Meta tell something of an account or a person."""

from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from setuplinks.sandbox import signed_requests
from setuplinks.sandbox.control import Body, ControlRefused, route
from setuplinks.sandbox.telling import EVENTS, tell_account_update
from setuplinks.sandbox.world import Waba, World


def routes(world: World) -> list[Route]:
    control = ControlTelling(world)
    return [
        route("/sandbox/wabas/{waba_id}/account-update", {"POST": control.account_update}),
        route("/sandbox/signed-requests", {"POST": control.signed_request}),
    ]


class ControlTelling:
    """The verbs, over one world."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def signed_request(self, _request: Request, body: Body) -> Body:
        """`kind` is `deauthorize` or `data_deletion`, for the person who granted `wabaId`, or for `userId`."""
        kind, user_id = _text(body, "kind"), _text(body, "userId", needed=False)
        if kind not in signed_requests.PATHS:
            raise ControlRefused(f"kind is one of {', '.join(signed_requests.PATHS)}")
        if not user_id:
            tokens = self.world.tokens_of([_text(body, "wabaId")])
            if not tokens:
                raise ControlRefused("no token was granted for this WABA: there is no person to name", 409)
            user_id = tokens[-1].user_id
        return await signed_requests.post(self.world, kind, user_id, forged=body.get("forged") is True)

    async def account_update(self, request: Request, body: Body) -> Body:
        """`event`; `value` is merged over what Meta's sample has; `wabaInfo: false` leaves waba_info out."""
        waba, event = self._waba(request), _text(body, "event")
        if event not in EVENTS:
            raise ControlRefused(f"no event {event!r}; there are: {', '.join(EVENTS)}")
        more: Any = body.get("value", {})
        if not isinstance(more, dict) or not isinstance(body.get("wabaInfo", True), bool):
            raise ControlRefused("value must be an object, wabaInfo true or false")
        tell_account_update(self.world, waba, event, more, with_waba_info=body.get("wabaInfo", True))
        return {"event": event}

    def _waba(self, request: Request) -> Waba:
        waba = self.world.wabas.get(request.path_params["waba_id"])
        if waba is None:
            raise ControlRefused("no such WABA", 404)
        return waba


def _text(body: Body, name: str, *, needed: bool = True) -> str:
    value = body.get(name, "")
    if not isinstance(value, str) or (needed and not value):
        raise ControlRefused(f"{name} must be text")
    return value

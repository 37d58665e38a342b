"""The part of the control API that makes Meta tell something: a message that comes in, an account's fate."""

from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from setuplinks.sandbox import signed_requests
from setuplinks.sandbox.control import Body, ControlRefused, route
from setuplinks.sandbox.telling import EVENTS, tell_account_update, tell_inbound
from setuplinks.sandbox.telling_sync import tell_echo
from setuplinks.sandbox.world import Number, Waba, World, digits_of


def routes(world: World) -> list[Route]:
    control = ControlTelling(world)
    return [
        route("/sandbox/phone-numbers/{phone_number_id}/inbound", {"POST": control.inbound}),
        route("/sandbox/phone-numbers/{phone_number_id}/echo", {"POST": control.echo}),
        route("/sandbox/wabas/{waba_id}/account-update", {"POST": control.account_update}),
        route("/sandbox/signed-requests", {"POST": control.signed_request}),
    ]


class ControlTelling:
    """The verbs, over one world."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def inbound(self, request: Request, body: Body) -> Body:
        """`from` and `text`; `name` of the sender; `userId` beside or in place of `from`, for a user without number."""
        number = self._number(request)
        text, wa_id = _text(body, "text"), digits_of(_text(body, "from", needed=False))
        user_id = _text(body, "userId", needed=False)
        if not wa_id and not user_id:
            raise ControlRefused("from must be a phone number; a user without one has a userId")
        if number.platform_type == "NOT_APPLICABLE":
            raise ControlRefused("the number is not registered: nobody can write to it", 409)
        if not number.waba.subscriptions:
            raise ControlRefused("no app is subscribed to the number's WABA: Meta would tell nobody", 409)
        name = _text(body, "name", needed=False) or "Sandbox User"
        return {"id": tell_inbound(self.world, number, wa_id or None, user_id or None, name, text)}

    async def echo(self, request: Request, body: Body) -> Body:
        """`to` and `text`: the business writes in its phone's app, and the number is one of the app."""
        number, to = self._number(request), digits_of(_text(body, "to"))
        if not to:
            raise ControlRefused("to must be a phone number")
        if not number.on_biz_app:
            raise ControlRefused("the number is not used in the WhatsApp Business app", 409)
        return {"id": tell_echo(self.world, number, to, _text(body, "text"))}

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

    def _number(self, request: Request) -> Number:
        number = self.world.numbers.get(request.path_params["phone_number_id"])
        if number is None:
            raise ControlRefused("no such number", 404)
        return number

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

"""The part of the control API that stands for phones: what end users and the business's own app write, and read."""

from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from setuplinks.sandbox import views
from setuplinks.sandbox.control import Body, ControlRefused, route
from setuplinks.sandbox.conversations import RANKS, Chat
from setuplinks.sandbox.end_users import CannotWrite, written
from setuplinks.sandbox.graph_templates import review
from setuplinks.sandbox.telling_messages import read_all, tell_status, window_open
from setuplinks.sandbox.telling_sync import tell_echo, tell_history
from setuplinks.sandbox.world import Number, World, digits_of

OF_NUMBER = "/sandbox/phone-numbers/{phone_number_id}"


def routes(world: World) -> list[Route]:
    control = ControlChats(world)
    return [
        route(f"{OF_NUMBER}/inbound", {"POST": control.inbound}),
        route(f"{OF_NUMBER}/echo", {"POST": control.echo}),
        route(f"{OF_NUMBER}/history", {"POST": control.history}),
        route(f"{OF_NUMBER}/statuses", {"POST": control.status}),
        route(f"{OF_NUMBER}/chats", {"GET": control.chats}),
        route(f"{OF_NUMBER}/chats/{{person}}", {"GET": control.chat}),
        route(f"{OF_NUMBER}/chats/{{person}}/read", {"POST": control.read}),
        route("/sandbox/templates/{template_id}", {"PATCH": control.template}),
    ]


class ControlChats:
    """The verbs, over one world."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def inbound(self, request: Request, body: Body) -> Body:
        """`from` and `text`, or `type` and its fields; `userId` for a user whose number Meta does not tell."""
        number = self._number(request)
        try:
            return {"id": written(self.world, number, body).id}
        except CannotWrite as refused:
            raise ControlRefused(str(refused), 409 if refused.conflict else 422) from None

    async def echo(self, request: Request, body: Body) -> Body:
        """`to` and `text`: the business writes in its phone's app, and the number is one of the app."""
        number, to, text = self._number(request), digits_of(str(body.get("to", ""))), body.get("text")
        if not to or not isinstance(text, str) or not text:
            raise ControlRefused("to must be a phone number, text must be text")
        if not number.on_biz_app:
            raise ControlRefused("the number is not used in the WhatsApp Business app", 409)
        return {"id": tell_echo(self.world, number, to, text)}

    async def history(self, request: Request, _body: Body) -> Body:
        """The chats of before are told once more, in their chunks."""
        number = self._number(request)
        if not number.on_biz_app:
            raise ControlRefused("the number is not used in the WhatsApp Business app", 409)
        return {"chunks": tell_history(self.world, number)}

    async def status(self, request: Request, body: Body) -> Body:
        """`messageId` and `status` (sent, delivered, read, played, failed; `code` with the last) of a message."""
        number, status = self._number(request), str(body.get("status"))
        message = self.world.conversations.message(str(body.get("messageId")))
        if message is None or message.number_id != number.id or message.side != "business":
            raise ControlRefused("messageId names no message that this number has sent", 404)
        if status != "failed" and (status not in RANKS or status == "accepted"):
            raise ControlRefused("status is one of sent, delivered, read, played, failed")
        code: Any = body.get("code", 131026) if status == "failed" else None
        if code is not None and not isinstance(code, int):
            raise ControlRefused("code must be a whole number")
        tell_status(self.world, number, message, status, code)
        return views.message(message)

    async def chats(self, request: Request, _body: Body) -> Body:
        """Who has written with this number, the newest first, with the messages of each."""
        return {"data": [self._shown(chat) for chat in self.world.conversations.of_number(self._number(request).id)]}

    async def chat(self, request: Request, _body: Body) -> Body:
        """One of them."""
        return self._shown(self._chat(request))

    async def read(self, request: Request, _body: Body) -> Body:
        """The end user opens the chat: what has arrived is read."""
        return {"read": read_all(self.world, self._number(request), self._chat(request))}

    async def template(self, request: Request, body: Body) -> Body:
        """`status` (and `reason`) of a template, as Meta's review or its quality rating would set it; it is told."""
        status, reason = str(body.get("status")), str(body.get("reason") or "NONE")
        told = review(self.world, request.path_params["template_id"], status, reason)
        if told is None:
            raise ControlRefused("no such template, or no status that a template can have", 404)
        return told

    def _shown(self, chat: Chat) -> Body:
        return views.chat(chat, window_open(self.world, chat))

    def _chat(self, request: Request) -> Chat:
        chat = self.world.conversations.find(self._number(request).id, request.path_params["person"])
        if chat is None:
            raise ControlRefused("this person and this number have not written to each other", 404)
        return chat

    def _number(self, request: Request) -> Number:
        number = self.world.numbers.get(request.path_params["phone_number_id"])
        if number is None:
            raise ControlRefused("no such number", 404)
        return number

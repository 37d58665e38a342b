"""`/sandbox/chats`: a phone for people. Pick a number, write to it as an end user, see both sides and the statuses.

Plain forms that end in a redirect back; whatever they do can be done over the control API as well. A small script only
looks for news.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from setuplinks.sandbox import chat_views
from setuplinks.sandbox.conversations import Chat, Person
from setuplinks.sandbox.end_users import CannotWrite, end_user, written
from setuplinks.sandbox.media_types import kind_of
from setuplinks.sandbox.pages import render
from setuplinks.sandbox.telling_messages import read_all, tell_status, window_open
from setuplinks.sandbox.telling_sync import tell_echo, tell_history
from setuplinks.sandbox.world import Number, World

PATH = "/sandbox/chats"
SHOWN = 100  # numbers offered, the newest first
EMOJI = ("👍", "❤️", "😂")
SHOWABLE = ("image/jpeg", "image/png", "image/webp")
Form = Mapping[str, str]


def routes(world: World) -> list[Route]:
    """The page, its forms, and the files in it."""
    page = Chats(world)
    verbs = {"write": page.write, "open": page.open, "read": page.read, "fail": page.fail, "history": page.history}
    return [
        Route(PATH, page.page, methods=["GET"]),
        Route(f"{PATH}/files/{{media_id}}", page.file, methods=["GET"]),
        *(Route(f"{PATH}/{name}", page.taking(verb), methods=["POST"]) for name, verb in verbs.items()),
    ]


class Chats:
    """The verbs, over one world. `said` is what the last form came to; it is shown once."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.said = ""

    def taking(
        self, verb: Callable[[Number, Form, UploadFile | None], Awaitable[str]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """A form's POST: does it, leads back to the chat that it names."""

        async def endpoint(request: Request) -> Response:
            async with request.form() as given:
                form = {name: value.strip() for name, value in given.items() if isinstance(value, str)}
                upload = given.get("file")
                file = upload if isinstance(upload, UploadFile) and upload.filename else None
                number, person = self.world.numbers.get(form.get("number", "")), form.get("person", "")
                try:
                    if number is None:
                        raise CannotWrite("Choose a number; a signup makes one.")
                    person = await verb(number, form, file)
                except CannotWrite as refused:
                    self.said = str(refused)[:1].upper() + str(refused)[1:]
            query = {"number": form.get("number", ""), "person": person}
            return RedirectResponse(f"{PATH}?{urlencode({k: v for k, v in query.items() if v})}#end", 303)

        return endpoint

    async def page(self, request: Request) -> Response:
        """The page, with the number and the person that the address names, or the newest."""
        world, said = self.world, self.said
        if "x-look" not in request.headers:  # the script that only looks for news must not take the word away
            self.said = ""
        numbers = list(reversed(list(world.numbers.values())))[:SHOWN]
        number = world.numbers.get(request.query_params.get("number", "")) or next(iter(numbers), None)
        chats = [] if number is None else world.conversations.of_number(number.id)
        chat = self._chosen(number, chats, request.query_params.get("person", ""))
        answered = world.conversations.message(request.query_params.get("reply", ""))
        return render(
            "chats.html",
            said=said,
            numbers=numbers,
            number=number,
            chats=[(one, self._last(one)) for one in chats],
            chat=chat,
            bubbles=[] if chat is None else chat_views.bubbles(world, chat),
            open_until=self._open_until(chat),
            unread=0 if chat is None else sum(m.side == "business" and m.status == "delivered" for m in chat.messages),
            typing=chat is not None and world.clock.now() < chat.typing_until,
            reply=answered if chat is not None and answered is not None and answered in chat.messages else None,
            quoted=chat_views.excerpt(world, chat, answered) if chat is not None and answered is not None else "",
            emoji=EMOJI,
            heard_by=None if number is None else self._deaf(number),
        )

    def _chosen(self, number: Number | None, chats: list[Chat], person: str) -> Chat | None:
        named = None if number is None else self.world.conversations.find(number.id, person)
        return named or next(iter(chats), None)

    def _last(self, chat: Chat) -> str:
        return chat_views.excerpt(self.world, chat, chat.messages[-1]) if chat.messages else "Nothing yet"

    def _open_until(self, chat: Chat | None) -> str | None:
        """When the 24 hours end; empty where there is no such limit, None where they are over."""
        hours = self.world.settings.service_window_hours
        if chat is None or not window_open(self.world, chat):
            return None
        if hours <= 0 or chat.heard is None:
            return ""
        return f"{datetime.fromtimestamp(chat.heard + hours * 3600, UTC):%A, %H:%M} UTC"

    def _deaf(self, number: Number) -> str | None:
        """Why nobody would hear an end user, or None."""
        if number.platform_type == "NOT_APPLICABLE":
            return "This number is not registered: nobody can write to it."
        if not number.waba.subscriptions:
            return "No app is subscribed to this account: Meta would tell nobody."
        return None

    async def open(self, number: Number, form: Form, _file: UploadFile | None) -> str:
        """Somebody who has not written yet."""
        person = end_user(form)
        return self.world.conversations.chat(number.id, person).person.key

    async def write(self, number: Number, form: Form, file: UploadFile | None) -> str:
        """The end user writes, or with `as=app` the business in its phone's app."""
        person = self._person(number, form)
        if form.get("as") == "app":
            if not number.on_biz_app or person.wa_id is None or not form.get("text"):
                raise CannotWrite("only a number of the WhatsApp Business app writes in it, a text to a phone number")
            tell_echo(self.world, number, person.wa_id, form["text"])
            return person.key
        who = {"from": person.wa_id, "userId": person.user_id, "name": person.name}
        if file is None:
            written(self.world, number, {**form, **who})
            return person.key
        mime_type = file.content_type or "application/octet-stream"
        kind = kind_of(mime_type) or "document"
        content = (mime_type, file.filename or "file", await file.read())
        caption = {"caption": form.get("text", ""), "replyTo": form.get("replyTo", "")}
        written(self.world, number, {**caption, **who, "type": kind}, content)
        return person.key

    async def read(self, number: Number, form: Form, _file: UploadFile | None) -> str:
        """She opens the chat."""
        person = self._person(number, form)
        read_all(self.world, number, self.world.conversations.chat(number.id, person))
        return person.key

    async def fail(self, number: Number, form: Form, _file: UploadFile | None) -> str:
        """A message that went out fails after all."""
        person, message = self._person(number, form), self.world.conversations.message(form.get("message", ""))
        if message is None or message.side != "business" or message.number_id != number.id:
            raise CannotWrite("this message was not sent by the business")
        tell_status(self.world, number, message, "failed", 131026)
        return person.key

    async def history(self, number: Number, form: Form, _file: UploadFile | None) -> str:
        """The chats of before come once more."""
        if not number.on_biz_app:
            raise CannotWrite("only a number of the WhatsApp Business app has chats of before")
        self.said = f"{tell_history(self.world, number)} chunks of the chats of before are on their way."
        return form.get("person", "")

    def _person(self, number: Number, form: Form) -> Person:
        chat = self.world.conversations.find(number.id, form.get("person", ""))
        if chat is None:
            raise CannotWrite("Choose who writes.")
        return chat.person

    async def file(self, request: Request) -> Response:
        """A file of a chat, for this page only; what a browser could run is never shown, only saved."""
        held = self.world.media.get(request.path_params["media_id"])
        if held is None or held.content not in self.world.spool:
            return Response("This file is not kept any more.", 404)
        headers = {"Content-Security-Policy": "sandbox", "X-Content-Type-Options": "nosniff"}
        if held.mime_type not in SHOWABLE:
            headers["Content-Disposition"] = "attachment"
        return StreamingResponse(held.content.pieces(), 200, headers, media_type=held.mime_type)

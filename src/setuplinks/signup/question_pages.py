"""The pages of an open question: the PIN of an earlier registration, which numbers, no number yet.

Owns their forms below `/signup/{id}` and how a question becomes a page. What is asked, and what an answer does, is
`provisioning/questions`'. A PIN goes from the form to the sealed row: no page, address or log line ever holds it.
"""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Literal, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from setuplinks.core.db.unit import Unit
from setuplinks.provisioning.questions import AnswerRefused, Option, Question, QuestionClosed
from setuplinks.signup.question_views import ChooseNumbers, EnterPin, NoNumber, NumberGroup, OfferedNumber
from setuplinks.signup.room import Room, form_of, lists_of
from setuplinks.signup.showing import Shown
from setuplinks.signup.starting import Starting
from setuplinks.signup.visitor import Visitors

# What the address says of the last answer, after the 303; anything else that stands there says nothing.
NOT_SIX, NONE, GONE, LOOKED = "not-six", "none", "gone", "looked"
_SAID = {"nothing_chosen": NONE, "not_offered": GONE, "taken": GONE, "not_six_digits": NOT_SIX}
Verb = Callable[[Unit, int, str], Awaitable[None]]


class QuestionPages:
    """The routes of the questions."""

    def __init__(self, room: Room, starting: Starting, visitors: Visitors) -> None:
        self._room, self._starting, self._visitors = room, starting, visitors

    def routes(self) -> list[Route]:
        """Below `/signup`; every one a form's POST that ends in a 303."""
        return [
            Route("/{link}/pin", self.pin, methods=["POST"]),
            Route("/{link}/turned-off", self.turned_off, methods=["POST"]),
            Route("/{link}/numbers", self.numbers, methods=["POST"]),
            Route("/{link}/look", self.look, methods=["POST"]),
            Route("/{link}/choose-again", self.choose_again, methods=["POST"]),
        ]

    async def pin(self, request: Request) -> Response:
        """One try with the PIN that she entered."""
        pin = "".join((await form_of(request)).get("pin", "").split())
        return await self._answer(
            request, lambda tx, tenant, link: self._room.questions.answer_pin(tx, tenant, link, pin)
        )

    async def turned_off(self, request: Request) -> Response:
        """She has turned the PIN off at WhatsApp: any new one does, and becomes the number's."""
        pin = f"{secrets.randbelow(1_000_000):06}"
        return await self._answer(
            request, lambda tx, tenant, link: self._room.questions.answer_pin(tx, tenant, link, pin)
        )

    async def numbers(self, request: Request) -> Response:
        """The numbers that she ticked."""
        ticked = (await lists_of(request)).get("number", [])
        return await self._answer(
            request, lambda tx, tenant, link: self._room.questions.answer_numbers(tx, tenant, link, ticked)
        )

    async def look(self, request: Request) -> Response:
        """She has added a number: Meta is asked at once."""
        return await self._answer(request, self._room.questions.check_again, f"?{LOOKED}")

    async def choose_again(self, request: Request) -> Response:
        """Row 12, then row 3a: she would rather choose otherwise at Facebook."""
        found, refused = await self._visitors.pressed(request)
        if found is None:
            return refused
        shown = found[0]
        try:
            await self._room.db.unit(self._room.questions.start_over, shown.link.tenant_id, shown.link.id)
        except QuestionClosed:
            return self._room.answers.see_other(f"/signup/{shown.link.id}")
        return await self._starting.start(request, shown, f"/signup/{shown.link.id}")

    async def _answer(self, request: Request, verb: Verb, said: str = "") -> Response:
        found, refused = await self._visitors.pressed(request)
        if found is None:
            return refused
        link = found[0].link

        async def take(tx: Unit) -> None:
            await verb(tx, link.tenant_id, link.id)

        try:
            await self._room.db.unit(take)
        except QuestionClosed:
            said = ""  # answered before, perhaps by this very form: the page that fits now says how it stands
        except AnswerRefused as error:
            said = f"?{_SAID[error.why]}" if error.why in _SAID else ""
        return self._room.answers.see_other(f"/signup/{link.id}{said}")

    def page(self, shown: Shown, question: Question, said: str) -> EnterPin | ChooseNumbers | NoNumber:
        """The question as a page. `said` is what the address says of the last answer."""
        link, here = shown.link, f"/signup/{shown.link.id}"
        shared: dict[str, Any] = {
            "brand": shown.brand,
            "steps": 3 if len(link.connection_types) > 1 else 2,
            "asks": self.key(question),
            "form_token": self._room.browsers.form_token(link.id),
            "status_url": f"{here}/status",
            "check_url": f"{here}/look",
            "again_url": f"{here}/choose-again",
            "keeps_until": shown.day(question.until),
            "leave_url": f"{here}/leave" if link.success_url else None,
        }
        if question.kind == "pin":
            locked = question.locked_until if self._is_locked(question) else None
            return EnterPin(
                **shared, action_url=f"{here}/pin", off_url=f"{here}/turned-off", number=question.number,
                wrong=question.wrong, tries_left=question.tries_left, refused=said == NOT_SIX,
                locked_until=None if locked is None else f"{shown.day(locked)}, {shown.time(locked)}",
            )  # fmt: skip
        if question.kind == "choose_number":
            refused = cast("Literal['none', 'gone'] | None", said if said in {NONE, GONE} else None)
            return ChooseNumbers(
                **shared, action_url=f"{here}/numbers", groups=grouped(question.options), refused=refused
            )
        reason: Literal["no_waba", "no_number"] = "no_waba" if question.reason == "no_waba" else "no_number"
        return NoNumber(**shared, reason=reason, looked=said == LOOKED)

    def key(self, question: Question) -> str:
        """What tells one question from the next; an open page loads anew once it changes."""
        locked = "locked" if self._is_locked(question) else "open"
        return f"{question.kind}.{question.asked_at}.{question.wrong}.{locked}.{len(question.options)}"

    def _is_locked(self, question: Question) -> bool:
        return question.locked_until is not None and self._room.clock.now() < question.locked_until


def grouped(options: tuple[Option, ...]) -> tuple[NumberGroup, ...]:
    """The numbers by the account that they belong to, in the order in which Meta named them."""
    groups: dict[str, list[Option]] = {}
    for option in options:
        groups.setdefault(option.waba, []).append(option)
    return tuple(
        NumberGroup(
            members[0].waba_name,
            tuple(OfferedNumber(one.id, one.display or one.id, one.verified_name, one.taken) for one in members),
        )
        for members in groups.values()
    )

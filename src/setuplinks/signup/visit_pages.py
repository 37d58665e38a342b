"""The pages of a visit, on addresses without the link's secret: choose, sign in, finishing, done, stopped.

Owns GET and POST below `/signup/{id}`. Which page fits is decided by the link's phase and this browser's newest visit,
so that reloading, going back and a second tab always show where things stand.
"""

import json
from typing import Literal, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from setuplinks.core.clock import MINUTE, SECOND
from setuplinks.core.db.unit import Unit
from setuplinks.meta.embedded_signup import COEXISTENCE, message_origins
from setuplinks.meta.history import COMPLETE
from setuplinks.provisioning import machine
from setuplinks.provisioning.models import Provisioning
from setuplinks.provisioning.offboard import NOT_MINE_FOR
from setuplinks.provisioning.store import FIND as FIND_PROVISIONING
from setuplinks.setup_links import store as links
from setuplinks.setup_links.machine import ENDED, WORKING, Phase, VisitStatus
from setuplinks.setup_links.models import CONNECTION_TYPES, SetupLink, Visit
from setuplinks.setup_links.visits import state_of
from setuplinks.signup.browser import Browser
from setuplinks.signup.key_offers import KeyOffers
from setuplinks.signup.key_views import KeyOffer
from setuplinks.signup.link_pages import landing, with_new_number
from setuplinks.signup.new_numbers import new_number
from setuplinks.signup.question_pages import LOOKED, QuestionPages
from setuplinks.signup.returns import ENDED_CODES
from setuplinks.signup.room import Room, form_of
from setuplinks.signup.showing import Shown
from setuplinks.signup.starting import Starting
from setuplinks.signup.views import (
    AlreadyConnected,
    Choose,
    ConnectedNumber,
    ConnectionType,
    Disconnect,
    Disconnected,
    Done,
    Expired,
    Failed,
    Finishing,
    Page,
    Revoked,
    SignIn,
    Step,
    Stopped,
)
from setuplinks.signup.visitor import Visitors
from setuplinks.signup.wording import finishing_steps, status_json
from setuplinks.whatsapp.models import PhoneNumber
from setuplinks.whatsapp.store import FIND_WABA

SLOW_AFTER = 60 * SECOND
# The finishing page's lines, and the step whose end ticks each off.
MARKS = {"number": machine.Step.CHOOSE, "register": machine.Step.REGISTER, "link": machine.Step.SUBSCRIBE}
REVIEWED = frozenset({"PENDING_REVIEW"})
BACK = "back"  # the query of her way back from the choice: the first page, without the secret of its own address


class VisitPages:
    """The routes of a visit."""

    def __init__(self, room: Room, starting: Starting, visitors: Visitors, questions: QuestionPages) -> None:
        self._room, self._starting, self._visitors, self._questions = room, starting, visitors, questions
        self._keys = KeyOffers(room)

    def routes(self) -> list[Route]:
        """Below `/signup`; the two GETs that both kinds of address have stand in `routes`."""
        return [
            Route("/{link}/start", self.start, methods=["POST"]),
            Route("/{link}/authorize", self.authorize, methods=["POST"]),
            Route("/{link}/page", self.full_page, methods=["POST"]),
            Route("/{link}/status", self.status, methods=["GET"]),
            Route("/{link}/not-mine", self.not_mine, methods=["POST"]),
            Route("/{link}/key", self.key, methods=["GET", "POST"]),
        ]

    # -- reading --------------------------------------------------------------------------------------------------
    async def show(self, request: Request) -> Response:
        """The page that fits now."""
        found = await self._visitors.of(request)
        if found is None:
            return self._room.unknown(request)
        shown, visit, browser = found
        return self._room.answers.page(await self._page(shown, visit, browser, request.url.query))

    async def status(self, request: Request) -> Response:
        """What the finishing page asks for every second."""
        found = await self._visitors.of(request)
        if found is None:
            return self._room.answers.json({"steps": [], "location": None}, 404)
        shown, visit, _ = found
        run = await self._run(shown.link)
        here, asks = f"/signup/{shown.link.id}", None
        waits = shown.link.seen(self._room.clock.now()) in WORKING or visit.status is VisitStatus.EXCHANGING
        if waits and run is not None and run.question is not None:
            # What she was waiting for goes along, so that "we looked again" can stand on the page that asks once more.
            waits, asks = False, self._questions.key(run.question)
            here += f"?{LOOKED}" if request.url.query == LOOKED else ""
        return self._room.answers.json(status_json(self._steps(shown, run), None if waits else here, asks))

    async def leave(self, request: Request) -> Response:
        """Back to the company, with what has become of the link; nothing is changed by it."""
        found = await self._visitors.of(request)
        if found is None:
            return self._room.unknown(request)
        shown, visit, _ = found
        room, link = self._room, shown.link
        phase = link.seen(room.clock.now())
        if phase is Phase.COMPLETED:
            url = await room.returns.success(shown)
        elif phase in WORKING or visit.status is VisitStatus.EXCHANGING:
            url = await room.returns.pending(shown)
        else:
            code = link.failure_code or ENDED_CODES.get(phase) or visit.end_code or "cancelled"
            url = await room.returns.failure(shown, code)
        return room.answers.see_other(url or f"/signup/{link.id}")

    # -- acting ---------------------------------------------------------------------------------------------------
    async def start(self, request: Request) -> Response:
        """Row 3a from a page of a visit that stopped."""
        found, refused = await self._visitors.pressed(request)
        if found is None:
            return refused
        return await self._starting.start(request, found[0], f"/signup/{found[0].link.id}")

    async def authorize(self, request: Request) -> Response:
        """Row 4: the customer has chosen how the number will be used."""
        found, refused = await self._visitors.pressed(request)
        if found is None:
            return refused
        shown, _, browser = found
        wanted = (await form_of(request)).get("connection_type", "")
        if wanted not in CONNECTION_TYPES:
            return self._room.answers.see_other(f"/signup/{shown.link.id}")
        return await self._starting.authorize(request, shown, browser, wanted, None)

    async def full_page(self, request: Request) -> Response:
        """Row 4 once more, in the full page: no window opened."""
        found, refused = await self._visitors.pressed(request)
        if found is None:
            return refused
        shown, visit, browser = found
        wanted = visit.connection_type or shown.link.connection_types[0]
        return await self._starting.authorize(request, shown, browser, wanted, "page")

    async def not_mine(self, request: Request) -> Response:
        """The customer says that it was the wrong business or number: the link's numbers are off-boarded."""
        found, refused = await self._visitors.pressed(request)
        if found is None:
            return refused
        shown = found[0]
        if self._may_undo(shown.link):
            await self._room.db.unit(self._undo, shown.link.tenant_id, shown.link.id)
        return self._room.answers.see_other(f"/signup/{shown.link.id}")

    async def key(self, request: Request) -> Response:
        """The customer's own key, on the answer to the press alone: whoever only opens the address makes none."""
        if request.method == "GET":
            return self._room.answers.see_other(f"/signup/{request.path_params['link']}")
        found, refused = await self._visitors.pressed(request)
        if found is None:
            return refused
        shown = found[0]
        if shown.link.seen(self._room.clock.now()) is not Phase.COMPLETED:
            return self._room.answers.see_other(f"/signup/{shown.link.id}")
        return self._room.answers.page(await self._done(shown, await self._keys.make(shown)))

    async def _undo(self, tx: Unit, tenant_id: int, link_id: str) -> None:
        link = await links.find(tx, tenant_id, link_id)
        if link is not None:
            await self._room.offboarding.not_mine(tx, link)

    # -- which page -----------------------------------------------------------------------------------------------
    async def _page(self, shown: Shown, visit: Visit, browser: Browser, said: str) -> Page:
        phase = shown.link.seen(self._room.clock.now())
        if phase is Phase.COMPLETED:
            return await self._done(shown, await self._keys.of(shown))
        if phase in ENDED:
            return self._ended(shown, phase)
        if phase in WORKING or visit.status is VisitStatus.EXCHANGING:
            run = await self._run(shown.link)
            if run is not None and run.question is not None:
                return self._questions.page(shown, run.question, said)
            return self._finishing(shown, visit, run, said)
        if visit.status is VisitStatus.ENDED:
            late = shown.link.is_late(self._room.clock.now())
            return self._ended(shown, Phase.EXPIRED) if late else self._stopped(shown, visit)
        if visit.status is VisitStatus.AUTHORIZING and visit.transport == "popup":
            return await self._sign_in(shown, visit, browser)
        return await self._choose(shown, visit, said)

    async def _choose(self, shown: Shown, visit: Visit, said: str) -> Page:
        """Also for a browser that came back from the full page without an answer: nothing is decided by that."""
        link = shown.link
        here, token = f"/signup/{link.id}", self._room.browsers.form_token(link.id)
        if len(link.connection_types) == 1 or said == BACK:
            page = landing(shown, f"{here}/start", token, await self._room.showing.reconnect_number(link))
            return await with_new_number(self._room, link, page) if link.phone_provisioning else page
        chosen = cast("ConnectionType", visit.connection_type or "coexistence")
        return Choose(
            shown.brand,
            f"{here}/authorize",
            token,
            shown.day(link.expires_at),
            f"{here}?{BACK}",
            link.sync_history,
            chosen,
            await new_number(self._room.db, self._room.settings, link, self._room.clock.now()),
        )

    async def _sign_in(self, shown: Shown, visit: Visit, browser: Browser) -> Page:
        settings, link = self._room.settings, shown.link
        here = f"/signup/{link.id}"
        kind = visit.connection_type or "dedicated"
        offer = await new_number(self._room.db, settings, link, self._room.clock.now(), in_a_window=True)
        return SignIn(
            brand=shown.brand,
            steps=3 if len(link.connection_types) > 1 else 2,
            sdk_url=settings.meta_sdk_url,
            app_id=settings.meta_app_id,
            config_id=settings.meta_config_id,
            graph_version=settings.meta_graph_version,
            extras_json=json.dumps(await self._starting.extras(link, kind)),
            state=state_of(browser.secret, visit),
            message_origins=tuple(message_origins(settings.meta_dialog_url)),
            complete_url=f"{here}/complete",
            cancel_url=f"{here}/cancel",
            check_url=here,
            form_token=self._room.browsers.form_token(link.id),
            valid_until=shown.day(link.expires_at),
            page_url=f"{here}/page" if self._starting.may_use_page(kind) else None,
            new_number=offer if kind != COEXISTENCE else None,
        )

    def _stopped(self, shown: Shown, visit: Visit) -> Page:
        link = shown.link
        return Stopped(
            brand=shown.brand,
            customer_name=shown.customer_name,
            code=visit.end_code or "cancelled",
            action_url=f"/signup/{link.id}/start",
            form_token=self._room.browsers.form_token(link.id),
            valid_until=shown.day(link.expires_at),
            step=visit.meta_step,
            back_url=f"/signup/{link.id}/leave" if link.failure_url else None,
        )

    def _finishing(self, shown: Shown, visit: Visit, run: Provisioning | None, said: str) -> Page:
        link = shown.link
        since = run.working_since if run else visit.exchanging_at or visit.started_at
        slow = self._room.clock.now() - since >= SLOW_AFTER
        return Finishing(
            shown.brand, shown.customer_name, self._steps(shown, run), f"/signup/{link.id}/status",
            f"/signup/{link.id}/leave" if link.success_url else None, slow, f"?{LOOKED}" if said == LOOKED else "",
        )  # fmt: skip

    async def _run(self, link: SetupLink) -> Provisioning | None:
        """The server's work for the link, while there is any."""
        if link.provisioning_id is None:
            return None
        row = await self._room.db.one(FIND_PROVISIONING, link.tenant_id, link.provisioning_id)
        return Provisioning.of(row) if row else None

    def _steps(self, shown: Shown, run: Provisioning | None) -> tuple[Step, ...]:
        """The finishing page's lines."""
        link = shown.link
        times: dict[str, str] = {}
        number, kind = None, "dedicated"
        if run is not None:
            times["permission"] = shown.time(run.started_at)
            at = run.facts.done_at
            times |= {key: shown.time(at[step.value]) for key, step in MARKS.items() if step.value in at}
            kind = "coexistence" if run.plan == "coexistence" else "dedicated"
            number = run.facts.number().display if run.facts.chosen else None
        if link.completed_at is not None:
            times["tell"] = shown.time(link.completed_at)
        return finishing_steps(
            shown.brand.company, times, connection_type=cast("ConnectionType", kind),
            reconnect=link.purpose == "reconnect", number=number,
        )  # fmt: skip

    async def _done(self, shown: Shown, key: KeyOffer | None) -> Page:
        link, here = shown.link, f"/signup/{shown.link.id}"
        numbers = await self._room.returns.numbers(link)
        left = [number for number in numbers if number.status == "deleted"]
        if numbers and len(left) == len(numbers):
            gone = tuple(number.display_phone_number or "" for number in left)
            back = f"{here}/leave" if link.failure_url else None
            return Disconnected(shown.brand, shown.customer_name, gone, back)
        leave = f"{here}/leave" if link.success_url else None
        completed = link.completed_at or link.created_at
        if not self._may_undo(link):
            known = tuple(number.display_phone_number or "" for number in numbers)
            return AlreadyConnected(shown.brand, shown.customer_name, known, shown.day(completed), leave, key)
        row = await self._room.db.one(FIND_WABA, link.tenant_id, link.resulting_waba_id)
        return Done(
            brand=shown.brand,
            customer_name=shown.customer_name,
            business_name=(row["name"] if row else None) or shown.customer_name,
            numbers=tuple(connected(one, sync_history=link.sync_history) for one in numbers if one not in left),
            return_url=leave,
            disconnect=Disconnect(
                f"{here}/not-mine", self._room.browsers.form_token(link.id), self._minutes_to_undo(completed)
            ),
            key=key,
        )  # fmt: skip

    def _may_undo(self, link: SetupLink) -> bool:
        """For 15 minutes, in a browser that took part: the caller has found its visit by the cookie."""
        return link.completed_at is not None and self._room.clock.now() - link.completed_at < NOT_MINE_FOR

    def _minutes_to_undo(self, completed: int) -> int:
        """Begun minutes. Not a time of day: her clock may be in another zone than the tenant's."""
        return -((self._room.clock.now() - completed - NOT_MINE_FOR) // MINUTE)

    def _ended(self, shown: Shown, phase: Phase) -> Page:
        """The link ended while this browser was on its way; asking for a new one needs the link's own address."""
        link = shown.link
        back = f"/signup/{link.id}/leave" if link.failure_url else None
        if phase is Phase.EXPIRED:
            return Expired(shown.brand, shown.customer_name, shown.day(link.expires_at), "", None, False, back)
        if phase is Phase.REVOKED:
            return Revoked(shown.brand, shown.customer_name, link.ended_reason == "superseded", back)
        return Failed(shown.brand, shown.customer_name, link.failure_code or "internal", back)


def connected(number: PhoneNumber, *, sync_history: bool) -> ConnectedNumber:
    """A number as the done page shows it."""
    in_review = number.name_status in REVIEWED
    told = number.history
    history: Literal["coming", "here", "declined"] | None = None
    if told is not None:
        history = "declined" if told["declined"] else "here" if told["progress"] == COMPLETE else "coming"
    elif number.is_coexistence and sync_history:
        history = "coming"
    return ConnectedNumber(
        number.display_phone_number or number.meta_phone_number_id, number.verified_name, in_review,
        number.status == "pending" and not in_review, history, told["progress"] if told is not None else None,
    )  # fmt: skip

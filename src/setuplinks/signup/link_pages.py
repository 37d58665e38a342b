"""The pages behind the link's own address, which holds its secret: landing, and what is shown once the link has ended.

Owns GET and POST of `/signup/{id}-{secret}` and what hangs below it. A GET or HEAD moves nothing.
"""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from setuplinks.setup_links.machine import WORKING, Phase
from setuplinks.setup_links.models import SetupLink
from setuplinks.signup.browser import is_prefetch
from setuplinks.signup.in_app import ANYWAY, app_around, way_out
from setuplinks.signup.new_numbers import new_number
from setuplinks.signup.returns import ENDED_CODES
from setuplinks.signup.room import Room, form_of
from setuplinks.signup.showing import Shown
from setuplinks.signup.starting import Starting
from setuplinks.signup.views import AlreadyConnected, ConnectionType, Expired, Failed, Landing, Page, Resume, Revoked


class LinkPages:
    """The routes of a link's own address."""

    def __init__(self, room: Room, starting: Starting) -> None:
        self._room, self._starting = room, starting

    def routes(self) -> list[Route]:
        """Below `/signup`; the two GETs that both kinds of address have stand in `routes`."""
        return [
            Route("/{link}/opened", self.opened, methods=["POST"]),
            Route("/{link}/renew", self.renew, methods=["POST"]),
            Route("/{link}", self.start, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Row 2: the landing page, or what has become of the link."""
        room = self._room
        address = room.limits.address(request)
        wait = room.limits.over("miss", address) or room.limits.wait("view", address)
        if wait is not None:
            return room.too_many(wait)
        shown = await room.by_secret(request)
        if shown is None:
            return room.unknown(request)
        asked = bool(request.scope["query_string"]) and "asked" in request.query_params
        page = await self._page(shown, request.path_params["link"], asked=asked)
        app = app_around(request)
        if app is not None and isinstance(page, Landing) and ANYWAY not in request.query_params:
            page = way_out(app, page, f"{room.settings.public_url}/signup/{request.path_params['link']}")
        return room.answers.page(page, 410 if isinstance(page, Expired | Revoked) else 200)

    async def opened(self, request: Request) -> Response:
        """The page's beacon: a person's browser showed it. Analytics only, it moves no phase."""
        room = self._room
        shown = await room.by_secret(request)
        if shown is not None and not is_prefetch(request) and room.browsers.is_own_post(request):
            await room.db.unit(room.visits.opened, shown.link.tenant_id, shown.link.id)
        return room.answers.nothing()

    async def start(self, request: Request) -> Response:
        """Row 3: a person pressed Continue."""
        room = self._room
        shown = await room.by_secret(request)
        if shown is None:
            return room.unknown(request)
        fields = await form_of(request)
        token = fields.get("form_token", "")
        if not room.browsers.is_own_post(request) or not room.browsers.token_is_good(token, shown.link.id):
            return room.form_refused(request.url.path)
        if not shown.link.is_open(room.clock.now()):
            return room.answers.see_other(request.url.path)
        return await self._starting.start(request, shown, request.url.path)

    async def renew(self, request: Request) -> Response:
        """Row 18: the customer of an expired link asks the company for a new one."""
        room = self._room
        shown = await room.by_secret(request)
        if shown is None:
            return room.unknown(request)
        back = f"/signup/{request.path_params['link']}"
        fields = await form_of(request)
        token = fields.get("form_token", "")
        if not room.browsers.is_own_post(request) or not room.browsers.token_is_good(token, shown.link.id):
            return room.form_refused(back)
        await room.db.unit(room.visits.ask_again, shown.link.tenant_id, shown.link.id)
        return room.answers.see_other(f"{back}?asked")

    async def leave(self, request: Request) -> Response:
        """Back to the company from a page of a link that has ended; nothing is changed by it."""
        room = self._room
        shown = await room.by_secret(request)
        if shown is None:
            return room.unknown(request)
        url = await self._way_back(shown)
        return room.answers.see_other(url or f"/signup/{request.path_params['link']}")

    async def _way_back(self, shown: Shown) -> str | None:
        phase = self._phase(shown.link)
        if phase is Phase.COMPLETED:
            return await self._room.returns.success(shown)
        code = shown.link.failure_code if phase is Phase.FAILED else ENDED_CODES.get(phase, "cancelled")
        return await self._room.returns.failure(shown, code or "internal")

    def _phase(self, link: SetupLink) -> Phase:
        """As whoever opens the link meets it: in the grace after its expiry nobody begins."""
        now = self._room.clock.now()
        return Phase.EXPIRED if link.is_late(now) else link.seen(now)

    async def _page(self, shown: Shown, address: str, *, asked: bool) -> Page:
        room, link, brand = self._room, shown.link, shown.brand
        phase = self._phase(link)
        here, name = f"/signup/{address}", shown.customer_name
        back = f"{here}/leave" if (link.failure_url if phase is not Phase.COMPLETED else link.success_url) else None
        if phase is Phase.COMPLETED:
            numbers = [n for n in await room.returns.numbers(link) if n.is_connected]
            shown_numbers = tuple(n.display_phone_number or "" for n in numbers)
            return AlreadyConnected(brand, name, shown_numbers, shown.day(link.completed_at or link.created_at), back)
        if phase is Phase.EXPIRED:
            token = room.browsers.form_token(link.id)
            asked = asked or link.renewal_requested_at is not None
            return Expired(brand, name, shown.day(link.expires_at), token, f"{here}/renew", asked, back)
        if phase is Phase.REVOKED:
            return Revoked(brand, name, link.ended_reason == "superseded", back)
        if phase is Phase.FAILED:
            return Failed(brand, name, link.failure_code or "internal", back)
        if phase in WORKING:
            token = room.browsers.form_token(link.id)
            return Resume(brand, name, here, token, phase is Phase.ACTION_REQUIRED)
        number = await room.showing.reconnect_number(link)
        page = landing(shown, here, room.browsers.form_token(link.id), number, f"{here}/opened")
        return await with_new_number(room, link, page) if link.phone_provisioning else page


async def with_new_number(room: Room, link: SetupLink, page: Landing) -> Landing:
    """The page with what a customer without a number is told."""
    offer = await new_number(room.db, room.settings, link, room.clock.now())
    if offer is None:
        return page
    return replace(page, new_number=replace(offer, number=""), kept_number=offer.number)


def landing(
    shown: Shown, action_url: str, form_token: str, reconnect_number: str | None, beacon_url: str = ""
) -> Landing:
    """The what-to-expect page; its button posts to `action_url`."""
    link: SetupLink = shown.link
    only: ConnectionType = "coexistence" if link.connection_types == ("coexistence",) else "dedicated"
    return Landing(
        brand=shown.brand,
        customer_name=shown.customer_name,
        connection_choice=len(link.connection_types) > 1,
        action_url=action_url,
        form_token=form_token,
        beacon_url=beacon_url,
        valid_until=shown.day(link.expires_at),
        connection_type=only,
        sync_history=link.sync_history,
        reconnect_number=reconnect_number,
    )

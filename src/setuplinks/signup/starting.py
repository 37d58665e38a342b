"""From a pressed Continue to Meta: start a visit, ask for authorisation, lead the browser to the dialog or the popup.

Owns the choice of the transport and the dialog's address. Used by the link's own address and by the visit's pages.
"""

from starlette.requests import Request
from starlette.responses import Response

from setuplinks.meta.embedded_signup import COEXISTENCE, dialog_url, extras
from setuplinks.number_pool.reservations import reserved_for, while_others_take
from setuplinks.setup_links.machine import WAITING, WORKING
from setuplinks.setup_links.models import SetupLink
from setuplinks.setup_links.visits import TooManyVisits, VisitClosed
from setuplinks.signup.browser import Browser, device, is_phone
from setuplinks.signup.in_app import app_around
from setuplinks.signup.room import Room
from setuplinks.signup.showing import Shown
from setuplinks.whatsapp.store import FIND_NUMBER

JOIN_AGAIN_S = 900  # after so long the work is mostly done, and the link's own address says how it ended


class Starting:
    """The verbs behind Continue."""

    def __init__(self, room: Room) -> None:
        self._room = room

    @property
    def redirect_uri(self) -> str:
        """Where Meta sends the browser back to; byte for byte the same in the dialog and in the exchange."""
        return f"{self._room.settings.public_url}/meta/callback"

    async def start(self, request: Request, shown: Shown, came_from: str) -> Response:
        """Row 3a or 3b; with one connection type row 4 in the same post."""
        room, link = self._room, shown.link
        wait = room.limits.wait("start", room.limits.address(request), link.id)
        if wait is not None:
            return room.too_many(wait)
        browser = room.browsers.of(request)
        visit_id = await room.db.next_id("visit")
        try:
            after = await room.db.unit(
                room.visits.start, link.tenant_id, link.id, browser.secret, visit_id, device(request)
            )
        except TooManyVisits:
            return room.too_many(JOIN_AGAIN_S)
        phase = after.seen(room.clock.now())
        if phase in WAITING and len(link.connection_types) == 1:
            response = await self.authorize(request, shown, browser, link.connection_types[0], None)
        elif phase in WAITING or phase in WORKING:
            response = room.answers.see_other(f"/signup/{link.id}")
        else:
            return room.answers.see_other(came_from)
        room.browsers.remember(response, browser)
        return response

    async def authorize(
        self, request: Request, shown: Shown, browser: Browser, connection_type: str, transport: str | None
    ) -> Response:
        """Row 4: to Meta's dialog, or to the page that opens it in a window."""
        room, link = self._room, shown.link
        here = f"/signup/{link.id}"
        wait = room.limits.wait("start", room.limits.address(request), f"{link.id} to Meta")
        if wait is not None:  # each one writes a state and a line of the timeline
            return room.too_many(wait)
        transport = self._transport(request, connection_type, transport)
        try:
            state = await self._state(link, browser, connection_type, transport)
        except VisitClosed:
            return room.answers.see_other(here)
        if transport == "popup":
            return room.answers.see_other(here)
        return room.answers.see_other(await self.dialog(link, connection_type, state))

    async def _state(self, link: SetupLink, browser: Browser, connection_type: str, transport: str) -> str:
        """A fresh state, and for a customer without a number one of the pool where the sign-in can name it."""
        room = self._room
        given = (link.tenant_id, link.id, browser.secret, connection_type, transport)
        redirect_uri = self._redirect_uri_of(transport, link)
        offers = transport == "popup" or room.settings.meta_page_extras == "on"
        offers = offers and room.settings.has_partner and connection_type != COEXISTENCE

        async def authorized(offers_number: bool) -> str:
            _, state = await room.db.unit(
                room.visits.authorize, *given, redirect_uri, offers_number=offers and offers_number
            )
            return state

        return await while_others_take(authorized)

    async def dialog(self, link: SetupLink, connection_type: str, state: str) -> str:
        """The full-page dialog's address."""
        settings = self._room.settings
        return dialog_url(
            settings.meta_dialog_url,
            settings.meta_graph_version,
            app_id=settings.meta_app_id,
            config_id=settings.meta_config_id,
            redirect_uri=self.redirect_uri,
            state=state,
            extras=await self.extras(link, connection_type) if settings.meta_page_extras == "on" else None,
        )

    async def extras(self, link: SetupLink, connection_type: str) -> dict[str, object]:
        """Embedded Signup's `extras`; a reconnect leads to its own account, a link may have a number of the pool."""
        waba_id = None
        if link.reconnect_phone_id is not None:
            row = await self._room.db.one(FIND_NUMBER, link.tenant_id, link.reconnect_phone_id)
            waba_id = row["meta_waba_id"] if row else None
        number = None
        if link.phone_provisioning and connection_type != COEXISTENCE and self._room.settings.has_partner:
            number = await reserved_for(self._room.db, link.id)
        preverified_ids = (number.preverified_id,) if number is not None else ()
        return extras(connection_type, link.prefill, waba_id=waba_id, preverified_ids=preverified_ids)

    def may_use_page(self, connection_type: str | None) -> bool:
        """Whether the full page can lead to this connection type: without extras it knows no coexistence."""
        return connection_type != COEXISTENCE or self._room.settings.meta_page_extras == "on"

    def _transport(self, request: Request, connection_type: str, wanted: str | None) -> str:
        settings = self._room.settings
        if wanted is None and settings.meta_transport != "auto":
            wanted = settings.meta_transport
        opens = app_around(request) is None
        may_use_page = self.may_use_page(connection_type)
        return transport(connection_type, wanted, phone=is_phone(request), opens=opens, may_use_page=may_use_page)

    def _redirect_uri_of(self, transport: str, link: SetupLink) -> str | None:
        if transport == "page":
            return self.redirect_uri
        if self._room.settings.meta_popup_redirect_uri == "page":
            return f"{self._room.settings.public_url}/signup/{link.id}"
        return None


def transport(connection_type: str, wanted: str | None, *, phone: bool, opens: bool, may_use_page: bool) -> str:
    """`popup` or `page`. `wanted` by the setting or by a button, None for the best of this device; `opens`: windows
    open here, as they do not inside of other apps.

    The popup alone reports where a customer stopped and which number was chosen; phones are poor at it. Coexistence
    takes it wherever one opens: what the full page makes of the extras that ask for it is unproven.
    """
    if not may_use_page:
        return "popup"
    if wanted is not None:
        return wanted
    if not opens:
        return "page"
    return "popup" if connection_type == COEXISTENCE or not phone else "page"

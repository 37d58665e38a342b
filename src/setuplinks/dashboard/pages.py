"""The dashboard: every page of it, put together.

Owns which parts there are. A GET changes nothing, and every post is a pressed form of our own (`access`).
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from setuplinks.core.outbound.client import Outbound
from setuplinks.core.problems import NotFound
from setuplinks.dashboard.access import HOME, Access, Viewer
from setuplinks.dashboard.answers import STATIC_DIRECTORY, STATIC_URL, Answers, Files
from setuplinks.dashboard.deliveries import DeliveryPages
from setuplinks.dashboard.endpoints import EndpointPages
from setuplinks.dashboard.entrance import Entrance
from setuplinks.dashboard.home import Home
from setuplinks.dashboard.links import LinkPages
from setuplinks.dashboard.sessions import Sessions
from setuplinks.dashboard.views import DoctorPage
from setuplinks.doctor.desk import Desk
from setuplinks.provisioning.service import Provisionings
from setuplinks.setup_links.service import SetupLinks
from setuplinks.tenants.context import Deps
from setuplinks.webhooks.deliveries import Deliveries
from setuplinks.webhooks.endpoints import Endpoints
from setuplinks.webhooks.service import Events

VERBS = frozenset({"sign-out", "withdraw", "send-again", "test", "enable", "recover", "replay"})


class Dashboard:
    """All pages, for operator and tenants. Built once by the composition root."""

    def __init__(
        self, deps: Deps, desk: Desk, links: SetupLinks, provisionings: Provisionings, events: Events,
        outbound: Outbound,
    ) -> None:  # fmt: skip
        self._desk, self._answers = desk, Answers(deps.settings)
        sessions = Sessions(deps.settings, deps.settings.key_ring, deps.clock)
        self._access = Access(deps, sessions, self._answers)
        endpoints = Endpoints(deps.db, deps.vault, deps.clock, outbound, events)
        deliveries = Deliveries(deps.db, deps.vault, deps.clock, events, endpoints)
        self._entrance = Entrance(deps, sessions, self._answers, self._access)
        self._links = LinkPages(deps.db, links, provisionings, self._answers)
        self._deliveries = DeliveryPages(deps.db, endpoints, deliveries, self._answers)
        self._endpoints = EndpointPages(deps.db, endpoints, deliveries, self._deliveries, self._answers)
        self._home = Home(deps.db, self._links, self._endpoints, self._answers)

    def routes(self) -> list[BaseRoute]:
        """All of them, the static files among them."""
        access = self._access
        return [
            *self._entrance.routes(),
            Route(f"{HOME}/doctor", access.shows(self.doctor, operator=True), methods=["GET"]),
            *self._home.routes(access),
            *self._links.routes(access),
            *self._deliveries.routes(access),
            *self._endpoints.routes(access),
            Route(f"{HOME}/{{rest:path}}", access.told_in_words(self.nothing), methods=["GET"]),
            Mount(STATIC_URL, Files(directory=STATIC_DIRECTORY)),
        ]

    async def nothing(self, request: Request) -> Response:
        """Any other address; one that takes a form leads back to the page of the form."""
        page, _, verb = request.url.path.rpartition("/")
        if verb in VERBS:
            return self._answers.see_other(page)
        raise NotFound

    async def doctor(self, _: Request, viewer: Viewer) -> Response:
        """Looks, and shows what was found."""
        return self._answers.page(DoctorPage(viewer.frame("Doctor"), await self._desk.look()))

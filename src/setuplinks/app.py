"""The composition root: builds every part once and puts the routes together. No rules live here."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import Router as PlainRouter
from starlette.types import ASGIApp, Receive, Scope, Send

from setuplinks.branding.images import ImageRunner
from setuplinks.core.clock import Clock
from setuplinks.core.db.database import Database
from setuplinks.core.outbound.client import Outbound
from setuplinks.core.vault import Rewrapper, Vault
from setuplinks.customers import api as customers_api
from setuplinks.dashboard.pages import Dashboard
from setuplinks.doctor import api as doctor_api
from setuplinks.doctor.desk import Desk
from setuplinks.gateway.parts import GatewayParts
from setuplinks.gateway.routes import GatewayFirst
from setuplinks.health import health_routes
from setuplinks.meta.graph import Graph
from setuplinks.meta.partner import Partner
from setuplinks.meta.secret import Secret
from setuplinks.notifications import store as notifications_store
from setuplinks.notifications.accounts import Accounts
from setuplinks.notifications.api import Taking, notification_routes
from setuplinks.notifications.app_callbacks import AppCallbacks
from setuplinks.notifications.authorisations import Authorisations
from setuplinks.notifications.handover import Handover
from setuplinks.notifications.messages import Messages
from setuplinks.notifications.routing import Router
from setuplinks.notifications.runner import NotificationRunner
from setuplinks.notifications.store import forget
from setuplinks.number_pool.api import PoolRoutes
from setuplinks.number_pool.runner import PoolRunner
from setuplinks.number_pool.service import NumberPool
from setuplinks.provisioning.api import CrossingRoutes, reconnect_router
from setuplinks.provisioning.disconnect import Disconnects
from setuplinks.provisioning.expiring import ExpiryRunner
from setuplinks.provisioning.finish import Finisher
from setuplinks.provisioning.health import HealthChecks, HealthRunner
from setuplinks.provisioning.live_health import LiveHealth, health_router
from setuplinks.provisioning.observing import Observer
from setuplinks.provisioning.offboard import Offboarding, OffboardingRunner
from setuplinks.provisioning.orphan_api import orphan_router
from setuplinks.provisioning.orphans import Orphans
from setuplinks.provisioning.pending import PendingRunner
from setuplinks.provisioning.questions import Questions
from setuplinks.provisioning.recovery import Recovery
from setuplinks.provisioning.recovery_runner import RecoveryRunner
from setuplinks.provisioning.runner import ProvisioningRunner
from setuplinks.provisioning.service import Provisionings
from setuplinks.provisioning.store import FREE_LEASES
from setuplinks.request_log import RequestLog
from setuplinks.settings import Settings
from setuplinks.setup_links.api import SetupLinkRoutes
from setuplinks.setup_links.service import SetupLinks
from setuplinks.setup_links.sweeper import LinkSweeper
from setuplinks.setup_links.visits import Visits
from setuplinks.signup import routes as signup_routes
from setuplinks.signup.answers import Answers
from setuplinks.signup.browser import Browsers
from setuplinks.signup.limits import Limits
from setuplinks.signup.rendering import Renderer
from setuplinks.signup.returns import Returns
from setuplinks.signup.room import Room
from setuplinks.signup.showing import Showing
from setuplinks.tenants import api as tenants_api
from setuplinks.tenants import context
from setuplinks.tenants.context import Deps
from setuplinks.tenants.openapi import install_openapi
from setuplinks.tenants.problem_answers import install_problem_handlers
from setuplinks.tenants.routes import install
from setuplinks.tenants.runner import AnswerEraser
from setuplinks.webhooks import api as webhooks_api
from setuplinks.webhooks import store as webhooks_store
from setuplinks.webhooks.days import Days
from setuplinks.webhooks.retention import Retention, kept_days
from setuplinks.webhooks.runner import DeliveryRunner
from setuplinks.webhooks.service import Events
from setuplinks.whatsapp import api as whatsapp_api
from setuplinks.whatsapp import waba_key_api
from setuplinks.worker import Workers

DESCRIPTION = (
    "Give every customer a one-time setup link to a hosted page; get a signed webhook when the WhatsApp number is "
    "connected. Authenticate by `Authorization: Bearer <key>` or `X-API-Key: <key>`."
)


@dataclass(frozen=True)
class Service:
    """Everything that one process needs. `start` before the first request, `stop` after the last."""

    settings: Settings
    deps: Deps
    clock: Clock
    graph: Graph
    outbound: Outbound
    events: Events
    links: SetupLinks
    visits: Visits
    provisionings: Provisionings
    questions: Questions
    offboarding: Offboarding
    disconnects: Disconnects
    live_health: LiveHealth
    number_pool: NumberPool
    recovery: Recovery
    gateway: GatewayParts
    handover: Handover
    workers: Workers

    @property
    def db(self) -> Database:
        """The database."""
        return self.deps.db

    @property
    def vault(self) -> Vault:
        """The vault."""
        return self.deps.vault

    async def start(self, *, workers: bool) -> None:
        """Opens what the requests need, and with `workers` begins to handle due rows."""
        await self.deps.auth.start()
        await self.gateway.start()
        self.db.on_listen_lost(self.vault.forget)
        await self.vault.installation()
        if workers:
            if self.db.dialect == "sqlite":  # one process serves a file: what is leased there, the dead one had
                for text in FREE_LEASES:
                    await self.db.bulk(text)
                for text in (*webhooks_store.FREE_LEASES, *notifications_store.FREE_LEASES):
                    await self.db.bulk(text, self.clock.now())
            await self.workers.start()

    async def stop(self, *, workers: bool) -> None:
        """Finishes what is under way; the database stays open, its opener closes it."""
        if workers:
            await self.workers.stop()
        await self.gateway.stop()
        await self.deps.auth.settle()
        await self.graph.close()
        await self.outbound.close()

    async def drain(self) -> int:
        """Does all work that is due now; for tests, where time moves by the clock object."""
        return await self.workers.drain()


def build(settings: Settings, db: Database, clock: Clock, *, outbound: Outbound | None = None) -> Service:
    """All parts around one database and one clock."""
    vault = Vault(db, settings.key_ring, clock)
    deps = context.build(settings, db, clock, vault)
    graph = Graph(
        settings.meta_graph_url, settings.meta_graph_version, settings.meta_app_id,
        Secret(settings.meta_app_secret.get_secret_value()), clock=clock,
    )  # fmt: skip
    partner = partner_of(settings, graph)
    outbound = outbound or Outbound(settings.outbound_networks)
    events = Events(db, vault, clock)
    links = SetupLinks(db, clock, vault, events, settings.public_url, settings.on_loopback)
    visits = Visits(db, clock, events, settings.meta_app_id)
    provisionings = Provisionings(db, clock, vault, events, graph, visits, links)
    offboarding = Offboarding(db, clock, vault, events, provisionings, forget)
    disconnects = Disconnects(clock, vault, events, links)
    observer = Observer(clock, events)
    checks = HealthChecks(db, clock, vault, graph, observer, disconnects)
    questions = Questions(clock, vault, provisionings)
    recovery = Recovery(db, clock, vault, graph, partner, links, disconnects)
    authorisations = Authorisations(db, clock, Orphans(clock), questions, settings.meta_app_id)
    accounts = Accounts(clock, events, disconnects, settings.meta_app_id)
    router = Router(db, clock, events, accounts, authorisations)
    kept = kept_days(
        message_days=settings.retention_messages, event_days=settings.retention_events,
        attempt_days=settings.retention_attempts,
    )  # fmt: skip
    deliveries = DeliveryRunner(db, vault, clock, events, outbound)
    messages = Messages(db, clock, events, deliveries.first_tries)
    notifications = NotificationRunner(db, clock, router, messages, days=settings.retention_messages)
    workers = Workers(
        db,
        [
            ProvisioningRunner(db, clock, vault, graph, provisionings, Finisher(db, clock, events)),
            PendingRunner(db, clock, vault, graph, observer, disconnects),
            notifications,
            HealthRunner(db, clock, checks, every=settings.health_every, share=settings.health_usage_share),
            ExpiryRunner(db, clock, events, disconnects),
            deliveries,
            ImageRunner(db, clock, outbound),
            LinkSweeper(db, clock, events),
            OffboardingRunner(db, clock, vault, graph),
            RecoveryRunner(db, clock, recovery, days=settings.retention_events),
            PoolRunner(db, clock, partner),
            AnswerEraser(deps.idempotency, clock),
            Rewrapper(vault, clock),
            Days(db, clock, kept),
            Retention(db, clock, kept),
        ],
    )
    return Service(
        settings, deps, clock, graph, outbound, events, links, visits, provisionings,
        questions, offboarding, disconnects, LiveHealth(db, clock, checks), NumberPool(db, clock, partner), recovery,
        GatewayParts(settings, db, clock, vault, deps.auth, deps.idempotency, graph, disconnects),
        notifications.handover, workers,
    )  # fmt: skip


def partner_of(settings: Settings, graph: Graph) -> Partner | None:
    """The calls for the operator's own portfolio; None where its settings are missing."""
    if settings.meta_business_id is None or settings.meta_system_token is None:
        return None
    return Partner(graph, settings.meta_business_id, Secret(settings.meta_system_token.get_secret_value()))


class Application(FastAPI):
    """Describes the routes as FastAPI does and serves them as Starlette does.

    Every endpoint takes the Request and gives the Response itself, so FastAPI's way to them (exit stacks, own router,
    a look for tracers) would only cost: a third of what we add to a request.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As Starlette's, without the look for tracers."""
        await Starlette.__call__(self, scope, receive, send)

    def build_middleware_stack(self) -> ASGIApp:
        """The log around the routes, and problems in words around both; before them what logs and answers itself."""
        # Not `redirect_slashes`: its address is made of the Host header, and of http behind a proxy that ends TLS.
        routes = PlainRouter(self.router.routes, redirect_slashes=False, lifespan=self.router.lifespan_context)
        handlers = {key: handler for key, handler in self.exception_handlers.items() if key is not Exception}
        service: Service = self.state.service
        wrapped = ExceptionMiddleware(routes, handlers=handlers)
        rest = ServerErrorMiddleware(RequestLog(wrapped), handler=self.exception_handlers.get(Exception))
        taking = Taking(service.settings, service.db, service.clock, service.handover, rest)
        return GatewayFirst(service.gateway.calls, taking)


def create_app(service: Service, *, workers: bool = True) -> FastAPI:
    """The ASGI app; its lifespan starts and stops the service."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.start(workers=workers)
        try:
            yield
        finally:
            await service.stop(workers=workers)

    app = Application(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url="/openapi.json")
    app.state.service = service
    app.state.deps = service.deps
    install_problem_handlers(app)
    install_openapi(app, service.deps, title="setuplinks", version=version("setuplinks"), description=DESCRIPTION)
    crossing = CrossingRoutes(service.deps, service.provisionings, service.offboarding)
    desk = Desk(service.settings, service.clock, service.db)
    # The order in which a request is held against the routes: the busiest first.
    landing, *pages = signup_routes.routes(room(service))
    app.router.routes[:0] = [*notification_routes(service.settings), landing]
    install(app, SetupLinkRoutes(service.deps, service.links).router())
    app.router.routes.extend(pages)
    install(
        app,
        tenants_api.router(service.deps, suspending=service.provisionings.suspend, off_boarding=crossing.off_board_all),
        customers_api.router(service.deps),
        *crossing.routers(),
        reconnect_router(service.deps, service.disconnects),
        orphan_router(service.deps, service.recovery),
        health_router(service.deps, service.live_health),
        whatsapp_api.router(service.deps),
        waba_key_api.router(service.deps),
        PoolRoutes(service.deps, service.number_pool).router(),
        webhooks_api.router(service.deps, service.outbound, service.events),
        doctor_api.router(service.deps, desk),
    )
    callbacks = AppCallbacks(service.settings, service.db, service.clock, service.disconnects)
    app.router.routes.extend(callbacks.routes())
    dashboard = Dashboard(
        service.deps, desk, service.links, service.provisionings, service.events, service.outbound
    )  # fmt: skip
    app.router.routes.extend(dashboard.routes())
    app.router.routes.extend(health_routes(app, service.db))
    return app


def room(service: Service) -> Room:
    """The parts that the signup pages share."""
    settings, db, clock = service.settings, service.db, service.clock
    renderer = Renderer(signup_routes.STATIC_URL, settings.public_url)
    return Room(
        settings=settings, db=db, clock=clock, browsers=Browsers(settings, settings.key_ring, clock),
        answers=Answers(settings, renderer), limits=Limits(settings, clock), showing=Showing(db, clock, settings),
        returns=Returns(db, clock, service.vault), visits=service.visits, provisionings=service.provisionings,
        offboarding=service.offboarding, questions=service.questions,
    )  # fmt: skip

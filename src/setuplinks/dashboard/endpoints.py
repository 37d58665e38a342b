"""Webhook endpoints: the list, one with its health and newest deliveries, test, enable, send again.

Owns what these pages show. An endpoint is made and changed by the API.
"""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from setuplinks.core import wire
from setuplinks.core.clock import DAY, MINUTE
from setuplinks.core.db.database import Database
from setuplinks.core.problems import NotFound, Problem
from setuplinks.customers import store as customers
from setuplinks.dashboard.access import TENANT, Access, Viewer
from setuplinks.dashboard.answers import Answers, sentence
from setuplinks.dashboard.asked import NO_SUCH_TIME
from setuplinks.dashboard.deliveries import DeliveryPages, host_and_path
from setuplinks.dashboard.delivery_views import DeliveryLine
from setuplinks.dashboard.endpoint_views import EndpointLine, EndpointPage, EndpointsPage, HealthLine
from setuplinks.dashboard.views import Said
from setuplinks.dashboard.words import DISABLED, State, counted
from setuplinks.webhooks.deliveries import Deliveries, Range, Recovered
from setuplinks.webhooks.endpoints import Endpoints
from setuplinks.webhooks.ledger import health_of
from setuplinks.webhooks.models import META, Endpoint
from setuplinks.webhooks.retry import Health
from setuplinks.webhooks.store import STATE, STATES, WAITING

LIST = f"{TENANT}/endpoints"
ONE = f"{LIST}/{{endpointId}}"
SHOWN = 8
MOST_COUNTED = 1_000
ENABLED = Said("pass", "The endpoint is enabled", "What waited goes on. To send what failed meanwhile, see below.")


class EndpointPages:
    """The pages, over the verbs of the webhooks room."""

    def __init__(
        self, db: Database, endpoints: Endpoints, deliveries: Deliveries, log: DeliveryPages, answers: Answers
    ) -> None:
        self._db, self._endpoints, self._deliveries, self._log, self._answers = db, endpoints, deliveries, log, answers

    def routes(self, access: Access) -> list[BaseRoute]:
        """All of this room."""
        verbs = {"test": self.test, "enable": self.enable, "recover": self.recover, "replay": self.replay}
        return [
            Route(LIST, access.shows(self.all), methods=["GET"]),
            Route(ONE, access.shows(self.show), methods=["GET"]),
            *(Route(f"{ONE}/{name}", access.changes(verb), methods=["POST"]) for name, verb in verbs.items()),
        ]

    async def all(self, _: Request, viewer: Viewer) -> Response:
        """The tenant's endpoints."""
        return self._answers.page(EndpointsPage(viewer.frame("Endpoints"), await self.lines(viewer)))

    async def lines(self, viewer: Viewer) -> tuple[EndpointLine, ...]:
        """Every endpoint with its state."""
        endpoints = await self._log.endpoints(viewer.tenant_id)
        states = {row["endpoint_id"]: health_of(row) for row in await self._db.read(STATES, viewer.tenant_id)}
        return tuple(
            EndpointLine(
                one.id, host_and_path(one.url), one.description, _state(one, states.get(one.id, Health()), viewer.now),
                takes(one),
            )
            for one in endpoints
        )  # fmt: skip

    async def show(self, request: Request, viewer: Viewer) -> Response:
        """One endpoint."""
        return await self._page(_id_in(request), viewer, _done(request))

    async def test(self, request: Request, viewer: Viewer, _: dict[str, str]) -> Response:
        """Sends a test event, and leads to its delivery."""
        endpoint_id = _id_in(request)
        try:
            sent = await self._db.unit(self._endpoints.test, viewer.tenant_id, endpoint_id, viewer.caller.actor)
        except NotFound:
            raise
        except Problem as problem:
            return await self._refused(endpoint_id, viewer, "No test was sent", problem)
        return self._answers.see_other(f"{viewer.base}/deliveries/{sent.delivery_id}")

    async def enable(self, request: Request, viewer: Viewer, _: dict[str, str]) -> Response:
        """Enables the endpoint with a clean record."""
        endpoint_id = _id_in(request)
        await self._db.unit(self._endpoints.enable, viewer.tenant_id, endpoint_id, viewer.caller.actor)
        return self._answers.see_other(f"{viewer.base}/endpoints/{endpoint_id}?done=enabled")

    async def recover(self, request: Request, viewer: Viewer, fields: dict[str, str]) -> Response:
        """Sends again all that failed since a time, and what came while the endpoint was disabled."""

        async def sending(endpoint_id: int) -> Recovered:
            since = _moment(viewer, fields, "since")
            return await self._deliveries.recover(viewer.tenant_id, endpoint_id, since, viewer.caller.actor)

        return await self._sent(request, viewer, fields, "recovered", sending)

    async def replay(self, request: Request, viewer: Viewer, fields: dict[str, str]) -> Response:
        """Sends all events of a range that the endpoint listens to."""

        async def sending(endpoint_id: int) -> Recovered:
            since, until = _moment(viewer, fields, "from"), _moment(viewer, fields, "until")
            if until <= since:
                raise wire.invalid("until", "“Until” has to be later than “From”")
            asked = Range(since, until)
            return await self._deliveries.replay(viewer.tenant_id, endpoint_id, asked, viewer.caller.actor)

        return await self._sent(request, viewer, fields, "replayed", sending)

    async def _sent(
        self, request: Request, viewer: Viewer, fields: dict[str, str], done: str,
        sending: Callable[[int], Awaitable[Recovered]],
    ) -> Response:  # fmt: skip
        """Sends, and leads back to the endpoint with what came of it, or shows why nothing was sent."""
        endpoint_id = _id_in(request)
        try:
            found = await sending(endpoint_id)
        except NotFound:
            raise
        except Problem as problem:
            return await self._refused(endpoint_id, viewer, "Nothing was sent again", problem, fields)
        said = f"done={done}&again={found.again}&missed={found.missed}"
        return self._answers.see_other(f"{viewer.base}/endpoints/{endpoint_id}?{said}")

    async def _refused(
        self, endpoint_id: int, viewer: Viewer, title: str, problem: Problem, typed: dict[str, str] | None = None
    ) -> Response:
        # By its label a person knows a field, not by its name on the wire.
        why = ". ".join(map(sentence, problem.fields.values())) + "." if problem.fields else problem.detail
        return await self._page(endpoint_id, viewer, Said("fail", title, why), problem.status, typed)

    async def _page(
        self, endpoint_id: int, viewer: Viewer, said: Said | None, status: int = 200,
        typed: dict[str, str] | None = None,
    ) -> Response:  # fmt: skip
        tenant_id, face = viewer.tenant_id, viewer.face
        endpoint = await self._endpoints.get(self._db, tenant_id, endpoint_id)
        health = health_of(await self._db.one(STATE, tenant_id, endpoint_id))
        [row] = await self._db.read(WAITING, tenant_id, endpoint_id, MOST_COUNTED + 1)
        since, latest = health.failing_since or viewer.now - DAY, await self._log.latest(tenant_id, endpoint, SHOWN)
        page = EndpointPage(
            viewer.frame("Endpoints", said), endpoint.id, host_and_path(endpoint.url), endpoint.url,
            endpoint.description, endpoint.status == "enabled",
            HealthLine(
                _state(endpoint, health, viewer.now), health.failures, health.failing_since,
                health.breaker_until if (health.breaker_until or 0) > viewer.now else None,
                min(row["n"], MOST_COUNTED), row["n"] > MOST_COUNTED,
                DISABLED.get(endpoint.disabled_reason or "", "It was disabled."), _fares(latest),
            ),
            await self._facts(endpoint, viewer), latest,
            face.field(since), face.field(viewer.now - DAY), face.field(viewer.now + MINUTE), typed or {},
        )  # fmt: skip
        return self._answers.page(page, status)

    async def _facts(self, endpoint: Endpoint, viewer: Viewer) -> tuple[tuple[str, str], ...]:
        facts = [("Events", takes(endpoint)), ("Format", "Meta’s own" if endpoint.format == META else "Our events")]
        if endpoint.customer_id is not None:
            customer = await customers.find(self._db, viewer.tenant_id, endpoint.customer_id)
            facts.append(("Only for", f"Customer {endpoint.customer_id}" if customer is None else customer.name))
        if endpoint.phone_id is not None:
            facts.append(("Only for number", str(endpoint.phone_id)))
        if endpoint.rate_limit is not None:
            facts.append(("At most", f"{counted(endpoint.rate_limit, 'delivery')} a second"))
        if endpoint.ordered:
            facts.append(("Order", "One after the other for each number"))
        if endpoint.headers:
            facts.append(("Own headers", ", ".join(sorted(endpoint.headers))))
        signed = "By its secret and its ed25519 key" if endpoint.asymmetric else "By its secret"
        facts += [("Signed", signed), ("Made", viewer.face.brief(endpoint.created_at))]
        return tuple(facts)


def takes(endpoint: Endpoint) -> str:
    """Which events it listens to."""
    return "All" if endpoint.event_types is None else ", ".join(endpoint.event_types)


def _state(endpoint: Endpoint, health: Health, now: int) -> State:
    if endpoint.status != "enabled":  # by itself is trouble, by request is a wish
        return State("open" if endpoint.disabled_reason == "by_request" else "fail", "Disabled")
    if health.breaker_until is not None and health.breaker_until > now:
        return State("warn", "Paused")
    return State("warn", "Failing") if health.failures else State("pass", "Enabled")


def _fares(latest: tuple[DeliveryLine, ...]) -> str:
    """How an endpoint without failures does, by its newest deliveries."""
    tried = next((one for one in latest if one.attempts), None)
    if tried is None:
        return "No attempt was made yet."
    good = tried.state.shape == "pass"
    return "The last attempt was answered well." if good else "No failure is counted against it now."


def _moment(viewer: Viewer, fields: dict[str, str], name: str) -> int:
    try:
        return viewer.face.read(fields.get(name, ""))
    except ValueError:
        raise wire.invalid(name, NO_SUCH_TIME) from None


def _done(request: Request) -> Said | None:
    """What was done on this page a moment ago, by its address; only numbers are taken from there."""
    params = request.query_params
    if params.get("done") == "enabled":
        return ENABLED
    if params.get("done") not in {"recovered", "replayed"}:
        return None
    again, missed = (wire.path_id(params.get(name, "")) or 0 for name in ("again", "missed"))
    if not again + missed:
        return Said(
            "open",
            "There was nothing to send",
            "What there was of that time is on its way already, or its data is erased.",
        )
    sent = [f"{counted(again, 'delivery')} again"] if again else []
    sent += [f"{counted(missed, 'event')} that {'was' if missed == 1 else 'were'} never sent"] if missed else []
    return Said("pass", "On the way", f"{' and '.join(sent)}. What came of it stands in the list below.")


def _id_in(request: Request) -> int:
    found = wire.path_id(request.path_params["endpointId"])
    if found is None:
        raise NotFound
    return found

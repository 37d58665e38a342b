"""How a JSON route is declared: its path, who may call it, what it takes and answers; and what it is given: a Call.

Owns the order in which a request is checked (key, tenant, scope, body), the caps on bodies, list paging, and the way
into `idempotency`. The rules of a route stand beside its path; nothing is checked twice.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.routing import Match, request_response
from starlette.types import Scope

from setuplinks.core import wire
from setuplinks.core.db.unit import Row, Unit
from setuplinks.core.problems import Forbidden, Malformed, NotFound, TooLarge
from setuplinks.tenants import openapi
from setuplinks.tenants.auth import Caller, TenantSuspended
from setuplinks.tenants.context import Deps
from setuplinks.tenants.directory import TEXT_IDS, Kind
from setuplinks.tenants.idempotency import REPLAYED, Answer

T = TypeVar("T")
R = TypeVar("R")
LARGEST_BODY = 1_000_000
PAGE, LARGEST_PAGE = 20, 100
END_OF_TIME = 2**62
NO_STORE = {"Cache-Control": "no-store"}  # answers carry keys and links' secrets

Handler = Callable[["Call"], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may call a route: a scope (None: any key), the operator alone, and whose object the path names."""

    scope: str | None
    kind: Kind | None = None
    param: str = ""
    operator: bool = False


ANY_KEY = Rule(None)


def operator_only(kind: Kind | None = None, param: str = "") -> Rule:
    """Only the operator; a tenant's key gets 403, or 404 where the object is another tenant's."""
    return Rule("admin", kind, param, operator=True)


def of(kind: Kind, param: str, scope: str) -> Rule:
    """The operator, or the tenant that holds the object which the path names in `param`."""
    return Rule(scope, kind, param)


def of_tenant(scope: str) -> Rule:
    """The operator, or the tenant that the path names in `tenantId`."""
    return of("tenant", "tenantId", scope)


@dataclass(frozen=True, slots=True)
class Page:
    """Where a list goes on: rows before (at, key), newest first. Ask the database for `limit + 1` rows."""

    limit: int
    at: int
    key: str

    @property
    def id(self) -> int:
        """The key as an integer id; a tampered one is told as such by `Call.page`."""
        return int(self.key)


@dataclass(frozen=True, slots=True)
class Call:
    """One request that its route's rule has let through.

    `tenant_id` is the tenant that holds the object which the path names (the caller's own, 0 for the operator, where it
    names none); `object_id` is that object as the rule read it.
    """

    request: Request
    deps: Deps
    caller: Caller
    tenant_id: int
    object_id: int | str
    body: bytes

    @property
    def now(self) -> int:
        """The instant (µs) by the service's clock."""
        return self.deps.clock.now()

    @property
    def actor(self) -> str:
        """Who calls, for the audit."""
        return self.caller.actor

    @property
    def id(self) -> int:
        """The integer id of the object that the path names."""
        return int(self.object_id)

    def path_id(self, param: str) -> int:
        """Another integer id of the path. Raises NotFound where it cannot be one of ours."""
        found = wire.path_id(self.request.path_params[param])
        if found is None:
            raise NotFound
        return found

    def take(self, kind: type[T]) -> T:
        """The request's body as `kind`. Raises Malformed or Invalid."""
        return wire.decode(self.body, kind)

    def query(self, name: str) -> str | None:
        """A query parameter under its camelCase `name` or the same in snake_case. Raises Invalid for both or a NUL."""
        params = self.request.query_params
        snake = wire.snake(name)
        values = [*params.getlist(name), *(params.getlist(snake) if snake != name else [])]
        if len(values) > 1:
            raise wire.invalid(name, "given twice")
        if values and "\0" in values[0]:
            raise wire.invalid(name, "NUL characters are not taken")
        return values[0] if values else None

    def query_id(self, name: str) -> int | None:
        """A query parameter that holds an id of ours. Raises Invalid."""
        text = self.query(name)
        if text is None:
            return None
        found = wire.path_id(text)
        if found is None:
            raise wire.invalid(name, "expected an id")
        return found

    def query_word(self, name: str, words: Iterable[str]) -> str | None:
        """A query parameter that is one of `words`. Raises Invalid."""
        text = self.query(name)
        allowed = sorted(words)
        if text is not None and text not in allowed:
            raise wire.invalid(name, f"expected one of {', '.join(allowed)}")
        return text

    def page(self, *, text_key: bool = False) -> Page:
        """`limit` and `after` of a list. Raises Invalid. `text_key` where rows have text ids."""
        limit, after = self.query("limit"), self.query("after")
        size = PAGE if limit is None else wire.path_id(limit)
        if size is None or size > LARGEST_PAGE:
            raise wire.invalid("limit", f"expected a whole number from 1 to {LARGEST_PAGE}")
        if after is None:
            return Page(size, END_OF_TIME, "\x7f" if text_key else str(END_OF_TIME))
        try:
            at, key = wire.parse_cursor(after)
            if not 0 <= at <= END_OF_TIME or (not text_key and not 0 <= int(key) <= END_OF_TIME):
                raise ValueError("this is no cursor of this list")
        except ValueError as error:
            raise wire.invalid("after", str(error)) from None
        return Page(size, at, key)

    async def change(self, verb: Callable[[Unit], Awaitable[Answer]]) -> Response:
        """Runs the verb in one unit that commits before the answer leaves; on a POST once for each Idempotency-Key."""
        if self.request.method == "POST":
            return _response(await self.deps.idempotency.unit(self.request, self.caller, self.body, verb))
        return _response(await self.deps.db.unit(verb))

    async def change_calling_out(self, work: Callable[[], Awaitable[Answer]]) -> Response:
        """For a POST that calls others' servers: `work` opens its own units around the call."""
        return _response(await self.deps.idempotency.calling_out(self.request, self.caller, self.body, work))


def answer(value: object, status: int = 200) -> Answer:
    """A View (or plain values in wire spelling) as an Answer."""
    return Answer(status, wire.encode(value))


def no_content() -> Answer:
    """204."""
    return Answer(204)


def reply(value: object, status: int = 200) -> Response:
    """For a GET: the value as JSON."""
    return _response(answer(value, status))


def listing(
    rows: Sequence[Row], page: Page, show: Callable[[Row], object], *, at: str = "created_at", key: str = "id"
) -> Response:
    """`{data, nextCursor}` of the `limit + 1` rows that were asked for; `at` and `key` are the list's order."""
    shown = rows[: page.limit]
    after = wire.cursor(shown[-1][at], shown[-1][key]) if len(rows) > page.limit else None
    return reply({"data": [show(row) for row in shown], "nextCursor": after})


def _response(answered: Answer) -> Response:
    headers = {**NO_STORE, REPLAYED: "true"} if answered.replayed else NO_STORE
    if answered.status == 204:
        return Response(status_code=204, headers=headers)
    return Response(answered.body, answered.status, headers=headers, media_type="application/json")


class DirectRoute(APIRoute):
    """A route whose endpoint is called with the Request as it is, described as any other in OpenAPI.

    FastAPI's own way there (dependencies, exit stacks) costs some 30 µs a request, and these endpoints use none of it.
    """

    def __init__(self, path: str, endpoint: Callable[[Request], Awaitable[Response]], **declared: Any) -> None:
        super().__init__(path, endpoint, **declared)
        self.app = request_response(endpoint)
        self._fixed = path.partition("{")[0]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As any route's; a look at the path's fixed start spares the pages fifty regular expressions."""
        if not scope["path"].startswith(self._fixed) and not scope.get("root_path"):
            return Match.NONE, {}
        return super().matches(scope)


def install(app: FastAPI, *routers: APIRouter) -> None:
    """Puts the rooms' routes on the app itself, the first ones being looked at first.

    `include_router` matches every route of a router twice, 2 µs each: with fifty routes it was most of the request.
    """
    for router in routers:
        app.router.routes.extend(router.routes)


class Routes:
    """A room's JSON routes on one APIRouter, each declared with its rule, body and answer."""

    def __init__(self, deps: Deps, tag: str) -> None:
        self.router = APIRouter(tags=[tag], route_class=DirectRoute)
        self._deps = deps

    def add(
        self,
        method: str,
        path: str,
        rule: Rule,
        handler: Handler,
        *,
        takes: type | None = None,
        answers: type | None = None,
        status: int = 200,
        pages: bool = False,
        query: Sequence[openapi.Query] = (),
        conflicts: bool = False,
        optional_body: bool = False,
    ) -> None:
        """Declares one route. `answers` is the View (of one item where it `pages`); the handler's docstring tells it.

        `conflicts` where it may answer 409 (every POST may); `optional_body` where an empty body is taken.
        """
        self._deps.schemas.extend(kind for kind in (takes, answers) if kind is not None)
        declared = openapi.operation(
            method, path, takes, answers, status,
            pages=pages, query=query, conflicts=conflicts, optional_body=optional_body,
            forbids=rule.scope is not None,
        )  # fmt: skip
        deps = self._deps

        async def endpoint(request: Request) -> Response:
            return await handler(await admit(request, deps, rule))

        endpoint.__name__ = handler.__name__
        endpoint.__doc__ = handler.__doc__
        self.router.add_api_route(
            path,
            endpoint,
            methods=[method],
            status_code=status,
            response_class=Response,
            openapi_extra=declared,
            operation_id=handler.__name__,
        )


async def admit(request: Request, deps: Deps, rule: Rule) -> Call:
    """Checks the key, the tenant, the scope, then reads the body. Another tenant's object is a 404."""
    caller = await deps.auth.caller(request)
    tenant_id, object_id = await _owner(request, deps, caller, rule)
    if rule.operator and caller.role != "operator":
        raise Forbidden("Only the operator may do this.")
    if rule.scope is not None:
        caller.need(rule.scope)
    reads = request.method == "GET"
    if caller.suspended and not reads:
        raise TenantSuspended("A suspended tenant's keys may read only; ask the operator.")
    body = b"" if reads else await read_body(request)
    return Call(request, deps, caller, tenant_id, object_id, body)


async def _owner(request: Request, deps: Deps, caller: Caller, rule: Rule) -> tuple[int, int | str]:
    if rule.kind is None:
        return caller.home, 0
    text = request.path_params[rule.param]
    object_id = wire.path_uuid(text) if rule.kind in TEXT_IDS else wire.path_id(text)
    if object_id is None:
        raise NotFound
    if caller.tenant_id is not None:
        if rule.kind == "tenant" and object_id != caller.tenant_id:
            raise NotFound
        return (
            caller.tenant_id,
            object_id,
        )  # every read of the route takes this tenant, so a stranger's id finds nothing
    tenant_id = await deps.directory.tenant_of(rule.kind, object_id)
    if tenant_id is None:
        raise NotFound
    return tenant_id, object_id


async def read_body(request: Request, largest: int = LARGEST_BODY) -> bytes:
    """The request's bytes. Raises TooLarge as soon as there are more than `largest`, before the rest is read."""
    told = request.headers.get("content-length")
    if told is not None and told.isdigit() and int(told) > largest:
        raise _too_large(largest)
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise Malformed("The connection ended before the body did.")
        part, more = message.get("body", b""), message.get("more_body", False)
        size += len(part)
        if size > largest:
            raise _too_large(largest)
        parts.append(part)
    return b"".join(parts)


def _too_large(largest: int) -> TooLarge:
    return TooLarge(f"This route takes at most {largest:,} bytes.", headers={"Connection": "close"})

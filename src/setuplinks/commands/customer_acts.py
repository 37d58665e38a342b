"""What the verbs `customers` and `links` do, through the same services as the API."""

from typing import TYPE_CHECKING, Any

from setuplinks.commands.desk import ACTOR, LATEST, done, said, show, show_all, tenant_of
from setuplinks.core import wire
from setuplinks.core.problems import NotFound
from setuplinks.core.wire import instant
from setuplinks.customers import api, service, store
from setuplinks.customers.models import Customer, customer_of
from setuplinks.setup_links import lists
from setuplinks.setup_links.models import SetupLink
from setuplinks.setup_links.request import NewSetupLink
from setuplinks.setup_links.service import Made
from setuplinks.setup_links.store import FIND_LINK, FIND_STEPS
from setuplinks.tenants import service as tenants

if TYPE_CHECKING:
    from setuplinks.app import Service

CUSTOMER_COLUMNS = ("id", "name", "externalId", "status", "connection", "createdAt")
LINK_COLUMNS = ("id", "customerId", "status", "phase", "purpose", "expiresAt", "createdAt")
STEP_COLUMNS = ("at", "kind", "detail")


def create_customer(
    tenant_id: int, name: str, external_id: str | None, email: str | None, phone: str | None, *, as_json: bool
) -> None:
    """Makes a customer. Raises Invalid, NotFound, ExternalIdTaken."""

    async def act(desk: "Service") -> Customer:
        wish = service.Wish(name=name, external_id=external_id, email=email, phone=phone)
        return await desk.db.unit(service.create, desk.db, tenant_id, wish, now=desk.clock.now(), actor=ACTOR)

    show(api.show(done(act)), as_json=as_json)


def list_customers(tenant_id: int, limit: int, *, as_json: bool) -> None:
    """The tenant's newest customers. Raises NotFound."""

    async def act(desk: "Service") -> list[Customer]:
        await tenants.read(desk.db, tenant_id)
        return [customer_of(row) for row in await store.rows_before(desk.db, tenant_id, LATEST, LATEST, limit)]

    show_all([api.show(one) for one in done(act)], CUSTOMER_COLUMNS, as_json=as_json, what="customers")


def show_customer(customer_id: int, *, as_json: bool) -> None:
    """One customer. Raises NotFound."""

    async def act(desk: "Service") -> Customer:
        return await service.read(desk.db, await tenant_of(desk, "customer", customer_id), customer_id)

    show(api.show(done(act)), as_json=as_json)


def delete_customer(customer_id: int) -> None:
    """Off-boards a customer. Raises NotFound."""

    async def act(desk: "Service") -> None:
        tenant_id = await tenant_of(desk, "customer", customer_id)
        await desk.db.unit(desk.offboarding.customer, tenant_id, customer_id, ACTOR)

    done(act)
    said(f"Customer {customer_id} is off-boarded. The running service takes its WABAs' notifications off at Meta.")


def create_link(customer_id: int, body: NewSetupLink, *, as_json: bool) -> None:
    """Makes a setup link; an older open one of the same purpose is revoked. Raises Invalid, NotFound, Conflict."""

    async def act(desk: "Service") -> dict[str, Any]:
        tenant_id = await tenant_of(desk, "customer", customer_id)
        sealer = await desk.vault.tenant(tenant_id)
        made = await desk.db.unit(desk.links.create, sealer, tenant_id, customer_id, body, ACTOR)
        return _answer(desk, made)

    show(done(act), as_json=as_json)


def list_links(
    tenant_id: int | None, customer_id: int | None, status: str | None, limit: int, *, as_json: bool
) -> None:
    """The newest links of a tenant or of one customer. Raises NotFound."""

    async def act(desk: "Service") -> list[dict[str, Any]]:
        home = tenant_id
        if home is None:
            home = await tenant_of(desk, "customer", customer_id or 0)
        sealer = await desk.vault.tenant((await tenants.read(desk.db, home)).id)
        now = desk.clock.now()
        rows = await lists.rows(desk.db, home, lists.Wanted(customer_id, status, None, now), LATEST, "~", limit)
        links = [SetupLink.of(row) for row in rows]
        return [link.answer(now, desk.links.url(link, sealer)) for link in links]

    show_all(done(act), LINK_COLUMNS, as_json=as_json, what="setup links")


def show_link(link_id: str, *, as_json: bool) -> None:
    """One link with its URL while it is open. Raises NotFound."""

    async def act(desk: "Service") -> dict[str, Any]:
        tenant_id = await _tenant_of_link(desk, link_id)
        return _answer(desk, await desk.links.get(tenant_id, link_id.lower()))

    show(done(act), as_json=as_json)


def revoke_link(link_id: str, *, as_json: bool) -> None:
    """Revokes an open link; work that runs stops at its next step. Raises NotFound, LinkEnded."""

    async def act(desk: "Service") -> dict[str, Any]:
        tenant_id = await _tenant_of_link(desk, link_id)
        link = await desk.db.unit(desk.provisionings.revoke, tenant_id, link_id.lower(), ACTOR)
        return link.answer(desk.clock.now(), None)

    show(done(act), as_json=as_json)


def show_timeline(link_id: str, *, as_json: bool) -> None:
    """Every step of a link with its time, oldest first. Raises NotFound."""

    async def act(desk: "Service") -> list[dict[str, Any]]:
        tenant_id = await _tenant_of_link(desk, link_id)
        link = desk.links.found(await desk.db.one(FIND_LINK, tenant_id, link_id.lower()))
        steps = await desk.db.read(FIND_STEPS, tenant_id, link.id)
        begin = {"at": instant(link.created_at), "kind": "created", "detail": {"by": link.created_by}}
        return [
            begin,
            *({"at": instant(s["at"]), "kind": s["kind"], "detail": lists.detail(s["detail"])} for s in steps),
        ]

    show_all(done(act), STEP_COLUMNS, as_json=as_json, what="steps")


def link_wish(**fields: Any) -> NewSetupLink:
    """The body of a new link from options; those that were not given are left out. Raises Invalid."""
    given = {wire.camel(name): value for name, value in fields.items() if value is not None and value != []}
    return wire.convert(given, NewSetupLink)


async def _tenant_of_link(desk: "Service", link_id: str) -> int:
    uuid = wire.path_uuid(link_id)
    if uuid is None:
        raise NotFound(f"{link_id!r} is no setup link's id: that is a UUID.")
    return await tenant_of(desk, "setup_link", uuid)


def _answer(desk: "Service", made: Made) -> dict[str, Any]:
    return made.link.answer(desk.clock.now(), made.url)

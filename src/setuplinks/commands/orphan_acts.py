"""What the verbs of `orphans` do, through the same service as the API. Assigning asks Meta: all settings count."""

from typing import TYPE_CHECKING

from setuplinks.commands.desk import ACTOR, LATEST, done, said, show, show_all
from setuplinks.provisioning import orphan_api, orphans
from setuplinks.provisioning.orphans import Orphan
from setuplinks.settings import load

if TYPE_CHECKING:
    from setuplinks.app import Service

COLUMNS = ("id", "status", "metaWabaId", "ownerBusinessId", "toldAt", "customerId", "lastError")


def list_orphans(status: str | None, limit: int, *, as_json: bool) -> None:
    """The newest ones, of one status or of all."""

    async def act(desk: "Service") -> list[Orphan]:
        rows = await desk.db.read(orphans.LIST, LATEST, LATEST, status, None, limit)
        return [Orphan.of(row) for row in rows]

    shown = [orphan_api.show(orphan) for orphan in done(act)]
    of_status = "" if status is None else f"{status} "
    show_all(shown, COLUMNS, as_json=as_json, what=f"{of_status}authorisations")


def assign(orphan_id: int, customer_id: int, *, as_json: bool) -> None:
    """Connects one for a customer. Raises NotFound, Invalid, OrphanNotOpen, PartnerMissing, TokenRefused, Conflict."""

    async def act(desk: "Service") -> Orphan:
        tenant_id = await desk.deps.directory.tenant_of("customer", customer_id)
        return await desk.recovery.assign(orphan_id, tenant_id, customer_id, ACTOR)

    show(orphan_api.show(done(act, load())), as_json=as_json)


def dismiss(orphan_id: int) -> None:
    """Says that nothing is to be done. Raises NotFound, OrphanNotOpen."""

    async def act(desk: "Service") -> None:
        await desk.db.unit(desk.recovery.dismiss, orphan_id, ACTOR)

    done(act)
    said(f"Authorisation {orphan_id} is dismissed. The access stays at Meta until the customer takes it back.")

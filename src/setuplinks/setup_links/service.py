"""What a tenant may do with setup links: make, read, change, revoke.

Owns rows 1 and 16 of the transition table and the link's URL. What a customer's browser does stands in `visits`, what
crosses into provisioning in `provisioning/service`.
"""

from dataclasses import dataclass, replace
from typing import Any

import msgspec

from setuplinks.branding import images
from setuplinks.branding.theme import build_palette
from setuplinks.core import ids
from setuplinks.core.clock import Clock
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Row, Unit
from setuplinks.core.problems import NotFound
from setuplinks.core.vault import Sealer, Vault
from setuplinks.core.wire import invalid
from setuplinks.customers import store as customers
from setuplinks.customers.models import Customer
from setuplinks.setup_links import store
from setuplinks.setup_links.announce import announce
from setuplinks.setup_links.machine import ENDED, WORKING, Phase
from setuplinks.setup_links.models import (
    CustomerInactive,
    LinkEnded,
    LinkInUse,
    LinkMoved,
    SetupLink,
    TenantSuspended,
)
from setuplinks.setup_links.request import ChangedSetupLink, NewSetupLink, Wanted, changes, wanted
from setuplinks.tenants import audit
from setuplinks.tenants import store as tenants
from setuplinks.tenants.models import Tenant
from setuplinks.webhooks.service import Audience, Events
from setuplinks.whatsapp import store as whatsapp

SECRET_BITS = 130


@dataclass(frozen=True)
class Made:
    """A link with the URL that is shown for it; None once it has ended."""

    link: SetupLink
    url: str | None


@dataclass(frozen=True)
class _Target:
    """What a reconnect is locked to; all None and 0 for a plain connect."""

    phone_id: int | None = None
    waba_id: int = 0
    connection_types: tuple[str, ...] | None = None


class SetupLinks:
    """The verbs of a tenant."""

    def __init__(
        self, db: Database, clock: Clock, vault: Vault, events: Events, public_url: str, loopback: bool
    ) -> None:
        self._db, self._clock, self._vault, self._events = db, clock, vault, events
        self._public_url, self._loopback = public_url, loopback

    async def create(
        self, tx: Unit, sealer: Sealer, tenant_id: int, customer_id: int, body: NewSetupLink, actor: str
    ) -> Made:
        """Row 1: a new link. An older open one of the same customer, purpose and WABA is revoked (superseded).

        Raises NotFound, Invalid, CustomerInactive, TenantSuspended, LinkInUse.
        """
        now = self._clock.now()
        tenant = await tenants.find(tx, tenant_id)
        customer = await customers.find(tx, tenant_id, customer_id)
        if tenant is None or customer is None:
            raise NotFound("There is no such customer.")
        if tenant.status != "active":
            raise TenantSuspended()
        if customer.status != "active":
            raise CustomerInactive()
        asked = wanted(body, tenant, now, loopback=self._loopback)
        target = await self._target(tx, tenant_id, customer_id, asked)
        audience = await self._events.load(tx, tenant_id)
        link_id, secret = ids.uuid4(), ids.crockford(SECRET_BITS)
        link = self._new(tenant, customer_id, link_id, secret, asked, target, actor, sealer, now)
        await self._take_slot(tx, audience, link, target.waba_id, now, customer)
        self._add(tx, link)
        images.want(tx, tenant_id, link.theme, now)
        url = self._url(link_id, secret)
        await announce(
            self._events, tx, audience, "setup_link.created", link, now, url=url, external_id=customer.external_id
        )
        audit.add(tx, now, tenant_id, actor, "setup_link.created", "setup_link", link_id, {"customerId": customer_id})
        return Made(link, url)

    async def get(self, tenant_id: int, link_id: str) -> Made:
        """The tenant's link with its URL. Raises NotFound."""
        link = self.found(await self._db.one(store.FIND_LINK, tenant_id, link_id))
        missing = await images.warnings(self._db, tenant_id, link.theme)
        link = replace(link, warnings=[*link.warnings, *missing])
        return Made(link, self.url(link, await self._vault.tenant(tenant_id)))

    def found(self, row: Row | None) -> SetupLink:
        """The link of a row that was looked for. Raises NotFound where there is none."""
        if row is None:
            raise NotFound("There is no such setup link.")
        return SetupLink.of(row)

    async def change(
        self, tx: Unit, sealer: Sealer, tenant_id: int, link_id: str, body: ChangedSetupLink, actor: str
    ) -> Made:
        """Changes redirects, theme, language or expiry of an open link. Raises NotFound, LinkEnded."""
        now = self._clock.now()
        link = await store.find(tx, tenant_id, link_id)
        if link is None:
            raise NotFound("There is no such setup link.")
        tenant = await tenants.find(tx, tenant_id)
        if tenant is None or not link.is_open(now):
            raise LinkEnded()
        values = changes(body, tenant, now, loopback=self._loopback)
        if "theme" in values:
            values["warnings"] = replace(link, warnings=repairs(tenant, values["theme"])).warned(
                without_number=link.went_without_number
            )
        moved = replace(link, **values)
        settled = store.settled(moved, await store.visits(tx, link)) if "expires_at" in values else {}
        store.change(tx, link, now, **values, **settled)
        images.want(tx, tenant_id, moved.theme, now)
        audit.add(tx, now, tenant_id, actor, "setup_link.changed", "setup_link", link_id, {"fields": sorted(values)})
        moved = replace(moved, **{**settled, "phase": Phase(settled.get("phase", link.phase))})
        return Made(moved, self.url(moved, sealer))

    async def revoke(self, tx: Unit, tenant_id: int, link_id: str, actor: str, reason: str = "revoked") -> SetupLink:
        """Row 16, the link's part: the caller also stops a provisioning that runs. Raises NotFound, LinkEnded."""
        now = self._clock.now()
        link = await store.find(tx, tenant_id, link_id)
        if link is None:
            raise NotFound("There is no such setup link.")
        if not link.is_open(now):
            raise LinkEnded()
        audience = await self._events.load(tx, tenant_id)
        revoked = replace(link, **await self._revoke(tx, audience, link, reason, now))
        audit.add(tx, now, tenant_id, actor, "setup_link.revoked", "setup_link", link_id, {"reason": reason})
        return revoked

    def url(self, link: SetupLink, sealer: Sealer) -> str | None:
        """The link's URL while it is open; None once its secret is erased."""
        if link.url_secret is None or link.phase in ENDED:
            return None
        return self._url(link.id, sealer.open(link.url_secret, "setup_link", link.id, "url_secret").decode())

    def _url(self, link_id: str, secret: str) -> str:
        return f"{self._public_url}/signup/{link_id}-{secret}"

    async def _target(self, tx: Unit, tenant_id: int, customer_id: int, asked: Wanted) -> _Target:
        if asked.reconnect_phone_id is None:
            return _Target()
        number = await whatsapp.number(tx, tenant_id, asked.reconnect_phone_id)
        field = "reconnectPhoneNumberId"
        if number is None or number.customer_id != customer_id:
            raise invalid(field, "this customer has no such number")
        if not number.is_connected:
            raise invalid(field, "this number is not connected; make a plain setup link for it")
        if asked.types_given and asked.connection_types != (number.connection_type,):
            raise invalid("allowedConnectionTypes", f"a reconnect keeps the number's type, {number.connection_type}")
        if asked.phone_provisioning:
            raise invalid("phoneProvisioningEnabled", "a reconnect keeps its number")
        return _Target(number.id, number.waba_id, (number.connection_type,))

    def _new(
        self, tenant: Tenant, customer_id: int, link_id: str, secret: str, asked: Wanted, target: _Target, actor: str,
        sealer: Sealer, now: int,
    ) -> SetupLink:  # fmt: skip
        fields: dict[str, Any] = dict.fromkeys(SetupLink.__dataclass_fields__)
        fields |= {
            "tenant_id": tenant.id, "id": link_id, "customer_id": customer_id, "version": 0, "visits": 0,
            "purpose": "reconnect" if target.phone_id else "connect", "phase": Phase.PENDING,
            "secret_hash": ids.digest(secret),
            "url_secret": sealer.seal(secret.encode(), "setup_link", link_id, "url_secret"),
            "expires_at": asked.expires_at, "lapses_at": asked.expires_at, "due_at": asked.expires_at,
            "created_at": now, "created_by": actor,
            "connection_types": target.connection_types or asked.connection_types,
            "success_url": asked.success_url or tenant.default_success_url,
            "failure_url": asked.failure_url or tenant.default_failure_url,
            "theme": asked.theme, "language": asked.language, "state": asked.state, "metadata": asked.metadata,
            "prefill": asked.prefill, "phone_provisioning": asked.phone_provisioning,
            "country_isos": asked.country_isos, "sync_history": asked.sync_history,
            "issue_api_key": asked.issue_api_key, "reconnect_phone_id": target.phone_id,
            "reconnect_waba_id": target.waba_id or None, "resulting_phone_ids": [],
            "warnings": repairs(tenant, asked.theme),
        }  # fmt: skip
        return SetupLink.with_fields(fields)

    async def _take_slot(
        self, tx: Unit, audience: Audience, link: SetupLink, waba_id: int, now: int, customer: Customer
    ) -> None:
        """One slot for each customer, purpose and WABA decides races: two creations cannot both find it free."""
        key = (link.tenant_id, link.customer_id, link.purpose, waba_id)
        slot = await tx.one(store.FIND_SLOT, *key)
        if slot is None:
            tx.must(LinkMoved(), store.TAKE_EMPTY_SLOT, *key, link.id)
            return
        older = await store.find(tx, link.tenant_id, slot["link_id"]) if slot["link_id"] else None
        if older and older.seen(now) in WORKING:
            raise LinkInUse(setupLinkId=older.id)
        if older and older.is_open(now):
            await self._revoke(
                tx, audience, older, "superseded", now, superseded_by=link.id, external_id=customer.external_id
            )
        tx.must(LinkMoved(), store.TAKE_SLOT, *key, link.id, slot["version"])

    async def _revoke(
        self, tx: Unit, audience: Audience, link: SetupLink, reason: str, now: int, superseded_by: str | None = None,
        **known: Any,
    ) -> dict[str, Any]:  # fmt: skip
        values: dict[str, Any] = {
            "phase": Phase.REVOKED, "due_at": None, "ended_at": now, "ended_reason": reason, "url_secret": None,
        }  # fmt: skip
        if link.action_required is not None:  # what was asked is over, too
            values["action_required"] = None
        store.change(tx, link, now, **values)
        store.add_step(tx, link, now, "revoked", reason=reason, supersededBy=superseded_by)
        await announce(
            self._events, tx, audience, "setup_link.revoked", link, now, phase=Phase.REVOKED, reason=reason,
            superseded_by=superseded_by, **known,
        )  # fmt: skip
        return values

    def _add(self, tx: Unit, link: SetupLink) -> None:
        tx.add(
            store.ADD_LINK, link.tenant_id, link.id, link.customer_id, link.purpose, link.secret_hash, link.url_secret,
            link.expires_at, link.created_at, ",".join(link.connection_types), link.success_url, link.failure_url,
            _json(link.theme), link.language, link.state, _json(link.metadata), _json(link.prefill),
            int(link.phone_provisioning), _json(link.country_isos), int(link.sync_history), int(link.issue_api_key),
            link.reconnect_phone_id, link.reconnect_waba_id, _json(link.warnings), link.created_by,
        )  # fmt: skip


def repairs(tenant: Tenant, theme: dict[str, Any]) -> list[str]:
    """What was changed in the link's colours so that everybody can read the page; nothing without own colours."""
    return list(build_palette({**tenant.theme, **theme}, tenant.name).warnings) if theme else []


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()

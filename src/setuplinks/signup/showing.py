"""What the pages read: a link with its customer and tenant in one go, its brand, its dates in the tenant's time zone.

Owns the read behind every page and the cache of brands. It writes nothing.
"""

import functools
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

from setuplinks.branding.theme import build_palette
from setuplinks.core.clock import SECOND, Clock
from setuplinks.core.db.database import Database
from setuplinks.settings import Settings
from setuplinks.setup_links.models import SetupLink, Visit
from setuplinks.setup_links.store import FIND_VISITS
from setuplinks.signup.views import Brand, make_brand
from setuplinks.tenants.redirects import RedirectRefused, check_redirect
from setuplinks.whatsapp.store import FIND_NUMBER

# One read for a page: the link, and of its customer and tenant what pages show or redirects need.
SHOWN = (
    "SELECT l.*, c.name AS customer_name, c.external_id AS customer_external_id, c.deleted_at AS customer_gone, "
    "t.name AS tenant_name, t.status AS tenant_status, t.theme AS tenant_theme, t.time_zone AS tenant_time_zone, "
    "t.allowed_redirect_hosts AS tenant_redirect_hosts, "
    "t.redirect_key, t.redirect_key_previous, t.redirect_key_previous_until "
    "FROM setup_link l "
    "JOIN customer c ON c.tenant_id = l.tenant_id AND c.id = l.customer_id "
    "JOIN tenant t ON t.id = l.tenant_id WHERE l.id = $1"
)
IMAGES = "SELECT id, kind FROM theme_image WHERE tenant_id = $1 AND status = 'ready' AND url IN ($2, $3)"
# `strftime` takes ten times as long as the rest of a date.
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
KEPT_BRANDS = 512
BRAND_LIVES = 30 * SECOND


@dataclass(frozen=True)
class Shown:
    """A link as a page needs it."""

    link: SetupLink
    row: dict[str, Any]
    brand: Brand
    zone: ZoneInfo

    @property
    def customer_name(self) -> str:
        """The customer's name, or nothing once it was off-boarded."""
        return str(self.row["customer_name"])

    @property
    def gone(self) -> bool:
        """True where the customer was off-boarded: its links are shown as unknown."""
        return self.row["customer_gone"] is not None

    def day(self, at: int) -> str:
        """ "25 May 2026" in the tenant's time zone."""
        local = self._local(at)
        return f"{local.day} {MONTHS[local.month - 1]} {local.year}"

    def time(self, at: int) -> str:
        """ "14:18" in the tenant's time zone."""
        return f"{self._local(at):%H:%M}"

    def _local(self, at: int) -> datetime:
        return datetime.fromtimestamp(at / SECOND, self.zone)


class Showing:
    """Reads links for pages."""

    def __init__(self, db: Database, clock: Clock, settings: Settings) -> None:
        self._db, self._clock, self._settings = db, clock, settings
        self._loopback = settings.on_loopback
        self._brands: dict[tuple[int, str, str, str], tuple[int, Brand]] = {}
        self._zones: dict[str, ZoneInfo] = {}

    async def link(self, link_id: str) -> Shown | None:
        """The link with this id, whoever's it is; None where there is none."""
        row = await self._db.one(SHOWN, link_id)
        if row is None:
            return None
        # By position once: SQLite's rows look a name up by comparing it with every column's.
        given = dict(zip(row.keys(), cast(Iterable[Any], row), strict=True))
        name = given["tenant_time_zone"]
        zone = self._zones.get(name) or self._zones.setdefault(name, ZoneInfo(name))
        link = self._with_allowed_redirects(SetupLink.of_fields(given), given)
        return Shown(link, given, await self._brand(given), zone)

    def _with_allowed_redirects(self, link: SetupLink, row: dict[str, Any]) -> SetupLink:
        """The link without redirects that its tenant has ruled out since it was made: our page is the end then."""
        urls: dict[str, Any] = {
            name: None
            for name, url in (("success_url", link.success_url), ("failure_url", link.failure_url))
            if url is not None and not _may_lead_to(url, row["tenant_redirect_hosts"], self._loopback)
        }
        return replace(link, **urls) if urls else link

    async def visits(self, link: SetupLink) -> list[Visit]:
        """The link's visits, oldest first."""
        return [Visit.of(row) for row in await self._db.few(FIND_VISITS, link.tenant_id, link.id)]

    async def reconnect_number(self, link: SetupLink) -> str | None:
        """The number whose connection a link renews, as people write it; None for a link that connects a new one."""
        if link.reconnect_phone_id is None:
            return None
        row = await self._db.one(FIND_NUMBER, link.tenant_id, link.reconnect_phone_id)
        return None if row is None else row["display_phone_number"] or row["meta_phone_number_id"]

    async def _brand(self, row: dict[str, Any]) -> Brand:
        key = (row["tenant_id"], row["tenant_name"], row["tenant_theme"], row["theme"])
        kept = self._brands.get(key)
        now = self._clock.now()
        if kept and 0 <= now - kept[0] < BRAND_LIVES:
            return kept[1]
        theme: dict[str, str] = {**json.loads(row["tenant_theme"]), **json.loads(row["theme"])}
        images = await self._images(row["tenant_id"], theme)
        brand = make_brand(
            build_palette(theme, row["tenant_name"]),
            asked_by=row["tenant_name"],
            logo_path=images.get("logo"),
            background_path=images.get("background"),
            help_url=theme.get("helpUrl") or self._settings.help_url,
            privacy_url=theme.get("privacyUrl") or self._settings.privacy_url,
            terms_url=theme.get("termsUrl") or self._settings.terms_url,
        )
        if len(self._brands) >= KEPT_BRANDS:
            self._brands.clear()
        self._brands[key] = (now, brand)
        return brand

    async def _images(self, tenant_id: int, theme: dict[str, str]) -> dict[str, str]:
        """Paths of our own copies; a picture that is not there yet, or never came, is left out."""
        logo, background = theme.get("logoUrl"), theme.get("backgroundImage")
        if not logo and not background:
            return {}
        rows = await self._db.few(IMAGES, tenant_id, logo or "", background or "")
        return {row["kind"]: f"/signup/images/{tenant_id}/{row['id']}" for row in rows}


@functools.lru_cache(maxsize=2_048)
def _may_lead_to(url: str, rules: str, loopback: bool) -> bool:
    try:
        check_redirect(url, json.loads(rules), loopback=loopback)
    except RedirectRefused:
        return False
    return True

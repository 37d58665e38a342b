"""The way back to the tenant: the redirect's parameters, signed.

Owns which parameters go on the success and the failure redirect. The signature's rule stands in `tenants/redirects`.
"""

from setuplinks.core.clock import Clock
from setuplinks.core.db.database import Database
from setuplinks.core.vault import Vault
from setuplinks.setup_links.machine import Phase
from setuplinks.setup_links.models import SetupLink
from setuplinks.signup.showing import Shown
from setuplinks.tenants.models import open_redirect_key
from setuplinks.tenants.redirects import signed_redirect
from setuplinks.whatsapp import store as whatsapp
from setuplinks.whatsapp.models import PhoneNumber

ENDED_CODES = {Phase.EXPIRED: "link_expired", Phase.REVOKED: "link_revoked", Phase.COMPLETED: "link_used"}


class Returns:
    """Builds the URLs by which a browser leaves for the tenant."""

    def __init__(self, db: Database, clock: Clock, vault: Vault) -> None:
        self._db, self._clock, self._vault = db, clock, vault

    async def success(self, shown: Shown) -> str | None:
        """`status=success` with what is connected; None where the tenant gave no URL. Where nothing is left of it (the
        customer said that it was not theirs), success would be no true word: then as a sign-in that was given up."""
        link = shown.link
        numbers = [number for number in await self.numbers(link) if number.is_connected]
        if not numbers:
            return await self.failure(shown, "cancelled")
        if link.success_url is None:
            return None
        active = any(number.status == "active" for number in numbers)
        return await self._signed(
            shown,
            link.success_url,
            {
                "status": "success",
                "setup_link_id": link.id,
                "waba_id": numbers[0].meta_waba_id,
                "phone_number_id": ",".join(number.meta_phone_number_id for number in numbers),
                "customer_id": str(link.customer_id),
                "external_id": shown.row["customer_external_id"],
                "state": link.state,
                "phone_status": "active" if active else "pending",
            },
        )

    async def pending(self, shown: Shown) -> str | None:
        """`status=pending`: the work takes longer, the customer need not wait for it."""
        link = shown.link
        if link.success_url is None:
            return None
        return await self._signed(
            shown, link.success_url, {"status": "pending", "setup_link_id": link.id, "state": link.state}
        )

    async def failure(self, shown: Shown, code: str) -> str | None:
        """`status=failed` with a code; None where the tenant gave no URL."""
        link = shown.link
        if link.failure_url is None:
            return None
        params = {"status": "failed", "setup_link_id": link.id, "error_code": code, "state": link.state}
        return await self._signed(shown, link.failure_url, params)

    async def numbers(self, link: SetupLink) -> list[PhoneNumber]:
        """The numbers that the link connected, as they are now, also where a later link has renewed them."""
        rows = [await self._db.one(whatsapp.FIND_NUMBER, link.tenant_id, n) for n in link.resulting_phone_ids]
        return [PhoneNumber.of(row) for row in rows if row is not None]

    async def _signed(self, shown: Shown, url: str, params: dict[str, str | None]) -> str:
        now, row = self._clock.now(), shown.row
        sealer = await self._vault.tenant(shown.link.tenant_id)
        keys = [open_redirect_key(sealer, shown.link.tenant_id, row["redirect_key"])]
        if row["redirect_key_previous"] is not None and now < (row["redirect_key_previous_until"] or 0):
            keys.append(open_redirect_key(sealer, shown.link.tenant_id, row["redirect_key_previous"]))
        return signed_redirect(url, params, keys, now)

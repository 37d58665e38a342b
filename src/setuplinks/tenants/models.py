"""What a tenant and an API key are: typed rows and the rules that need nothing else."""

from typing import Any

import msgspec

from setuplinks.core.db.unit import Row
from setuplinks.core.problems import Conflict
from setuplinks.core.vault import Sealer

ACTIVE, SUSPENDED, DELETED = "active", "suspended", "deleted"


class TenantHasCustomers(Conflict):
    """A tenant goes only after its customers."""

    code = "tenant_has_customers"
    title = "This tenant still has customers."


class Tenant(msgspec.Struct, frozen=True):
    """A SaaS company that onboards its customers; the guide also says project. Redirect keys are sealed."""

    id: int
    name: str
    status: str
    theme: dict[str, str]
    default_success_url: str | None
    default_failure_url: str | None
    allowed_redirect_hosts: tuple[str, ...]
    language: str | None
    time_zone: str
    redirect_key: bytes
    redirect_key_previous: bytes | None
    redirect_key_previous_until: int | None
    version: int
    created_at: int
    updated_at: int

    @property
    def active(self) -> bool:
        """Whether its customers may start."""
        return self.status == ACTIVE

    def redirect_keys(self, sealer: Sealer, now: int) -> list[bytes]:
        """The keys that sign redirects now, the current one first; two of them while a rotation overlaps."""
        keys = [open_redirect_key(sealer, self.id, self.redirect_key)]
        if self.redirect_key_previous is not None and now < (self.redirect_key_previous_until or 0):
            keys.append(open_redirect_key(sealer, self.id, self.redirect_key_previous))
        return keys


class ApiKey(msgspec.Struct, frozen=True):
    """A tenant's key as it is known after it was shown once."""

    tenant_id: int
    id: int
    name: str
    prefix: str
    scopes: tuple[str, ...]
    expires_at: int | None
    created_at: int
    last_used_at: int | None


def seal_redirect_key(sealer: Sealer, tenant_id: int, key: str) -> bytes:
    """A redirect key as stored; a former one keeps these bytes when it moves to its other column."""
    return sealer.seal(key.encode(), "tenant", tenant_id, "redirect_key")


def open_redirect_key(sealer: Sealer, tenant_id: int, sealed: bytes) -> bytes:
    """The redirect key: the bytes of the text that the tenant was shown are the HMAC key."""
    return sealer.open(sealed, "tenant", tenant_id, "redirect_key")


def tenant_of(row: Row) -> Tenant:
    """A row of `tenant`."""
    fields: dict[str, Any] = dict(row)
    fields["theme"] = msgspec.json.decode(fields["theme"])
    fields["allowed_redirect_hosts"] = tuple(msgspec.json.decode(fields["allowed_redirect_hosts"]))
    return Tenant(**fields)


def api_key_of(row: Row) -> ApiKey:
    """A row of `api_key`, without its hash."""
    fields: dict[str, Any] = dict(row)
    fields["scopes"] = tuple(fields["scopes"].split())
    return ApiKey(**fields)

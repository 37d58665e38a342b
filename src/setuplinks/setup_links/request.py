"""What a tenant may ask for when it makes or changes a setup link, and the rules for it.

Owns the input's shape and its checks that need no database. Everything here is pure but for reading the given clock
value; a rule that is broken names the field as the caller wrote it in camelCase.
"""

import functools
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from setuplinks.core import wire
from setuplinks.core.clock import DAY, MINUTE, SECOND
from setuplinks.core.wire import Id, Instant, instant, invalid
from setuplinks.meta.prefill import validate_prefill
from setuplinks.setup_links.models import CONNECTION_TYPES
from setuplinks.tenants.models import Tenant
from setuplinks.tenants.service import checked_language, checked_redirect, checked_theme

DEFAULT_LIFE = 7 * DAY
SHORTEST_LIFE = 5 * MINUTE
LONGEST_LIFE = 90 * DAY
STATE_MAX = 512
METADATA_MAX = 16_384
PREFILL_MAX = 8_192
NO_COUNTRY = frozenset({"EU", "EZ", "UN", "QO", "XA", "XB", "ZZ"})


class NewSetupLink(wire.Body, kw_only=True):
    """The body of `POST /admin/customers/{customerId}/setup-links`; all fields are optional."""

    success_redirect_url: str | None = None
    failure_redirect_url: str | None = None
    expires_at: Instant | None = None
    allowed_connection_types: list[str] | None = None
    theme_config: dict[str, Any] | None = None
    phone_provisioning_enabled: bool = False
    phone_number_country_isos: Annotated[list[str], msgspec.Meta(max_length=300)] | None = None
    reconnect_phone_number_id: Id | None = None
    language: str | None = None
    state: str | None = None
    metadata: dict[str, Any] | None = None
    prefill: dict[str, Any] | None = None
    sync_history: bool = False
    issue_api_key: bool = False


class ChangedSetupLink(wire.Body, kw_only=True):
    """The body of `PATCH /admin/setup-links/{id}`; absent fields stay as they are, null clears."""

    success_redirect_url: str | UnsetType | None = UNSET
    failure_redirect_url: str | UnsetType | None = UNSET
    expires_at: Instant | UnsetType = UNSET
    theme_config: dict[str, Any] | UnsetType | None = UNSET
    language: str | UnsetType | None = UNSET


class Wanted(msgspec.Struct, frozen=True):
    """What was asked for, checked."""

    expires_at: int
    connection_types: tuple[str, ...]
    types_given: bool
    success_url: str | None
    failure_url: str | None
    theme: dict[str, Any]
    language: str | None
    state: str | None
    metadata: dict[str, Any]
    prefill: dict[str, Any]
    phone_provisioning: bool
    country_isos: list[str]
    sync_history: bool
    issue_api_key: bool
    reconnect_phone_id: int | None


def wanted(body: NewSetupLink, tenant: Tenant, now: int, *, loopback: bool) -> Wanted:
    """The checked request; redirects are held against the tenant's rules. Raises Invalid with the first broken rule's
    field. `loopback`: PUBLIC_URL is http on loopback."""
    types = _types(body.allowed_connection_types)
    if body.state is not None and len(body.state) > STATE_MAX:
        raise invalid("state", f"at most {STATE_MAX} characters")
    reconnect = body.reconnect_phone_number_id
    return Wanted(
        expires_at=now + DEFAULT_LIFE if body.expires_at is None else expiry(body.expires_at, now),
        connection_types=types or CONNECTION_TYPES,
        types_given=types is not None,
        success_url=checked_redirect(tenant, "successRedirectUrl", body.success_redirect_url, loopback=loopback),
        failure_url=checked_redirect(tenant, "failureRedirectUrl", body.failure_redirect_url, loopback=loopback),
        theme=checked_theme("themeConfig", body.theme_config or {}),
        language=None if body.language is None else checked_language("language", body.language),
        state=body.state,
        metadata=_bounded(body.metadata, METADATA_MAX, "metadata"),
        prefill=_prefill(body.prefill),
        phone_provisioning=body.phone_provisioning_enabled,
        country_isos=_countries(body.phone_number_country_isos),
        sync_history=body.sync_history,
        issue_api_key=body.issue_api_key,
        reconnect_phone_id=None if reconnect is None else int(reconnect),
    )


def changes(body: ChangedSetupLink, tenant: Tenant, now: int, *, loopback: bool) -> dict[str, Any]:
    """The columns that a PATCH changes. Raises Invalid."""
    values: dict[str, Any] = {}
    if not isinstance(body.success_redirect_url, UnsetType):
        url = body.success_redirect_url
        values["success_url"] = checked_redirect(tenant, "successRedirectUrl", url, loopback=loopback)
    if not isinstance(body.failure_redirect_url, UnsetType):
        url = body.failure_redirect_url
        values["failure_url"] = checked_redirect(tenant, "failureRedirectUrl", url, loopback=loopback)
    if not isinstance(body.expires_at, UnsetType):
        values["expires_at"] = expiry(body.expires_at, now)
    if not isinstance(body.theme_config, UnsetType):
        values["theme"] = checked_theme("themeConfig", body.theme_config or {})
    if not isinstance(body.language, UnsetType):
        values["language"] = None if body.language is None else checked_language("language", body.language)
    return values


def expiry(at: int, now: int) -> int:
    """An expiry (µs) that lies 5 minutes to 90 days ahead. Raises Invalid."""
    if at < now + SHORTEST_LIFE - SECOND:  # the wire has whole seconds
        raise invalid("expiresAt", f"it must lie at least 5 minutes ahead; now it is {instant(now)}")
    if at > now + LONGEST_LIFE:
        raise invalid("expiresAt", f"it may lie at most 90 days ahead; now it is {instant(now)}")
    return at


def _types(given: list[str] | None) -> tuple[str, ...] | None:
    if given is None:
        return None
    unknown = [name for name in given if name not in CONNECTION_TYPES]
    if unknown or not given or len(set(given)) != len(given):
        raise invalid("allowedConnectionTypes", 'expected "dedicated", "coexistence" or both, each once')
    return tuple(name for name in CONNECTION_TYPES if name in given)


def _countries(given: list[str] | None) -> list[str]:
    codes = [code.upper() for code in given or []]
    for code in codes:
        if code not in _countries_of_iso():
            raise invalid("phoneNumberCountryIsos", f"{code[:20]!r} is no ISO 3166 country code such as US")
    return list(dict.fromkeys(codes))


@functools.cache
def _countries_of_iso() -> frozenset[str]:
    from babel import Locale  # noqa: PLC0415 - costs start time, and few links name a country

    codes = (str(code) for code in Locale("en").territories)
    return frozenset(code for code in codes if len(code) == 2 and code.isalpha() and code not in NO_COUNTRY)


def _prefill(given: dict[str, Any] | None) -> dict[str, Any]:
    if not given:
        return {}
    try:
        return _bounded(validate_prefill(given), PREFILL_MAX, "prefill")
    except ValueError as error:
        raise invalid("prefill", str(error)) from None


def _bounded(given: dict[str, Any] | None, limit: int, field: str) -> dict[str, Any]:
    if given and len(wire.encode(given)) > limit:
        raise invalid(field, f"at most {limit:,} bytes of JSON")
    return given or {}

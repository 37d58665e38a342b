"""What a setup link and a visit are: typed rows, and the link as the API answers it.

Owns the shapes. Which phase may follow which stands in `machine`, the SQL in `store`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, cast

import msgspec

from setuplinks.core.db.unit import Row
from setuplinks.core.problems import Conflict
from setuplinks.core.wire import instant
from setuplinks.number_pool.models import NONE_AVAILABLE
from setuplinks.setup_links.codes import CODES
from setuplinks.setup_links.machine import ENDED, STATUS, WAITING, Phase, VisitStatus, VisitTimes, seen_phase

CONNECTION_TYPES = ("dedicated", "coexistence")


class LinkMoved(Conflict):
    """Somebody else changed the link between our read and our write."""

    code = "link_moved"
    title = "The setup link was changed at the same moment; read it again."


class LinkEnded(Conflict):
    """The link has completed, failed, expired or was revoked; it can no longer be changed."""

    code = "link_ended"
    title = "The setup link has ended; make a new one."


class LinkInUse(Conflict):
    """An older link of this customer is being provisioned right now."""

    code = "link_in_use"
    title = "Another setup link of this customer is being completed right now; revoke it first."


class CustomerInactive(Conflict):
    """Only an active customer gets links."""

    code = "customer_inactive"
    title = "Only an active customer gets setup links."


class TenantSuspended(Conflict):
    """The tenant is suspended: no new links, no starts."""

    code = "tenant_suspended"
    title = "This tenant is suspended."


@dataclass(frozen=True)
class SetupLink:
    """One row of `setup_link`; instants in µs, JSON columns decoded."""

    tenant_id: int
    id: str
    customer_id: int
    purpose: str
    phase: Phase
    version: int
    secret_hash: bytes = field(repr=False)
    url_secret: bytes | None = field(repr=False)
    expires_at: int
    lapses_at: int
    due_at: int | None
    created_at: int
    opened_at: int | None
    used_at: int | None
    authorized_at: int | None
    completed_at: int | None
    ended_at: int | None
    visits: int
    current_visit_id: int | None
    provisioning_id: int | None
    action_required: dict[str, Any] | None
    connection_types: tuple[str, ...]
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
    reconnect_waba_id: int | None
    resulting_waba_id: int | None
    resulting_phone_ids: list[int]
    failure_code: str | None
    failure_message: str | None
    failure_step: str | None
    failure_retryable: bool | None
    warnings: list[str]
    ended_reason: str | None
    renewal_requested_at: int | None
    created_by: str

    @classmethod
    def of(cls, row: Row) -> "SetupLink":
        """The typed row."""
        # By position once: SQLite's rows look a name up by comparing it with every column's.
        return cls.of_fields(dict(zip(row.keys(), cast(Iterable[Any], row), strict=True)))

    @classmethod
    def of_fields(cls, given: dict[str, Any]) -> "SetupLink":
        """The typed row of a row's columns by name; others may stand beside them."""
        values: dict[str, Any] = dict(zip(_FIELDS, _TAKE(given), strict=True))
        for name in _JSON:
            values[name] = _decoded(given[name])
        for name in _BOOL:
            values[name] = bool(given[name])
        values["phase"] = _PHASES[given["phase"]]
        values["connection_types"] = tuple(given["connection_types"].split(","))
        if given["action_required"] is not None:
            values["action_required"] = msgspec.json.decode(given["action_required"])
        retryable = given["failure_retryable"]
        values["failure_retryable"] = None if retryable is None else bool(retryable)
        return cls.with_fields(values)

    @classmethod
    def with_fields(cls, values: dict[str, Any]) -> "SetupLink":
        """As `cls(**values)` for all fields at once: a frozen value's own way sets the forty one by one."""
        link = object.__new__(cls)
        link.__dict__.update(values)
        return link

    def seen(self, now: int) -> Phase:
        """The phase as a reader sees it now (a lapsed link is expired)."""
        return seen_phase(self.phase, self.lapses_at, now)

    def is_late(self, now: int) -> bool:
        """True where nobody may begin any more; a visit that was begun in time may still end well."""
        return self.phase in WAITING and now >= self.expires_at

    def is_open(self, now: int) -> bool:
        """True until the link has completed, failed, expired or was revoked."""
        return self.seen(now) not in ENDED

    @property
    def went_without_number(self) -> bool:
        """True where the pool had no number for this link when its customer last left for Meta."""
        return any(warning.startswith(NONE_AVAILABLE) for warning in self.warnings)

    def warned(self, *, without_number: bool) -> list[str]:
        """Its warnings, with or without that of an empty pool."""
        kept = [warning for warning in self.warnings if not warning.startswith(NONE_AVAILABLE)]
        if not without_number:
            return kept
        of = f" ({', '.join(self.country_isos)})" if self.country_isos else ""
        return [*kept, f"{NONE_AVAILABLE}{of}: the customer went on without one."]

    def answer(self, now: int, url: str | None) -> dict[str, Any]:
        """The link as the API answers it: every field of the guide's table, and ours."""
        phase = self.seen(now)
        failure = None
        if self.failure_code:
            failure = {
                "code": self.failure_code,
                "message": self.failure_message or CODES[self.failure_code].message,
                "step": self.failure_step,
                "retryable": bool(self.failure_retryable),
            }
        return {
            "id": self.id,
            "url": url if phase not in ENDED else None,
            "status": STATUS[phase],
            "phase": phase.value,
            "purpose": self.purpose,
            "tenantId": self.tenant_id,
            "customerId": self.customer_id,
            "expiresAt": instant(self.expires_at),
            "usedAt": _instant(self.used_at),
            "openedAt": _instant(self.opened_at),
            "completedAt": _instant(self.completed_at),
            "createdAt": instant(self.created_at),
            "resultingWabaId": self.resulting_waba_id,
            "resultingPhoneNumberIds": self.resulting_phone_ids,
            "successRedirectUrl": self.success_url,
            "failureRedirectUrl": self.failure_url,
            "allowedConnectionTypes": list(self.connection_types),
            "themeConfig": self.theme,
            "phoneProvisioningEnabled": self.phone_provisioning,
            "phoneNumberCountryIsos": self.country_isos,
            "reconnectPhoneNumberId": self.reconnect_phone_id,
            "language": self.language,
            "state": self.state,
            "metadata": self.metadata,
            "prefill": self.prefill,
            "syncHistory": self.sync_history,
            "issueApiKey": self.issue_api_key,
            "failure": failure,
            "actionRequired": self.action_required if phase is Phase.ACTION_REQUIRED else None,
            "endedReason": self.ended_reason,
            "warnings": self.warnings,
        }


def _decoded(text: str) -> Any:
    """A JSON column; most are empty."""
    if text == "{}":
        return {}
    return [] if text == "[]" else msgspec.json.decode(text)


_JSON = ("theme", "metadata", "prefill", "country_isos", "resulting_phone_ids", "warnings")
_BOOL = ("phone_provisioning", "sync_history", "issue_api_key")
_FIELDS = tuple(SetupLink.__dataclass_fields__)
_TAKE = itemgetter(*_FIELDS)
_PHASES = {phase.value: phase for phase in Phase}


def _instant(value: int | None) -> str | None:
    return None if value is None else instant(value)


@dataclass(frozen=True)
class Visit:
    """One browser's go at a link: one row of `visit`."""

    tenant_id: int
    id: int
    link_id: str
    browser_hash: bytes = field(repr=False)
    status: VisitStatus
    superseded: bool
    connection_type: str | None
    transport: str | None
    started_at: int
    authorizing_at: int | None
    exchanging_at: int | None
    ended_at: int | None
    end_code: str | None
    meta_step: str | None
    device: str | None
    abandon_at: int | None
    abandoned_at: int | None
    states: int
    version: int

    @classmethod
    def of(cls, row: Row) -> "Visit":
        """The typed row."""
        values = {name: row[name] for name in cls.__dataclass_fields__}
        values["status"] = VisitStatus(row["status"])
        values["superseded"] = bool(row["superseded"])
        values["browser_hash"] = bytes(row["browser_hash"])
        return cls(**values)

    @property
    def times(self) -> VisitTimes:
        """What the link's own times depend on."""
        return VisitTimes(self.status, self.started_at, self.authorizing_at, self.exchanging_at, self.abandon_at)

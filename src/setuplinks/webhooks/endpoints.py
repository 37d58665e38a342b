"""What a tenant may do with its webhook endpoints: create, read, change, delete, rotate the secret, test, enable.

Owns the rules of an endpoint's fields and the sealing of its secret and headers. It does not own deliveries.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from setuplinks.core import wire
from setuplinks.core.clock import HOUR, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Row, Unit
from setuplinks.core.ids import token
from setuplinks.core.outbound.client import Outbound
from setuplinks.core.problems import Invalid, NotFound, RaceLost
from setuplinks.core.vault import Sealer, Vault
from setuplinks.tenants import audit
from setuplinks.webhooks import signing, store
from setuplinks.webhooks.models import (
    FORMATS,
    Endpoint,
    EndpointDisabled,
    EndpointLimit,
    Listener,
    filter_fault,
    patterns_of,
)
from setuplinks.webhooks.places import FIRST_AT_ONCE
from setuplinks.webhooks.service import CHANNEL, Events, Sent

OVERLAP = 24 * HOUR
"""How long the secret before a rotation still signs."""
MOST_ENDPOINTS = 100
MOST_HEADERS = 20
LONGEST_HEADER = 1024
HIGHEST_RATE = 10_000
TABLE = "webhook_endpoint"
CHALLENGE = "webhook.challenge"

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_OURS = frozenset({
    "host", "content-length", "content-type", "transfer-encoding", "connection", "te", "trailer", "upgrade", "expect",
    "keep-alive", "proxy-authorization", "proxy-connection", "accept-encoding", "x-hub-signature-256",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """An endpoint's fields as a tenant asks for them, checked and normal."""

    url: str
    description: str = ""
    event_types: tuple[str, ...] | None = None
    customer_id: int | None = None
    phone_id: int | None = None
    format: str = "events"
    headers: Mapping[str, str] | None = None
    rate_limit: int | None = None
    ordered: bool = False
    asymmetric: bool = False
    status: str = "enabled"

    def checked(self) -> "Wanted":
        """The same, or Invalid naming the fields. The URL is judged by `Endpoints.examine`."""
        faults: dict[str, str] = {}
        if fault := types_fault(self.event_types):
            faults["eventTypes"] = fault
        if self.format not in FORMATS:
            faults["format"] = "expected events or meta"
        if self.rate_limit is not None and not 1 <= self.rate_limit <= HIGHEST_RATE:
            faults["rateLimit"] = f"expected 1 to {HIGHEST_RATE} deliveries a second"
        if len(self.description) > 500:
            faults["description"] = "expected at most 500 characters"
        if fault := _headers_fault(self.headers or {}):
            faults["headers"] = fault
        if faults:
            raise Invalid(fields=faults)
        return self


def types_fault(patterns: Sequence[str] | None) -> str | None:
    """What is wrong with `eventTypes`; None where nothing is."""
    if patterns is None:
        return None
    found = [fault for pattern in patterns if (fault := filter_fault(pattern))]
    return found[0] if found else None if patterns else "name at least one type, or null for all"


def _headers_fault(headers: Mapping[str, str]) -> str | None:
    if len(headers) > MOST_HEADERS:
        return f"expected at most {MOST_HEADERS} headers"
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            return f"{name!r} is no header name"
        if name.lower() in _OURS or name.lower().startswith("webhook-"):
            return f"{name} is set by the service"
        if len(value) > LONGEST_HEADER or not all(" " <= letter <= "~" for letter in value):
            return f"the value of {name} is not 1 to {LONGEST_HEADER} printable ASCII characters"
    if len({name.lower() for name in headers}) != len(headers):
        return "a header is given twice"
    return None


class Endpoints:
    """Built once by the composition root. Verbs that take a unit append to it and never commit."""

    def __init__(self, db: Database, vault: Vault, clock: Clock, outbound: Outbound, events: Events) -> None:
        self._db, self._vault, self._clock, self._outbound, self._events = db, vault, clock, outbound, events

    async def examine(self, url: str) -> list[str]:
        """Judges a URL before the unit is opened, for it may ask the resolver: warnings, or Invalid naming `url`."""
        found = await self._outbound.examine(url)
        if found.refusal is not None:
            raise wire.invalid("url", found.refusal)
        return [found.warning] if found.warning is not None else []

    async def challenge(self, wanted: Wanted) -> None:
        """Posts a challenge to the URL, which is to answer 2xx with its value. Raises Invalid naming `url`.

        Nothing signs it: the receiver gets its secret only once the endpoint is made.
        """
        challenge = token()
        data = {"challenge": challenge}
        body = wire.encode({"type": CHALLENGE, "timestamp": wire.instant(self._clock.now()), "data": data})
        headers = {**(wanted.headers or {}), "content-type": "application/json"}
        answer = await self._outbound.post(self._outbound.route("POST", wanted.url, headers), body)
        if answer.failure is not None:
            raise wire.invalid("url", f"the challenge was not answered: {answer.failure.words}")
        if answer.status is None or not 200 <= answer.status < 300:
            raise wire.invalid("url", f"the challenge was answered {answer.status}, not 2xx")
        if challenge.encode() not in answer.body:
            raise wire.invalid("url", "the answer does not hold the value of data.challenge")

    async def create(self, tx: Unit, tenant_id: int, wanted: Wanted, actor: str) -> Endpoint:
        """Appends the endpoint with a fresh secret. Raises Invalid, EndpointLimit."""
        wanted.checked()
        count = await tx.one(store.COUNT_ENDPOINTS, tenant_id)
        if count is not None and count["n"] >= MOST_ENDPOINTS:
            raise EndpointLimit(f"A tenant has at most {MOST_ENDPOINTS} webhook endpoints.")
        sealer, now = await self._vault.tenant(tenant_id), self._clock.now()
        endpoint_id, secret = await self._db.next_id(TABLE), signing.new_secret()
        sealed = sealer.seal(secret.encode(), TABLE, endpoint_id, "secret")
        key = signing.new_signing_key() if wanted.asymmetric else None
        tx.must(
            _not_theirs(wanted), store.ADD_ENDPOINT, tenant_id, endpoint_id,
            *_columns(wanted, sealer, endpoint_id, key), sealed, now,
        )  # fmt: skip
        tx.add(store.ADD_STATE, tenant_id, endpoint_id, FIRST_AT_ONCE)
        audit.add(tx, now, tenant_id, actor, "webhook_endpoint.created", TABLE, endpoint_id, {"url": wanted.url})
        return Endpoint(
            tenant_id, endpoint_id, wanted.url, wanted.description, wanted.event_types, wanted.customer_id,
            wanted.phone_id, wanted.format, dict(wanted.headers or {}), wanted.rate_limit, wanted.ordered, secret,
            None, key, "enabled", None, 0, now, now,
        )  # fmt: skip

    async def get(self, tx: Unit | Database, tenant_id: int, endpoint_id: int) -> Endpoint:
        """The endpoint. Raises NotFound."""
        row = await tx.one(store.ENDPOINT, tenant_id, endpoint_id)
        if row is None:
            raise NotFound("There is no such webhook endpoint.")
        return opened_endpoint(row, await self._vault.tenant(tenant_id))

    async def page(self, tenant_id: int, at: int, key: int, limit: int) -> Sequence[Row]:
        """Rows of the tenant's endpoints before (at, key), newest first."""
        return await self._db.read(store.ENDPOINTS, tenant_id, at, key, limit)

    async def sealer(self, tenant_id: int) -> Sealer:
        """What opens the rows of `page`."""
        return await self._vault.tenant(tenant_id)

    async def update(self, tx: Unit, tenant_id: int, endpoint_id: int, changes: dict[str, Any], actor: str) -> Endpoint:
        """Changes the fields of Wanted that `changes` names. Raises NotFound, Invalid, RaceLost."""
        old = await self.get(tx, tenant_id, endpoint_id)
        kept = {name: getattr(old, name) for name in Wanted.__slots__}
        wanted = Wanted(**{**kept, **changes}).checked()
        now = self._clock.now()
        reason = old.disabled_reason if wanted.status == old.status else "by_request"
        reason = None if wanted.status == "enabled" else reason
        sealer = await self._vault.tenant(tenant_id)
        key = (old.signing_key or signing.new_signing_key()) if wanted.asymmetric else None
        problem = RaceLost() if _same_target(old, wanted) else _not_theirs(wanted)
        tx.must(
            problem, store.CHANGE_ENDPOINT, tenant_id, endpoint_id, *_columns(wanted, sealer, endpoint_id, key),
            wanted.status, reason, now, old.version,
        )  # fmt: skip
        if wanted.status == "enabled" and ("status" in changes or wanted.url != old.url):
            self._start_afresh(tx, tenant_id, endpoint_id, now)
        names = sorted(name for name in changes if name != "headers" or changes[name] != old.headers)
        audit.add(tx, now, tenant_id, actor, "webhook_endpoint.updated", TABLE, endpoint_id, {"fields": names})
        changed = {name: value for name, value in changes.items() if name != "asymmetric"}
        changed["headers"] = dict(wanted.headers or {})
        return replace(old, **changed, signing_key=key, disabled_reason=reason, updated_at=now)

    async def delete(self, tx: Unit, tenant_id: int, endpoint_id: int, actor: str) -> None:
        """Erases the endpoint's secret; what waits for it is ended soon, in slices (`runner`). Raises NotFound."""
        old = await self.get(tx, tenant_id, endpoint_id)
        now = self._clock.now()
        tx.must(RaceLost(), store.DELETE_ENDPOINT, tenant_id, endpoint_id, b"", now, old.version)
        self._start_afresh(tx, tenant_id, endpoint_id, now)
        audit.add(tx, now, tenant_id, actor, "webhook_endpoint.deleted", TABLE, endpoint_id, {"url": old.url})

    async def rotate_secret(self, tx: Unit, tenant_id: int, endpoint_id: int, actor: str) -> Endpoint:
        """A new secret, and key where it has one; those before sign beside them for 24 hours. Raises NotFound."""
        old = await self.get(tx, tenant_id, endpoint_id)
        sealer, now, secret = await self._vault.tenant(tenant_id), self._clock.now(), signing.new_secret()
        sealed, until = sealer.seal(secret.encode(), TABLE, endpoint_id, "secret"), now + OVERLAP
        key = signing.new_signing_key() if old.asymmetric else None
        sealed_key = _sealed_key(key, sealer, endpoint_id)
        tx.must(RaceLost(), store.ROTATE, tenant_id, endpoint_id, sealed, until, now, old.version, sealed_key)
        audit.add(tx, now, tenant_id, actor, "webhook_endpoint.secret_rotated", TABLE, endpoint_id)
        return replace(old, secret=secret, secret_previous_until=until, signing_key=key, updated_at=now)

    async def enable(self, tx: Unit, tenant_id: int, endpoint_id: int, actor: str) -> Endpoint:
        """Enables it with a clean record; what waited goes on. What failed meanwhile comes back by `recover`."""
        return await self.update(tx, tenant_id, endpoint_id, {"status": "enabled"}, actor)

    async def test(self, tx: Unit, tenant_id: int, endpoint_id: int, actor: str) -> Sent:
        """Sends `webhook.test` to it, whatever its filters. Raises NotFound, EndpointDisabled."""
        endpoint = await self.get(tx, tenant_id, endpoint_id)
        if endpoint.status != "enabled":
            raise EndpointDisabled("Enable the endpoint first.")
        audience = await self._events.load(tx, tenant_id)
        now, listener = self._clock.now(), listener_of(endpoint)
        data = {"endpoint_id": endpoint_id, "message": "This is a test event; nothing happened."}
        sent = self._events.emit_test(tx, audience, listener, data)
        audit.add(tx, now, tenant_id, actor, "webhook_endpoint.tested", TABLE, endpoint_id)
        return sent

    def _start_afresh(self, tx: Unit, tenant_id: int, endpoint_id: int, now: int) -> None:
        tx.add(store.FRESH_STATE, tenant_id, endpoint_id, now, FIRST_AT_ONCE)
        tx.wake(CHANNEL)


def opened_endpoint(row: Row, sealer: Sealer) -> Endpoint:
    """A row of `webhook_endpoint` with its secret and headers open."""
    return Endpoint(
        tenant_id=row["tenant_id"],
        id=row["id"],
        url=row["url"],
        description=row["description"],
        event_types=patterns_of(row["event_types"]),
        customer_id=row["customer_id"],
        phone_id=row["phone_id"],
        format=row["format"],
        headers=_opened_headers(row["headers"], sealer, row["id"]),
        rate_limit=row["rate_limit"],
        ordered=bool(row["ordered"]),
        secret=sealer.open(row["secret"], TABLE, row["id"], "secret").decode(),
        secret_previous_until=row["secret_previous_until"],
        signing_key=None if row["signing_key"] is None else _opened_key(row["signing_key"], sealer, row["id"]),
        status=row["status"],
        disabled_reason=row["disabled_reason"],
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def listener_of(endpoint: Endpoint) -> Listener:
    """What an endpoint hears, and how."""
    return Listener(
        endpoint.id, endpoint.event_types, endpoint.customer_id, endpoint.phone_id, endpoint.format, endpoint.ordered,
        endpoint.status == "enabled",
    )  # fmt: skip


def signing_keys(row: Row, sealer: Sealer, now: int) -> list[bytes]:
    """The ed25519 keys that sign now, the newest first; none where the endpoint did not ask for it."""
    if row["signing_key"] is None:
        return []
    sealed = [row["signing_key"]]
    if row["signing_key_previous"] is not None and (row["secret_previous_until"] or 0) > now:
        sealed.append(row["signing_key_previous"])
    return [_opened_key(one, sealer, row["id"]) for one in sealed]


def signing_secrets(row: Row, sealer: Sealer, now: int) -> list[str]:
    """The secrets that sign now: the current one, and the one before it within the overlap of a rotation."""
    sealed = [row["secret"]]
    if row["secret_previous"] is not None and (row["secret_previous_until"] or 0) > now:
        sealed.append(row["secret_previous"])
    # A rotation moves the sealed bytes, so the older secret keeps the name that it was sealed under.
    return [sealer.open(one, TABLE, row["id"], "secret").decode() for one in sealed]


def _columns(wanted: Wanted, sealer: Sealer, endpoint_id: int, key: bytes | None) -> tuple[object, ...]:
    types = None if wanted.event_types is None else wire.encode(wanted.event_types).decode()
    headers = _sealed_headers(wanted.headers or {}, sealer, endpoint_id)
    return (
        wanted.url, wanted.description, types, wanted.customer_id, wanted.phone_id, wanted.format, headers,
        wanted.rate_limit, int(wanted.ordered), _sealed_key(key, sealer, endpoint_id),
    )  # fmt: skip


def _sealed_key(key: bytes | None, sealer: Sealer, endpoint_id: int) -> bytes | None:
    return None if key is None else sealer.seal(key, TABLE, endpoint_id, "signing_key")


def _opened_key(sealed: bytes, sealer: Sealer, endpoint_id: int) -> bytes:
    return sealer.open(sealed, TABLE, endpoint_id, "signing_key")


def _sealed_headers(headers: Mapping[str, str], sealer: Sealer, endpoint_id: int) -> str:
    """Headers often carry a key of the receiver's, so they are sealed like our own secret; none are `{}`."""
    if not headers:
        return "{}"
    return base64.b64encode(sealer.seal(wire.encode(dict(headers)), TABLE, endpoint_id, "headers")).decode()


def _opened_headers(column: str, sealer: Sealer, endpoint_id: int) -> dict[str, str]:
    if column == "{}":
        return {}
    return msgspec.json.decode(
        sealer.open(base64.b64decode(column), TABLE, endpoint_id, "headers"), type=dict[str, str]
    )


def _not_theirs(wanted: Wanted) -> Invalid:
    """Told where the guard on customer and number is missed; it names those that were given."""
    given = {"customerId": wanted.customer_id, "phoneNumberId": wanted.phone_id}
    return Invalid(fields={name: "the tenant has no such object" for name, value in given.items() if value is not None})


def _same_target(old: Endpoint, wanted: Wanted) -> bool:
    return (old.customer_id, old.phone_id) == (wanted.customer_id, wanted.phone_id)

"""The SQL of setup links, their slots, steps, visits and states; nothing else touches these tables.

Reads return typed rows; writes are appended to the caller's unit. Every read takes the tenant, but for the two look-ups
by which the outside comes in (link id, state), which answer the tenant.
"""

import json
from functools import cache
from typing import Any

import msgspec

from setuplinks.core.db.unit import Unit
from setuplinks.core.ids import uuid7
from setuplinks.number_pool import reservations
from setuplinks.setup_links.machine import ENDED, VISIT_OPEN, Phase, VisitStatus, settle
from setuplinks.setup_links.models import LinkMoved, SetupLink, Visit

FIND_LINK = "SELECT * FROM setup_link WHERE tenant_id = $1 AND id = $2"
FIND_LINK_ANYWHERE = "SELECT * FROM setup_link WHERE id = $1"
_COLUMNS = (
    "tenant_id, id, customer_id, purpose, phase, secret_hash, url_secret, expires_at, lapses_at, due_at, created_at, "
    "updated_at, connection_types, success_url, failure_url, theme, language, state, metadata, prefill, "
    "phone_provisioning, country_isos, sync_history, issue_api_key, reconnect_phone_id, reconnect_waba_id, warnings, "
    "created_by"
)
ADD_LINK = (
    f"INSERT INTO setup_link ({_COLUMNS}) VALUES ("  # noqa: S608 - column names of this file
    "$1, $2, $3, $4, 'pending', $5, $6, $7, $7, $7, $8, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, "
    "$21, $22, $23, $24)"
)
FIND_SLOT = (
    "SELECT link_id, version FROM setup_link_slot "
    "WHERE tenant_id = $1 AND customer_id = $2 AND purpose = $3 AND waba_id = $4"
)
TAKE_EMPTY_SLOT = (
    "INSERT INTO setup_link_slot (tenant_id, customer_id, purpose, waba_id, link_id) VALUES ($1, $2, $3, $4, $5) "
    "ON CONFLICT (tenant_id, customer_id, purpose, waba_id) DO NOTHING"
)
TAKE_SLOT = (
    "UPDATE setup_link_slot SET link_id = $5, version = version + 1 "
    "WHERE tenant_id = $1 AND customer_id = $2 AND purpose = $3 AND waba_id = $4 AND version = $6"
)
ADD_STEP = "INSERT INTO setup_link_step (tenant_id, link_id, id, at, kind, detail) VALUES ($1, $2, $3, $4, $5, $6)"
FIND_STEPS = "SELECT id, at, kind, detail FROM setup_link_step WHERE tenant_id = $1 AND link_id = $2 ORDER BY at, id"
OPENED = "UPDATE setup_link SET opened_at = $3, updated_at = $3 WHERE tenant_id = $1 AND id = $2 AND opened_at IS NULL"

FIND_VISITS = "SELECT * FROM visit WHERE tenant_id = $1 AND link_id = $2 ORDER BY id"
ADD_VISIT = (
    "INSERT INTO visit (tenant_id, id, link_id, browser_hash, status, started_at, device, abandon_at) "
    "VALUES ($1, $2, $3, $4, 'started', $5, $6, $7)"
)
SUPERSEDE_VISITS = (
    "UPDATE visit SET superseded = 1, abandon_at = NULL "
    "WHERE tenant_id = $1 AND link_id = $2 AND id <> $3 AND (superseded = 0 OR abandon_at IS NOT NULL)"
)
ADD_STATE = (
    "INSERT INTO authorization_state (hash, tenant_id, link_id, visit_id, browser_hash, transport, redirect_uri, "
    "app_id, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (hash) DO NOTHING"
)
FIND_STATE = "SELECT * FROM authorization_state WHERE hash = $1"
SPEND_STATE = "UPDATE authorization_state SET used_at = $2 WHERE hash = $1 AND used_at IS NULL"
FORGET_STATES = "DELETE FROM authorization_state WHERE expires_at < $1"

# $1 now, $2 how many, $3 and $4 the due time and id after which to go on.
FIND_DUE = (
    "SELECT tenant_id, id, due_at FROM setup_link WHERE due_at <= $1 AND (due_at, id) > ($3, $4) "
    "ORDER BY due_at, id LIMIT $2"
)

# What a suspended tenant's links wait for ends at once: the sweeper finds them due.
LOOK_AT_WAITING = (
    "UPDATE setup_link SET due_at = $2 WHERE tenant_id = $1 AND phase IN ('pending', 'started', 'authorizing')"
)

OPEN_OF_CUSTOMER = (
    "SELECT id FROM setup_link WHERE tenant_id = $1 AND customer_id = $2 AND ended_at IS NULL ORDER BY created_at"
)
OPEN_OF_NUMBER = "SELECT id FROM setup_link WHERE tenant_id = $1 AND reconnect_phone_id = $2 AND ended_at IS NULL"
ERASE_OF_CUSTOMER = (
    "UPDATE setup_link SET metadata = '{}', prefill = '{}', state = NULL, theme = '{}', action_required = NULL "
    "WHERE tenant_id = $1 AND customer_id = $2"
)
ERASE_STEPS = (
    "UPDATE setup_link_step SET detail = '{}' WHERE tenant_id = $1 AND kind = 'connected' "
    "AND link_id IN (SELECT id FROM setup_link WHERE tenant_id = $1 AND customer_id = $2)"
)

_LINK_FIELDS = frozenset(SetupLink.__dataclass_fields__) - {"tenant_id", "id", "version", "created_at", "created_by"}
_JSON_FIELDS = frozenset(
    {"theme", "metadata", "prefill", "country_isos", "resulting_phone_ids", "warnings", "action_required"}
)


async def find(tx: Unit, tenant_id: int, link_id: str) -> SetupLink | None:
    """The tenant's link, or None."""
    row = await tx.one(FIND_LINK, tenant_id, link_id)
    return SetupLink.of(row) if row else None


async def find_anywhere(tx: Unit, link_id: str) -> SetupLink | None:
    """The link with this id in any tenant: what a customer's browser brings names no tenant."""
    row = await tx.one(FIND_LINK_ANYWHERE, link_id)
    return SetupLink.of(row) if row else None


async def visits(tx: Unit, link: SetupLink) -> list[Visit]:
    """All visits of a link (at most the cap and a few), oldest first."""
    return [Visit.of(row) for row in await tx.all(FIND_VISITS, link.tenant_id, link.id)]


def erase_of_customer(tx: Unit, tenant_id: int, customer_id: int) -> None:
    """What a leaving customer's links and their timelines say of it; that they were, and how they ended, stays."""
    tx.add(ERASE_OF_CUSTOMER, tenant_id, customer_id)
    tx.add(ERASE_STEPS, tenant_id, customer_id)


async def close_slot(tx: Unit, tenant_id: int, customer_id: int) -> None:
    """Takes the customer's slot for nobody, before its open links are read: a link that is being made at this moment is
    then either seen here, or is refused because the customer is gone."""
    key = (tenant_id, customer_id, "connect", 0)
    slot = await tx.one(FIND_SLOT, *key)
    if slot is None:
        tx.must(LinkMoved(), TAKE_EMPTY_SLOT, *key, None)
    else:
        tx.must(LinkMoved(), TAKE_SLOT, *key, None, slot["version"])


def add_step(tx: Unit, link: SetupLink, now: int, kind: str, **detail: Any) -> None:
    """Appends a line to the link's timeline."""
    shown = {name: value for name, value in detail.items() if value is not None}
    tx.add(ADD_STEP, link.tenant_id, link.id, uuid7(now), now, kind, msgspec.json.encode(shown).decode())


def change(tx: Unit, link: SetupLink, now: int, **values: Any) -> None:
    """Changes the link where it still is as it was read, else LinkMoved and nothing of the unit is written.

    Each link is changed at most once in a unit. One that ends gives back the pool's number that it holds; where it
    completes, `provisioning/finish` says whether that number was connected.
    """
    if link.phone_provisioning and values.get("phase") in ENDED - {Phase.COMPLETED}:
        reservations.release(tx, link.id, now)
    columns = [_column(name, value) for name, value in values.items()]
    tx.must(LinkMoved(), _change_text(tuple(values)), link.tenant_id, link.id, link.version, now, *columns)


@cache
def _change_text(names: tuple[str, ...]) -> str:
    """The text that changes these columns; the code has few such lists."""
    if unknown := set(names) - _LINK_FIELDS:
        raise ValueError(f"no such columns: {unknown}")
    sets = ", ".join(f"{name} = ${position}" for position, name in enumerate(names, 5))
    return (
        f"UPDATE setup_link SET version = version + 1, updated_at = $4{', ' if sets else ''}{sets} "  # noqa: S608
        "WHERE tenant_id = $1 AND id = $2 AND version = $3"
    )


def change_visit(tx: Unit, visit: Visit, problem: Exception, **values: Any) -> None:
    """Changes a visit where it still is as it was read, else `problem` and nothing of the unit is written."""
    names = list(values)
    if unknown := set(names) - set(Visit.__dataclass_fields__):
        raise ValueError(f"no such columns: {unknown}")
    sets = ", ".join(f"{name} = ${position}" for position, name in enumerate(names, 4))
    text = f"UPDATE visit SET version = version + 1, {sets} WHERE tenant_id = $1 AND id = $2 AND version = $3"  # noqa: S608
    tx.must(problem, text, visit.tenant_id, visit.id, visit.version, *(_column(n, values[n]) for n in names))  # type: ignore[arg-type]


def settled(link: SetupLink, link_visits: list[Visit], *, phase: Phase | None = None) -> dict[str, Any]:
    """The columns that the visits decide (phase, lapses_at, due_at), for `change`."""
    times = settle(phase or link.phase, link.expires_at, [visit.times for visit in link_visits])
    return {"phase": times.phase, "lapses_at": times.lapses_at, "due_at": times.due_at}


def open_visits(link_visits: list[Visit]) -> list[Visit]:
    """Those of which something may still come."""
    return [visit for visit in link_visits if visit.status in VISIT_OPEN]


def newest(link_visits: list[Visit], browser_hash: bytes) -> Visit | None:
    """The newest visit of one browser."""
    mine = [visit for visit in link_visits if visit.browser_hash == browser_hash]
    return mine[-1] if mine else None


def _column(name: str, value: Any) -> Any:
    if name in _JSON_FIELDS and value is not None:
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, Phase | VisitStatus):
        return value.value
    return value

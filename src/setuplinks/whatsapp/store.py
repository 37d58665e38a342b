"""The SQL of WABAs, phone numbers, credentials and the directory of connected numbers.

Reads return typed rows; writes are appended to the caller's unit.
"""

import json
from typing import Any

from setuplinks.core.clock import HOUR
from setuplinks.core.db.database import Claim, Database
from setuplinks.core.db.text import among
from setuplinks.core.db.unit import Row, Unit
from setuplinks.whatsapp.expiry import FIRST_WORD
from setuplinks.whatsapp.models import NumberMoved, NumberTaken, PhoneNumber, Waba

CREDENTIALS = "credentials"
"""The channel that is woken where a token, or what a number is, has changed: what is kept of them is forgotten."""

_NUMBER = (
    "SELECT p.*, c.token_expires_at FROM phone_number p "
    "LEFT JOIN credential c ON c.tenant_id = p.tenant_id AND c.waba_id = p.waba_id "
)
FIND_NUMBER = _NUMBER + "WHERE p.tenant_id = $1 AND p.id = $2"
FIND_NUMBER_BY_META = _NUMBER + "WHERE p.tenant_id = $1 AND p.customer_id = $2 AND p.meta_phone_number_id = $3"
NUMBERS_OF_WABA = _NUMBER + "WHERE p.tenant_id = $1 AND p.waba_id = $2 ORDER BY p.id"
NUMBERS_OF_CUSTOMER = _NUMBER + "WHERE p.tenant_id = $1 AND p.customer_id = $2 AND p.status <> 'deleted' ORDER BY p.id"
ALL_OF_CUSTOMER = _NUMBER + "WHERE p.tenant_id = $1 AND p.customer_id = $2 ORDER BY p.id"
NUMBERS_OF_LINK = _NUMBER + "WHERE p.tenant_id = $1 AND p.link_id = $2 ORDER BY p.id"
# $2 customer (0: all), $3 status ('': all but the deleted), $4 and $5 the place in the list.
LIST_NUMBERS = (
    _NUMBER + "WHERE p.tenant_id = $1 AND (CAST($2 AS BIGINT) = 0 OR p.customer_id = $2) "
    "AND (p.status = $3 OR ($3 = '' AND p.status <> 'deleted')) "
    "AND (p.created_at, p.id) < ($4, $5) ORDER BY p.created_at DESC, p.id DESC LIMIT $6"
)
LIST_WABAS = (
    "SELECT * FROM waba WHERE tenant_id = $1 AND customer_id = $2 AND status <> 'deleted' "
    "AND (created_at, id) < ($3, $4) ORDER BY created_at DESC, id DESC LIMIT $5"
)
FIND_WABA = "SELECT * FROM waba WHERE tenant_id = $1 AND id = $2"
FIND_WABA_BY_META = "SELECT * FROM waba WHERE tenant_id = $1 AND customer_id = $2 AND meta_waba_id = $3"
WABAS_OF_CUSTOMER = "SELECT * FROM waba WHERE tenant_id = $1 AND customer_id = $2 AND status <> 'deleted' ORDER BY id"
FIND_CREDENTIAL = "SELECT * FROM credential WHERE tenant_id = $1 AND waba_id = $2"
# What a notification names leads to whoever holds the number, or has connected the WABA, in any tenant.
_HELD = _NUMBER + "JOIN connected_number h ON h.tenant_id = p.tenant_id AND h.phone_id = p.id "
HELD_NUMBER = _HELD + "WHERE h.meta_phone_number_id = $1"
HELD_BY_DISPLAY = _HELD + "WHERE p.display_phone_number_normalized = $1 ORDER BY p.id LIMIT 2"
# $1 Meta's ids of numbers, as one parameter; the columns of a `notifications.owners.Holder`.
HOLDERS_BY_DIALECT = among(
    "SELECT h.tenant_id, p.customer_id, c.external_id, p.waba_id, p.meta_waba_id, p.id, h.meta_phone_number_id "
    "FROM connected_number h JOIN phone_number p ON p.tenant_id = h.tenant_id AND p.id = h.phone_id "
    "JOIN customer c ON c.tenant_id = p.tenant_id AND c.id = p.customer_id AND c.deleted_at IS NULL "
    "WHERE h.meta_phone_number_id {among}",
    1,
)
WABAS_OF_META = "SELECT * FROM waba WHERE meta_waba_id = $1 AND status <> 'deleted' ORDER BY tenant_id, id"
WABA_TIMES = (
    "SELECT w.account_event_at, c.obtained_at FROM waba w "
    "LEFT JOIN credential c ON c.tenant_id = w.tenant_id AND c.waba_id = w.id WHERE w.tenant_id = $1 AND w.id = $2"
)
# Everything that we know of one of Meta's WABAs, in any tenant; `alive`: connected numbers that are not cut off.
KNOWN_OF_META = (
    "SELECT w.tenant_id, w.id, w.customer_id, w.business_id, w.status, w.updated_at, w.account_event_at, "
    "c.obtained_at, (SELECT COUNT(*) FROM connected_number h "
    "JOIN phone_number p ON p.tenant_id = h.tenant_id AND p.id = h.phone_id WHERE h.meta_waba_id = w.meta_waba_id "
    "AND h.tenant_id = w.tenant_id AND h.customer_id = w.customer_id AND p.status <> 'disconnected') AS alive "
    "FROM waba w LEFT JOIN credential c ON c.tenant_id = w.tenant_id AND c.waba_id = w.id "
    "WHERE w.meta_waba_id = $1 ORDER BY w.tenant_id, w.id"
)
CREDENTIALS_OF_USER = "SELECT tenant_id, waba_id FROM credential WHERE meta_user_id = $1 ORDER BY tenant_id, waba_id"
WHO_HOLDS = "SELECT tenant_id, customer_id, phone_id FROM connected_number WHERE meta_phone_number_id = $1"
HELD_OF_WABA = "SELECT tenant_id, customer_id, phone_id FROM connected_number WHERE meta_waba_id = $1"

ADD_WABA = (
    "INSERT INTO waba (tenant_id, id, customer_id, meta_waba_id, name, currency, timezone_id, business_id, "
    "account_review_status, status, connection_type, created_at, updated_at) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'active', $10, $11, $11) "
    "ON CONFLICT (tenant_id, customer_id, meta_waba_id) DO NOTHING"
)
RENEW_WABA = (
    "UPDATE waba SET name = $4, currency = $5, timezone_id = $6, business_id = $7, account_review_status = $8, "
    "status = 'active', connection_type = $9, updated_at = $10, version = version + 1 "
    "WHERE tenant_id = $1 AND id = $2 AND version = $3"
)
FIRST_CHECK = HOUR  # after a grant: names and limits have settled, and a grant that was undone at once is found
# A new grant begins anew: what was known of the old token's end and health is of no use.
PUT_CREDENTIAL = (  # the parts set in are this module's own
    "INSERT INTO credential (tenant_id, waba_id, token, token_expires_at, obtained_at, meta_user_id, warn_at, due_at) "  # noqa: S608
    f"VALUES ($1, $2, $3, $4, $5, $6, {FIRST_WORD}, CAST($5 AS BIGINT) + {FIRST_CHECK}) "
    "ON CONFLICT (tenant_id, waba_id) DO UPDATE SET token = excluded.token, "
    "token_expires_at = excluded.token_expires_at, obtained_at = excluded.obtained_at, "
    "meta_user_id = excluded.meta_user_id, warn_at = excluded.warn_at, due_at = excluded.due_at, lease_until = NULL, "
    "tries = 0, checked_at = NULL, unasked = NULL, version = credential.version + 1"
)
ERASE_CREDENTIAL = "DELETE FROM credential WHERE tenant_id = $1 AND waba_id = $2"
CLOSE_WABA = (
    "UPDATE waba SET status = 'deleted', updated_at = $3, version = version + 1 WHERE tenant_id = $1 AND id = $2"
)
_WABA_CHANGES = frozenset({"account_review_status", "status", "account_event_at", "name"})
_ADD_COLUMNS = (
    "customer_id", "waba_id", "meta_waba_id", "meta_phone_number_id", "display_phone_number",
    "display_phone_number_normalized", "verified_name", "name_status", "quality_rating", "throughput_tier",
    "messaging_limit", "connection_type", "is_coexistence", "is_official_business_account", "status",
    "disconnect_reason", "readiness", "pin", "registered", "link_id", "connected_at", "due_at", "meta_status",
)  # fmt: skip
_LATER_COLUMNS = ("lease_until", "observed_at", "missing_since")
ADD_NUMBER = (
    f"INSERT INTO phone_number (tenant_id, id, created_at, updated_at, {', '.join(_ADD_COLUMNS)}) "  # noqa: S608
    f"VALUES ($1, $2, $3, $3, {', '.join(f'${n}' for n in range(4, 4 + len(_ADD_COLUMNS)))}) "
    "ON CONFLICT (tenant_id, customer_id, meta_phone_number_id) DO NOTHING"
)
_DUE = "status = 'pending' AND due_at <= $1 AND (lease_until IS NULL OR lease_until <= $1)"
_TAKE = "UPDATE phone_number SET lease_until = $2, tries = tries + 1 WHERE (tenant_id, id) IN ("
_PICK = f"SELECT tenant_id, id FROM phone_number WHERE {_DUE} ORDER BY due_at LIMIT $3"  # noqa: S608 - a constant
CLAIM_PENDING = Claim(
    sqlite=(f"{_TAKE}{_PICK}) RETURNING *",),
    postgres=f"{_TAKE}{_PICK} FOR UPDATE SKIP LOCKED) RETURNING *",
)
# Nothing is new: only that it was looked at. Guarded, so that it never says so of facts that are newer than the look.
SEEN_AGAIN = "UPDATE phone_number SET observed_at = $4 WHERE tenant_id = $1 AND id = $2 AND version = $3"
MOVE_HISTORY = "UPDATE phone_number SET history = $3 WHERE tenant_id = $1 AND id = $2 AND COALESCE(history, '') = $4"
# -- the due rows of a credential: one for all numbers of its WABA ---------------------------------------------------
_OVERDUE = "due_at <= $1 AND (lease_until IS NULL OR lease_until <= $1)"
_TAKE_CHECK = "UPDATE credential SET lease_until = $2, tries = tries + 1, checked_at = $1 WHERE "
_PICK_CHECK = f"SELECT tenant_id, waba_id FROM credential WHERE {_OVERDUE} ORDER BY due_at LIMIT $3"  # noqa: S608
CLAIM_CHECK = Claim(
    sqlite=(f"{_TAKE_CHECK}(tenant_id, waba_id) IN ({_PICK_CHECK}) RETURNING *",),
    postgres=f"{_TAKE_CHECK}(tenant_id, waba_id) IN ({_PICK_CHECK} FOR UPDATE SKIP LOCKED) RETURNING *",
)
# Meta told something that its answers show better: the next look is due at once.
LOOK_SOON = "UPDATE credential SET due_at = $3 WHERE tenant_id = $1 AND waba_id = $2 AND due_at > $3"
# One WABA now, for somebody who waits: unless it is being checked, or was a moment ago ($5). Its due row stays.
_TAKE_ONE = (
    "UPDATE credential SET lease_until = $2, checked_at = $1 WHERE tenant_id = $3 AND waba_id = $4 "
    "AND (lease_until IS NULL OR lease_until <= $1) AND (checked_at IS NULL OR checked_at <= $5) RETURNING *"
)
CLAIM_CHECK_NOW = Claim(sqlite=(_TAKE_ONE,), postgres=_TAKE_ONE)
# The token is still the one that was asked about; what a look found stands in the same unit. $6: parts not answered.
CHECKED = (
    "UPDATE credential SET due_at = $4, lease_until = NULL, tries = $5, unasked = $6 "
    "WHERE tenant_id = $1 AND waba_id = $2 AND version = $3"
)
CREDENTIAL_STANDS = "UPDATE credential SET version = version WHERE tenant_id = $1 AND waba_id = $2 AND version = $3"
# The same, also where an erased credential's place was taken by a new one: its versions begin anew.
SAME_CREDENTIAL = f"{CREDENTIAL_STANDS} AND obtained_at = $4"
MOVE_END = (
    "UPDATE credential SET token_expires_at = $4, warn_at = $5 WHERE tenant_id = $1 AND waba_id = $2 AND version = $3"
)
DUE_WORDS = "SELECT * FROM credential WHERE warn_at <= $1 ORDER BY warn_at LIMIT $2"
WORD_SAID = "UPDATE credential SET warn_at = $5 WHERE tenant_id = $1 AND waba_id = $2 AND version = $3 AND warn_at = $4"
LOOK_LATER = "UPDATE phone_number SET due_at = $3, lease_until = NULL WHERE tenant_id = $1 AND id = $2"
HOLD = (
    "INSERT INTO connected_number (meta_phone_number_id, tenant_id, customer_id, phone_id, meta_waba_id) "
    "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (meta_phone_number_id) DO NOTHING"
)
MOVE_HOLD = (
    "UPDATE connected_number SET meta_waba_id = $4 "
    "WHERE meta_phone_number_id = $1 AND tenant_id = $2 AND customer_id = $3"
)
LET_GO = "DELETE FROM connected_number WHERE meta_phone_number_id = $1 AND tenant_id = $2 AND customer_id = $3"


async def number(tx: Unit, tenant_id: int, phone_id: int) -> PhoneNumber | None:
    """The tenant's number, or None."""
    row = await tx.one(FIND_NUMBER, tenant_id, phone_id)
    return PhoneNumber.of(row) if row else None


async def numbers(tx: Unit | Database, text: str, *params: Any) -> list[PhoneNumber]:
    """Numbers by one of this module's NUMBERS_… texts."""
    rows = await (tx.all(text, *params) if isinstance(tx, Unit) else tx.read(text, *params))
    return [PhoneNumber.of(row) for row in rows]


async def waba_by_meta(tx: Unit, tenant_id: int, customer_id: int, meta_waba_id: str) -> Waba | None:
    """The WABA as this customer connected it, or None."""
    row = await tx.one(FIND_WABA_BY_META, tenant_id, customer_id, meta_waba_id)
    return Waba.of(row) if row else None


async def waba(tx: Unit, tenant_id: int, waba_id: int) -> Waba | None:
    """The tenant's WABA, or None."""
    row = await tx.one(FIND_WABA, tenant_id, waba_id)
    return Waba.of(row) if row else None


def add_number(tx: Unit, tenant_id: int, phone_id: int, now: int, values: dict[str, Any]) -> None:
    """A number that this customer did not have; NumberMoved where another unit was first (the verb then reads it)."""
    row = [_column(name, values.get(name)) for name in _ADD_COLUMNS]
    tx.must(NumberMoved(), ADD_NUMBER, tenant_id, phone_id, now, *row)


def change_number(tx: Unit, found: PhoneNumber, now: int, values: dict[str, Any]) -> None:
    """Changes a number where it still is as it was read, else NumberMoved. Once in a unit for each number."""
    if unknown := set(values) - {*_ADD_COLUMNS, *_LATER_COLUMNS}:
        raise ValueError(f"no such columns: {unknown}")
    sets = ", ".join(f"{name} = ${position}" for position, name in enumerate(values, 5))
    text = (
        f"UPDATE phone_number SET version = version + 1, updated_at = $4, {sets} "  # noqa: S608
        "WHERE tenant_id = $1 AND id = $2 AND version = $3"
    )
    row = [_column(name, value) for name, value in values.items()]
    if "status" in values or "waba_id" in values:
        tx.wake(CREDENTIALS)
    tx.must(NumberMoved(), text, found.tenant_id, found.id, found.version, now, *row)


def change_waba(tx: Unit, found: Waba, now: int, values: dict[str, Any]) -> None:
    """Changes a WABA where it still is as it was read, else NumberMoved. Once in a unit for each WABA."""
    if unknown := set(values) - _WABA_CHANGES:
        raise ValueError(f"no such columns: {unknown}")
    sets = ", ".join(f"{name} = ${position}" for position, name in enumerate(values, 5))
    text = (
        f"UPDATE waba SET version = version + 1, updated_at = $4, {sets} "  # noqa: S608
        "WHERE tenant_id = $1 AND id = $2 AND version = $3"
    )
    tx.must(NumberMoved(), text, found.tenant_id, found.id, found.version, now, *values.values())


def same_token(tx: Unit, credential: Row) -> None:
    """What this unit writes holds only if the credential is still the one that was read, else NumberMoved."""
    tx.must(NumberMoved(), CREDENTIAL_STANDS, credential["tenant_id"], credential["waba_id"], credential["version"])


def hold(tx: Unit, tenant_id: int, customer_id: int, phone_id: int, meta_number: str, meta_waba: str) -> None:
    """Takes the number for this customer; the directory's unique key decides, else NumberTaken."""
    tx.must(NumberTaken(), HOLD, meta_number, tenant_id, customer_id, phone_id, meta_waba)


def _column(name: str, value: Any) -> Any:
    if name == "readiness":
        return json.dumps(value or [])
    return int(value or 0) if name in {"is_coexistence", "is_official_business_account", "registered"} else value

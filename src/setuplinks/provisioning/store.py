"""The SQL of provisionings and off-boardings; nothing else touches these tables."""

from typing import Any

from setuplinks.core.db.database import Claim
from setuplinks.core.db.unit import Unit
from setuplinks.provisioning.models import Claims, Facts, Provisioning, RunMoved, as_text
from setuplinks.provisioning.question import Question

FIND = "SELECT * FROM provisioning WHERE tenant_id = $1 AND id = $2"
FIND_OF_LINK = "SELECT * FROM provisioning WHERE tenant_id = $1 AND link_id = $2 ORDER BY id DESC"
ADD = (
    "INSERT INTO provisioning (tenant_id, id, link_id, visit_id, customer_id, plan, step, status, due_at, token, "
    "token_expires_at, claims, facts, started_at, working_since, updated_at) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, 'running', $8, $9, $10, $11, '{}', $8, $8, $8)"
)
OTHERS_ON_WABA = (
    "SELECT COUNT(*) AS n FROM provisioning_waba w "
    "JOIN provisioning p ON p.tenant_id = w.tenant_id AND p.id = w.provisioning_id "
    "WHERE w.meta_waba_id = $1 AND w.subscribes = 1 AND p.status LIKE $2 AND NOT (p.tenant_id = $3 AND p.id = $4)"
)
# A run that works, or waits for an answer, and has met this WABA ($2 is its id in JSON, between two %). What a popup
# claimed does not count. `due_at > 0`, for `IS NOT NULL` would read the whole table on SQLite.
RUNNING_WITH_WABA = (
    "SELECT p.id FROM provisioning p WHERE p.due_at > 0 AND p.status = 'running' "
    "AND (p.facts LIKE $2 OR EXISTS (SELECT 1 FROM provisioning_waba w "
    "WHERE w.tenant_id = p.tenant_id AND w.provisioning_id = p.id AND w.meta_waba_id = $1)) LIMIT 1"
)
VERSION = "SELECT version FROM provisioning WHERE tenant_id = $1 AND id = $2"
TAKE_WABA = (
    "INSERT INTO provisioning_waba (tenant_id, provisioning_id, meta_waba_id, subscribes) VALUES ($1, $2, $3, 1) "
    "ON CONFLICT (tenant_id, provisioning_id, meta_waba_id) DO UPDATE SET subscribes = 1"
)
WATCH_WABA = (
    "INSERT INTO provisioning_waba (tenant_id, provisioning_id, meta_waba_id, subscribes) VALUES ($1, $2, $3, 0) "
    "ON CONFLICT (tenant_id, provisioning_id, meta_waba_id) DO NOTHING"
)

# $1 now, $2 lease end, $3 how many. Claiming counts as a change: what an older holder of the lease records is dropped.
_DUE = "due_at <= $1 AND (lease_until IS NULL OR lease_until <= $1)"


def _claim(table: str) -> Claim:
    take = f"UPDATE {table} SET lease_until = $2, version = version + 1 WHERE (tenant_id, id) IN ("  # noqa: S608
    pick = f"SELECT tenant_id, id FROM {table} WHERE {_DUE} ORDER BY due_at LIMIT $3"  # noqa: S608
    return Claim(
        sqlite=(f"{take}{pick}) RETURNING *",),
        postgres=f"{take}{pick} FOR UPDATE SKIP LOCKED) RETURNING *",
    )


CLAIM = _claim("provisioning")
CLAIM_OFFBOARDING = Claim(
    sqlite=(
        "UPDATE offboarding SET lease_until = $2, tries = tries + 1 WHERE (tenant_id, id) IN ("  # noqa: S608
        f"SELECT tenant_id, id FROM offboarding WHERE {_DUE} ORDER BY due_at LIMIT $3) RETURNING *",
    ),
    postgres=(
        "UPDATE offboarding SET lease_until = $2, tries = tries + 1 WHERE (tenant_id, id) IN ("  # noqa: S608
        f"SELECT tenant_id, id FROM offboarding WHERE {_DUE} ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED) "
        "RETURNING *"
    ),
)
# $3 the version that was read. A run of a newer program's shape can be put off by an older one, too.
PUT_OFF = (
    "UPDATE provisioning SET due_at = $4, lease_until = NULL, tries = tries + 1, last_error = 'internal', "
    "updated_at = $5, version = version + 1 WHERE tenant_id = $1 AND id = $2 AND version = $3"
)
END_CLEANUP = (
    "UPDATE provisioning SET status = $4, due_at = NULL, lease_until = NULL, token = NULL, pin = NULL, ended_at = $5, "
    "updated_at = $5, version = version + 1 WHERE tenant_id = $1 AND id = $2 AND version = $3"
)
LOOK_AT_RUNNING = "UPDATE provisioning SET due_at = $2 WHERE tenant_id = $1 AND status = 'running'"
# $1 a WABA of Meta's, $2 now: runs that wait for a number there look again at once.
LOOK_AT_WATCHING = (
    "UPDATE provisioning SET due_at = $2 WHERE status = 'running' AND question IS NOT NULL AND due_at > $2 "
    "AND (tenant_id, id) IN (SELECT tenant_id, provisioning_id FROM provisioning_waba "
    "WHERE meta_waba_id = $1 AND subscribes = 0)"
)
ERASE_OF_CUSTOMER = (
    "UPDATE provisioning SET facts = '{}', claims = '{}' "
    "WHERE tenant_id = $1 AND customer_id = $2 AND ended_at IS NOT NULL"
)
ERASE_WABAS = (
    "DELETE FROM provisioning_waba WHERE tenant_id = $1 AND provisioning_id IN "
    "(SELECT id FROM provisioning WHERE tenant_id = $1 AND customer_id = $2 AND ended_at IS NOT NULL)"
)
FREE_LEASES = (
    "UPDATE provisioning SET lease_until = NULL WHERE lease_until IS NOT NULL",
    "UPDATE offboarding SET lease_until = NULL WHERE lease_until IS NOT NULL",
    "UPDATE orphan_authorisation SET lease_until = NULL WHERE lease_until IS NOT NULL",
)
OFFBOARDING_ON_WABA = "SELECT id FROM offboarding WHERE meta_waba_id = $1 AND status = 'running'"
ADD_OFFBOARDING = (
    "INSERT INTO offboarding (tenant_id, id, meta_waba_id, token, deregister, status, due_at, created_at, updated_at) "
    "VALUES ($1, $2, $3, $4, $5, 'running', $6, $6, $6)"
)
OFFBOARDING_AGAIN = (
    "UPDATE offboarding SET due_at = $3, lease_until = NULL, last_error = $4, updated_at = $5 "
    "WHERE tenant_id = $1 AND id = $2"
)
OFFBOARDING_DONE = (
    "UPDATE offboarding SET due_at = NULL, lease_until = NULL, token = NULL, status = $3, last_error = $4, "
    "updated_at = $5 WHERE tenant_id = $1 AND id = $2"
)

_FIELDS = frozenset(Provisioning.__dataclass_fields__) | {"lease_until"}


async def find(tx: Unit, tenant_id: int, provisioning_id: int) -> Provisioning | None:
    """The tenant's provisioning, or None."""
    row = await tx.one(FIND, tenant_id, provisioning_id)
    return Provisioning.of(row) if row else None


def change(tx: Unit, run: Provisioning, now: int, **values: Any) -> None:
    """Changes a run where it still is as it was read, else RunMoved and nothing of the unit is written."""
    names = list(values)
    if unknown := set(names) - _FIELDS:
        raise ValueError(f"no such columns: {unknown}")
    sets = ", ".join(f"{name} = ${position}" for position, name in enumerate(names, 5))
    text = (
        f"UPDATE provisioning SET version = version + 1, updated_at = $4, {sets} "  # noqa: S608
        "WHERE tenant_id = $1 AND id = $2 AND version = $3"
    )
    row = [as_text(value) if isinstance(value, Facts | Claims | Question) else value for value in values.values()]
    tx.must(RunMoved(), text, run.tenant_id, run.id, run.version, now, *row)

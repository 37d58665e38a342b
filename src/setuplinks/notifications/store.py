"""The SQL of raw notifications and whom they name, of the items that were told, and of requests to delete a person's
data.

Owns these four tables; nothing else touches them. They belong to the installation, an item to its tenant.
"""

from collections.abc import Iterable

from setuplinks.core.db.database import Claim
from setuplinks.core.db.text import among
from setuplinks.core.db.unit import Unit

# -- raw notifications -----------------------------------------------------------------------------------------------
# $2 received, $3 hash, $4 body, $5 since when the same body counts as a repeat, $6 the end of its lease: it is born
# taken by the process that stores it; null where it is born due. A row of values, so that those who wait together go in
# one statement; the look for a repeat is made row by row, since a join may read the whole table.
_ADD = (
    "INSERT INTO notification (id, received_at, body_hash, body, status, due_at, lease_until, tries) "
    "WITH given (id, received_at, body_hash, body, since, lease_until) AS (VALUES (CAST($1 AS TEXT), "
    "CAST($2 AS BIGINT), CAST($3 AS {bytes}), CAST($4 AS {bytes}), CAST($5 AS BIGINT), CAST($6 AS BIGINT))) "
    "SELECT id, received_at, body_hash, body, 'stored', received_at, lease_until, "
    "CASE WHEN lease_until IS NULL THEN 0 ELSE 1 END FROM given g WHERE ("
    "SELECT 1 FROM notification n WHERE n.body_hash = g.body_hash AND n.received_at > g.since LIMIT 1) IS NULL"
)
ADD_BY_DIALECT = {"sqlite": _ADD.format(bytes="BLOB"), "postgres": _ADD.format(bytes="BYTEA")}

# Which of these are kept; $1 their ids as one parameter.
STORED_BY_DIALECT = among("SELECT id FROM notification WHERE id {among}", 1)

# $1 now, $2 lease end, $3 how many. The claim's number is the fence, and it counts a try that kills the process, too.
_PICK = (
    "SELECT id FROM notification WHERE due_at <= $1 AND (lease_until IS NULL OR lease_until <= $1) "
    "ORDER BY due_at, id LIMIT $3"
)
_TAKE = "UPDATE notification SET lease_until = $2, tries = tries + 1 WHERE id IN ("
_TAKEN = "RETURNING id, received_at, tries, body"
CLAIM = Claim(
    sqlite=(f"{_TAKE}{_PICK}) {_TAKEN}",),
    postgres=f"{_TAKE}{_PICK} FOR UPDATE SKIP LOCKED) {_TAKEN}",
)
END = (
    "UPDATE notification SET status = $3, handled_at = $4, last_error = $5, due_at = NULL, lease_until = NULL "
    "WHERE id = $1 AND tries = $2"
)
AGAIN = (
    "UPDATE notification SET due_at = $3, last_error = $4, lease_until = NULL, tries = $5 WHERE id = $1 AND tries = $2"
)
# A try that the database's absence has ended does not count.
LET_GO = (
    "UPDATE notification SET due_at = $3, lease_until = NULL, tries = tries - 1 "
    "WHERE id = $1 AND tries = $2 AND due_at IS NOT NULL"
)
# $6 what is left of the body: empty where all of it was told, for the events hold it from then on.
END_WITH = (
    "UPDATE notification SET status = $3, handled_at = $4, last_error = $5, due_at = NULL, lease_until = NULL, "
    "body = $6 WHERE id = $1 AND tries = $2"
)
# Many whose first try has told all: $1 their ids as one parameter, $2 when, $3 the empty body.
END_TOLD_BY_DIALECT = among(
    "UPDATE notification SET status = 'handled', handled_at = $2, last_error = NULL, due_at = NULL, "
    "lease_until = NULL, body = $3 WHERE tries = 1 AND id {among}",
    1,
)
AGAIN_WITH = (
    "UPDATE notification SET due_at = $3, last_error = $4, lease_until = NULL, tries = $5, body = $6 "
    "WHERE id = $1 AND tries = $2"
)
# A file has one server: what is leased there when it starts, one that was killed had taken. $1 now
FREE_LEASES = ("UPDATE notification SET lease_until = NULL WHERE due_at <= $1 AND lease_until IS NOT NULL",)
DROP = "DELETE FROM notification WHERE id IN (SELECT id FROM notification WHERE id < $1 ORDER BY id LIMIT $2)"

# -- whom what is kept names -----------------------------------------------------------------------------------------
ADD_MENTION = (
    "INSERT INTO notification_mention (notification_id, meta_id) VALUES ($1, $2) "
    "ON CONFLICT (notification_id, meta_id) DO NOTHING"
)
FORGET = (
    "DELETE FROM notification WHERE id IN (SELECT notification_id FROM notification_mention WHERE meta_id = $1)",
    "DELETE FROM notification_mention WHERE notification_id IN ("
    "SELECT notification_id FROM notification_mention WHERE meta_id = $1)",
)
DROP_MENTIONS = (
    "DELETE FROM notification_mention WHERE (notification_id, meta_id) IN (SELECT notification_id, meta_id "
    "FROM notification_mention WHERE notification_id < $1 ORDER BY notification_id LIMIT $2)"
)

# -- items -----------------------------------------------------------------------------------------------------------
ADD_ITEM = (
    "INSERT INTO notification_item (tenant_id, hash, event_id, created_at) VALUES ($1, $2, $3, $4) "
    "ON CONFLICT (tenant_id, hash) DO NOTHING"
)
FIND_ITEM = "SELECT 1 AS one FROM notification_item WHERE tenant_id = $1 AND hash = $2"
DROP_ITEMS = (
    "DELETE FROM notification_item WHERE (tenant_id, hash) IN ("
    "SELECT tenant_id, hash FROM notification_item WHERE created_at < $1 ORDER BY created_at LIMIT $2)"
)

# -- data deletion ---------------------------------------------------------------------------------------------------
ADD_DELETION = (
    "INSERT INTO data_deletion (code, requested_at, done_at) VALUES ($1, $2, $2) ON CONFLICT (code) DO NOTHING"
)
FIND_DELETION = "SELECT requested_at, done_at FROM data_deletion WHERE code = $1"


def forget(tx: Unit, meta_ids: Iterable[str]) -> None:
    """Erases what is kept of these accounts and numbers, by Meta's ids."""
    for meta_id in meta_ids:
        for text in FORGET:
            tx.add(text, meta_id)

"""The SQL of endpoints, their state, events, deliveries and attempts: the only code that touches these tables.

Owns texts that serve both databases; taking work, where they differ, is in `claims`. No rule stands here.
"""

from setuplinks.core.db.text import among
from setuplinks.core.db.unit import Unit
from setuplinks.webhooks.claims import NOW_POSTGRES, NOW_SQLITE

# -- endpoints -------------------------------------------------------------------------------------------------------
_ENDPOINT = (
    "tenant_id, id, url, description, event_types, customer_id, phone_id, format, headers, rate_limit, ordered, "
    "secret, secret_previous, secret_previous_until, signing_key, signing_key_previous, status, disabled_reason, "
    "version, created_at, updated_at"
)
# One that takes Meta's own format counts while it is disabled, too: what it misses is kept, so that it can recover.
LISTENERS = (
    "SELECT id, event_types, customer_id, phone_id, format, ordered, status FROM webhook_endpoint "
    "WHERE tenant_id = $1 AND (status = 'enabled' OR format = 'meta') AND deleted_at IS NULL ORDER BY id"
)
# $1 tenants, as one parameter, $2 now. With how each endpoint stands, for `first_tries`.
_STANDING = (
    "SELECT e.tenant_id, e.id, e.event_types, e.customer_id, e.phone_id, e.format, e.ordered, e.status, e.version, "
    "s.at_once, {now} AS now, CASE WHEN e.ordered = 0 AND e.rate_limit IS NULL AND s.breaker_until IS NULL "
    "AND s.parked = 0 AND (s.next_due IS NULL OR s.next_due > $2) THEN 1 ELSE 0 END AS waits_for_nothing "
    "FROM webhook_endpoint e JOIN endpoint_state s ON s.tenant_id = e.tenant_id AND s.endpoint_id = e.id "
    "WHERE e.tenant_id {among} AND (e.status = 'enabled' OR e.format = 'meta') AND e.deleted_at IS NULL ORDER BY e.id"
)
LISTENERS_BY_DIALECT = {
    "sqlite": among(_STANDING, 1)["sqlite"].replace("{now}", NOW_SQLITE),
    "postgres": among(_STANDING, 1)["postgres"].replace("{now}", NOW_POSTGRES),
}
ENDPOINT = f"SELECT {_ENDPOINT} FROM webhook_endpoint WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL"  # noqa: S608
ENDPOINTS = (
    f"SELECT {_ENDPOINT} FROM webhook_endpoint WHERE tenant_id = $1 AND deleted_at IS NULL "  # noqa: S608
    "AND (created_at, id) < ($2, $3) ORDER BY created_at DESC, id DESC LIMIT $4"
)
COUNT_ENDPOINTS = "SELECT count(*) AS n FROM webhook_endpoint WHERE tenant_id = $1 AND deleted_at IS NULL"

# A customer or number of another tenant must not reach the foreign key: inside of a shared commit its error is costly.
_THEIRS = (
    "(CAST($6 AS BIGINT) IS NULL OR EXISTS (SELECT 1 FROM customer c WHERE c.tenant_id = $1 AND c.id = $6)) AND "
    "(CAST($7 AS BIGINT) IS NULL OR EXISTS (SELECT 1 FROM phone_number p WHERE p.tenant_id = $1 AND p.id = $7))"
)
ADD_ENDPOINT = (
    "INSERT INTO webhook_endpoint (tenant_id, id, url, description, event_types, customer_id, phone_id, format, "
    "headers, rate_limit, ordered, signing_key, secret, created_at, updated_at) "
    "SELECT CAST($1 AS BIGINT), CAST($2 AS BIGINT), CAST($3 AS TEXT), CAST($4 AS TEXT), CAST($5 AS TEXT), "
    "CAST($6 AS BIGINT), CAST($7 AS BIGINT), CAST($8 AS TEXT), CAST($9 AS TEXT), CAST($10 AS BIGINT), "
    f"CAST($11 AS BIGINT), $12, $13, CAST($14 AS BIGINT), CAST($14 AS BIGINT) WHERE {_THEIRS}"
)
ADD_STATE = "INSERT INTO endpoint_state (tenant_id, endpoint_id, at_once) VALUES ($1, $2, $3)"
CHANGE_ENDPOINT = (
    "UPDATE webhook_endpoint SET url = $3, description = $4, event_types = $5, customer_id = $6, phone_id = $7, "  # noqa: S608
    "format = $8, headers = $9, rate_limit = $10, ordered = $11, signing_key = $12, status = $13, "
    "disabled_reason = $14, updated_at = $15, version = version + 1 "
    f"WHERE tenant_id = $1 AND id = $2 AND version = $16 AND deleted_at IS NULL AND {_THEIRS}"
)
ROTATE = (
    "UPDATE webhook_endpoint SET secret_previous = secret, secret_previous_until = $4, secret = $3, updated_at = $5, "
    "signing_key_previous = signing_key, signing_key = $7, version = version + 1 "
    "WHERE tenant_id = $1 AND id = $2 AND version = $6 AND deleted_at IS NULL"
)
# One recovery or replay at a time, and none past a change of the endpoint.
PLAYING = (
    "UPDATE webhook_endpoint SET version = version + 1 "
    "WHERE tenant_id = $1 AND id = $2 AND version = $3 AND status = 'enabled' AND deleted_at IS NULL"
)
DISABLE = (
    "UPDATE webhook_endpoint SET status = 'disabled', disabled_reason = $3, updated_at = $4, version = version + 1 "
    "WHERE tenant_id = $1 AND id = $2 AND version = $5 AND status = 'enabled'"
)
DELETE_ENDPOINT = (
    "UPDATE webhook_endpoint SET status = 'disabled', disabled_reason = 'deleted', secret = $3, "
    "secret_previous = NULL, signing_key = NULL, signing_key_previous = NULL, headers = '{}', deleted_at = $4, "
    "updated_at = $4, version = version + 1 "
    "WHERE tenant_id = $1 AND id = $2 AND version = $5 AND deleted_at IS NULL"
)
# A slice of $4: there may be very many, and some of them are under way.
DROP_WAITING = (
    "UPDATE delivery SET status = 'failed', last_error = 'endpoint deleted', due_at = NULL, lease_until = NULL, "
    "ended_at = $3 WHERE tenant_id = $1 AND status = 'pending' AND id IN (SELECT id FROM delivery "
    "WHERE tenant_id = $1 AND endpoint_id = $2 AND status = 'pending' AND due_at > 0 ORDER BY due_at LIMIT $4)"
)

# -- an endpoint's state ---------------------------------------------------------------------------------------------
# Locks the row even where the new time is the later one: TAKE in `claims` relies on meeting every emitting unit there.
# Where the breaker is open nothing goes before its time, so nobody needs to look; not while it is parked: TAKE tells by
# a changed time that something came meanwhile, and so it changes also where what came is due later than that.
EARLIER_DUE = (
    "UPDATE endpoint_state SET next_due = CASE WHEN parked = 1 AND next_due <= $3 THEN next_due - 1 "
    "WHEN next_due <= $3 THEN next_due "
    "WHEN parked = 0 AND breaker_until > $3 AND next_due <= breaker_until THEN next_due "
    "WHEN parked = 0 AND breaker_until > $3 THEN breaker_until ELSE $3 END "
    "WHERE tenant_id = $1 AND endpoint_id = $2"
)
# Where nobody has pulled it from the parked value $3 meanwhile.
NOTHING_DUE = (
    "UPDATE endpoint_state SET next_due = NULL, parked = 0 WHERE tenant_id = $1 AND endpoint_id = $2 AND next_due = $3"
)
FRESH_STATE = (
    "UPDATE endpoint_state SET failures = 0, failing_since = NULL, breaker_until = NULL, breaker_step = 0, "
    "at_once = $4, next_due = $3 WHERE tenant_id = $1 AND endpoint_id = $2"
)
STATE = (
    "SELECT failures, failing_since, breaker_until, breaker_step, next_due, in_flight FROM endpoint_state "
    "WHERE tenant_id = $1 AND endpoint_id = $2"
)
STATES = (
    "SELECT endpoint_id, failures, failing_since, breaker_until, breaker_step FROM endpoint_state WHERE tenant_id = $1"
)
# How many wait for an endpoint; counted up to $3, since there may be very many.
WAITING = (
    "SELECT COUNT(*) AS n FROM (SELECT 1 AS one FROM delivery WHERE tenant_id = $1 AND endpoint_id = $2 "
    "AND due_at IS NOT NULL LIMIT $3) AS waiting"
)
# $3 is 1 where each end sets another free, $4 the time from which a freed place may be used, $5 the earliest retry of
# these results or null
_AFTER_RESULTS = (
    "next_due = CASE "
    "WHEN (in_flight >= at_once OR $3 = 1 OR breaker_until IS NOT NULL) AND (next_due IS NULL OR next_due > $4) "
    "THEN $4 "
    "WHEN CAST($5 AS BIGINT) IS NOT NULL AND (next_due IS NULL OR next_due > $5) THEN $5 "
    "ELSE next_due END"
)
STATE_SAME = (
    f"UPDATE endpoint_state SET {_AFTER_RESULTS} WHERE tenant_id = $1 AND endpoint_id = $2 "  # noqa: S608
    "AND (in_flight >= at_once OR $3 = 1 OR breaker_until IS NOT NULL OR CAST($5 AS BIGINT) IS NOT NULL)"
)
# $13 is 1 where a place was kept for long, and in vain
STATE_MOVED = (
    f"UPDATE endpoint_state SET failures = $6, failing_since = $7, breaker_until = $8, breaker_step = $9, "  # noqa: S608
    f"at_once = CASE WHEN $13 = 1 AND at_once > 1 THEN at_once / 2 ELSE at_once END, {_AFTER_RESULTS} "
    "WHERE tenant_id = $1 AND endpoint_id = $2 "
    "AND failures = $10 AND breaker_step = $11 AND COALESCE(breaker_until, 0) = $12"
)
NEXT_DUE = "SELECT min(next_due) AS due FROM endpoint_state"

# -- events ----------------------------------------------------------------------------------------------------------
ADD_EVENT = (
    "INSERT INTO event (tenant_id, id, type, created_at, customer_id, phone_id, link_id) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7)"
)
ADD_CHANGE = (
    "INSERT INTO event (tenant_id, id, type, created_at, customer_id, phone_id, format) "
    "VALUES ($1, $2, $3, $4, $5, $6, 'meta')"
)
ADD_PAYLOAD = "INSERT INTO event_payload (tenant_id, event_id, customer_id, sealed, body) VALUES ($1, $2, $3, $4, $5)"
ADD_MESSAGE = "INSERT INTO message_payload (tenant_id, event_id, customer_id, body) VALUES ($1, $2, $3, $4)"
PAYLOAD = "SELECT sealed, body FROM event_payload WHERE tenant_id = $1 AND event_id = $2"
MESSAGE = "SELECT 0 AS sealed, body FROM message_payload WHERE tenant_id = $1 AND event_id = $2"
# Ids are UUIDv7, so the primary key is the order of time; (time, id) as a cursor would sort the whole table.
# After $2: the bound stands beside each table, since PostgreSQL plans for the days alone that it leaves over. Payloads
# are looked up row by row: of the newest ids statistics know nothing, and a join may read all that the bound leaves.
_OTHER = "FROM event_payload p WHERE p.tenant_id = $1 AND p.event_id = e.id AND p.event_id > $2"
_MESSAGE = "FROM message_payload m WHERE m.tenant_id = $1 AND m.event_id = e.id AND m.event_id > $2"
_TOLD = (
    "SELECT e.id, e.type, e.created_at, e.customer_id, e.phone_id, e.link_id, "  # noqa: S608
    f"COALESCE((SELECT p.sealed {_OTHER}), 0) AS sealed, "
    f"COALESCE((SELECT p.body {_OTHER}), (SELECT m.body {_MESSAGE})) AS body FROM (SELECT * FROM event "
    "WHERE tenant_id = $1 AND format = 'events' AND (CAST($3 AS TEXT) IS NULL OR type = $3) "
    "AND (CAST($4 AS BIGINT) IS NULL OR customer_id = $4) AND id > $2"
)
EVENTS = f"{_TOLD} AND id < $6 ORDER BY id DESC LIMIT $5) e ORDER BY e.id DESC"
EVENTS_AFTER = f"{_TOLD} AND created_at <= $6 ORDER BY id LIMIT $5) e ORDER BY e.id"
# After $2, older than $3, in slices of $5; only such as still have their payload.
EVENTS_BETWEEN = (
    "SELECT e.id, e.type, e.customer_id, e.phone_id FROM event e "
    "LEFT JOIN event_payload p ON p.tenant_id = e.tenant_id AND p.event_id = e.id "
    "LEFT JOIN message_payload m ON m.tenant_id = e.tenant_id AND m.event_id = e.id "
    "WHERE e.tenant_id = $1 AND e.id > $2 AND e.id < $3 AND e.format = $4 "
    "AND (p.event_id IS NOT NULL OR m.event_id IS NOT NULL) ORDER BY e.id LIMIT $5"
)
# The events of the off-boarding itself are still to be delivered: they are younger than $3, which was made before them.
ERASE_PAYLOADS = "DELETE FROM event_payload WHERE tenant_id = $1 AND customer_id = $2 AND event_id < $3"
ERASE_MESSAGES = "DELETE FROM message_payload WHERE tenant_id = $1 AND customer_id = $2 AND event_id < $3"
END_ERASED = (
    "UPDATE delivery SET status = 'failed', last_error = 'payload erased', due_at = NULL, lease_until = NULL, "
    "ended_at = $4 WHERE tenant_id = $1 AND status = 'pending' AND event_id < $3 "
    "AND event_id IN (SELECT id FROM event WHERE tenant_id = $1 AND customer_id = $2)"
)

# -- deliveries ------------------------------------------------------------------------------------------------------
# $6 made, $7 due, $8 the end of its lease: it is born taken, and whoever appends it begins its first try; null where it
# is born due. $9 its lane: of those with one lane only the first that has not ended is sent; null without an order.
ADD_DELIVERY = (
    "INSERT INTO delivery (tenant_id, id, endpoint_id, event_id, event_type, status, attempts, created_at, due_at, "
    "lease_until, lane) VALUES ($1, $2, $3, $4, $5, 'pending', CASE WHEN CAST($8 AS BIGINT) IS NULL THEN 0 ELSE 1 END, "
    "$6, $7, $8, $9)"
)
_DELIVERY = (
    "tenant_id, id, endpoint_id, event_id, event_type, status, attempts, due_at, lease_until, created_at, ended_at, "
    "last_status, last_error, manual"
)
DELIVERY = f"SELECT {_DELIVERY} FROM delivery WHERE tenant_id = $1 AND id = $2"  # noqa: S608
# Times as ids: a delivery's id is a UUIDv7 of its `created_at`.
DELIVERIES = (
    f"SELECT {_DELIVERY} FROM delivery d WHERE tenant_id = $1 AND id < $2 AND id >= $3 "  # noqa: S608
    "AND (CAST($4 AS BIGINT) IS NULL OR endpoint_id = $4) AND (CAST($5 AS TEXT) IS NULL OR status = $5) "
    "AND (CAST($6 AS TEXT) IS NULL OR event_type = $6) AND (CAST($7 AS BIGINT) IS NULL OR EXISTS ("
    "SELECT 1 FROM event e WHERE e.tenant_id = d.tenant_id AND e.id = d.event_id AND e.customer_id = $7)) "
    "ORDER BY id DESC LIMIT $8"
)
DELIVERIES_OF = (
    "SELECT id, event_id, status FROM delivery WHERE tenant_id = $1 AND endpoint_id = $2 AND id >= $3 "
    "AND event_id > $3 AND event_id < $4"
)
# The claim's number is the fence: a result that comes after its lease was given to another changes nothing.
RESULT = (
    "UPDATE delivery SET status = $4, due_at = $5, lease_until = NULL, ended_at = $6, last_status = $7, "
    "last_error = $8 WHERE tenant_id = $1 AND id = $2 AND attempts = $3 AND status = 'pending'"
)
SEND_AGAIN = (
    "UPDATE delivery SET status = 'pending', due_at = $3, ended_at = NULL, lease_until = NULL, manual = attempts "
    "WHERE tenant_id = $1 AND id = $2 AND attempts = $4 AND status = $5 AND lease_until IS NULL"
)
PLAY_AGAIN = (
    "UPDATE delivery SET status = 'pending', due_at = $3, ended_at = NULL, lease_until = NULL, manual = attempts "
    "WHERE tenant_id = $1 AND id = $2 AND status IN ('failed', 'delivered')"
)
# What has failed, and what waits for its next try: whoever asks for it knows that the receiver is there again. $5 the
# least id of the time $3, so that all that came before is left out by the primary key.
RECOVER = (
    "UPDATE delivery SET status = 'pending', due_at = $4, ended_at = NULL, lease_until = NULL, manual = attempts "
    "WHERE tenant_id = $1 AND endpoint_id = $2 AND created_at >= $3 AND id >= $5 "
    "AND (status = 'failed' OR (status = 'pending' AND lease_until IS NULL AND due_at > $4))"
)
# A file has one server: what is leased there when it starts, one that was killed had taken. $1 now
FREE_LEASES = (
    "UPDATE delivery SET due_at = $1, lease_until = NULL WHERE lease_until IS NOT NULL AND (tenant_id, id) IN ("
    "SELECT d.tenant_id, d.id FROM endpoint_state s JOIN delivery d "
    "ON d.tenant_id = s.tenant_id AND d.endpoint_id = s.endpoint_id AND d.due_at > 0)",
    "UPDATE endpoint_state SET next_due = $1 WHERE next_due > $1",
)

# -- attempts --------------------------------------------------------------------------------------------------------
ADD_ATTEMPT = (
    "INSERT INTO attempt (tenant_id, delivery_id, number, started_at, duration_us, http_status, error, error_detail, "
    "address, response_start) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "
    "ON CONFLICT (tenant_id, delivery_id, number) DO NOTHING"
)
ATTEMPTS = (
    "SELECT number, started_at, duration_us, http_status, error, error_detail, address, response_start FROM attempt "
    "WHERE tenant_id = $1 AND delivery_id = $2 ORDER BY number"
)


def erase_customer(tx: Unit, tenant_id: int, customer_id: int, told_from: str, now: int) -> None:
    """Erases the payloads of the customer's events older than the UUIDv7 `told_from`; what waited of them ends."""
    tx.add(ERASE_PAYLOADS, tenant_id, customer_id, told_from)
    tx.add(ERASE_MESSAGES, tenant_id, customer_id, told_from)
    tx.add(END_ERASED, tenant_id, customer_id, told_from, now)

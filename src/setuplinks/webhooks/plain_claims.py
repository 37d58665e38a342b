"""How due deliveries of many endpoints are taken at once: `TAKE_PLAIN`, for all that have no order and no rate limit.

Owns the texts only; see `claims` for what they rely on. A statement has its cost whatever it takes, and under load most
endpoints have little that is due: many of them share it. An endpoint that was given an order or a rate limit after it
was parked gives nothing, and stays due for the claim of its own.
"""

from setuplinks.core.db.database import Claim
from setuplinks.webhooks.claims import FOUND_POSTGRES, NOW_POSTGRES, NOW_SQLITE, PAYLOAD_SQLITE
from setuplinks.webhooks.places import MOST_AT_ONCE

# As lists of one length: $1 tenants, $2 endpoints, $6 room in this process for each. $3 now, $4 the parked value,
# $5 lease in µs
_ROOM = "WHEN breaker_until IS NULL THEN {greatest}(0, {least}(at_once - busy, most))"
_TARGET = """
        WHEN closed OR rest IS NULL THEN NULL
        WHEN breaker_until > {now} THEN breaker_until
        WHEN rest > {now} THEN rest
        WHEN busy >= at_once OR breaker_until IS NOT NULL THEN {lease_end}
        ELSE rest END"""

_STATES = f"""
    SELECT s.rowid AS at, s.tenant_id AS tenant_id, s.endpoint_id AS endpoint_id, s.at_once AS at_once,
        s.breaker_until AS breaker_until, asked.most AS most,
        e.status <> 'enabled' OR e.deleted_at IS NOT NULL AS closed,
        e.ordered = 1 OR e.rate_limit IS NOT NULL AS special, (
            SELECT count(*) FROM delivery d WHERE d.tenant_id = s.tenant_id AND d.endpoint_id = s.endpoint_id
            AND d.status = 'pending' AND d.due_at > $3 AND d.due_at <= $3 + 2 * $5 AND d.lease_until > {NOW_SQLITE}
        ) AS busy
    FROM (
        SELECT CAST(t.value AS INTEGER) AS tenant_id,
            CAST(json_extract($2, '$[' || t.key || ']') AS INTEGER) AS endpoint_id,
            CAST(json_extract($6, '$[' || t.key || ']') AS INTEGER) AS most FROM json_each($1) t
    ) AS asked CROSS JOIN endpoint_state s CROSS JOIN webhook_endpoint e
    WHERE s.tenant_id = asked.tenant_id AND s.endpoint_id = asked.endpoint_id
    AND e.tenant_id = s.tenant_id AND e.id = s.endpoint_id
"""  # noqa: S608 - constants of this module
_TAKE_SQLITE = f"""
UPDATE delivery SET attempts = attempts + 1, due_at = $3 + $5, lease_until = {NOW_SQLITE} + $5
WHERE rowid IN (
    WITH rooms AS MATERIALIZED (
        SELECT tenant_id, endpoint_id, CASE WHEN closed OR special THEN 0
            {_ROOM.format(greatest="max", least="min")}
            WHEN breaker_until <= $3 AND busy = 0 THEN 1 ELSE 0 END AS room
        FROM ({_STATES})
    )
    SELECT at FROM (
        SELECT d.rowid AS at, room,
            row_number() OVER (PARTITION BY d.tenant_id, d.endpoint_id ORDER BY d.due_at) AS nth
        FROM rooms CROSS JOIN delivery d WHERE room > 0 AND d.rowid IN (
            SELECT w.rowid FROM delivery w WHERE w.tenant_id = rooms.tenant_id AND w.endpoint_id = rooms.endpoint_id
            AND w.status = 'pending' AND w.due_at <= $3 AND (w.lease_until IS NULL OR w.lease_until <= {NOW_SQLITE})
            ORDER BY w.due_at LIMIT {MOST_AT_ONCE}
        )
    ) WHERE nth <= room
) RETURNING tenant_id, endpoint_id, id, event_id, event_type, attempts, manual, lane,
    (SELECT version FROM webhook_endpoint e WHERE e.tenant_id = delivery.tenant_id
     AND e.id = CAST(delivery.endpoint_id AS INTEGER)) AS version,
    {PAYLOAD_SQLITE.replace("$1", "CAST(delivery.tenant_id AS INTEGER)")}
"""  # noqa: S608 - constants of this module
_SETTLE_SQLITE = f"""
WITH seen AS MATERIALIZED (
    SELECT *, (
        SELECT due_at FROM delivery d WHERE d.tenant_id = states.tenant_id AND d.endpoint_id = states.endpoint_id
        AND d.status = 'pending' AND d.due_at > 0 ORDER BY d.due_at LIMIT 1
    ) AS rest FROM ({_STATES}) AS states
),
aim AS MATERIALIZED (
    SELECT at, busy, CASE {_TARGET.format(now="$3", lease_end="$3 + $5")} AS target FROM seen
)
UPDATE endpoint_state SET
    parked = 0, in_flight = aim.busy,
    next_due = CASE
        WHEN next_due = $4 THEN aim.target
        WHEN aim.target IS NULL THEN next_due
        WHEN next_due IS NULL THEN aim.target
        ELSE min(next_due, aim.target) END
FROM aim WHERE endpoint_state.rowid = aim.at
"""  # noqa: S608 - constants of this module

# Endpoints' rows are locked in the order of all who lock several (`ledger.locking_order`). What was picked is locked,
# and found again by its place; what somebody changed between the look and the lock is not found there, and stays due.
_WAITING = "d.tenant_id = room.tenant_id AND d.endpoint_id = room.endpoint_id AND d.status = 'pending'"
_TAKE_POSTGRES = f"""
WITH given AS MATERIALIZED (
    SELECT {NOW_POSTGRES} AS db_now, CAST($3 AS bigint) AS now, CAST($3 AS bigint) + CAST($5 AS bigint) AS lease_end
),
held AS MATERIALIZED (
    SELECT s.tenant_id, s.endpoint_id, s.at_once, s.breaker_until, asked.most, e.version,
        e.status <> 'enabled' OR e.deleted_at IS NOT NULL AS closed,
        e.ordered = 1 OR e.rate_limit IS NOT NULL AS special
    FROM unnest(CAST($1 AS bigint[]), CAST($2 AS bigint[]), CAST($6 AS bigint[]))
        AS asked (tenant_id, endpoint_id, most)
    JOIN endpoint_state s ON s.tenant_id = asked.tenant_id AND s.endpoint_id = asked.endpoint_id
    JOIN webhook_endpoint e ON e.tenant_id = asked.tenant_id AND e.id = asked.endpoint_id
    ORDER BY CAST(s.tenant_id AS text) COLLATE "C", CAST(s.endpoint_id AS text) COLLATE "C" FOR UPDATE OF s
),
room AS MATERIALIZED (
    SELECT tenant_id, endpoint_id, at_once, breaker_until, closed, busy, CASE
        WHEN closed OR special THEN 0
        {_ROOM.format(greatest="greatest", least="least")}
        WHEN breaker_until <= now AND busy = 0 THEN 1
        ELSE 0 END AS free
    FROM given, held, LATERAL (
        SELECT count(*) AS busy FROM delivery d WHERE d.tenant_id = held.tenant_id AND d.endpoint_id = held.endpoint_id
        AND d.status = 'pending' AND d.due_at > now AND d.due_at <= lease_end + CAST($5 AS bigint)
        AND d.lease_until > db_now
    ) AS counted
),
picked AS MATERIALIZED (
    SELECT eldest.place FROM given, room, LATERAL (
        SELECT d.ctid AS place FROM delivery d WHERE {_WAITING}
        AND d.due_at <= $3 AND (d.lease_until IS NULL OR d.lease_until <= db_now)
        ORDER BY d.due_at LIMIT room.free FOR NO KEY UPDATE OF d SKIP LOCKED
    ) AS eldest
),
taken AS (
    UPDATE delivery d SET attempts = d.attempts + 1, due_at = lease_end, lease_until = db_now + CAST($5 AS bigint)
    FROM given WHERE d.ctid = ANY(ARRAY(SELECT place FROM picked)) AND d.status = 'pending'
    AND (d.lease_until IS NULL OR d.lease_until <= db_now)
    RETURNING d.tenant_id, d.endpoint_id, d.id, d.event_id, d.event_type, d.attempts, d.manual, d.lane
),
seen AS MATERIALIZED (
    SELECT room.tenant_id, room.endpoint_id, room.at_once, room.breaker_until, room.closed,
        room.busy + chosen.count AS busy,
        least(
            (SELECT d.due_at FROM delivery d WHERE {_WAITING} AND d.due_at IS NOT NULL
             AND d.id NOT IN (SELECT id FROM taken) ORDER BY d.due_at LIMIT 1),
            CASE WHEN chosen.count > 0 THEN lease_end END
        ) AS rest
    FROM given, room, LATERAL (
        SELECT count(*) FROM taken WHERE taken.tenant_id = room.tenant_id AND taken.endpoint_id = room.endpoint_id
    ) AS chosen
),
settled AS (
    UPDATE endpoint_state s SET parked = 0, in_flight = aim.busy,
        next_due = CASE WHEN s.next_due = $4 THEN aim.target ELSE least(s.next_due, aim.target) END
    FROM (
        SELECT tenant_id, endpoint_id, busy, CASE {_TARGET.format(now="now", lease_end="lease_end")} AS target
        FROM seen, given
    ) AS aim WHERE s.tenant_id = aim.tenant_id AND s.endpoint_id = aim.endpoint_id
)
SELECT taken.*, held.version, coalesce(found.sealed, 0) AS sealed, found.body
FROM taken JOIN held ON held.tenant_id = taken.tenant_id AND held.endpoint_id = taken.endpoint_id {FOUND_POSTGRES}
"""  # noqa: S608 - constants of this module
TAKE_PLAIN = Claim(sqlite=(_TAKE_SQLITE, _SETTLE_SQLITE), postgres=_TAKE_POSTGRES)

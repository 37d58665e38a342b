"""How due deliveries are taken under a lease, by any number of processes: two statements for each engine.

Owns the texts only; `runner` calls them. First `PARK` sets aside endpoints that are due, by moving their `next_due` to
the end of a lease. Then `TAKE`, for one endpoint, locks its row, leases as many of its first deliveries as it has room
for, and writes the true `next_due`; its rows carry what is to be sent, and the endpoint's version. They are two
statements because on PostgreSQL the second one has to see what was committed before the first took hold of the row: an
event that commits in between pulls `next_due` back from the parked value, and TAKE, which sees that, does not push it
away again. In one statement that event would be missed.

Leases live by the database's clock, due times by the service's. A leased delivery's `due_at` is the lease's end, so
that a process that is killed leaves behind nothing but a delivery that is due again then.
"""

from setuplinks.core.db.database import Claim

# Parking that a crash of PostgreSQL undoes is done again: its commit waits for no disk. (That of TAKE has to: a result
# whose claim was undone is fenced off, and what was delivered would be sent again.)
_UNSYNCED = "unsynced AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true) AS done)"

PLAIN, ORDERED, METERED, DELETED = 0, 1, 2, -1
"""PARK's `kind` of an endpoint: with nothing special, with an order kept, with a rate limit alone, and gone."""
_KIND = f"""CASE WHEN e.deleted_at IS NOT NULL THEN {DELETED} WHEN e.ordered = 1 THEN {ORDERED}
        WHEN e.rate_limit IS NOT NULL THEN {METERED} ELSE {PLAIN} END"""

# $1 now, $2 the parked value, $3 how many endpoints, $4 the least `at_once`, and whom this process has no place for
# now, as lists in JSON: $5 tenants, $6 endpoints
_PARK_SQLITE = f"""
UPDATE endpoint_state SET next_due = $2, parked = 1 WHERE (tenant_id, endpoint_id) IN (
    SELECT tenant_id, endpoint_id FROM endpoint_state WHERE next_due <= $1 AND at_once >= $4
    AND tenant_id NOT IN (SELECT value FROM json_each($5)) AND endpoint_id NOT IN (SELECT value FROM json_each($6))
    ORDER BY next_due LIMIT $3
) RETURNING tenant_id, endpoint_id, at_once, (
    SELECT {_KIND} FROM webhook_endpoint e
    WHERE e.tenant_id = endpoint_state.tenant_id AND e.id = endpoint_state.endpoint_id
) AS kind
"""  # noqa: S608 - constants of this module
_LISTED = "(SELECT CAST(one AS bigint) FROM json_array_elements_text(CAST({} AS json)) AS one)"
_PARK_POSTGRES = f"""
WITH {_UNSYNCED},
due AS (
    SELECT tenant_id, endpoint_id FROM endpoint_state WHERE next_due <= $1 AND at_once >= $4
    AND tenant_id NOT IN {_LISTED.format("$5")} AND endpoint_id NOT IN {_LISTED.format("$6")}
    ORDER BY next_due LIMIT $3 FOR UPDATE SKIP LOCKED
)
UPDATE endpoint_state s SET next_due = $2, parked = 1 FROM due, unsynced
WHERE s.tenant_id = due.tenant_id AND s.endpoint_id = due.endpoint_id
RETURNING s.tenant_id, s.endpoint_id, s.at_once, (
    SELECT {_KIND} FROM webhook_endpoint e
    WHERE e.tenant_id = s.tenant_id AND e.id = s.endpoint_id
) AS kind
"""  # noqa: S608 - constants of this module
PARK = Claim(sqlite=(_PARK_SQLITE,), postgres=_PARK_POSTGRES)

# $1 tenant, $2 endpoint, $3 now, $4 the parked value, $5 lease in µs, $6 room in this process
#
# The rate limit is a bucket of one second's tokens. `in_flight` is what was under way after the latest TAKE: the ledger
# reads from it whether a finished try frees a place that others wait for.
_TOKENS = "coalesce(s.tokens, e.rate_limit) + ($3 - coalesce(s.tokens_at, $3)) * e.rate_limit / 1000000.0"

# Which deliveries are looked at: all that wait for the endpoint, in the order in which they are due, or, where an order
# is kept, only such as may be free to go. Those are the first of each lane, found from one lane to the next, for behind
# it may wait very many; some of those without an order (lane 0); and some that came before an order was asked for.
_WAITING = "d.tenant_id = $1 AND d.endpoint_id = $2 AND d.status = 'pending'"
_OF_LANE = "tenant_id = $1 AND endpoint_id = $2 AND status = 'pending' AND lane"
_IN_ORDER = f"""d.tenant_id = $1 AND d.status = 'pending' AND d.id IN (
    WITH RECURSIVE lanes (lane) AS (
        SELECT (SELECT min(lane) FROM delivery WHERE {_OF_LANE} > 0)
        UNION ALL SELECT (SELECT min(n.lane) FROM delivery n WHERE {_OF_LANE} > lanes.lane)
        FROM lanes WHERE lanes.lane IS NOT NULL
    )
    SELECT (SELECT min(id) FROM delivery WHERE {_OF_LANE} = lanes.lane) FROM lanes WHERE lanes.lane IS NOT NULL
    UNION ALL SELECT id FROM (SELECT id FROM delivery WHERE {_OF_LANE} = 0 ORDER BY due_at LIMIT 64) AS free
    UNION ALL SELECT id FROM (
        SELECT id, lane FROM delivery WHERE tenant_id = $1 AND endpoint_id = $2 AND due_at > 0
        ORDER BY due_at LIMIT 1000
    ) AS eldest WHERE eldest.lane IS NULL
)"""  # noqa: S608 - constants of this module

NOW_SQLITE = "CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER) * 1000"
_BUSY_SQLITE = f"""(
    SELECT count(*) FROM delivery WHERE tenant_id = $1 AND endpoint_id = $2 AND status = 'pending'
    AND due_at > $3 AND due_at <= $3 + 2 * $5 AND lease_until > {NOW_SQLITE}
)"""  # noqa: S608 - constants of this module
_ENDPOINT_SQLITE = """
    FROM endpoint_state s JOIN webhook_endpoint e ON e.tenant_id = s.tenant_id AND e.id = s.endpoint_id
    WHERE s.tenant_id = $1 AND s.endpoint_id = $2
"""
# The casts: a column in RETURNING has no type for SQLite, and a comparison with it would pass over the index.
PAYLOAD_SQLITE = """coalesce(
        (SELECT sealed FROM event_payload p WHERE p.tenant_id = $1 AND p.event_id = CAST(delivery.event_id AS TEXT)), 0
    ) AS sealed,
    coalesce(
        (SELECT body FROM message_payload m WHERE m.tenant_id = $1 AND m.event_id = CAST(delivery.event_id AS TEXT)),
        (SELECT body FROM event_payload p WHERE p.tenant_id = $1 AND p.event_id = CAST(delivery.event_id AS TEXT))
    ) AS body"""
_TAKE_SQLITE = f"""
UPDATE delivery SET attempts = attempts + 1, due_at = $3 + $5, lease_until = {NOW_SQLITE} + $5
WHERE tenant_id = $1 AND id IN (
    SELECT id FROM delivery d WHERE {_WAITING} AND due_at <= $3
    AND (lease_until IS NULL OR lease_until <= {NOW_SQLITE}) ORDER BY due_at LIMIT (
        SELECT CASE
            WHEN e.status <> 'enabled' OR e.deleted_at IS NOT NULL THEN 0
            WHEN s.breaker_until IS NULL THEN max(0, min(s.at_once - {_BUSY_SQLITE}, $6,
                coalesce(CAST(min(e.rate_limit, {_TOKENS}) AS INTEGER), $6)))
            WHEN s.breaker_until <= $3 AND {_BUSY_SQLITE} = 0 THEN 1
            ELSE 0 END
        {_ENDPOINT_SQLITE}
    )
) RETURNING tenant_id, endpoint_id, id, event_id, event_type, attempts, manual, lane,
    (SELECT version FROM webhook_endpoint e WHERE e.tenant_id = $1 AND e.id = $2) AS version,
    {PAYLOAD_SQLITE}
"""  # noqa: S608 - constants of this module
# changes() is what the statement before has taken. `> 0` and not IS NOT NULL: for that SQLite walks through every null
# of the index first, one for each delivery that has ended.
_SETTLE_SQLITE = f"""
UPDATE endpoint_state SET
    parked = 0, in_flight = aim.busy, tokens = aim.tokens, tokens_at = $3,
    next_due = CASE
        WHEN next_due = $4 THEN aim.target
        WHEN aim.target IS NULL THEN next_due
        WHEN next_due IS NULL THEN aim.target
        ELSE min(next_due, aim.target) END
FROM (
    SELECT busy, tokens, CASE
        WHEN closed OR rest IS NULL THEN NULL
        WHEN breaker_until > $3 THEN breaker_until
        WHEN rest > $3 THEN rest
        WHEN busy >= at_once OR breaker_until IS NOT NULL THEN $3 + $5
        WHEN tokens < 1 THEN $3 + 1 + CAST((1 - tokens) * 1000000 / rate_limit AS INTEGER)
        ELSE rest END AS target
    FROM (
        SELECT {_BUSY_SQLITE} AS busy, s.at_once AS at_once, s.breaker_until AS breaker_until,
            e.rate_limit AS rate_limit,
            min(e.rate_limit, {_TOKENS}) - changes() AS tokens,
            e.status <> 'enabled' OR e.deleted_at IS NOT NULL AS closed,
            (SELECT due_at FROM delivery d WHERE {_WAITING} AND due_at > 0 ORDER BY due_at LIMIT 1) AS rest
        {_ENDPOINT_SQLITE}
    )
) AS aim WHERE tenant_id = $1 AND endpoint_id = $2
"""  # noqa: S608 - constants of this module

NOW_POSTGRES = "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)"
# The beginning of an id of some ms from $3.
_ID_POSTGRES = "overlay(lpad(to_hex(CAST($3 AS bigint) / 1000 + {}), 12, '0') PLACING '-' FROM 9 FOR 0)"
# Only bodies of young events come with the rows: without the bounds, each TAKE would plan a look into every day of
# payloads, which takes longer than TAKE itself. An event of a clock that is ahead counts as young for an hour. They are
# looked up row by row: of the newest ids statistics know nothing, and a join may read all that the bounds leave over.
_YOUNG_POSTGRES = f"BETWEEN {_ID_POSTGRES.format(-6 * 3_600_000)} AND {_ID_POSTGRES.format(3_600_000)}"
_FROM_MESSAGES = (
    "FROM message_payload m WHERE m.tenant_id = taken.tenant_id AND m.event_id = taken.event_id "
    f"AND m.event_id {_YOUNG_POSTGRES}"
)
_FROM_OTHERS = (
    "FROM event_payload p WHERE p.tenant_id = taken.tenant_id AND p.event_id = taken.event_id "
    f"AND p.event_id {_YOUNG_POSTGRES}"
)
FOUND_POSTGRES = f"""LEFT JOIN LATERAL (
    SELECT 0 AS sealed, m.body {_FROM_MESSAGES} UNION ALL SELECT p.sealed, p.body {_FROM_OTHERS} LIMIT 1
) AS found ON true"""
# The tokens that a row with a rate limit has now; least() passes over the null of a row without one, so it is asked.
# A delivery that somebody else holds (a recovery or a deletion of very many) stays due for the next look: who waited
# for it would hold up the endpoints that are taken together with this one, and whoever tells of them.
_TAKE_POSTGRES = f"""
WITH given AS MATERIALIZED (
    SELECT {NOW_POSTGRES} AS db_now, CAST($3 AS bigint) AS now, CAST($3 AS bigint) + CAST($5 AS bigint) AS lease_end,
        CAST($6 AS bigint) AS most
),
held AS MATERIALIZED (
    SELECT s.at_once, s.breaker_until, e.status <> 'enabled' OR e.deleted_at IS NOT NULL AS closed, e.rate_limit,
        e.version,
        CASE WHEN e.rate_limit IS NOT NULL THEN least(e.rate_limit, {_TOKENS.replace("$3", "CAST($3 AS bigint)")})
        END AS tokens
    FROM endpoint_state s JOIN webhook_endpoint e ON e.tenant_id = s.tenant_id AND e.id = s.endpoint_id
    WHERE s.tenant_id = $1 AND s.endpoint_id = $2 FOR UPDATE OF s
),
room AS MATERIALIZED (
    SELECT at_once, breaker_until, closed, rate_limit, tokens, busy, CASE
        WHEN closed THEN 0
        WHEN breaker_until IS NULL THEN greatest(0, least(at_once - busy, most, CAST(floor(tokens) AS bigint)))
        WHEN breaker_until <= now AND busy = 0 THEN 1
        ELSE 0 END AS free
    FROM given, held, LATERAL (
        SELECT count(*) AS busy FROM delivery WHERE tenant_id = $1 AND endpoint_id = $2 AND status = 'pending'
        AND due_at > now AND due_at <= lease_end + CAST($5 AS bigint) AND lease_until > db_now
    ) AS counted
),
picked AS MATERIALIZED (
    SELECT d.id FROM delivery d, given WHERE {_WAITING}
    AND d.due_at <= $3 AND (d.lease_until IS NULL OR d.lease_until <= db_now)
    ORDER BY d.due_at LIMIT (SELECT free FROM room) FOR NO KEY UPDATE OF d SKIP LOCKED
),
taken AS (
    UPDATE delivery d SET attempts = d.attempts + 1, due_at = lease_end, lease_until = db_now + CAST($5 AS bigint)
    FROM picked, given WHERE d.tenant_id = $1 AND d.id = picked.id AND d.status = 'pending'
    AND (d.lease_until IS NULL OR d.lease_until <= db_now)
    RETURNING d.tenant_id, d.endpoint_id, d.id, d.event_id, d.event_type, d.attempts, d.manual, d.lane
),
seen AS MATERIALIZED (
    SELECT room.at_once, room.breaker_until, room.closed, room.rate_limit, room.busy + count AS busy,
        room.tokens - count AS tokens,
        least(
            (SELECT d.due_at FROM delivery d WHERE {_WAITING} AND d.due_at IS NOT NULL
             AND d.id NOT IN (SELECT id FROM picked) ORDER BY d.due_at LIMIT 1),
            CASE WHEN count > 0 THEN lease_end END
        ) AS rest
    FROM given, room, (SELECT count(*) FROM picked) AS chosen
),
settled AS (
    UPDATE endpoint_state s SET parked = 0, in_flight = aim.busy, tokens = aim.tokens, tokens_at = aim.now,
        next_due = CASE WHEN s.next_due = $4 THEN aim.target ELSE least(s.next_due, aim.target) END
    FROM (
        SELECT busy, tokens, now, CASE
            WHEN closed OR rest IS NULL THEN NULL
            WHEN breaker_until > now THEN breaker_until
            WHEN rest > now THEN rest
            WHEN busy >= at_once OR breaker_until IS NOT NULL THEN lease_end
            WHEN tokens < 1 THEN now + 1 + CAST((1 - tokens) * 1000000 / rate_limit AS bigint)
            ELSE rest END AS target
        FROM seen, given
    ) AS aim WHERE s.tenant_id = $1 AND s.endpoint_id = $2
)
SELECT taken.*, (SELECT version FROM held) AS version,
    coalesce(found.sealed, 0) AS sealed, found.body
FROM taken {FOUND_POSTGRES}
"""  # noqa: S608 - constants of this module
TAKE = Claim(sqlite=(_TAKE_SQLITE, _SETTLE_SQLITE), postgres=_TAKE_POSTGRES)
TAKE_IN_ORDER = Claim(
    sqlite=(_TAKE_SQLITE.replace(_WAITING, _IN_ORDER), _SETTLE_SQLITE.replace(_WAITING, _IN_ORDER)),
    postgres=_TAKE_POSTGRES.replace(_WAITING, _IN_ORDER),
)

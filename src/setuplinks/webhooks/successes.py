"""How the successes of many tries at many endpoints are recorded: one statement for endpoints, one for deliveries.

Owns the texts only. A statement has its cost whatever it writes, and under load each of a tenant's endpoints has few
tries that end together. Lists are columns of one length, as `Database.listed` gives them.
"""

# A success makes an endpoint well, whatever it was before: nothing is written of one that is well and not waited for.
# Successes let it have more at once, up to $7: where it uses half of what it may have, or is not proven yet ($6).
# $1 tenants, $2 endpoints, $3 1 where each end sets another free, $4 how many successes, as lists. $5 now
_WAITED_FOR = "in_flight >= at_once OR frees = 1 OR breaker_until IS NOT NULL"
_MORE = "failures <> 0 OR at_once < $6 OR (at_once < $7 AND in_flight * 2 >= at_once)"
_WELL = f"""
UPDATE endpoint_state SET failures = 0, failing_since = NULL, breaker_until = NULL, breaker_step = 0,
    at_once = CASE
        WHEN in_flight * 2 < at_once AND at_once >= $6 THEN at_once
        WHEN at_once + successes > $7 THEN $7
        ELSE at_once + successes END,
    next_due = CASE WHEN ({_WAITED_FOR}) AND (next_due IS NULL OR next_due > $5) THEN $5 ELSE next_due END
"""  # noqa: S608 - constants of this module
_WELL_SQLITE = f"""{_WELL}
FROM (
    SELECT CAST(t.value AS INTEGER) AS tenant, CAST(json_extract($2, '$[' || t.key || ']') AS INTEGER) AS endpoint,
        json_extract($3, '$[' || t.key || ']') AS frees, json_extract($4, '$[' || t.key || ']') AS successes
    FROM json_each($1) t
) AS given
WHERE tenant_id = given.tenant AND endpoint_id = given.endpoint AND ({_WAITED_FOR} OR {_MORE})
"""  # noqa: S608 - constants of this module
# Rows are locked in the order of all who lock several (`ledger.locking_order`).
_WELL_POSTGRES = f"""
WITH given AS MATERIALIZED (
    SELECT tenant_id AS tenant, endpoint_id AS endpoint, frees, successes
    FROM endpoint_state JOIN unnest(CAST($1 AS bigint[]), CAST($2 AS bigint[]), CAST($3 AS bigint[]),
        CAST($4 AS bigint[])) AS told (tenant, endpoint, frees, successes)
        ON tenant_id = told.tenant AND endpoint_id = told.endpoint
    WHERE {_WAITED_FOR} OR {_MORE}
    ORDER BY CAST(tenant_id AS text) COLLATE "C", CAST(endpoint_id AS text) COLLATE "C" FOR UPDATE OF endpoint_state
)
{_WELL}
FROM given WHERE tenant_id = given.tenant AND endpoint_id = given.endpoint
"""  # noqa: S608 - constants of this module
WELL_BY_DIALECT = {"sqlite": _WELL_SQLITE, "postgres": _WELL_POSTGRES}

# Those that were delivered by the same number of try with the same answer: $1 the number, $2 the answer's status,
# $3 when, $4 tenants and $5 deliveries, as lists. The claim's number is the fence.
_DELIVERED = (
    "UPDATE delivery SET status = 'delivered', due_at = NULL, lease_until = NULL, ended_at = $3, last_status = $2, "
    "last_error = NULL"
)
DELIVERED_BY_DIALECT = {
    "sqlite": f"{_DELIVERED} WHERE rowid IN (SELECT d.rowid FROM json_each($5) t CROSS JOIN delivery d "  # noqa: S608
    "WHERE d.tenant_id = CAST(json_extract($4, '$[' || t.key || ']') AS INTEGER) AND d.id = t.value "
    "AND d.attempts = $1 AND d.status = 'pending')",
    # Looked up one by one: a join may read the whole table. What was found is locked, and updated by its place.
    "postgres": f"{_DELIVERED} WHERE ctid = ANY(ARRAY(SELECT found.place "  # noqa: S608
    "FROM unnest(CAST($4 AS bigint[]), CAST($5 AS text[])) AS told (tenant, delivery), LATERAL ("
    "SELECT d.ctid AS place FROM delivery d WHERE d.tenant_id = told.tenant AND d.id = told.delivery "
    "AND d.attempts = $1 AND d.status = 'pending' LIMIT 1 FOR NO KEY UPDATE) AS found"
    ")) AND attempts = $1 AND status = 'pending'",
}

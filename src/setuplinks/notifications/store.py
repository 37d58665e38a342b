"""The SQL of raw notifications."""

# $2 received, $3 hash, $4 body, $5 since when the same body counts as a repeat.
ADD = (
    "INSERT INTO notification (id, received_at, body_hash, body, status) "
    "SELECT $1, CAST($2 AS BIGINT), CAST($3 AS {bytes}), CAST($4 AS {bytes}), 'stored' "
    "WHERE NOT EXISTS (SELECT 1 FROM notification WHERE body_hash = CAST($3 AS {bytes}) AND received_at > $5)"
)
ADD_BY_DIALECT = {"sqlite": ADD.format(bytes="BLOB"), "postgres": ADD.format(bytes="BYTEA")}

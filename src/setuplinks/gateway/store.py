"""The gateway's look-ups: from Meta's ids, which name no tenant, to whoever holds them. It reads and writes nothing."""

from setuplinks.whatsapp.models import TOKEN_REASONS

_TARGET = (
    "SELECT p.tenant_id, p.customer_id, p.waba_id, p.meta_waba_id, p.id AS phone_id, p.meta_phone_number_id, "
    "p.connection_type, p.throughput_tier, p.status, c.status AS customer_status, t.status AS tenant_status "
    "FROM connected_number h "
    "JOIN phone_number p ON p.tenant_id = h.tenant_id AND p.id = h.phone_id "
    "JOIN customer c ON c.tenant_id = h.tenant_id AND c.id = h.customer_id "
    "JOIN tenant t ON t.id = h.tenant_id "
)
# Whoever holds the number: one customer of the installation, at most.
HOLDER = _TARGET + "WHERE h.meta_phone_number_id = $1"
NUMBERS_OF_CUSTOMERS_WABA = _TARGET + "WHERE h.tenant_id = $1 AND h.meta_waba_id = $2 ORDER BY p.id"
# A tenant's own rows of one of Meta's WABAs: one for each customer that has connected it, the newest grant first.
WABAS = (
    "SELECT w.tenant_id, w.customer_id, w.id AS waba_id, w.meta_waba_id, c.status AS customer_status, "
    "t.status AS tenant_status FROM waba w "
    "JOIN customer c ON c.tenant_id = w.tenant_id AND c.id = w.customer_id "
    "JOIN tenant t ON t.id = w.tenant_id "
    "JOIN credential k ON k.tenant_id = w.tenant_id AND k.waba_id = w.id "
    "WHERE w.tenant_id = $1 AND w.meta_waba_id = $2 AND w.status <> 'deleted' AND c.deleted_at IS NULL "
    "ORDER BY k.obtained_at DESC, w.id DESC"
)
_DEAD = ", ".join(f"'{reason}'" for reason in (*TOKEN_REASONS, "app_removed"))
# The token, and of the customer's connected numbers how many live and how many were cut off for the token's sake.
CREDENTIAL = (  # what is set in are constants
    "SELECT k.token, k.version, k.obtained_at, "  # noqa: S608
    "(SELECT COUNT(*) FROM phone_number p WHERE p.tenant_id = k.tenant_id AND p.waba_id = k.waba_id "
    "AND p.status IN ('pending', 'active')) AS alive, "
    "(SELECT MIN(p.disconnect_reason) FROM phone_number p WHERE p.tenant_id = k.tenant_id AND p.waba_id = k.waba_id "
    f"AND p.status = 'disconnected' AND p.disconnect_reason IN ({_DEAD})) AS dead "
    "FROM credential k WHERE k.tenant_id = $1 AND k.waba_id = $2"
)
# A tenant's numbers that could have a file whose number nobody names; one more than is asked about.
NUMBERS_OF_TENANT = (
    "SELECT h.meta_phone_number_id FROM connected_number h "
    "JOIN customer c ON c.tenant_id = h.tenant_id AND c.id = h.customer_id AND c.status <> 'suspended' "
    "WHERE h.tenant_id = $1 ORDER BY h.phone_id LIMIT $2"
)

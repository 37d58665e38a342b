"""The schema's one definition, as SQLAlchemy Core tables; used by migrations and their tests, never at run time.

Portable types only: bigint (times as µs, ids, booleans as 0/1), text (JSON as text), bytes, double. Tenant tables have
the key (tenant_id, id); tenant 0 is the installation.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.schema import SchemaItem

metadata = MetaData()


def _num(name: str, default: int | None = None, *, null: bool = False) -> Column[int]:
    server_default = None if default is None else str(default)
    return Column(name, BigInteger, nullable=null, server_default=server_default, autoincrement=False)


def _text(name: str, default: str | None = None, *, null: bool = False) -> Column[str]:
    return Column(name, Text, nullable=null, server_default=default)


def _time_id(name: str) -> Column[str]:
    """A UUIDv7: by its bytes in the order of time, whatever language the database sorts in."""
    return Column(name, Text().with_variant(Text(collation="C"), "postgresql"), nullable=False)


def _bytes(name: str, *, null: bool = False) -> Column[bytes]:
    return Column(name, LargeBinary, nullable=null)


def _real(name: str, *, null: bool = False) -> Column[float]:
    return Column(name, Float(53), nullable=null)


def _table(name: str, key: str, *items: SchemaItem) -> Table:
    return Table(name, metadata, *items, PrimaryKeyConstraint(*key.split()))


def _daily(name: str, key: str, by: str, *items: SchemaItem) -> Table:
    """On PostgreSQL split by days, which `webhooks/days` makes and drops; `by` is the UUIDv7 that tells the day.

    Whatever has no day of its own goes to the partition that `catch_all` makes.
    """
    return Table(name, metadata, *items, PrimaryKeyConstraint(*key.split()), postgresql_partition_by=f"RANGE ({by})")


def catch_all(table: Table) -> str | None:
    """PostgreSQL's statement that makes the default partition of a table that is split; None for any other."""
    if table.dialect_options["postgresql"]["partition_by"] is None:
        return None
    return f"CREATE TABLE {table.name}_default PARTITION OF {table.name} DEFAULT"


# -- core ------------------------------------------------------------------------------------------------------------
id_counter = _table("id_counter", "name", _text("name"), _num("next_id"))
data_key = _table(
    "data_key",
    "tenant_id id",
    _num("tenant_id"),
    _num("id"),
    _text("kid"),
    _bytes("wrapped"),
    _num("created_at"),
    _num("retired_at", null=True),
    Index("data_key_kid", "kid"),
)

# -- tenants ---------------------------------------------------------------------------------------------------------
tenant = _table(
    "tenant", "id",
    _num("id"), _text("name"), _text("status", "active"), _text("theme", "{}"), _text("default_success_url", null=True),
    _text("default_failure_url", null=True), _text("allowed_redirect_hosts", "[]"), _text("language", null=True),
    _text("time_zone", "UTC"), _bytes("redirect_key"), _bytes("redirect_key_previous", null=True),
    _num("redirect_key_previous_until", null=True), _num("version", 0), _num("created_at"), _num("updated_at"),
)  # fmt: skip
api_key = _table(
    "api_key", "tenant_id id",
    _num("tenant_id"), _num("id"), _text("name"), _text("prefix"), _bytes("hash"), _text("scopes"),
    _num("expires_at", null=True), _num("created_at"), _num("last_used_at", null=True), _num("revoked_at", null=True),
    Index("api_key_hash", "hash", unique=True),
)  # fmt: skip
audit = _table(
    "audit", "tenant_id id",
    _num("tenant_id"), _text("id"), _num("at"), _text("actor"), _text("action"), _text("object_kind"),
    _text("object_id"), _text("detail", "{}"),
)  # fmt: skip
idempotency = _table(
    "idempotency", "tenant_id actor idempotency_key",
    _num("tenant_id"), _text("actor"), _text("idempotency_key"), _bytes("request_hash"), _text("status"),
    _num("http_status", null=True), _bytes("answer", null=True), _num("created_at"), _num("expires_at"),
    Index("idempotency_expires", "expires_at"),
)  # fmt: skip

# -- customers -------------------------------------------------------------------------------------------------------
customer = _table(
    "customer", "tenant_id id",
    _num("tenant_id"), _num("id"), _text("name"), _text("external_id", null=True), _text("email", null=True),
    _text("phone", null=True), _text("metadata", "{}"), _text("status", "active"), _text("connection", "none"),
    _num("version", 0), _num("created_at"), _num("updated_at"), _num("deleted_at", null=True),
    Index("customer_external", "tenant_id", "external_id", unique=True),
    Index("customer_id", "id", unique=True),
)  # fmt: skip

# -- setup links -----------------------------------------------------------------------------------------------------
setup_link = _table(
    "setup_link", "tenant_id id",
    _num("tenant_id"), _text("id"), _num("customer_id"), _text("purpose"), _text("phase"), _num("version", 0),
    _bytes("secret_hash"), _bytes("url_secret", null=True), _num("expires_at"), _num("lapses_at"),
    _num("due_at", null=True), _num("lease_until", null=True), _num("created_at"), _num("updated_at"),
    _num("opened_at", null=True), _num("used_at", null=True), _num("authorized_at", null=True),
    _num("completed_at", null=True), _num("ended_at", null=True), _num("visits", 0),
    _num("current_visit_id", null=True), _num("provisioning_id", null=True),
    _text("action_required", null=True), _text("connection_types"), _text("success_url", null=True),
    _text("failure_url", null=True), _text("theme", "{}"),
    _text("language", null=True), _text("state", null=True), _text("metadata", "{}"), _text("prefill", "{}"),
    _num("phone_provisioning", 0), _text("country_isos", "[]"), _num("sync_history", 0), _num("issue_api_key", 0),
    _num("reconnect_phone_id", null=True), _num("reconnect_waba_id", null=True), _num("resulting_waba_id", null=True),
    _text("resulting_phone_ids", "[]"), _text("failure_code", null=True), _text("failure_message", null=True),
    _text("failure_step", null=True), _num("failure_retryable", null=True), _text("warnings", "[]"),
    _text("ended_reason", null=True), _num("renewal_requested_at", null=True), _text("created_by"),
    Index("setup_link_id", "id", unique=True),
    Index("setup_link_customer", "tenant_id", "customer_id", "created_at"),
    Index("setup_link_list", "tenant_id", "created_at", "id"),
    Index("setup_link_due", "due_at"),
    ForeignKeyConstraint(["tenant_id", "customer_id"], ["customer.tenant_id", "customer.id"]),
)  # fmt: skip
setup_link_slot = _table(
    "setup_link_slot", "tenant_id customer_id purpose waba_id",
    _num("tenant_id"), _num("customer_id"), _text("purpose"), _num("waba_id", 0), _text("link_id", null=True),
    _num("version", 0),
)  # fmt: skip
setup_link_step = _table(
    "setup_link_step", "tenant_id link_id id",
    _num("tenant_id"), _text("link_id"), _text("id"), _num("at"), _text("kind"), _text("detail", "{}"),
)  # fmt: skip
visit = _table(
    "visit", "tenant_id id",
    _num("tenant_id"), _num("id"), _text("link_id"), _bytes("browser_hash"), _text("status"), _num("superseded", 0),
    _text("connection_type", null=True), _text("transport", null=True), _num("started_at"),
    _num("authorizing_at", null=True), _num("exchanging_at", null=True), _num("ended_at", null=True),
    _text("end_code", null=True), _text("meta_step", null=True), _text("device", null=True),
    _num("abandon_at", null=True), _num("abandoned_at", null=True), _num("states", 0), _num("version", 0),
    Index("visit_link", "tenant_id", "link_id"),
)  # fmt: skip
authorization_state = _table(
    "authorization_state", "hash",
    _bytes("hash"), _num("tenant_id"), _text("link_id"), _num("visit_id"), _bytes("browser_hash"),
    _text("transport"), _text("redirect_uri", null=True), _text("app_id"), _num("created_at"), _num("expires_at"),
    _num("used_at", null=True),
    Index("authorization_state_expires", "expires_at"),
)  # fmt: skip

# -- provisioning ----------------------------------------------------------------------------------------------------
provisioning = _table(
    "provisioning", "tenant_id id",
    _num("tenant_id"), _num("id"), _text("link_id"), _num("visit_id"), _num("customer_id"), _text("plan"),
    _text("step"), _text("status"), _num("version", 0), _num("due_at", null=True), _num("lease_until", null=True),
    _num("tries", 0), _bytes("token", null=True), _num("token_expires_at", null=True), _text("claims", "{}"),
    _text("facts", "{}"), _text("question", null=True), _bytes("pin", null=True),
    _text("last_error", null=True), _num("started_at"), _num("working_since"),
    _num("updated_at"), _num("ended_at", null=True),
    Index("provisioning_link", "tenant_id", "link_id"),
    Index("provisioning_due", "due_at"),
)  # fmt: skip
# `subscribes` 1: the run takes this WABA; 0: it only waits for a number there.
provisioning_waba = _table(
    "provisioning_waba", "tenant_id provisioning_id meta_waba_id",
    _num("tenant_id"), _num("provisioning_id"), _text("meta_waba_id"), _num("subscribes", 1),
    Index("provisioning_waba_meta", "meta_waba_id"),
)  # fmt: skip
offboarding = _table(
    "offboarding", "tenant_id id",
    _num("tenant_id"), _num("id"), _text("meta_waba_id"), _bytes("token", null=True), _text("status"),
    _text("deregister", ""),  # Meta's ids of numbers to be taken off the Cloud API, by spaces
    _num("due_at", null=True), _num("lease_until", null=True), _num("tries", 0), _text("last_error", null=True),
    _num("created_at"), _num("updated_at"),
    Index("offboarding_waba", "meta_waba_id"),
    Index("offboarding_due", "due_at"),
)  # fmt: skip

orphan_authorisation = _table(
    "orphan_authorisation", "tenant_id id",
    _num("tenant_id"), _num("id"), _text("meta_waba_id"), _text("owner_business_id", null=True), _text("event"),
    _text("status"), _num("told_at"), _num("noticed_at"), _num("version", 0), _num("due_at", null=True),
    _num("lease_until", null=True), _num("tries", 0), _text("last_error", null=True),
    _num("customer_tenant_id", null=True), _num("customer_id", null=True), _text("link_id", null=True),
    _num("provisioning_id", null=True), _num("created_at"), _num("updated_at"), _num("closed_at", null=True),
    Index("orphan_authorisation_waba", "meta_waba_id", unique=True),
    Index("orphan_authorisation_id", "id", unique=True),
    Index("orphan_authorisation_due", "due_at"),
    Index("orphan_authorisation_customer", "customer_tenant_id", "customer_id"),
)  # fmt: skip

# -- whatsapp --------------------------------------------------------------------------------------------------------
waba = _table(
    "waba", "tenant_id id",
    _num("tenant_id"), _num("id"), _num("customer_id"), _text("meta_waba_id"), _text("name", null=True),
    _text("currency", null=True), _text("timezone_id", null=True), _text("business_id", null=True),
    _text("account_review_status", null=True), _text("status", "active"), _text("connection_type"),
    _num("version", 0), _num("created_at"), _num("updated_at"), _num("account_event_at", null=True),
    Index("waba_meta", "tenant_id", "customer_id", "meta_waba_id", unique=True),
    Index("waba_directory", "meta_waba_id"),
    Index("waba_id", "id", unique=True),
    ForeignKeyConstraint(["tenant_id", "customer_id"], ["customer.tenant_id", "customer.id"]),
)  # fmt: skip
credential = _table(
    "credential", "tenant_id waba_id",
    _num("tenant_id"), _num("waba_id"), _bytes("token"), _num("token_expires_at", null=True), _num("obtained_at"),
    _num("version", 0), _text("meta_user_id", null=True), _num("warn_at", null=True), _num("due_at", null=True),
    _num("lease_until", null=True), _num("tries", 0), _num("checked_at", null=True), _text("unasked", null=True),
    Index("credential_user", "meta_user_id"),
    Index("credential_due", "due_at"),
    Index("credential_warn", "warn_at"),
)  # fmt: skip
phone_number = _table(
    "phone_number", "tenant_id id",
    _num("tenant_id"), _num("id"), _num("customer_id"), _num("waba_id"), _text("meta_waba_id"),
    _text("meta_phone_number_id"), _text("display_phone_number", null=True),
    _text("display_phone_number_normalized", null=True), _text("verified_name", null=True),
    _text("name_status", null=True), _text("quality_rating", null=True), _text("throughput_tier", null=True),
    _text("messaging_limit", null=True), _text("connection_type"), _num("is_coexistence", 0),
    _num("is_official_business_account", 0), _text("status"), _text("disconnect_reason", null=True),
    _text("readiness", "[]"), _bytes("pin", null=True), _num("registered", 0), _text("link_id", null=True),
    _num("connected_at", null=True), _num("created_at"), _num("updated_at"), _num("version", 0),
    _num("due_at", null=True), _num("lease_until", null=True), _num("tries", 0), _text("meta_status", null=True),
    _num("observed_at", null=True), _num("missing_since", null=True), _text("history", null=True),
    Index("phone_number_meta", "tenant_id", "customer_id", "meta_phone_number_id", unique=True),
    Index("phone_number_id", "id", unique=True),
    Index("phone_number_list", "tenant_id", "created_at", "id"),
    Index("phone_number_due", "due_at"),
    Index("phone_number_display", "display_phone_number_normalized"),
    ForeignKeyConstraint(["tenant_id", "customer_id"], ["customer.tenant_id", "customer.id"]),
    ForeignKeyConstraint(["tenant_id", "waba_id"], ["waba.tenant_id", "waba.id"]),
)  # fmt: skip
connected_number = _table(
    "connected_number", "meta_phone_number_id",
    _text("meta_phone_number_id"), _num("tenant_id"), _num("customer_id"), _num("phone_id"), _text("meta_waba_id"),
    Index("connected_number_waba", "meta_waba_id"),
)  # fmt: skip

waba_api_key = _table(
    "waba_api_key", "tenant_id id",
    _num("tenant_id"), _num("id"), _num("customer_id"), _num("waba_id"), _text("name"), _text("prefix"),
    _bytes("hash"), _text("scopes"), _text("addresses", "[]"), _text("link_id", null=True), _text("created_by"),
    _num("expires_at", null=True), _num("created_at"), _num("last_used_at", null=True), _num("revoked_at", null=True),
    Index("waba_api_key_hash", "hash", unique=True),
    Index("waba_api_key_id", "id", unique=True),
    Index("waba_api_key_waba", "tenant_id", "waba_id", "id"),
    Index("waba_api_key_link", "tenant_id", "link_id", "waba_id", unique=True),
    ForeignKeyConstraint(["tenant_id", "waba_id"], ["waba.tenant_id", "waba.id"]),
)  # fmt: skip

# -- number pool -----------------------------------------------------------------------------------------------------
# The installation's own; tenant and link stand there while a link holds the number.
pool_number = _table(
    "pool_number", "id",
    _num("id"), _text("preverified_id"), _text("number"), _text("country", null=True), _text("status"),
    _num("verified_at", null=True), _num("expires_at", null=True), _num("code_sent_at", null=True),
    _num("tenant_id", null=True), _text("link_id", null=True), _num("reserved_at", null=True),
    _num("claimed_at", null=True), _num("missing_since", null=True), _num("looked_at", 0), _num("version", 0),
    _num("created_at"), _num("updated_at"),
    Index("pool_number_number", "number", unique=True),
    Index("pool_number_link", "link_id", unique=True),
    Index("pool_number_free", "status", "expires_at"),
)  # fmt: skip

# -- webhooks --------------------------------------------------------------------------------------------------------
webhook_endpoint = _table(
    "webhook_endpoint", "tenant_id id",
    _num("tenant_id"), _num("id"), _text("url"), _text("description", ""), _text("event_types", null=True),
    _num("customer_id", null=True), _num("phone_id", null=True), _text("format", "events"), _text("headers", "{}"),
    _num("rate_limit", null=True), _num("ordered", 0), _bytes("secret"), _bytes("secret_previous", null=True),
    _num("secret_previous_until", null=True), _bytes("signing_key", null=True),
    _bytes("signing_key_previous", null=True), _text("status", "enabled"), _text("disabled_reason", null=True),
    _num("version", 0), _num("created_at"), _num("updated_at"), _num("deleted_at", null=True),
    Index("webhook_endpoint_id", "id", unique=True),
    ForeignKeyConstraint(["tenant_id", "customer_id"], ["customer.tenant_id", "customer.id"]),
    ForeignKeyConstraint(["tenant_id", "phone_id"], ["phone_number.tenant_id", "phone_number.id"]),
)  # fmt: skip
endpoint_state = _table(
    "endpoint_state", "tenant_id endpoint_id",
    _num("tenant_id"), _num("endpoint_id"), _num("next_due", null=True), _num("parked", 0), _num("in_flight", 0),
    _num("at_once", 4), _real("tokens", null=True), _num("tokens_at", null=True), _num("failures", 0),
    _num("failing_since", null=True), _num("breaker_until", null=True), _num("breaker_step", 0),
    Index("endpoint_state_due", "next_due"),
)  # fmt: skip
event = _daily(
    "event", "tenant_id id", "id",
    _num("tenant_id"), _time_id("id"), _text("type"), _num("created_at"), _num("customer_id", null=True),
    _num("phone_id", null=True), _text("link_id", null=True), _text("format", "events"),
)  # fmt: skip
event_payload = _daily(
    "event_payload", "tenant_id event_id", "event_id",
    _num("tenant_id"), _time_id("event_id"), _num("customer_id", null=True), _num("sealed", 0), _bytes("body"),
)  # fmt: skip
# What end users wrote is kept for fewer days than all else, so it stands apart.
message_payload = _daily(
    "message_payload", "tenant_id event_id", "event_id",
    _num("tenant_id"), _time_id("event_id"), _num("customer_id", null=True), _bytes("body"),
)  # fmt: skip
# Not by days: what takes work would look into each of them.
delivery = _table(
    "delivery", "tenant_id id",
    _num("tenant_id"), _time_id("id"), _num("endpoint_id"), _time_id("event_id"), _text("event_type"), _text("status"),
    _num("attempts", 0), _num("due_at", null=True), _num("lease_until", null=True), _num("created_at"),
    _num("ended_at", null=True), _num("last_status", null=True), _text("last_error", null=True), _num("manual", 0),
    _num("lane", null=True),
    # Of what has ended, too: it leads to the few deliveries of an endpoint that is seldom used.
    Index("delivery_due", "tenant_id", "endpoint_id", "due_at"),
    # Only deliveries that keep an order and wait stand in it: all others cost nothing, and the first is at its head.
    Index(
        "delivery_lane", "tenant_id", "endpoint_id", "lane", "id",
        sqlite_where=text("lane IS NOT NULL AND status = 'pending'"),
        postgresql_where=text("lane IS NOT NULL AND status = 'pending'"),
    ),
    # Those of an endpoint that keeps an order that have none, since they are about no number.
    Index(
        "delivery_free", "tenant_id", "endpoint_id", "due_at",
        sqlite_where=text("lane = 0 AND status = 'pending'"),
        postgresql_where=text("lane = 0 AND status = 'pending'"),
    ),
)  # fmt: skip
attempt = _daily(
    "attempt", "tenant_id delivery_id number", "delivery_id",
    _num("tenant_id"), _time_id("delivery_id"), _num("number"), _num("started_at"), _num("duration_us"),
    _num("http_status", null=True), _text("error", null=True), _text("error_detail", null=True),
    _text("address", null=True), _bytes("response_start", null=True),
)  # fmt: skip

# -- notifications ---------------------------------------------------------------------------------------------------
notification = _table(
    "notification", "id",
    _text("id"), _num("received_at"), _bytes("body_hash"), _bytes("body"), _text("status"),
    _num("due_at", null=True), _num("lease_until", null=True), _num("tries", 0), _num("handled_at", null=True),
    _text("last_error", null=True),
    Index("notification_hash", "body_hash", "received_at"),
    Index(
        "notification_due", "due_at",
        sqlite_where=text("due_at IS NOT NULL"), postgresql_where=text("due_at IS NOT NULL"),
    ),
)  # fmt: skip
notification_item = _table(
    "notification_item", "tenant_id hash",
    _num("tenant_id"), _bytes("hash"), _text("event_id", null=True), _num("created_at"),
    Index("notification_item_created", "created_at"),
)  # fmt: skip
notification_mention = _table(
    "notification_mention", "notification_id meta_id",
    _text("notification_id"), _text("meta_id"),
    Index("notification_mention_id", "meta_id"),
)  # fmt: skip
data_deletion = _table(
    "data_deletion", "code",
    _text("code"), _num("requested_at"), _num("done_at", null=True),
)  # fmt: skip

# -- branding --------------------------------------------------------------------------------------------------------
theme_image = _table(
    "theme_image", "tenant_id id",
    _num("tenant_id"), _text("id"), _text("url"), _text("kind"), _text("status"), _text("media_type", null=True),
    _bytes("body", null=True), _num("fetched_at", null=True), _text("error", null=True), _num("due_at", null=True),
    _num("lease_until", null=True), _num("tries", 0), _num("created_at"),
    Index("theme_image_due", "due_at"),
)  # fmt: skip

"""The first schema.

Frozen: later changes are revisions of their own. `migrations/schema.py` tells what all revisions together must make.
No way back: a release serves its own schema and the next, so the program rolls back and the schema stays.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def num(name: str, default: str | None = None, *, null: bool = False) -> sa.Column[int]:
    """A bigint: an id, a time in µs, a count, a truth as 0 or 1."""
    return sa.Column(name, sa.BigInteger, nullable=null, server_default=default, autoincrement=False)


def text(name: str, default: str | None = None, *, null: bool = False) -> sa.Column[str]:
    """Text, JSON too."""
    return sa.Column(name, sa.Text, nullable=null, server_default=default)


def time_id(name: str) -> sa.Column[str]:
    """A UUIDv7, sorted by its bytes."""
    return sa.Column(name, sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False)


def blob(name: str, *, null: bool = False) -> sa.Column[bytes]:
    """Bytes."""
    return sa.Column(name, sa.LargeBinary, nullable=null)


def real(name: str, *, null: bool = False) -> sa.Column[float]:
    """A double."""
    return sa.Column(name, sa.Float(53), nullable=null)


def key(*names: str) -> sa.PrimaryKeyConstraint:
    """The primary key."""
    return sa.PrimaryKeyConstraint(*names)


def split(table: str) -> None:
    """The default partition of a table that PostgreSQL splits."""
    if op.get_context().dialect.name == "postgresql":
        op.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")


def refers(columns: list[str], to: list[str]) -> sa.ForeignKeyConstraint:
    """A foreign key."""
    return sa.ForeignKeyConstraint(columns, to)


def upgrade() -> None:
    """Makes every table and index."""
    _first_tables()
    _second_tables()
    _third_tables()
    _fourth_tables()
    _fifth_tables()
    _sixth_tables()


# fmt: off


def _first_tables() -> None:
    op.create_table("api_key",
        num("tenant_id"), num("id"), text("name"), text("prefix"), blob("hash"), text("scopes"),
        num("expires_at", null=True), num("created_at"), num("last_used_at", null=True),
        num("revoked_at", null=True), key("tenant_id", "id"),
    )
    op.create_index("api_key_hash", "api_key", ["hash"], unique=True)
    op.create_table("attempt",
        num("tenant_id"), time_id("delivery_id"), num("number"), num("started_at"), num("duration_us"),
        num("http_status", null=True), text("error", null=True), text("error_detail", null=True),
        text("address", null=True), blob("response_start", null=True), key("tenant_id", "delivery_id", "number"),
        postgresql_partition_by="RANGE (delivery_id)",
    )
    split("attempt")
    op.create_table("audit",
        num("tenant_id"), text("id"), num("at"), text("actor"), text("action"), text("object_kind"),
        text("object_id"), text("detail", "{}"), key("tenant_id", "id"),
    )
    op.create_table("authorization_state",
        blob("hash"), num("tenant_id"), text("link_id"), num("visit_id"), blob("browser_hash"), text("transport"),
        text("redirect_uri", null=True), text("app_id"), num("created_at"), num("expires_at"),
        num("used_at", null=True), key("hash"),
    )
    op.create_index("authorization_state_expires", "authorization_state", ["expires_at"])
    op.create_table("connected_number",
        text("meta_phone_number_id"), num("tenant_id"), num("customer_id"), num("phone_id"), text("meta_waba_id"),
        key("meta_phone_number_id"),
    )
    op.create_index("connected_number_waba", "connected_number", ["meta_waba_id"])
    op.create_table("credential",
        num("tenant_id"), num("waba_id"), blob("token"), num("token_expires_at", null=True), num("obtained_at"),
        num("version", "0"), text("meta_user_id", null=True), num("warn_at", null=True), num("due_at", null=True),
        num("lease_until", null=True), num("tries", "0"), num("checked_at", null=True), text("unasked", null=True),
        key("tenant_id", "waba_id"),
    )
    op.create_index("credential_due", "credential", ["due_at"])
    op.create_index("credential_user", "credential", ["meta_user_id"])
    op.create_index("credential_warn", "credential", ["warn_at"])
    op.create_table("customer",
        num("tenant_id"), num("id"), text("name"), text("external_id", null=True), text("email", null=True),
        text("phone", null=True), text("metadata", "{}"), text("status", "active"), text("connection", "none"),
        num("version", "0"), num("created_at"), num("updated_at"), num("deleted_at", null=True),
        key("tenant_id", "id"),
    )
    op.create_index("customer_external", "customer", ["tenant_id", "external_id"], unique=True)
    op.create_index("customer_id", "customer", ["id"], unique=True)
    op.create_table("data_deletion",
        text("code"), num("requested_at"), num("done_at", null=True), key("code"),
    )
    op.create_table("data_key",
        num("tenant_id"), num("id"), text("kid"), blob("wrapped"), num("created_at"), num("retired_at", null=True),
        key("tenant_id", "id"),
    )
    op.create_index("data_key_kid", "data_key", ["kid"])


def _second_tables() -> None:
    op.create_table("delivery",
        num("tenant_id"), time_id("id"), num("endpoint_id"), time_id("event_id"), text("event_type"), text("status"),
        num("attempts", "0"), num("due_at", null=True), num("lease_until", null=True), num("created_at"),
        num("ended_at", null=True), num("last_status", null=True), text("last_error", null=True), num("manual", "0"),
        num("lane", null=True), key("tenant_id", "id"),
    )
    op.create_index("delivery_due", "delivery", ["tenant_id", "endpoint_id", "due_at"])
    op.create_index("delivery_free", "delivery",
        ["tenant_id", "endpoint_id", "due_at"],
        sqlite_where=sa.text("lane = 0 AND status = 'pending'"),
        postgresql_where=sa.text("lane = 0 AND status = 'pending'"))
    op.create_index("delivery_lane", "delivery",
        ["tenant_id", "endpoint_id", "lane", "id"],
        sqlite_where=sa.text("lane IS NOT NULL AND status = 'pending'"),
        postgresql_where=sa.text("lane IS NOT NULL AND status = 'pending'"))
    op.create_table("endpoint_state",
        num("tenant_id"), num("endpoint_id"), num("next_due", null=True), num("parked", "0"), num("in_flight", "0"),
        num("at_once", "4"), real("tokens", null=True), num("tokens_at", null=True), num("failures", "0"),
        num("failing_since", null=True), num("breaker_until", null=True), num("breaker_step", "0"),
        key("tenant_id", "endpoint_id"),
    )
    op.create_index("endpoint_state_due", "endpoint_state", ["next_due"])
    op.create_table("event",
        num("tenant_id"), time_id("id"), text("type"), num("created_at"), num("customer_id", null=True),
        num("phone_id", null=True), text("link_id", null=True), text("format", "events"), key("tenant_id", "id"),
        postgresql_partition_by="RANGE (id)",
    )
    split("event")
    op.create_table("event_payload",
        num("tenant_id"), time_id("event_id"), num("customer_id", null=True), num("sealed", "0"), blob("body"),
        key("tenant_id", "event_id"), postgresql_partition_by="RANGE (event_id)",
    )
    split("event_payload")
    op.create_table("id_counter",
        text("name"), num("next_id"), key("name"),
    )
    op.create_table("idempotency",
        num("tenant_id"), text("actor"), text("idempotency_key"), blob("request_hash"), text("status"),
        num("http_status", null=True), blob("answer", null=True), num("created_at"), num("expires_at"),
        key("tenant_id", "actor", "idempotency_key"),
    )
    op.create_index("idempotency_expires", "idempotency", ["expires_at"])
    op.create_table("message_payload",
        num("tenant_id"), time_id("event_id"), num("customer_id", null=True), blob("body"),
        key("tenant_id", "event_id"), postgresql_partition_by="RANGE (event_id)",
    )
    split("message_payload")


def _third_tables() -> None:
    op.create_table("notification",
        text("id"), num("received_at"), blob("body_hash"), blob("body"), text("status"), num("due_at", null=True),
        num("lease_until", null=True), num("tries", "0"), num("handled_at", null=True),
        text("last_error", null=True), key("id"),
    )
    op.create_index("notification_due", "notification",
        ["due_at"],
        sqlite_where=sa.text("due_at IS NOT NULL"), postgresql_where=sa.text("due_at IS NOT NULL"))
    op.create_index("notification_hash", "notification", ["body_hash", "received_at"])
    op.create_table("notification_item",
        num("tenant_id"), blob("hash"), text("event_id", null=True), num("created_at"), key("tenant_id", "hash"),
    )
    op.create_index("notification_item_created", "notification_item", ["created_at"])
    op.create_table("notification_mention",
        text("notification_id"), text("meta_id"), key("notification_id", "meta_id"),
    )
    op.create_index("notification_mention_id", "notification_mention", ["meta_id"])
    op.create_table("offboarding",
        num("tenant_id"), num("id"), text("meta_waba_id"), blob("token", null=True), text("status"),
        text("deregister", ""), num("due_at", null=True), num("lease_until", null=True), num("tries", "0"),
        text("last_error", null=True), num("created_at"), num("updated_at"), key("tenant_id", "id"),
    )
    op.create_index("offboarding_due", "offboarding", ["due_at"])
    op.create_index("offboarding_waba", "offboarding", ["meta_waba_id"])
    op.create_table("orphan_authorisation",
        num("tenant_id"), num("id"), text("meta_waba_id"), text("owner_business_id", null=True), text("event"),
        text("status"), num("told_at"), num("noticed_at"), num("version", "0"), num("due_at", null=True),
        num("lease_until", null=True), num("tries", "0"), text("last_error", null=True),
        num("customer_tenant_id", null=True), num("customer_id", null=True), text("link_id", null=True),
        num("provisioning_id", null=True), num("created_at"), num("updated_at"), num("closed_at", null=True),
        key("tenant_id", "id"),
    )
    op.create_index("orphan_authorisation_customer", "orphan_authorisation", ["customer_tenant_id", "customer_id"])
    op.create_index("orphan_authorisation_due", "orphan_authorisation", ["due_at"])
    op.create_index("orphan_authorisation_id", "orphan_authorisation", ["id"], unique=True)
    op.create_index("orphan_authorisation_waba", "orphan_authorisation", ["meta_waba_id"], unique=True)
    op.create_table("pool_number",
        num("id"), text("preverified_id"), text("number"), text("country", null=True), text("status"),
        num("verified_at", null=True), num("expires_at", null=True), num("code_sent_at", null=True),
        num("tenant_id", null=True), text("link_id", null=True), num("reserved_at", null=True),
        num("claimed_at", null=True), num("missing_since", null=True), num("looked_at", "0"), num("version", "0"),
        num("created_at"), num("updated_at"), key("id"),
    )
    op.create_index("pool_number_free", "pool_number", ["status", "expires_at"])
    op.create_index("pool_number_link", "pool_number", ["link_id"], unique=True)
    op.create_index("pool_number_number", "pool_number", ["number"], unique=True)


def _fourth_tables() -> None:
    op.create_table("provisioning",
        num("tenant_id"), num("id"), text("link_id"), num("visit_id"), num("customer_id"), text("plan"),
        text("step"), text("status"), num("version", "0"), num("due_at", null=True), num("lease_until", null=True),
        num("tries", "0"), blob("token", null=True), num("token_expires_at", null=True), text("claims", "{}"),
        text("facts", "{}"), text("question", null=True), blob("pin", null=True), text("last_error", null=True),
        num("started_at"), num("working_since"), num("updated_at"), num("ended_at", null=True),
        key("tenant_id", "id"),
    )
    op.create_index("provisioning_due", "provisioning", ["due_at"])
    op.create_index("provisioning_link", "provisioning", ["tenant_id", "link_id"])
    op.create_table("provisioning_waba",
        num("tenant_id"), num("provisioning_id"), text("meta_waba_id"), num("subscribes", "1"),
        key("tenant_id", "provisioning_id", "meta_waba_id"),
    )
    op.create_index("provisioning_waba_meta", "provisioning_waba", ["meta_waba_id"])
    op.create_table("setup_link_slot",
        num("tenant_id"), num("customer_id"), text("purpose"), num("waba_id", "0"), text("link_id", null=True),
        num("version", "0"), key("tenant_id", "customer_id", "purpose", "waba_id"),
    )
    op.create_table("setup_link_step",
        num("tenant_id"), text("link_id"), text("id"), num("at"), text("kind"), text("detail", "{}"),
        key("tenant_id", "link_id", "id"),
    )
    op.create_table("tenant",
        num("id"), text("name"), text("status", "active"), text("theme", "{}"),
        text("default_success_url", null=True), text("default_failure_url", null=True),
        text("allowed_redirect_hosts", "[]"), text("language", null=True), text("time_zone", "UTC"),
        blob("redirect_key"), blob("redirect_key_previous", null=True),
        num("redirect_key_previous_until", null=True), num("version", "0"), num("created_at"), num("updated_at"),
        key("id"),
    )
    op.create_table("theme_image",
        num("tenant_id"), text("id"), text("url"), text("kind"), text("status"), text("media_type", null=True),
        blob("body", null=True), num("fetched_at", null=True), text("error", null=True), num("due_at", null=True),
        num("lease_until", null=True), num("tries", "0"), num("created_at"), key("tenant_id", "id"),
    )
    op.create_index("theme_image_due", "theme_image", ["due_at"])
    op.create_table("visit",
        num("tenant_id"), num("id"), text("link_id"), blob("browser_hash"), text("status"), num("superseded", "0"),
        text("connection_type", null=True), text("transport", null=True), num("started_at"),
        num("authorizing_at", null=True), num("exchanging_at", null=True), num("ended_at", null=True),
        text("end_code", null=True), text("meta_step", null=True), text("device", null=True),
        num("abandon_at", null=True), num("abandoned_at", null=True), num("states", "0"), num("version", "0"),
        key("tenant_id", "id"),
    )
    op.create_index("visit_link", "visit", ["tenant_id", "link_id"])


def _fifth_tables() -> None:
    op.create_table("setup_link",
        num("tenant_id"), text("id"), num("customer_id"), text("purpose"), text("phase"), num("version", "0"),
        blob("secret_hash"), blob("url_secret", null=True), num("expires_at"), num("lapses_at"),
        num("due_at", null=True), num("lease_until", null=True), num("created_at"), num("updated_at"),
        num("opened_at", null=True), num("used_at", null=True), num("authorized_at", null=True),
        num("completed_at", null=True), num("ended_at", null=True), num("visits", "0"),
        num("current_visit_id", null=True), num("provisioning_id", null=True), text("action_required", null=True),
        text("connection_types"), text("success_url", null=True), text("failure_url", null=True),
        text("theme", "{}"), text("language", null=True), text("state", null=True), text("metadata", "{}"),
        text("prefill", "{}"), num("phone_provisioning", "0"), text("country_isos", "[]"), num("sync_history", "0"),
        num("issue_api_key", "0"), num("reconnect_phone_id", null=True), num("reconnect_waba_id", null=True),
        num("resulting_waba_id", null=True), text("resulting_phone_ids", "[]"), text("failure_code", null=True),
        text("failure_message", null=True), text("failure_step", null=True), num("failure_retryable", null=True),
        text("warnings", "[]"), text("ended_reason", null=True), num("renewal_requested_at", null=True),
        text("created_by"), key("tenant_id", "id"),
        refers(["tenant_id", "customer_id"], ["customer.tenant_id", "customer.id"]),
    )
    op.create_index("setup_link_customer", "setup_link", ["tenant_id", "customer_id", "created_at"])
    op.create_index("setup_link_due", "setup_link", ["due_at"])
    op.create_index("setup_link_id", "setup_link", ["id"], unique=True)
    op.create_index("setup_link_list", "setup_link", ["tenant_id", "created_at", "id"])
    op.create_table("waba",
        num("tenant_id"), num("id"), num("customer_id"), text("meta_waba_id"), text("name", null=True),
        text("currency", null=True), text("timezone_id", null=True), text("business_id", null=True),
        text("account_review_status", null=True), text("status", "active"), text("connection_type"),
        num("version", "0"), num("created_at"), num("updated_at"), num("account_event_at", null=True),
        key("tenant_id", "id"), refers(["tenant_id", "customer_id"], ["customer.tenant_id", "customer.id"]),
    )
    op.create_index("waba_directory", "waba", ["meta_waba_id"])
    op.create_index("waba_id", "waba", ["id"], unique=True)
    op.create_index("waba_meta", "waba", ["tenant_id", "customer_id", "meta_waba_id"], unique=True)
    op.create_table("phone_number",
        num("tenant_id"), num("id"), num("customer_id"), num("waba_id"), text("meta_waba_id"),
        text("meta_phone_number_id"), text("display_phone_number", null=True),
        text("display_phone_number_normalized", null=True), text("verified_name", null=True),
        text("name_status", null=True), text("quality_rating", null=True), text("throughput_tier", null=True),
        text("messaging_limit", null=True), text("connection_type"), num("is_coexistence", "0"),
        num("is_official_business_account", "0"), text("status"), text("disconnect_reason", null=True),
        text("readiness", "[]"), blob("pin", null=True), num("registered", "0"), text("link_id", null=True),
        num("connected_at", null=True), num("created_at"), num("updated_at"), num("version", "0"),
        num("due_at", null=True), num("lease_until", null=True), num("tries", "0"), text("meta_status", null=True),
        num("observed_at", null=True), num("missing_since", null=True), text("history", null=True),
        key("tenant_id", "id"), refers(["tenant_id", "customer_id"], ["customer.tenant_id", "customer.id"]),
        refers(["tenant_id", "waba_id"], ["waba.tenant_id", "waba.id"]),
    )
    op.create_index("phone_number_display", "phone_number", ["display_phone_number_normalized"])
    op.create_index("phone_number_due", "phone_number", ["due_at"])
    op.create_index("phone_number_id", "phone_number", ["id"], unique=True)
    op.create_index("phone_number_list", "phone_number", ["tenant_id", "created_at", "id"])
    op.create_index("phone_number_meta", "phone_number",
        ["tenant_id", "customer_id", "meta_phone_number_id"], unique=True)


def _sixth_tables() -> None:
    op.create_table("waba_api_key",
        num("tenant_id"), num("id"), num("customer_id"), num("waba_id"), text("name"), text("prefix"), blob("hash"),
        text("scopes"), text("addresses", "[]"), text("link_id", null=True), text("created_by"),
        num("expires_at", null=True), num("created_at"), num("last_used_at", null=True),
        num("revoked_at", null=True), key("tenant_id", "id"),
        refers(["tenant_id", "waba_id"], ["waba.tenant_id", "waba.id"]),
    )
    op.create_index("waba_api_key_hash", "waba_api_key", ["hash"], unique=True)
    op.create_index("waba_api_key_id", "waba_api_key", ["id"], unique=True)
    op.create_index("waba_api_key_link", "waba_api_key", ["tenant_id", "link_id", "waba_id"], unique=True)
    op.create_index("waba_api_key_waba", "waba_api_key", ["tenant_id", "waba_id", "id"])
    op.create_table("webhook_endpoint",
        num("tenant_id"), num("id"), text("url"), text("description", ""), text("event_types", null=True),
        num("customer_id", null=True), num("phone_id", null=True), text("format", "events"), text("headers", "{}"),
        num("rate_limit", null=True), num("ordered", "0"), blob("secret"), blob("secret_previous", null=True),
        num("secret_previous_until", null=True), blob("signing_key", null=True),
        blob("signing_key_previous", null=True), text("status", "enabled"), text("disabled_reason", null=True),
        num("version", "0"), num("created_at"), num("updated_at"), num("deleted_at", null=True),
        key("tenant_id", "id"), refers(["tenant_id", "customer_id"], ["customer.tenant_id", "customer.id"]),
        refers(["tenant_id", "phone_id"], ["phone_number.tenant_id", "phone_number.id"]),
    )
    op.create_index("webhook_endpoint_id", "webhook_endpoint", ["id"], unique=True)

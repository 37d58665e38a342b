"""What Meta's dashboard would hold of the app: its settings, what it is subscribed to, what was reviewed.

It begins as an app that was set up rightly for the address that the sandbox was started with.
"""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from setuplinks.sandbox.config import SandboxConfig

WHATSAPP = "whatsapp_business_account"
# The fields of the WhatsApp object that can be subscribed to.
WHATSAPP_FIELDS = (
    "account_alerts", "account_review_update", "account_settings_update", "account_update",
    "business_capability_update", "calls", "flows", "history", "message_echoes", "message_template_components_update",
    "message_template_quality_update", "message_template_status_update", "messages", "partner_solutions",
    "payment_configuration_update", "phone_number_name_update", "phone_number_quality_update", "security",
    "smb_app_state_sync", "smb_message_echoes", "template_category_update", "user_preferences",
)  # fmt: skip


@dataclass(slots=True)
class Subscription:
    """One object that the app hears of (contract 3.3, app level)."""

    callback_url: str
    fields: list[str]
    active: bool = True


@dataclass(slots=True)
class AppSettings:
    """What `PUT /sandbox/app` sets, in camelCase: the dashboard's basic settings, and the state of each permission."""

    domains: list[str] = field(default_factory=list)
    deauthorize_url: str | None = None
    privacy_url: str | None = "https://example.com/privacy"
    permissions: dict[str, str] = field(default_factory=dict)


def settings_at_start(config: SandboxConfig) -> AppSettings:
    """As a careful operator would have filled them in."""
    try:
        host = urlsplit(config.public_url or "").hostname
    except ValueError:  # an address that is none: notifications will say so
        host = None
    return AppSettings(
        domains=[host] if host else [],
        deauthorize_url=f"{config.public_url.rstrip('/')}/meta/deauthorize" if config.public_url else None,
        permissions={"whatsapp_business_management": "live", "whatsapp_business_messaging": "live"},
    )


def subscriptions_at_start(config: SandboxConfig) -> dict[str, Subscription]:
    """Every WhatsApp field at the service's address; nothing where that is not known."""
    url = config.notification_url
    return {} if url is None else {WHATSAPP: Subscription(url, list(WHATSAPP_FIELDS))}

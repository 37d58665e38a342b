"""What the settings alone can tell, before anything is asked of anybody."""

from urllib.parse import urlsplit

from setuplinks.doctor.models import Check
from setuplinks.settings import GOOD_OPERATOR_KEY, PREFIX, Settings, SettingsInvalid

# Where somebody who has not set up the app yet finds what is missing.
_APPS = "developers.facebook.com → My apps → your app"
PLACES = {
    "META_APP_ID": f"{_APPS} → App settings → Basic: App ID (docs/guides/meta-app.md, step 1)",
    "META_APP_SECRET": f"{_APPS} → App settings → Basic: App secret (docs/guides/meta-app.md, step 1)",
    "META_CONFIG_ID": f"{_APPS} → Facebook Login for Business → Configurations (docs/guides/meta-app.md, step 3)",
    "META_VERIFY_TOKEN": "any text that nobody guesses; the same goes to Meta (docs/guides/meta-app.md, step 4)",
    "MASTER_KEYS": "`setuplinks master-keys new` makes one",
    "OPERATOR_KEY": "`setuplinks init` makes one",
}


def wrong_settings(invalid: SettingsInvalid) -> list[Check]:
    """A row for each setting that is missing or wrong."""
    rows = []
    for line in invalid.lines:
        name, _, said = line.partition(" ")
        place = PLACES.get(name.removeprefix(PREFIX).removesuffix("_FILE"), "docs/reference/settings.md")
        rows.append(Check(name, "fail", said, place))
    return rows


def of_settings(settings: Settings) -> list[Check]:
    """Whether all are there, and choices that are fine on a laptop and rarely meant elsewhere."""
    return [
        Check("Settings", "pass", "all are there and can be read"),
        operator_key(settings),
        outbound(settings),
        rate_limits(settings),
    ]


def operator_key(settings: Settings) -> Check:
    """Long enough that nobody guesses it."""
    if len(settings.operator_key.get_secret_value()) >= GOOD_OPERATOR_KEY:
        return Check("Operator key", "pass", "it is long enough")
    said = f"it has fewer than {GOOD_OPERATOR_KEY} characters; whoever guesses it reaches every tenant"
    return Check("Operator key", "warn", said, f"{PREFIX}OPERATOR_KEY: `setuplinks init` makes a good one")


def outbound(settings: Settings) -> Check:
    """Which private addresses tenants' webhooks may reach."""
    opened = settings.outbound_allow
    if not settings.outbound_networks:
        return Check("Outbound", "pass", "webhooks reach public addresses only")
    if settings.on_loopback:
        return Check("Outbound", "pass", f"webhooks may also reach {opened}, as suits this machine")
    said = f"webhooks may reach private addresses: {opened}"
    return Check("Outbound", "warn", said, f"{PREFIX}OUTBOUND_ALLOW: empty, unless you mean it")


def rate_limits(settings: Settings) -> Check:
    """Whether strangers are slowed down, and by an address that is really theirs."""
    if settings.rate_limits == "on":
        return Check("Rate limits", "pass", "they are on")
    if settings.on_loopback:
        return Check("Rate limits", "pass", "they are off, and only this machine comes here")
    return Check("Rate limits", "warn", "they are off", f"{PREFIX}RATE_LIMITS: on")


def host_of(settings: Settings) -> str:
    """The host of the public URL."""
    return urlsplit(settings.public_url).hostname or ""

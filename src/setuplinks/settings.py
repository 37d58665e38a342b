"""Every setting of the service: `SETUPLINKS_*` from the environment, or from `setuplinks.env` in the current folder.

Owns names, defaults, rules and the plain words for what is wrong. The environment wins over the file; a secret may also
be given as a file by `SETUPLINKS_…_FILE`. All that is missing or wrong is reported together.
"""

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from setuplinks.core.vault import KeyRing, KeyRingInvalid

PREFIX = "SETUPLINKS_"
ENV_FILE = "setuplinks.env"

LEAST_OPERATOR_KEY = 8
GOOD_OPERATOR_KEY = 24  # doctor warns below

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class SettingsInvalid(Exception):
    """What is missing or wrong, one plain line each."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError("it must be an http or https address without user, query or fragment")
    return value.rstrip("/")


HttpUrl = Annotated[str, AfterValidator(_http_url)]


def is_loopback(host: str | None) -> bool:
    """True for localhost, *.localhost and loopback literals."""
    if not host:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Settings(BaseModel):
    """The service's settings; each field's description is its documentation."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    public_url: HttpUrl = Field(
        description="The service's own address as browsers and Meta see it. https, or http on loopback only."
    )
    master_keys: SecretStr = Field(
        description="`kid:base64 of 32 bytes`, comma-separated, the first one current. Without it nothing starts."
    )
    operator_key: SecretStr = Field(description="The operator's API key; at least 8 characters, 24 or more are good.")
    meta_app_id: str = Field(description="The Meta app's id.")
    meta_app_secret: SecretStr = Field(description="The Meta app's secret.")
    meta_config_id: str = Field(
        description="The id of the Facebook Login for Business configuration (WhatsApp Embedded Signup)."
    )
    meta_verify_token: SecretStr = Field(
        description="The token that Meta echoes when it verifies the notification address."
    )

    database_url: SecretStr | None = Field(None, description="`postgresql://…`; empty: one SQLite file in DATA_DIR.")
    database_listen_url: SecretStr | None = Field(
        None, description="A direct PostgreSQL address for LISTEN where a pooler stands between."
    )
    database_pool_size: int = Field(10, ge=1, le=200, description="PostgreSQL connections of one process.")
    database_statement_cache: int = Field(
        1024, ge=0, description="Prepared statements kept per connection; 0 behind a transaction pooler."
    )
    data_dir: Path = Field(Path("data"), description="Where the SQLite file stands.")

    meta_graph_url: HttpUrl = Field("https://graph.facebook.com", description="Base of the Graph API, without version.")
    meta_dialog_url: HttpUrl = Field(
        "https://www.facebook.com", description="Base of the sign-in dialog, without version."
    )
    meta_sdk_url: HttpUrl = Field(
        "https://connect.facebook.net/en_US/sdk.js", description="The whole address of the JavaScript SDK."
    )
    meta_graph_version: str = Field(
        "v25.0", pattern=r"^v\d{1,3}\.\d$", description="Version of the Graph API and of the dialog."
    )
    meta_transport: Literal["auto", "popup", "page"] = Field(
        "auto", description="How the sign-in opens: popup, full page, or by device."
    )
    meta_page_extras: Literal["on", "off"] = Field(
        "on", description="Whether `extras` goes with the full-page dialog; off makes coexistence popup only."
    )
    meta_popup_redirect_uri: Literal["omit", "page"] = Field(
        "omit", description="Whether the exchange of a popup's code names the sign-in page as redirect_uri."
    )
    meta_business_id: str | None = Field(
        None, description="Your own Meta business portfolio; for automatic recovery and the number pool."
    )
    meta_system_token: SecretStr | None = Field(None, description="A system user token of that portfolio.")

    outbound_allow: str = Field(
        "", description="CIDRs, comma-separated, that deliveries may reach though private, on any port and by http."
    )
    trusted_proxies: str = Field("", description="CIDRs, comma-separated, of proxies whose X-Forwarded-For counts.")
    rate_limits: Literal["on", "off"] = Field(
        "on", description="Limits per address on pages and API; off for benchmarks."
    )
    rate_page_views: int = Field(60, ge=0, description="Signup page views a minute and address; 0 is off.")
    rate_misses: int = Field(10, ge=0, description="Unknown links a minute and address; 0 is off.")
    rate_starts: int = Field(10, ge=0, description="Starts an hour and link; 0 is off.")
    rate_sign_ins: int = Field(5, ge=0, description="Wrong operator keys a minute and address; 0 is off.")
    rate_api: int = Field(0, ge=0, description="API requests a minute and key; 0 is off.")

    # PostgreSQL keeps a row until the last one of its day is as old.
    retention_messages: int = Field(7, ge=1, description="Days that message payloads are kept.")
    retention_events: int = Field(90, ge=1, description="Days that events are kept.")
    retention_attempts: int = Field(30, ge=1, description="Days that delivery attempts are kept.")

    health_every: int = Field(
        12, ge=1, le=168,
        description="Hours between two looks at an account. A look is three calls of the account's 200 an hour.",
    )  # fmt: skip
    health_usage_share: int = Field(
        50, ge=1, le=100, description="Percent of Meta's rate limits at which looks at accounts rest."
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["auto", "json", "plain"] = Field("auto", description="JSON lines, plain lines, or by terminal.")
    help_url: str | None = Field(None, description="Help page that the signup pages link to.")
    privacy_url: str | None = Field(None, description="Privacy page that the signup pages link to.")
    terms_url: str | None = Field(None, description="Terms page that the signup pages link to.")

    @field_validator("public_url")
    @classmethod
    def _public_url_is_safe(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ValueError("http is taken for loopback only; customers' browsers need https")
        if parts.path not in {"", "/"}:
            raise ValueError("it must be an origin, without a path")
        # As browsers write it: our forms and cookies are held against it, letter by letter.
        host = parts.hostname or ""
        if not host.isascii():
            raise ValueError("write the host's name in ASCII, as xn--…")
        port = "" if parts.port in {None, 443 if parts.scheme == "https" else 80} else f":{parts.port}"
        return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"

    @field_validator("master_keys")
    @classmethod
    def _master_keys_can_be_used(cls, value: SecretStr) -> SecretStr:
        try:
            KeyRing.parse(value.get_secret_value())
        except KeyRingInvalid as error:
            raise ValueError(str(error)) from None
        return value

    @field_validator("operator_key")
    @classmethod
    def _operator_key_is_long(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value()) < LEAST_OPERATOR_KEY:
            raise ValueError(f"it needs at least {LEAST_OPERATOR_KEY} characters; `setuplinks init` makes a good one")
        return value

    @field_validator("help_url", "privacy_url", "terms_url")
    @classmethod
    def _links_are_https(cls, value: str | None) -> str | None:
        if value is not None and urlsplit(value).scheme not in {"https", "mailto"}:
            raise ValueError("it must be an https or mailto address")
        return value

    @field_validator("outbound_allow", "trusted_proxies")
    @classmethod
    def _cidrs_can_be_read(cls, value: str) -> str:
        networks(value)
        return value

    @field_validator("database_url", "database_listen_url")
    @classmethod
    def _database_is_known(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and urlsplit(value.get_secret_value()).scheme not in {"postgresql", "postgres"}:
            raise ValueError("it must begin with postgresql://; leave it empty for SQLite")
        return value

    @property
    def key_ring(self) -> KeyRing:
        """The master keys, ready for the vault."""
        return KeyRing.parse(self.master_keys.get_secret_value())

    @property
    def has_partner(self) -> bool:
        """True where calls for the operator's own portfolio can be made: automatic recovery and the number pool."""
        return self.meta_business_id is not None and self.meta_system_token is not None

    @property
    def on_loopback(self) -> bool:
        """True where PUBLIC_URL is http on loopback: cookies go without `__Host-` and Secure."""
        return urlsplit(self.public_url).scheme == "http"

    @property
    def outbound_networks(self) -> tuple[Network, ...]:
        """OUTBOUND_ALLOW as networks."""
        return networks(self.outbound_allow)

    @property
    def proxy_networks(self) -> tuple[Network, ...]:
        """TRUSTED_PROXIES as networks."""
        return networks(self.trusted_proxies)


SECRETS = tuple(name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation))


def networks(text: str) -> tuple[Network, ...]:
    """CIDRs, comma-separated. Raises ValueError that names the bad one."""
    found: list[Network] = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        try:
            found.append(ipaddress.ip_network(part, strict=False))
        except ValueError:
            raise ValueError(f"{part!r} is no CIDR such as 10.0.0.0/8") from None
    return tuple(found)


def read_env_file(path: Path) -> dict[str, str]:
    """`NAME=value` lines; `#` begins a comment line, quotes around a value are dropped. Empty dict without the file."""
    found: dict[str, str] = {}
    if not path.is_file():
        return found
    for line in path.read_text(encoding="utf-8").splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith("#"):
            value = value.strip()
            if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
                value = value[1:-1]
            found[name.removeprefix("export ").strip()] = value
    return found


def load(environ: Mapping[str, str] | None = None, env_file: Path | None = None) -> Settings:
    """Reads the settings. Raises SettingsInvalid with one line for each that is missing or wrong."""
    environ = os.environ if environ is None else environ
    written = read_env_file(Path(ENV_FILE) if env_file is None else env_file)
    values, lines = _collect(environ)
    # By setting, not by name: a secret's file that the environment names wins over the value in setuplinks.env.
    named = {*values, *map(_field, environ)}
    beneath, more = _collect({name: text for name, text in written.items() if _field(name) not in named})
    values, lines = {**beneath, **values}, lines + more
    try:
        settings = Settings(**values)
    except ValidationError as error:
        for problem in error.errors():
            name = PREFIX + str(problem["loc"][0]).upper()
            if problem["type"] == "missing":
                if not any(line.startswith(name + " ") for line in lines):
                    lines.append(f"{name} is missing: {Settings.model_fields[str(problem['loc'][0])].description}")
            elif problem["type"] != "extra_forbidden":
                lines.append(f"{name} is wrong: {problem['msg'].removeprefix('Value error, ')}")
        raise SettingsInvalid(lines) from None
    if lines:
        raise SettingsInvalid(lines)
    return settings


def _field(name: str) -> str:
    """The setting that a name gives a value to, by itself or by a file."""
    field = name.removeprefix(PREFIX).lower()
    return field[:-5] if field.endswith("_file") and field[:-5] in SECRETS else field


def _collect(given: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    values: dict[str, Any] = {}
    lines: list[str] = []
    for name, text in given.items():
        if not name.startswith(PREFIX):
            continue
        field = _field(name)
        from_file = field != name[len(PREFIX) :].lower()
        if from_file:
            if not text:
                continue
            try:
                text = Path(text).read_text(encoding="utf-8").strip()  # noqa: PLW2901 - the file's content is the value
            except (OSError, UnicodeDecodeError):
                lines.append(f"{name} is wrong: the file {text} cannot be read")
                continue
        if text and field in Settings.model_fields and (field not in values or not from_file):
            values[field] = text
    return values, lines

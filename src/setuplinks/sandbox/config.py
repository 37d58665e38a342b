"""What the sandbox is started with, and what can be set over HTTP while it runs. Holds no state of signups."""

from dataclasses import dataclass, field

# At once, then slowly, for seven days in all (contract 4.2).
RETRIES = (1.0, 5.0, 30.0, 300.0, 1_800.0, 7_200.0, 21_600.0, 43_200.0, *[86_400.0] * 6)
DEFAULT_PARTNER_BUSINESS_ID = "900000000000001"


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """The Meta app that the sandbox pretends to host. A value that is None is not checked: any is accepted."""

    app_id: str | None = None
    app_secret: str | None = None
    config_id: str | None = None
    verify_token: str | None = None
    public_url: str | None = None  # the service's base URL; notifications go to public_url + /meta/notifications
    partner_business_id: str = DEFAULT_PARTNER_BUSINESS_ID  # entry.id of PARTNER_* notifications
    app_name: str = "Sandbox App"
    system_token: str | None = None  # the partner's system user token

    @property
    def notification_url(self) -> str | None:
        return self.service_url("/meta/notifications")

    def service_url(self, path: str) -> str | None:
        """An address of the service; None where it is not known."""
        return None if not self.public_url else self.public_url.rstrip("/") + path


@dataclass(slots=True)
class Settings:
    """Switches that `PUT /sandbox/settings` sets. Names on the wire are camelCase."""

    redirect_uris: list[str] = field(default_factory=list)  # exact addresses; empty accepts any http(s) address
    allowed_origins: list[str] = field(default_factory=list)  # pages that may use the SDK; empty accepts any
    code_seconds: int = 30  # life of a code (contract 2.3)
    popup_redirect_uri: str = "omit"  # what a popup's code wants at the exchange: `omit`, or `page` (its address)
    mismatch_burns_code: bool = False  # whether an exchange with a wrong redirect_uri spends the code
    page_extras: bool = True  # whether the full-page dialog honours `extras`
    require_appsecret_proof: bool = False
    sdk: str = "on"  # `on`, or `missing`: the script answers 404
    sdk_delay_ms: int = 0
    popup_gap_ms: int = 150  # between the popup's two results
    notifications: bool = True
    app_usage: int = 1  # percent, in X-App-Usage
    business_usage: int = 1  # percent, in X-Business-Use-Case-Usage
    regain_minutes: int = 0
    notification_retry_seconds: list[float] = field(default_factory=lambda: list(RETRIES))  # by the sandbox's clock
    notification_batch: int = 1  # changes in one POST, at most
    notification_gather_ms: int = 50  # how long changes are gathered where they are batched or turned round
    notification_order: str = "kept"  # `kept`, or `reversed` within what was gathered
    notification_duplicates: float = 0.0  # share of the POSTs that are sent twice
    delivered_after_seconds: float = 0.0  # from `sent` to `delivered`, by the sandbox's clock
    read_after_seconds: float | None = None  # from `sent` to `read`; None: when the end user answers or reads
    service_window_hours: float = 24.0  # 0: none, free-form messages always arrive
    conversation_in_statuses: bool = False  # as before v24.0
    failing_recipients: dict[str, int] = field(default_factory=dict)  # phone number → code of the `failed` status
    allowed_recipients: list[str] = field(default_factory=list)  # others answer 131030; empty allows all
    limits: bool = False  # whether the four below are enforced
    messages_per_second: int = 80  # of one number: 130429
    coexistence_messages_per_second: int = 20
    pair_burst: int = 45  # messages to one person at once, then one in `pair_seconds`: 131056
    pair_seconds: float = 6.0
    calls_per_hour: int = 5_000  # of management, for one account: 80007
    template_review_seconds: float | None = None  # until a new template is approved; None: when somebody says so

"""What Meta's Graph API answers, as typed values.

Owns the shapes and the tolerance: unknown fields are ignored, missing or oddly typed ones become None, every enum is an
open string, ids are strings even where Meta writes a number. It owns no rule about what an answer means for a link.
Each type has `of(raw)`, which takes decoded JSON; only a missing id makes it fail, with ValueError.
"""

from collections.abc import Iterable
from typing import Self

import msgspec

from setuplinks.meta.lenient import Raw, as_flag, as_int, as_object, as_rows, as_text, as_texts, needed_id
from setuplinks.meta.secret import Secret

_SECOND = 1_000_000
_LAST_SECOND = 253_402_300_799  # of the year 9999: what lies beyond cannot be written as a date, and means "never"
NOT_APPLICABLE = "NOT_APPLICABLE"
CLOUD_API = "CLOUD_API"


class TokenGrant(msgspec.Struct, frozen=True):
    """The answer of `/oauth/access_token`. Only the token is promised; `expires_in` is seconds, None for never.

    https://developers.facebook.com/documentation/business-messaging/whatsapp/embedded-signup/onboarding-customers-as-a-tech-provider
    """

    access_token: Secret
    token_type: str | None = None
    expires_in: int | None = None

    @classmethod
    def of(cls, raw: Raw) -> Self:
        """Raises ValueError where there is no token."""
        token = raw.get("access_token")
        if not isinstance(token, str) or not token:
            raise ValueError("the answer carries no access_token")
        life = as_int(raw.get("expires_in"))
        return cls(Secret(token), as_text(raw.get("token_type")), life if life and life > 0 else None)

    def expires_at_us(self, now: int) -> int | None:
        """µs since 1970, counted from `now`; None where Meta named no end."""
        return None if self.expires_in is None else _instant(now // _SECOND + self.expires_in, now % _SECOND)


class GranularScope(msgspec.Struct, frozen=True):
    """One permission and the objects that it was given for; none may mean all, or that Meta left them out."""

    scope: str
    target_ids: tuple[str, ...] = ()


class TokenInfo(msgspec.Struct, frozen=True):
    """The answer of `/debug_token`. Times are unix seconds, 0 or missing for never.

    https://developers.facebook.com/docs/graph-api/reference/debug_token
    Scope names are no proof of access: since June 2026 Meta swaps them. Prove access by a call.
    """

    is_valid: bool
    app_id: str | None = None
    type: str | None = None
    user_id: str | None = None
    expires_at: int | None = None
    data_access_expires_at: int | None = None
    issued_at: int | None = None
    scopes: tuple[str, ...] = ()
    granular_scopes: tuple[GranularScope, ...] = ()
    error_code: int | None = None
    error_subcode: int | None = None
    error_message: str | None = None

    @classmethod
    def of(cls, raw: Raw) -> Self:
        """Takes the whole answer, or what stands under its `data`."""
        data = as_object(raw.get("data")) or raw
        error = as_object(data.get("error"))
        granular = tuple(
            GranularScope(scope, as_texts(row.get("target_ids") or []))
            for row in as_rows(data.get("granular_scopes"))
            if (scope := as_text(row.get("scope"))) is not None
        )
        return cls(
            is_valid=as_flag(data.get("is_valid")) is True,
            app_id=as_text(data.get("app_id")),
            type=as_text(data.get("type")),
            user_id=as_text(data.get("user_id")),
            expires_at=as_int(data.get("expires_at")),
            data_access_expires_at=as_int(data.get("data_access_expires_at")),
            issued_at=as_int(data.get("issued_at")),
            scopes=as_texts(data.get("scopes") or []),
            granular_scopes=granular,
            error_code=as_int(error.get("code")),
            error_subcode=as_int(error.get("subcode", error.get("error_subcode"))),
            error_message=as_text(error.get("message")),
        )

    @property
    def waba_ids(self) -> tuple[str, ...]:
        """Targets of every `whatsapp_business_*` permission, each once, Meta's order (the most recent WABA first).

        `business_management` is left out: its targets are portfolios, not WABAs.
        """
        found: dict[str, None] = {}
        for granted in self.granular_scopes:
            if granted.scope.startswith("whatsapp_business_"):
                found.update(dict.fromkeys(granted.target_ids))
        return tuple(found)

    @property
    def expires_at_us(self) -> int | None:
        """When the token ends, µs since 1970; None for never."""
        return _instant(self.expires_at)

    @property
    def data_access_expires_at_us(self) -> int | None:
        """When access to data ends, µs since 1970; None for never."""
        return _instant(self.data_access_expires_at)


class HealthEntity(msgspec.Struct, frozen=True):
    """One link of the sending chain (PHONE_NUMBER, WABA, BUSINESS, APP) and what is wrong with it."""

    entity_type: str | None = None
    id: str | None = None
    can_send_message: str | None = None
    error_codes: tuple[int, ...] = ()


class Health(msgspec.Struct, frozen=True):
    """`health_status`: AVAILABLE, LIMITED or BLOCKED over all, and for each entity.

    https://developers.facebook.com/docs/whatsapp/cloud-api/health-status
    """

    can_send_message: str | None = None
    entities: tuple[HealthEntity, ...] = ()

    @classmethod
    def of(cls, raw: Raw) -> Self:
        """Never fails."""
        entities = tuple(
            HealthEntity(
                as_text(row.get("entity_type")),
                as_text(row.get("id")),
                as_text(row.get("can_send_message")),
                tuple(code for e in as_rows(row.get("errors")) if (code := as_int(e.get("error_code"))) is not None),
            )
            for row in as_rows(raw.get("entities"))
        )
        return cls(as_text(raw.get("can_send_message")), entities)

    @property
    def error_codes(self) -> tuple[int, ...]:
        """All entities' codes, each once, e.g. 141006 for a missing payment method."""
        return tuple(dict.fromkeys(code for entity in self.entities for code in entity.error_codes))


class Waba(msgspec.Struct, frozen=True):
    """A WhatsApp Business Account. Compare the two statuses case-insensitively: Meta's own documents differ.

    https://developers.facebook.com/docs/graph-api/reference/whats-app-business-account
    """

    id: str
    name: str | None = None
    currency: str | None = None
    timezone_id: str | None = None
    message_template_namespace: str | None = None
    account_review_status: str | None = None
    business_verification_status: str | None = None
    status: str | None = None
    country: str | None = None
    ownership_type: str | None = None
    business_id: str | None = None
    business_name: str | None = None
    health: Health | None = None

    @classmethod
    def of(cls, raw: Raw) -> Self:
        """Raises ValueError without an id. The portfolio is `owner_business_info`, else the older `on_behalf_of…`."""
        owner = as_object(raw.get("owner_business_info")) or as_object(raw.get("on_behalf_of_business_info"))
        health = as_object(raw.get("health_status"))
        return cls(
            id=needed_id(raw),
            name=as_text(raw.get("name")),
            currency=as_text(raw.get("currency")),
            timezone_id=as_text(raw.get("timezone_id")),
            message_template_namespace=as_text(raw.get("message_template_namespace")),
            account_review_status=as_text(raw.get("account_review_status")),
            business_verification_status=as_text(raw.get("business_verification_status")),
            status=as_text(raw.get("status")),
            country=as_text(raw.get("country")),
            ownership_type=as_text(raw.get("ownership_type")),
            business_id=as_text(owner.get("id")),
            business_name=as_text(owner.get("name")),
            health=Health.of(health) if health else None,
        )


class PhoneNumber(msgspec.Struct, frozen=True):
    """A number of a WABA.

    https://developers.facebook.com/docs/graph-api/reference/whats-app-business-account-to-number-current-status
    """

    id: str
    display_phone_number: str | None = None
    verified_name: str | None = None
    status: str | None = None
    quality_rating: str | None = None
    code_verification_status: str | None = None
    name_status: str | None = None
    new_name_status: str | None = None
    platform_type: str | None = None
    throughput_level: str | None = None
    messaging_limit: str | None = None
    account_mode: str | None = None
    is_on_biz_app: bool | None = None
    is_official_business_account: bool | None = None
    is_pin_enabled: bool | None = None
    is_preverified_number: bool | None = None
    last_onboarded_time: str | None = None
    webhook_configuration: dict[str, str] = {}
    health: Health | None = None

    @classmethod
    def of(cls, raw: Raw) -> Self:
        """Raises ValueError without an id. The limit is the portfolio's; the number's own tier is its old name."""
        hooks = {key: as_text(value) or "" for key, value in as_object(raw.get("webhook_configuration")).items()}
        health = as_object(raw.get("health_status"))
        limit = raw.get("whatsapp_business_manager_messaging_limit") or raw.get("messaging_limit_tier")
        return cls(
            id=needed_id(raw),
            display_phone_number=as_text(raw.get("display_phone_number")),
            verified_name=as_text(raw.get("verified_name")),
            status=as_text(raw.get("status")),
            quality_rating=as_text(raw.get("quality_rating")),
            code_verification_status=as_text(raw.get("code_verification_status")),
            name_status=as_text(raw.get("name_status")),
            new_name_status=as_text(raw.get("new_name_status")),
            platform_type=as_text(raw.get("platform_type")),
            throughput_level=as_text(as_object(raw.get("throughput")).get("level")),
            messaging_limit=as_text(limit),
            account_mode=as_text(raw.get("account_mode")),
            is_on_biz_app=as_flag(raw.get("is_on_biz_app")),
            is_official_business_account=as_flag(raw.get("is_official_business_account")),
            is_pin_enabled=as_flag(raw.get("is_pin_enabled")),
            is_preverified_number=as_flag(raw.get("is_preverified_number")),
            last_onboarded_time=as_text(raw.get("last_onboarded_time")),
            webhook_configuration=hooks,
            health=Health.of(health) if health else None,
        )

    @property
    def is_coexistence(self) -> bool:
        """The number lives in the WhatsApp Business app and on the Cloud API at once."""
        return self.is_on_biz_app is True and self.platform_type == CLOUD_API

    @property
    def needs_registration(self) -> bool:
        """Not registered for the Cloud API: either field says NOT_APPLICABLE, or neither says anything.

        A number in coexistence is never registered by us.
        """
        if self.is_coexistence:
            return False
        said = (self.platform_type, self.throughput_level)
        return NOT_APPLICABLE in said or said == (None, None)

    @property
    def connection_type(self) -> str:
        """`coexistence` or `dedicated`, as Graph has it, whatever the customer had chosen."""
        return "coexistence" if self.is_coexistence else "dedicated"

    @property
    def name_in_review(self) -> bool:
        """The display name waits for Meta's review; until then the number may not send to strangers."""
        return self.name_status == "PENDING_REVIEW"


class SubscribedApp(msgspec.Struct, frozen=True):
    """An app that hears of this WABA, and the callback that overrides the app's own, where one is set.

    https://developers.facebook.com/docs/graph-api/reference/whats-app-business-account/subscribed_apps
    """

    id: str | None = None
    name: str | None = None
    override_callback_uri: str | None = None

    @classmethod
    def of(cls, raw: Raw) -> Self:
        """Never fails; a row without `whatsapp_business_api_data` has no id."""
        app = as_object(raw.get("whatsapp_business_api_data"))
        return cls(as_text(app.get("id")), as_text(app.get("name")), as_text(raw.get("override_callback_uri")))


class Template(msgspec.Struct, frozen=True):
    """A message template.

    https://developers.facebook.com/docs/graph-api/reference/whats-app-business-account/message_templates
    """

    id: str
    name: str | None = None
    language: str | None = None
    status: str | None = None
    category: str | None = None

    @classmethod
    def of(cls, raw: Raw) -> Self:
        """Raises ValueError without an id."""
        return cls(
            needed_id(raw),
            *(as_text(raw.get(key)) for key in ("name", "language", "status", "category")),
        )


class Media(msgspec.Struct, frozen=True):
    """A file at Meta. `url` lives for five minutes and wants the token; `sha256` is hex, `file_size` in bytes.

    https://developers.facebook.com/docs/whatsapp/cloud-api/reference/media
    """

    id: str
    url: str | None = None
    mime_type: str | None = None
    sha256: str | None = None
    file_size: int | None = None

    @classmethod
    def of(cls, raw: Raw) -> Self:
        """Raises ValueError without an id."""
        return cls(
            needed_id(raw), as_text(raw.get("url")), as_text(raw.get("mime_type")), as_text(raw.get("sha256")),
            as_int(raw.get("file_size")),
        )  # fmt: skip


class SentMessage(msgspec.Struct, frozen=True):
    """A message that Meta took. Whether it arrives is told by status notifications that carry the same `id`."""

    id: str
    wa_id: str | None = None
    message_status: str | None = None

    @classmethod
    def of(cls, raw: Raw) -> Self:
        """Raises ValueError where Meta names no message."""
        messages, contacts = as_rows(raw.get("messages")), as_rows(raw.get("contacts"))
        if not messages:
            raise ValueError("the answer names no message")
        wa_id = as_text(contacts[0].get("wa_id")) if contacts else None
        return cls(needed_id(messages[0]), wa_id, as_text(messages[0].get("message_status")))


def hears(apps: Iterable[SubscribedApp], app_id: str) -> bool:
    """True where our own app is among those that hear of the WABA; other partners' apps do not count."""
    return any(app.id == app_id for app in apps)


def _instant(seconds: int | None, beside: int = 0) -> int | None:
    """Unix seconds as µs (`beside` more); None for 0, for nothing, and for what no calendar holds."""
    return seconds * _SECOND + beside if seconds and 0 < seconds <= _LAST_SECOND else None

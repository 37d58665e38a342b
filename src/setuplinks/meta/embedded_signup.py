"""Embedded Signup: how Meta's sign-in is opened, and what comes back to the browser.

Owns the dialog's address, the parameters of `FB.login`, the reading of the window message and of a refusal, and what
the sign-in page must allow the SDK to do. It does not own pages, visits or the exchange of the code. Nothing that a
browser hands over is proof of anything: ids in a message are claims until a call with the token confirms them.

https://developers.facebook.com/documentation/business-messaging/whatsapp/embedded-signup/implementation
https://developers.facebook.com/documentation/business-messaging/whatsapp/embedded-signup/versions
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from setuplinks.meta.lenient import Raw, as_int, as_object, as_text, as_texts

MESSAGE_TYPE = "WA_EMBEDDED_SIGNUP"
COEXISTENCE = "coexistence"

_META_DOMAIN = "facebook.com"
_LONGEST_MESSAGE = 32_768
_LONGEST_TEXT = 400
_ID = re.compile(r"[0-9]{1,40}", re.ASCII)

# Codes that Meta's flow shows to the customer, and ours for them.
# https://developers.facebook.com/documentation/business-messaging/whatsapp/embedded-signup/errors
_CANCEL_CODES = {
    "2388098": "waba_limit_reached",
    "2494067": "waba_limit_reached",
    "1690114": "waba_limit_reached",
    "2388091": "verification_failed",
    "2388093": "verification_failed",
    "2494158": "verification_failed",
    "3441033": "verification_failed",
    "2655089": "account_restricted",
    "3441049": "number_in_use",
    "3441030": "number_in_use",
}


class NotForUs(ValueError):
    """A window message that is no word of Meta's sign-in: another origin, another type, or nothing readable."""


class SignupMessage(msgspec.Struct, frozen=True):
    """What Meta's sign-in told the page. All of it is a claim; ids are digit strings, others were left out.

    `event`: FINISH, FINISH_ONLY_WABA, FINISH_WHATSAPP_BUSINESS_APP_ONBOARDING, FINISH_OBO_MIGRATION,
    FINISH_GRANT_ONLY_API_ACCESS, CANCEL, ERROR, or one that Meta adds later.
    """

    event: str
    version: int | None = None
    phone_number_id: str | None = None
    waba_id: str | None = None
    business_id: str | None = None
    waba_ids: tuple[str, ...] = ()
    current_step: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    session_id: str | None = None
    timestamp: int | None = None

    @property
    def finished(self) -> bool:
        """The customer came to the end of the flow."""
        return self.event.startswith("FINISH")

    @property
    def stopped(self) -> bool:
        """The customer, or Meta, ended the flow before its end."""
        return self.event in {"CANCEL", "ERROR"}

    @property
    def claims_coexistence(self) -> bool:
        """The customer took the path of the WhatsApp Business app."""
        return self.event == "FINISH_WHATSAPP_BUSINESS_APP_ONBOARDING"

    def claims(self) -> dict[str, Any]:
        """What is worth keeping beside the provisioning, JSON-ready, without nulls."""
        kept: dict[str, Any] = msgspec.to_builtins(self)
        return {key: value for key, value in kept.items() if value not in (None, ())}


class Denial(msgspec.Struct, frozen=True):
    """Meta sent the browser back without a code.

    The same words come when a person refused, when the app is in development mode, and when the login configuration
    asks for what cannot be granted. So it never reads as "you cancelled". The texts are Meta's, for the operator.
    """

    error: str | None = None
    error_code: str | None = None
    reason: str | None = None
    description: str | None = None
    code: str = "meta_refused"


def dialog_url(
    dialog_base: str,
    version: str,
    *,
    app_id: str,
    config_id: str,
    redirect_uri: str,
    state: str,
    extras: Mapping[str, Any] | None = None,
) -> str:
    """The address of the full-page sign-in. `redirect_uri` must come again, byte for byte, with the exchange.

    `extras` is unproven here (None leaves it out).
    https://developers.facebook.com/documentation/facebook-login/guides/advanced/manual-flow
    """
    query = {
        "client_id": app_id,
        "redirect_uri": redirect_uri,
        "state": state,
        "config_id": config_id,
        "response_type": "code",
        "override_default_response_type": "true",
    }
    if extras is not None:
        query["extras"] = msgspec.json.encode(extras).decode()
    return f"{dialog_base.rstrip('/')}/{version}/dialog/oauth?{urlencode(query)}"


def login_options(config_id: str, extras: Mapping[str, Any]) -> dict[str, Any]:
    """The second argument of `FB.login`, JSON-ready."""
    return {
        "config_id": config_id,
        "response_type": "code",
        "override_default_response_type": True,
        "extras": dict(extras),
    }


def extras(
    connection_type: str,
    prefill: Mapping[str, Any] | None = None,
    *,
    waba_id: str | None = None,
    preverified_ids: tuple[str, ...] = (),
) -> dict[str, Any]:
    """`extras` of version 4 for `dedicated` or `coexistence`. `prefill` comes from `validate_prefill`.

    `waba_id` is the account that a reconnect should lead to; the customer may still choose another. Of the pre-verified
    numbers Meta shows only the first. Version 4 itself is chosen by the login configuration, not here.
    https://developers.facebook.com/documentation/business-messaging/whatsapp/embedded-signup/pre-filled-data
    """
    setup: dict[str, Any] = dict(prefill or {})
    if waba_id is not None:
        # Meta's page writes `{ids: "…"}` in its syntax and `{id: […]}` in its examples; ours follows the examples.
        setup["whatsAppBusinessAccount"] = {"id": [waba_id]}
    if preverified_ids:
        setup["preVerifiedPhone"] = {"ids": list(preverified_ids)}
    if connection_type == COEXISTENCE:
        # `coexistence` as a feature type is no longer valid at Meta; without version 3 the message may stay away.
        return {"setup": setup, "featureType": "whatsapp_business_app_onboarding", "sessionInfoVersion": "3"}
    return {"setup": setup}


def message_origins(dialog_url: str) -> list[str]:
    """The origins that window messages may come from; `https://*.host` stands for any subdomain of the host."""
    if _is_metas(dialog_url):
        return [f"https://{_META_DOMAIN}", f"https://*.{_META_DOMAIN}"]
    return [_origin(dialog_url)]


def origin_allowed(origin: str, dialog_url: str) -> bool:
    """True where a message of this origin may be Meta's: exact scheme, host and port; or facebook.com's own hosts.

    Meta's sample tests `endsWith('facebook.com')`, which lets evilfacebook.com in.
    """
    try:
        given = _origin(origin)
        parts = urlsplit(given)
    except ValueError:
        return False
    # An origin has no path, no user and no trailing dot; what has one is not a browser's word.
    if given != origin.lower():
        return False
    if _is_metas(dialog_url):
        host = parts.hostname or ""
        own = host == _META_DOMAIN or host.endswith("." + _META_DOMAIN)
        return parts.scheme == "https" and parts.port is None and own
    return given == _origin(dialog_url)


def parse_message(text: str | bytes | Mapping[str, Any], origin: str, dialog_url: str) -> SignupMessage:
    """Reads a window message. Raises NotForUs for one that the page should simply pass over.

    Meta sends a JSON string; an object, or a string within a string, is taken too.
    """
    if not origin_allowed(origin, dialog_url):
        raise NotForUs("the message comes from another origin")
    raw = _decoded(text)
    if raw.get("type") != MESSAGE_TYPE:
        raise NotForUs("the message is not about a signup")
    data = as_object(raw.get("data"))
    return SignupMessage(
        event=(_short(raw.get("event")) or "UNKNOWN").upper(),
        version=as_int(raw.get("version")),
        phone_number_id=_digits(data.get("phone_number_id")),
        waba_id=_digits(data.get("waba_id")),
        business_id=_digits(data.get("business_id")),
        waba_ids=tuple(found for found in as_texts(data.get("waba_ids") or [])[:100] if _digits(found)),
        current_step=_short(data.get("current_step")),
        error_code=_short(data.get("error_code")),
        error_message=_short(data.get("error_message")),
        session_id=_short(data.get("session_id")),
        timestamp=as_int(data.get("timestamp")),
    )


def cancel_code(message: SignupMessage) -> str:
    """Our code for a CANCEL or ERROR: `cancelled` only where the customer left and Meta named no error."""
    if message.error_code is not None:
        return _CANCEL_CODES.get(message.error_code, "meta_refused")
    left = message.event == "CANCEL" and message.error_message is None
    return "cancelled" if left else "meta_refused"


def denial(query: Mapping[str, str]) -> Denial | None:
    """The refusal in the query of a callback; None where it carries none.

    https://developers.facebook.com/documentation/facebook-login/guides/advanced/manual-flow
    """
    error, code = query.get("error"), query.get("error_code")
    reason, text = query.get("error_reason"), query.get("error_description") or query.get("error_message")
    if not any((error, code, reason, text)):
        return None
    return Denial(_short(error), _short(code), _short(reason), _short(text))


def csp_sources(sdk_url: str, dialog_url: str, graph_url: str) -> dict[str, list[str]]:
    """What the sign-in page's CSP must allow beside its own: sources by directive, for that page only.

    The SDK loads a second script from its own host, keeps a hidden iframe, connects, and puts a `<style>` element into
    the page. That element carries no nonce and its text changes with Meta's releases, so no nonce and no hash covers
    it: `style-src` there is 'unsafe-inline', and the page's own styles come from a file ('self'), because a nonce in
    `style-src` would switch 'unsafe-inline' off. The page holds no secret. `form-action` is for the 303 of a form that
    leads to the dialog: Chromium applies it to the redirect too.
    """
    sdk, dialog, graph = _origin(sdk_url), _origin(dialog_url), _origin(graph_url)
    # Meta's SDK speaks to www, web, staticxx and graph; which of them changes with its releases.
    family = [f"https://*.{_META_DOMAIN}"] if _is_metas(dialog_url) else []
    return {
        "script-src": [sdk],
        "connect-src": _each_once([sdk, dialog, graph, *family]),
        "frame-src": _each_once([sdk, dialog, *family]),
        "img-src": _each_once([sdk, dialog, *family]),
        "style-src": ["'unsafe-inline'"],
        "form-action": _each_once([dialog, *family]),
    }


def _is_metas(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host == _META_DOMAIN or host.endswith("." + _META_DOMAIN)


def _origin(url: str) -> str:
    """Scheme, host and port as a browser writes an origin. Raises ValueError for what has none."""
    parts = urlsplit(url)
    host = parts.hostname
    if parts.scheme not in {"http", "https"} or not host:
        raise ValueError("not a web address")
    shown = f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{shown}" + ("" if parts.port in {None, default} else f":{parts.port}")


def _each_once(items: list[str]) -> list[str]:
    return list(dict.fromkeys(items))


def _decoded(text: str | bytes | Mapping[str, Any]) -> Raw:
    value: object = text
    for _ in range(2):
        if not isinstance(value, str | bytes):
            break
        if len(value) > _LONGEST_MESSAGE:
            raise NotForUs("the message is too long")
        try:
            value = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise NotForUs("the message is not JSON") from None
    if not isinstance(value, Mapping):
        raise NotForUs("the message is not an object")
    return value


def _digits(value: object) -> str | None:
    found = as_text(value)
    return found if found is not None and _ID.fullmatch(found) else None


def _short(value: object) -> str | None:
    """Text for a log or a row: no control characters, cut to a sane length."""
    found = as_text(value)
    return None if found is None else re.sub(r"[\x00-\x1f\x7f]", " ", found)[:_LONGEST_TEXT]

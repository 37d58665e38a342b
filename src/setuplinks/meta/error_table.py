"""Meta's error codes and what each means for us: one table.

Owns, for each code and subcode that Meta's documents name, its class, who has to act, whether the same call may be sent
again, and one plain sentence. It does not own how an answer is read: that is `errors`.

https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
https://developers.facebook.com/docs/graph-api/guides/error-handling
"""

from dataclasses import dataclass
from enum import StrEnum

MINUTE_S = 60
HOUR_S = 60 * MINUTE_S
DAY_S = 24 * HOUR_S


class Kind(StrEnum):
    """The class of a failed call: what the caller does next depends on it."""

    RETRY = "retry"
    RELOGIN = "relogin"
    PERMISSION = "permission"
    NOT_FOUND = "not_found"
    PAYMENT = "payment"
    ACCOUNT = "account"
    NEVER_RETRY = "never_retry"
    FIX_REQUEST = "fix_request"
    REGISTRATION = "registration"
    COEXISTENCE = "coexistence"
    CODE_EXCHANGE = "code_exchange"
    CONFIGURATION = "configuration"
    OUTCOME_UNKNOWN = "outcome_unknown"
    UNREADABLE = "unreadable"
    UNKNOWN = "unknown"


class Who(StrEnum):
    """Who can put it right: the business, the company that invited it, whoever runs us, Meta, or our own code."""

    CUSTOMER = "customer"
    TENANT = "tenant"
    OPERATOR = "operator"
    META = "meta"
    US = "us"


@dataclass(frozen=True, slots=True)
class Rule:
    """One row.

    `retryable`: the same call may work later. `ambiguous`: Meta may have done it nevertheless, so a call that must not
    happen twice is not sent again. `wait_s`: seconds to wait at least, None where backoff decides.
    """

    kind: Kind
    who: Who
    sentence: str
    retryable: bool = False
    wait_s: int | None = None
    ambiguous: bool = False


def _retry(sentence: str, *, wait_s: int | None = None, ambiguous: bool = False) -> Rule:
    return Rule(Kind.RETRY, Who.META, sentence, True, wait_s, ambiguous)


def _relogin(sentence: str) -> Rule:
    return Rule(Kind.RELOGIN, Who.CUSTOMER, sentence)


def _permission(sentence: str, who: Who = Who.CUSTOMER) -> Rule:
    return Rule(Kind.PERMISSION, who, sentence)


def _payment(sentence: str) -> Rule:
    return Rule(Kind.PAYMENT, Who.CUSTOMER, sentence)


def _account(sentence: str) -> Rule:
    return Rule(Kind.ACCOUNT, Who.CUSTOMER, sentence)


def _never(sentence: str, who: Who = Who.TENANT) -> Rule:
    return Rule(Kind.NEVER_RETRY, who, sentence)


def _fix(sentence: str, who: Who = Who.TENANT) -> Rule:
    return Rule(Kind.FIX_REQUEST, who, sentence)


def _registration(sentence: str, who: Who, *, retryable: bool = False, wait_s: int | None = None) -> Rule:
    return Rule(Kind.REGISTRATION, who, sentence, retryable, wait_s)


def _exchange(sentence: str, who: Who = Who.CUSTOMER) -> Rule:
    return Rule(Kind.CODE_EXCHANGE, who, sentence)


def _configuration(sentence: str) -> Rule:
    return Rule(Kind.CONFIGURATION, Who.OPERATOR, sentence)


def _coexistence(sentence: str, who: Who) -> Rule:
    return Rule(Kind.COEXISTENCE, who, sentence)


Key = tuple[int, int | None]

# In the code exchange these win over TABLE: there 100 is about the code, and 1 is about the secret.
EXCHANGE: dict[Key, Rule] = {
    (100, 36007): _exchange("The sign-in took too long and Meta's code had expired. Sign in again."),
    (100, 36009): _exchange("Meta's code had been used before. Sign in again."),
    (100, 36008): _exchange(
        "The redirect address of the sign-in differs from the one of the exchange. Check the popup redirect setting.",
        Who.OPERATOR,
    ),
    (100, None): _exchange("Meta did not accept the code of the sign-in. Sign in again."),
    (1, None): _configuration("Meta did not accept the app secret."),
}

TABLE: dict[Key, Rule] = {
    # Retry with backoff
    (1, None): _retry("Meta had an unknown error.", ambiguous=True),
    (2, None): _retry("Meta's service was away for a moment.", ambiguous=True),
    (4, None): _retry("The app has made too many calls to Meta; they go on later.", wait_s=5 * MINUTE_S),
    (17, None): _retry("Too many calls were made to Meta for this account; they go on later.", wait_s=5 * MINUTE_S),
    (80007, None): _retry("Too many calls were made for this WhatsApp account this hour.", wait_s=5 * MINUTE_S),
    (130429, None): _retry("This number has reached Meta's sending rate.", wait_s=1),
    (131000, None): _retry("Meta could not handle the request for an unknown reason.", ambiguous=True),
    (131016, None): _retry("A service of Meta's was away for a moment.", ambiguous=True),
    (131056, None): _retry("Too many messages went to this one person in a short time.", wait_s=4),
    (131057, None): _retry("Meta is upgrading this number; it can send again in some minutes.", wait_s=MINUTE_S),
    (133004, None): _retry("Meta's registration server was away for a moment."),
    # Sign in again
    (0, None): _relogin("Meta could not authenticate the access. The customer must connect again."),
    (102, None): _relogin("The session at Meta has ended. The customer must connect again."),
    (190, None): _relogin("Meta's access token is no longer valid. The customer must connect again."),
    (190, 452): _relogin("The session key at Meta is no longer valid. The customer must connect again."),
    (190, 458): _relogin("The customer has removed the app. The customer must connect again."),
    (190, 459): _relogin("Meta wants the person to sign in at facebook.com and clear a check first."),
    (190, 460): _relogin("The person's Facebook password was changed. The customer must connect again."),
    (190, 463): _relogin("Meta's access token has expired. The customer must connect again."),
    (190, 464): _relogin("The person's Facebook account is not confirmed."),
    (190, 467): _relogin("The person logged out or the access was withdrawn. The customer must connect again."),
    (190, 492): _relogin("The person no longer has a role on the business. Somebody with a role must connect again."),
    (452, None): _relogin("The session at Meta is invalid. The customer must connect again."),
    # Permission
    (3, None): _permission("The app may not use this part of Meta's interface.", Who.OPERATOR),
    (10, None): _permission("The permission for this was not granted or was taken back."),
    (131005, None): _permission("Meta refused access: a permission is missing."),
    (3962, None): _permission("The app does not hold a permission that was asked for.", Who.OPERATOR),
    (200, None): _permission("A permission for this is missing."),
    (100, 33): Rule(
        Kind.NOT_FOUND, Who.CUSTOMER, "Meta knows no such object, or the access that was granted does not reach it."
    ),
    (803, None): Rule(Kind.NOT_FOUND, Who.CUSTOMER, "Meta knows no such object."),
    # Payment
    (131042, None): _payment("There is a problem with the payment method of the WhatsApp account."),
    (131044, None): _payment("The WhatsApp account has no credit line or payment method."),
    (134011, None): _payment("The WhatsApp account must accept payment terms first."),
    (141006, None): _payment("The WhatsApp account needs a valid payment method."),
    # Account
    (368, None): _account("Meta has blocked the account for a time because of a policy violation."),
    (131031, None): _account("Meta has locked the WhatsApp account."),
    (130497, None): _account("The WhatsApp account may not message people in this country."),
    # Never retry
    (131047, None): _never("More than 24 hours have passed since the person's last message; send a template."),
    (131049, None): _never("Meta held this message back to keep people's chats healthy; wait at least 24 hours."),
    (131050, None): _never("The person does not want marketing messages from this business.", Who.CUSTOMER),
    (131026, None): _never("The message cannot be delivered to this person."),
    (131048, None): _never("Sending is limited because people reported messages as spam.", Who.CUSTOMER),
    (130403, None): _never("Meta does not let this message be sent to this person."),
    (130472, None): _never("The person is part of an experiment of Meta's and gets no such message."),
    (131021, None): _never("Sender and recipient are the same number."),
    (131051, None): _never("This type of message is not supported."),
    # The request is wrong
    (33, None): _fix("The number does not exist at Meta any more.", Who.CUSTOMER),
    (100, None): _fix("Meta did not accept a parameter of the request.", Who.US),
    (131008, None): _fix("A required parameter is missing."),
    (131009, None): _fix("A parameter has a value that Meta does not accept."),
    (132000, None): _fix("The number of template parameters is not what the template needs."),
    (132001, None): _fix("The template does not exist in this language or is not approved."),
    (132005, None): _fix("The template's text became too long with these parameters."),
    (132007, None): _fix("The template breaks a rule of WhatsApp."),
    (132012, None): _fix("A template parameter has the wrong format."),
    (132015, None): _fix("The template is paused because of its quality."),
    (132016, None): _fix("The template was switched off for good because of its quality."),
    (132068, None): _fix("The flow is blocked."),
    (132069, None): _fix("The flow is throttled."),
    (135000, None): _fix("Meta found an unknown fault in the request's parameters."),
    # Registration
    (131037, None): _registration("The number may send once Meta has approved its display name.", Who.META),
    (131045, None): _registration("The number is not registered correctly; it must be registered again.", Who.US),
    (133000, None): _registration("An earlier deregistration did not finish; deregister, then register.", Who.US),
    (133005, None): _registration("The number has a PIN from an earlier registration, and it differs.", Who.CUSTOMER),
    (133006, None): _registration("The number must be verified by a code before it is registered.", Who.CUSTOMER),
    (133008, None): _registration(
        "Too many wrong PINs were tried; Meta has locked the number for a time.", Who.META, wait_s=12 * HOUR_S
    ),
    (133009, None): _registration("PINs were tried too fast; wait before the next.", Who.META, wait_s=5 * MINUTE_S),
    (133010, None): _registration("The number is not registered with WhatsApp yet.", Who.US),
    (133015, None): _registration(
        "The number was deleted a moment ago; Meta needs five minutes.", Who.META, retryable=True, wait_s=5 * MINUTE_S
    ),
    (133016, None): _registration(
        "The number was registered too often; Meta allows the next try after 72 hours.", Who.META, wait_s=3 * DAY_S
    ),
    (136024, None): _registration("Meta did not send a code to this number; ask again later.", Who.META),
    (136025, None): _registration("The code is not the one that Meta sent, or it has ended.", Who.CUSTOMER),
    # Coexistence
    (2593107, None): _coexistence("This synchronisation was asked for before; Meta does it once only.", Who.US),
    (2593108, None): _coexistence("The 24 hours in which Meta synchronises a new number have passed.", Who.US),
    (2593109, None): _coexistence("The customer chose not to share the chat history.", Who.CUSTOMER),
    # The app's own settings
    (101, None): _configuration("Meta does not know the app id, or could not look it up."),
    (2200, None): _configuration("Meta could not verify the callback address: it did not give the challenge back."),
    (191, None): _configuration("The redirect address or domain is not entered in the app's settings at Meta."),
}

# Where only the text tells: (code, a part of the text in lower case, rule).
BY_TEXT: tuple[tuple[int, str, Rule], ...] = (
    (100, "appsecret_proof", _configuration("Meta did not accept the proof made with the app secret.")),
    (100, "before override", _fix("The app must be subscribed before its callback is overridden.", Who.US)),
)

_PERMISSION = TABLE[(200, None)]
_REGISTRATION = _registration("Meta refused something about the number's registration.", Who.US)
_THROTTLED = _retry("Meta asks to slow down.", wait_s=MINUTE_S)
_SERVER = _retry("Meta's server failed.", ambiguous=True)
_UNKNOWN = Rule(Kind.UNKNOWN, Who.META, "Meta refused this with a code that is not known here.")
_CODE = _exchange("Meta did not give access for the code of the sign-in. Sign in again.")


def rule_for(code: int | None, subcode: int | None, *, status: int, text: str = "", exchange: bool = False) -> Rule:
    """The row for an error: by subcode, then by text, then by code, then by range, then by HTTP status.

    `exchange` is True for the exchange of a sign-in's code, where some codes mean something else.
    """
    found = _in_exchange(code, subcode, text) if exchange else _by_code(code, subcode, text)
    if found is not None:
        return found
    if status == 429:
        return _THROTTLED
    if status >= 500:
        return _SERVER
    return _CODE if exchange else _UNKNOWN


def _in_exchange(code: int | None, subcode: int | None, text: str) -> Rule | None:
    if code is None:
        return None
    found = EXCHANGE.get((code, subcode)) or EXCHANGE.get((code, None))
    if found is not None and (code != 1 or "secret" in text.lower()):
        return found
    general = _by_code(code, subcode, text)
    # There is no token yet that could be dead or lack a permission: everything else is about the code.
    return general if general is not None and general.kind in {Kind.RETRY, Kind.CONFIGURATION} else None


def _by_code(code: int | None, subcode: int | None, text: str) -> Rule | None:
    if code is None:
        return None
    if subcode is not None and (code, subcode) in TABLE:
        return TABLE[(code, subcode)]
    lowered = text.lower()
    for known, part, rule in BY_TEXT:
        if code == known and part in lowered:
            return rule
    if (code, None) in TABLE:
        return TABLE[(code, None)]
    if 200 <= code <= 299:
        return _PERMISSION
    if 133000 <= code <= 133099:
        return _REGISTRATION
    return None

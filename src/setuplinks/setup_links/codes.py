"""The codes that say why something stopped: stable for ever, one table.

Owns the words for the API and the redirect. The customer's pages have words of their own.
"""

from dataclasses import dataclass
from typing import Literal

Who = Literal["customer", "tenant", "operator", "meta"]


@dataclass(frozen=True)
class Code:
    """What a code means: one plain sentence, whose turn it is, and whether the same link may be used again."""

    message: str
    who: Who
    retryable: bool


CODES: dict[str, Code] = {
    "cancelled": Code("The customer left Facebook before the end.", "customer", True),
    "popup_blocked": Code("The customer's browser did not open Facebook's window.", "customer", True),
    "permission_missing": Code(
        "Facebook's permission does not reach the WhatsApp account; the customer signs in again.", "customer", True
    ),
    "no_business_portfolio": Code("The business that was chosen has no WhatsApp account.", "customer", True),
    "no_phone_number": Code("The WhatsApp account has no phone number that could be connected.", "customer", True),
    "number_mismatch": Code("Another number was chosen than the one to reconnect.", "customer", True),
    "number_in_use": Code(
        "The number is connected elsewhere; whoever holds it must let it go first.", "customer", True
    ),
    "connection_type_not_allowed": Code("The number is connected in a way that the link rules out.", "customer", True),
    "verification_failed": Code("The number could not be verified by a code.", "customer", True),
    "pin_mismatch": Code("The number has a two-step PIN from an earlier registration.", "customer", True),
    "waba_limit_reached": Code("The business has reached Meta's limit of WhatsApp accounts.", "customer", True),
    "account_restricted": Code("Meta has restricted the business account.", "customer", False),
    "meta_refused": Code("Meta did not allow the connection.", "operator", True),
    "meta_unavailable": Code("Meta could not be reached for 24 hours.", "meta", True),
    "code_exchange_failed": Code("Facebook's answer could not be used; the customer signs in again.", "customer", True),
    "tenant_suspended": Code("The company's account is suspended here.", "operator", False),
    "timed_out": Code("Nothing happened for too long.", "customer", True),
    "visits_exhausted": Code("The link was started too many times; make a new one.", "tenant", False),
    "link_expired": Code("The link has expired; make a new one.", "tenant", False),
    "link_revoked": Code("The link was withdrawn.", "tenant", False),
    "link_used": Code("The link has done its work.", "tenant", False),
    "internal": Code("Something failed on our side; the operator's log says more.", "operator", False),
}  # fmt: skip

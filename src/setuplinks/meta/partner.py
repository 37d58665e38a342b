"""Calls that the operator makes for its own business portfolio, with its system user's token.

Owns the customer's token by way of the partner (for a grant that came without a browser) and pre-verified numbers. It
is built only where META_BUSINESS_ID and META_SYSTEM_TOKEN are set; without them there is no automatic recovery and no
number pool. Every method raises GraphError and nothing else.
"""

from datetime import datetime
from typing import Self

import msgspec

from setuplinks.core.clock import SECOND
from setuplinks.meta.calls import each, shaped
from setuplinks.meta.errors import Call
from setuplinks.meta.graph import Graph
from setuplinks.meta.lenient import Raw, as_int, as_text, needed_id
from setuplinks.meta.payloads import TokenGrant
from setuplinks.meta.secret import Secret

NUMBER_FIELDS = "id,phone_number,code_verification_status,code_verification_time,verification_expiry_time"
PLAIN_NUMBER_FIELDS = "id,display_phone_number,verification_status"  # of Meta's own OpenAPI, which knows no times
VERIFIED = "VERIFIED"

_CUSTOMER_TOKEN = Call("/{client_business_id}/system_user_access_tokens", "POST")
# Meta refuses a number that it has already: a repeat changes nothing, but its answer would be taken for a failure.
_ADD_NUMBER = Call("/{business_id}/add_phone_numbers", "POST", repeatable=False)
_PREVERIFIED = Call("/{business_id}/preverified_numbers")
# A repeat would send a second text message, and Meta counts them.
_REQUEST_CODE = Call("/{preverified_id}/request_code", "POST", repeatable=False)
_VERIFY_CODE = Call("/{preverified_id}/verify_code", "POST", repeatable=False)


class PreverifiedNumber(msgspec.Struct, frozen=True):
    """A number that the partner has made ready for customers. Times are µs since 1970, None where Meta names none.

    https://developers.facebook.com/documentation/business-messaging/whatsapp/embedded-signup/pre-verified-numbers
    """

    id: str
    number: str | None = None
    status: str | None = None
    verified_at: int | None = None
    expires_at: int | None = None

    @classmethod
    def of(cls, raw: Raw) -> Self:
        """Raises ValueError without an id."""
        return cls(
            id=needed_id(raw),
            number=as_text(raw.get("phone_number")) or as_text(raw.get("display_phone_number")),
            status=as_text(raw.get("code_verification_status")) or as_text(raw.get("verification_status")),
            verified_at=_instant(raw.get("code_verification_time")),
            expires_at=_instant(raw.get("verification_expiry_time")),
        )

    @property
    def e164(self) -> str | None:
        """`+` and digits: Meta writes numbers with and without `+`, spaces and brackets."""
        digits = "".join(letter for letter in self.number or "" if letter.isdecimal())
        return f"+{digits}" if digits else None


class Partner:
    """The operator's own portfolio at Meta. `business_id` is the portfolio's id, `system_token` of its system user."""

    def __init__(self, graph: Graph, business_id: str, system_token: Secret) -> None:
        self._graph, self._business_id, self._token = graph, business_id, system_token

    async def customer_token(self, client_business_id: str) -> TokenGrant:
        """The business token of a customer's portfolio that has granted our app access; nothing new is made.

        3962: the app lacks a permission; 452: the session is invalid; 200: this portfolio granted nothing.
        https://developers.facebook.com/documentation/ads-commerce/marketing-api/reference/business/system_user_access_tokens
        """
        graph = self._graph
        answer = await graph.call(
            _CUSTOMER_TOKEN, (client_business_id,), timeout=graph.timeouts.write, token=self._token,
            form={"fetch_only": "true"},
        )  # fmt: skip
        return shaped(_CUSTOMER_TOKEN, TokenGrant.of, answer)

    async def add_number(self, number: str) -> str:
        """Adds a number (`+` and digits) to the pool at Meta; its pre-verified id. On OutcomeUnknown it may be there:
        look with `preverified_numbers`.

        https://developers.facebook.com/documentation/business-messaging/whatsapp/embedded-signup/pre-verified-numbers
        """
        graph = self._graph
        answer = await graph.call(
            _ADD_NUMBER, (self._business_id,), timeout=graph.timeouts.write, token=self._token,
            body={"phone_number": number},
        )  # fmt: skip
        return shaped(_ADD_NUMBER, needed_id, answer)

    async def preverified_numbers(self) -> list[PreverifiedNumber]:
        """All numbers of the pool at Meta, over all pages. Same page as `add_number`."""
        rows = await self._graph.rows(
            _PREVERIFIED, self._business_id, self._token, {}, fields=NUMBER_FIELDS, plain=PLAIN_NUMBER_FIELDS
        )
        return each(PreverifiedNumber.of, rows)

    async def request_code(self, preverified_id: str, method: str, language: str) -> None:
        """Has Meta send a code to the number: `method` is SMS or VOICE, `language` like `en_US`. Same page."""
        body = {"code_method": method, "language": language}
        await self._graph.success(_REQUEST_CODE, preverified_id, self._token, body)

    async def verify_code(self, preverified_id: str, code: str) -> None:
        """Hands in the code that came; the number is then verified for 90 days. Same page."""
        await self._graph.success(_VERIFY_CODE, preverified_id, self._token, {"code": code}, (Secret(code),))


def _instant(value: object) -> int | None:
    """Unix seconds, or a date such as `2026-09-01T10:00:00+0000`, as µs; None for anything else."""
    seconds = as_int(value)
    if seconds is not None:
        return seconds * SECOND if 0 < seconds < 253_402_300_800 else None
    try:
        moment = datetime.fromisoformat(as_text(value) or "")
    except ValueError:
        return None
    return round(moment.timestamp()) * SECOND if moment.tzinfo is not None else None

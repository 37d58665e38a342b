"""Our own refusals, in Meta's error shape and codes, so that a client's error handling needs no change.

Owns which of our reasons is told by which code. Each carries a trace id of ours (`sl…`) that stands in the log too.
"""

from setuplinks.core.ids import crockford
from setuplinks.gateway.models import Answer
from setuplinks.meta import gateway_language as meta

TRACE_BITS = 60


class Refusal(Exception):
    """A call that does not reach Meta. `details` say what to do; `retry_after` is in seconds."""

    def __init__(
        self,
        status: int,
        code: int,
        message: str,
        *,
        subcode: int | None = None,
        kind: str = "OAuthException",
        details: str | None = None,
        transient: bool = False,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.subcode, self.message = status, code, subcode, message
        self.kind, self.details, self.transient, self.retry_after = kind, details, transient, retry_after
        self.trace = f"sl{crockford(TRACE_BITS)}"

    def answer(self) -> Answer:
        """The refusal as an answer."""
        body = meta.error_body(
            self.code, self.message, kind=self.kind, trace=self.trace, subcode=self.subcode, details=self.details,
            transient=self.transient,
        )  # fmt: skip
        headers = [(b"content-type", meta.JSON_TYPE)]
        if self.code == meta.BAD_TOKEN:
            headers.append((b"www-authenticate", meta.challenge(self.message)))
        if self.retry_after is not None:
            headers.append((b"retry-after", str(self.retry_after).encode()))
        return Answer(self.status, tuple(headers), body)


def bad_key(why: str) -> Refusal:
    """The key is missing, unknown, revoked, expired, or its owner is suspended."""
    return Refusal(401, meta.BAD_TOKEN, f"Invalid OAuth access token: {why}")


def not_yours(object_id: str, method: str, *, details: str | None = None) -> Refusal:
    """No such object for this key; what exists and is another's is told in the same words."""
    return Refusal(
        400, meta.BAD_PARAMETER, meta.missing_object(object_id, method), subcode=meta.NO_SUCH_OBJECT,
        kind="GraphMethodException", details=details,
    )  # fmt: skip


def bad_request(message: str, *, details: str | None = None, status: int = 400) -> Refusal:
    """The call cannot be passed on as it is."""
    return Refusal(status, meta.BAD_PARAMETER, f"(#{meta.BAD_PARAMETER}) {message}", details=details)


def lacks_scope(scope: str) -> Refusal:
    """The key may not do this kind of thing."""
    return Refusal(403, meta.LACKS_PERMISSION, f"(#{meta.LACKS_PERMISSION}) This key needs the scope `{scope}`.")


def kept_by_us(message: str) -> Refusal:
    """A call that would break the connection itself, which the service looks after."""
    return Refusal(403, meta.NOT_ALLOWED, f"(#{meta.NOT_ALLOWED}) {message}")


def dead_token(message: str, subcode: int | None = None) -> Refusal:
    """Meta no longer takes the customer's token; it is not asked again until the customer has reconnected."""
    return Refusal(401, meta.BAD_TOKEN, f"Error validating access token: {message}", subcode=subcode)


def unreachable() -> Refusal:
    """Nothing was sent: it may be sent again."""
    return Refusal(
        503, meta.UNAVAILABLE, "Service temporarily unavailable: Meta cannot be reached. Nothing was sent; send it "
        "again.", transient=True, retry_after=1,
    )  # fmt: skip


def too_many() -> Refusal:
    """The account has as many calls under way as one may have; nothing was sent."""
    return Refusal(
        429, meta.ACCOUNT_LIMIT, f"(#{meta.ACCOUNT_LIMIT}) Too many calls of this WhatsApp Business account are under "
        "way. Nothing was sent; send it again when some of them have ended.", transient=True, retry_after=1,
    )  # fmt: skip


def cut_off(*, repeatable: bool) -> Refusal:
    """The call left and no whole answer came."""
    if repeatable:
        return Refusal(
            504, meta.UNAVAILABLE, "Service temporarily unavailable: Meta did not answer in time. Send it again.",
            transient=True,
        )  # fmt: skip
    return Refusal(
        504, meta.UNKNOWN, "An unknown error occurred: Meta did not answer in time, so it is not known whether this "
        "was done.", details="Look for its status or its effect before you send it again; it may be there already.",
    )  # fmt: skip


def crashed() -> Refusal:
    """A fault of ours; nobody knows how far the call came."""
    return Refusal(
        500, meta.UNKNOWN, "An unknown error occurred in the gateway; its operator finds it by the trace id."
    )


def away() -> Refusal:
    """A part of ours is away; nothing was sent."""
    return Refusal(
        503, meta.UNAVAILABLE, "Service temporarily unavailable: the gateway cannot look up this key or object now. "
        "Nothing was sent; send it again.", transient=True, retry_after=1,
    )  # fmt: skip

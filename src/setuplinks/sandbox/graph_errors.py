"""Graph's error object (contract 3.9 and 2.4): the errors that the sandbox raises and how each looks on the wire."""

import secrets
from collections.abc import Mapping
from typing import Any


class GraphError(Exception):
    """One error answer. `status` is the HTTP status; the rest are the keys of Meta's `error` object."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        status: int = 400,
        subcode: int | None = None,
        kind: str = "OAuthException",
        details: str | None = None,
        transient: bool = False,
        user_title: str | None = None,
        user_msg: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.status, self.subcode, self.kind = code, message, status, subcode, kind
        self.details, self.transient = details, transient
        self.user_title, self.user_msg = user_title, user_msg
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {"message": self.message, "type": self.kind, "code": self.code}
        if self.details is not None:
            error["error_data"] = {"messaging_product": "whatsapp", "details": self.details}
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        if self.transient:
            error["is_transient"] = True
        if self.user_title is not None:
            error["error_user_title"] = self.user_title
        if self.user_msg is not None:
            error["error_user_msg"] = self.user_msg
        error["fbtrace_id"] = "A" + secrets.token_urlsafe(16).replace("-", "x").replace("_", "y")
        return {"error": error}


HTTP_STATUS = {1: 500, 2: 500, 4: 400, 10: 403, 200: 403, 190: 401, 80007: 400, 130429: 429, 131000: 500, 133016: 400}


def error_of(
    code: int,
    message: str | None = None,
    subcode: int | None = None,
    status: int | None = None,
    details: str | None = None,
) -> GraphError:
    """An error by its code alone, with Meta's usual text and status; used by faults and scenarios."""
    if code == 190 and message is None:
        return dead_token(subcode)
    text = message or TEXTS.get(code, f"(#{code}) An error occurred")
    return GraphError(
        code,
        text,
        status=status or HTTP_STATUS.get(code, 400),
        subcode=subcode,
        details=details or (text if 130000 <= code < 140000 else None),
        transient=code in (1, 2),
    )


TEXTS = {
    1: "An unknown error occurred",
    2: "An unexpected error has occurred. Please retry your request later.",
    4: "(#4) Application request limit reached",
    10: "(#10) Application does not have permission for this action",
    200: "(#200) You do not have the necessary permissions for this WhatsApp Business Account",
    368: "(#368) Temporarily blocked for policies violations",
    80007: "(#80007) There have been too many calls to this WhatsApp Business account. Wait a bit and try again.",
    130429: "(#130429) Rate limit hit",
    131000: "(#131000) Something went wrong",
    131021: "(#131021) Recipient cannot be sender",
    131030: "(#131030) Recipient phone number not in allowed list",
    131031: "(#131031) Business Account locked",
    131037: "(#131037) WhatsApp provided number needs display name approval before message can be sent",
    131042: "(#131042) Business eligibility payment issue",
    131045: "(#131045) Message failed to send due to a phone number registration error",
    131056: "(#131056) (Business Account, Consumer Account) pair rate limit hit",
    133000: "(#133000) Incomplete Deregistration",
    133004: "(#133004) Server Temporarily Unavailable",
    133005: "(#133005) Two step verification PIN Mismatch",
    133006: "(#133006) Phone number re-verification needed",
    133008: "(#133008) Too Many two step verification PIN Guesses",
    133009: "(#133009) Two step verification PIN Guessed Too Fast",
    133010: "(#133010) Phone number Not Registered",
    133015: "(#133015) Please wait a few minutes before attempting to register this phone number",
    133016: "(#133016) Account register deregister rate limit exceeded",
    452: "(#452) Session key invalid or no longer valid",
    3962: "(#3962) The app does not have the permission that was asked for",
    136024: "(#136024) Request code error",
    136025: "(#136025) Verify code error",
    2593107: "(#2593107) Synchronization request limit exceeded",
    2593108: "(#2593108) Synchronization request made outside of allowed time window",
}


def missing_object(object_id: str, method: str = "GET") -> GraphError:
    """100/33: unknown and not allowed look the same."""
    verb = "get" if method == "GET" else method.lower()
    return GraphError(
        100,
        f"Unsupported {verb} request. Object with ID '{object_id}' does not exist, cannot be loaded due to missing "
        "permissions, or does not support this operation. Please read the Graph API documentation at "
        "https://developers.facebook.com/docs/graph-api",
        subcode=33,
        kind="GraphMethodException",
    )


TOKEN_TEXTS = {
    452: "Error validating access token: Session key invalid.",
    458: "Error validating access token: The user has not authorized application.",
    459: "Error validating access token: The user has been checkpointed.",
    460: "Error validating access token: The session has been invalidated because the user changed their password or "
    "Facebook has changed the session for security reasons.",
    463: "Error validating access token: Session has expired on Friday, 26-Apr-24 06:00:00 PDT. The current time is "
    "Saturday, 27-Apr-24 06:00:00 PDT.",
    467: "Error validating access token: The session is invalid because the user logged out.",
}


def dead_token(subcode: int | None) -> GraphError:
    text = (
        "Invalid OAuth access token - Cannot parse access token"
        if subcode is None
        else TOKEN_TEXTS.get(subcode, "Error validating access token.")
    )
    return GraphError(190, text, status=401, subcode=subcode)


def bad_parameter(message: str, details: str | None = None) -> GraphError:
    return GraphError(100, f"(#100) {message}", details=details)

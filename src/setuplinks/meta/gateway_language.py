"""Graph's own language as a stand-in for Graph has to speak it: paths, what a call does, error bodies.

Owns which path names which object and edge, and whether a call sends, manages or reads. It owns no rule of who may
call what. Parameters stand in `gateway_params`, what comes back in `gateway_answers`.

https://developers.facebook.com/docs/graph-api/overview
https://developers.facebook.com/documentation/business-messaging/whatsapp/reference
"""

import re
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

Use = Literal["send", "manage", "read"]
USES: tuple[Use, ...] = ("send", "manage", "read")

JSON_TYPE = b"application/json; charset=UTF-8"
UNKNOWN, UNAVAILABLE, NOT_ALLOWED, BAD_PARAMETER, BAD_TOKEN, LACKS_PERMISSION = 1, 2, 10, 100, 190, 200
NO_SUCH_OBJECT, ACCOUNT_LIMIT = 33, 80007
UPLOAD, UPLOADS = "upload:", "uploads"

READS = frozenset({"GET", "HEAD"})
METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "PUT", "PATCH"})
# What a person's conversation consists of; everything else that writes changes the account.
_SENDING = frozenset({"messages", "media", "marketing_messages", "calls", "call_permissions"})
_MESSAGES = frozenset({"messages", "marketing_messages"})
# Bodies with a file, of any length.
_FILES = frozenset({"media", "assets"})
REGISTRATION = frozenset({"register", "deregister", "request_code", "verify_code", "smb_app_data"})
SUBSCRIPTION = "subscribed_apps"
NUMBERS = "phone_numbers"
USERS = "assigned_users"
TEMPLATES = "message_templates"
Made = Literal["media", "template", "flow"]
# (object, edge) → what a POST there makes; its answer carries the new id.
MAKES: dict[tuple[str, str], Made] = {
    ("phone_number", "media"): "media",
    ("waba", TEMPLATES): "template",
    ("waba", "flows"): "flow",
}
OF_A_FLOW = frozenset({"assets", "publish", "deprecate", "versions", "migrate"})

_VERSION = rb"v[0-9]{1,3}(?:\.[0-9]{1,2})?"
_NODE = rb"[0-9]{1,40}"
_EDGE = rb"[a-z][a-z0-9_]{0,63}"
# The third part is a code, such as a QR code's: never a number, which would be another object's id.
_CODE = rb"(?![0-9]+(?:/|$))[A-Za-z0-9_-]{1,64}"
_PATH = re.compile(rb"(" + _VERSION + rb")/(" + _NODE + rb")(?:/(" + _EDGE + rb")(?:/(" + _CODE + rb"))?)?/?")
# A resumable upload's session: its id is all that names it, and it is signed by Meta.
_UPLOAD = re.compile(rb"(" + _VERSION + rb")/(upload(?::|%3[Aa])[A-Za-z0-9_:=.\-]{8,600})")


@dataclass(frozen=True, slots=True)
class GraphPath:
    """`/{version}/{node}/{edge}/{code}`, each part as it was checked; `edge` and `code` empty where there is none."""

    version: str
    node: str
    edge: str = ""
    code: str = ""

    def __str__(self) -> str:
        """The path without its leading slash, made of its parts: nothing of the client's spelling is left."""
        rest = f"/{self.edge}/{self.code}" if self.code else f"/{self.edge}" if self.edge else ""
        return f"{self.version}/{self.node}{rest}"

    @property
    def takes_files(self) -> bool:
        """Whether a body may be a file of any length."""
        return self.edge in _FILES or self.node.startswith(UPLOAD)


def read_path(raw: bytes) -> GraphPath | None:
    """The raw path (still encoded, without a leading slash); None for anything but one object and one edge of it.

    Nothing is decoded: dots, doubled and encoded slashes fit no part of a path of Meta's, and are refused with it.
    """
    found = _PATH.fullmatch(raw)
    if found is not None:
        version, node, edge, code = found.groups()
        return GraphPath(version.decode(), node.decode(), (edge or b"").decode(), (code or b"").decode())
    upload = _UPLOAD.fullmatch(raw)
    if upload is None:
        return None
    session = re.sub(rb"(?i)%3a", b":", upload[2], count=1).decode()
    return GraphPath(upload[1].decode(), session)


def use_of(method: str, path: GraphPath) -> Use:
    """What a call does. An object without an edge that is deleted may be a file of a conversation: `kind` decides."""
    if method in READS:
        return "read"
    return "send" if path.edge in _SENDING else "manage"


def sends_message(method: str, path: GraphPath) -> bool:
    """Whether this is the call that sends messages: what happens twice there is seen by a person."""
    return method == "POST" and path.edge in _MESSAGES and not path.code


def missing_object(object_id: str, method: str) -> str:
    """Meta's words for an object that is not there, or that the token does not reach."""
    return (
        f"Unsupported {method.lower()} request. Object with ID '{object_id}' does not exist, cannot be loaded due to "
        "missing permissions, or does not support this operation. Please read the Graph API documentation at "
        "https://developers.facebook.com/docs/graph-api"
    )


def error_body(
    code: int,
    message: str,
    *,
    kind: str,
    trace: str,
    subcode: int | None = None,
    details: str | None = None,
    transient: bool = False,
) -> bytes:
    """An error as Graph writes it.

    https://developers.facebook.com/docs/graph-api/guides/error-handling
    """
    error: dict[str, Any] = {"message": message, "type": kind, "code": code}
    if subcode is not None:
        error["error_subcode"] = subcode
    if details is not None:
        error["error_data"] = {"messaging_product": "whatsapp", "details": details}
    if transient:
        error["is_transient"] = True
    return msgspec.json.encode({"error": {**error, "fbtrace_id": trace}})


def challenge(message: str) -> bytes:
    """The WWW-Authenticate header that goes with a dead token."""
    told = message.replace('"', "'").encode("ascii", "replace")
    return b'OAuth "Facebook Platform" "invalid_token" "' + told + b'"'

"""One error shape for the whole service: RFC 9457 problem JSON with a stable code.

Owns the base class and its rendering. Each feature's own errors stand beside the rule that raises them.
"""

from typing import Any, ClassVar

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):
    """Something that the caller is told in plain words.

    `status` is the HTTP status, `code` a stable machine word, `title` one short sentence for all cases of it,
    `detail` what happened here and what to do. `fields` maps a field's wire name to what is wrong with it.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something failed on our side."

    def __init__(
        self,
        detail: str = "",
        *,
        fields: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.fields = fields or {}
        self.headers = headers or {}
        self.extra = extra

    def body(self) -> dict[str, Any]:
        """The RFC 9457 object, JSON-ready."""
        out: dict[str, Any] = {
            "type": f"urn:setuplinks:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }
        if self.fields:
            out["errors"] = [{"field": name, "message": message} for name, message in self.fields.items()]
        out.update(self.extra)
        return out


class Invalid(Problem):
    """The request's content breaks a rule; `fields` names each."""

    status = 422
    code = "invalid"
    title = "The request has fields that are not valid."


class Malformed(Problem):
    """The request cannot be read at all."""

    status = 400
    code = "malformed"
    title = "The request cannot be read."


class TooLarge(Problem):
    """The body is larger than this route takes."""

    status = 413
    code = "too_large"
    title = "The request body is too large."


class NotFound(Problem):
    """No such object for this key; another tenant's object is told in the same words."""

    status = 404
    code = "not_found"
    title = "There is no such object."


class Unauthenticated(Problem):
    """No key, or one that does not count."""

    status = 401
    code = "unauthenticated"
    title = "A valid API key is needed."


class Forbidden(Problem):
    """The key is valid but may not do this."""

    status = 403
    code = "forbidden"
    title = "This key may not do this."


class Conflict(Problem):
    """The object's state does not allow it now."""

    status = 409
    code = "conflict"
    title = "The object's state does not allow this."


class TooMany(Problem):
    """A limit was reached; `Retry-After` says for how long."""

    status = 429
    code = "rate_limited"
    title = "Too many requests."


class Unavailable(Problem):
    """A part that we depend on is away; the same request may be sent again."""

    status = 503
    code = "unavailable"
    title = "The service cannot answer right now."


class RaceLost(Problem):
    """A guarded write found that somebody else was first, twice."""

    status = 409
    code = "conflict"
    title = "The object was changed at the same moment; read it again."

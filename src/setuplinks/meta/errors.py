"""Failed calls to Meta as exceptions.

Owns the exception, the reading of Meta's error object in all its shapes, and the judgement whether a call may be sent
again. It does not own the codes: those stand in `error_table`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from setuplinks.meta.error_table import DAY_S, HOUR_S, MINUTE_S, Kind, Rule, Who, rule_for
from setuplinks.meta.lenient import as_flag, as_int, as_object, as_text
from setuplinks.meta.secret import Secret

_LONGEST_TEXT = 600
_TOKEN = re.compile(r"EAA[0-9A-Za-z]{12,}")
_WAIT = re.compile(r"(\d{1,5})\s*(second|minute|hour|day)s?", re.IGNORECASE)
_TRACE = re.compile(r"[^0-9A-Za-z_+/=-]")
_UNIT_S = {"second": 1, "minute": MINUTE_S, "hour": HOUR_S, "day": DAY_S}
_REGISTRATION_LOCKS = frozenset({133008, 133009, 133016})


@dataclass(frozen=True, slots=True)
class Call:
    """How a call is judged when it fails. `route` is the template without ids, for logs.

    `repeatable`: doing it twice does the same as doing it once. `exchange`: it spends a sign-in's one-time code.
    """

    route: str
    method: str = "GET"
    repeatable: bool = True
    exchange: bool = False


class GraphError(Exception):
    """A call to Meta that did not give what was asked for.

    `status` is the HTTP status (0: no answer). `code`, `subcode`, `details`, `fbtrace_id` are Meta's, where it gave
    them. `kind`, `who`, `retryable`, `sentence` are our reading; `sentence` may be shown to people. `message` is
    Meta's text for the operator, with secrets taken out; it stands in no log line, and `str()` leaves it out.
    `wait_s`: seconds to wait at least before the next try; None where the caller's own backoff decides.
    """

    def __init__(
        self,
        call: Call,
        rule: Rule,
        *,
        status: int = 0,
        code: int | None = None,
        subcode: int | None = None,
        message: str = "",
        details: str | None = None,
        fbtrace_id: str | None = None,
        is_transient: bool = False,
        retryable: bool | None = None,
        wait_s: int | None = None,
    ) -> None:
        self.call, self.rule, self.status = call, rule, status
        self.code, self.subcode, self.message, self.details = code, subcode, message, details
        self.fbtrace_id, self.is_transient = fbtrace_id, is_transient
        self.kind, self.who, self.sentence = rule.kind, rule.who, rule.sentence
        self.retryable = rule.retryable if retryable is None else retryable
        self.wait_s = rule.wait_s if wait_s is None else wait_s
        super().__init__(self._line())

    def _line(self) -> str:
        code = "" if self.code is None else f" code {self.code}" + (f"/{self.subcode}" if self.subcode else "")
        trace = f" fbtrace {self.fbtrace_id}" if self.fbtrace_id else ""
        return f"{self.call.method} {self.call.route}: {self.kind} (status {self.status}{code}{trace})"

    @property
    def throttled(self) -> bool:
        """Meta asked to slow down."""
        return self.status == 429 or self.code in {4, 17, 80007, 130429, 131056}

    @property
    def locks_registration(self) -> bool:
        """Meta lets nobody register this number for a while (`wait_s`): the link completes without it."""
        return self.code in _REGISTRATION_LOCKS

    @property
    def token_death(self) -> str | None:
        """`token_expired`, `app_removed` or `token_revoked` where the token is dead; None where it is not."""
        return dead_token_reason(self.subcode, self.message) if self.kind is Kind.RELOGIN else None


class OutcomeUnknown(GraphError):
    """The request may have reached Meta, and nobody knows whether it was done: a time-out, a cut connection, a 5xx.

    `retryable` is True only where doing it twice does no harm. A code exchange and a message are never repeated.
    """


class Unreadable(GraphError):
    """Meta answered with something that is not what its documents promise: HTML, nothing, JSON of another shape."""


_OUTCOME = Rule(
    Kind.OUTCOME_UNKNOWN, Who.META, "Meta did not answer in time, so it is not known whether this was done."
)
_UNREADABLE = Rule(Kind.UNREADABLE, Who.META, "Meta's answer could not be read.", retryable=True, ambiguous=True)
_UNREACHABLE = Rule(Kind.RETRY, Who.META, "Meta could not be reached.", retryable=True)
_BAD_ID = Rule(Kind.FIX_REQUEST, Who.US, "This is not an id of Meta's.")


def scrub(text: str, secrets: Iterable[Secret] = ()) -> str:
    """Meta's text without these secrets and without what looks like a token: Meta repeats bad tokens in messages."""
    for secret in secrets:
        if len(secret.reveal()) >= 4:
            text = text.replace(secret.reveal(), "…")
    return _TOKEN.sub("…", text)[:_LONGEST_TEXT]


def dead_token_reason(subcode: int | None, message: str | None) -> str:
    """Why a token is dead, by the subcode of a 190: `token_expired`, `app_removed`, else `token_revoked`."""
    if subcode == 463 or (subcode is None and "has expired" in (message or "")):
        return "token_expired"
    return "app_removed" if subcode == 458 else "token_revoked"


def never_sent(call: Call) -> GraphError:
    """No connection came about, so nothing was sent; a code that was not sent is not spent, but may be by then."""
    return GraphError(call, _UNREACHABLE, retryable=not call.exchange)


def cut_off(call: Call) -> OutcomeUnknown:
    """The connection broke or the time ran out after the request may have left."""
    return OutcomeUnknown(call, _OUTCOME, retryable=call.repeatable)


def bad_id(call: Call) -> GraphError:
    """An id that cannot be Meta's never gets into a URL."""
    return GraphError(call, _BAD_ID)


def unreadable(call: Call, status: int, *, retry_after: int | None = None) -> GraphError:
    """An answer without a readable body, judged by its status."""
    if status >= 500 or status == 429:
        return from_answer(call, status, {}, retry_after=retry_after)
    if not call.repeatable and 200 <= status < 300:
        return OutcomeUnknown(call, _OUTCOME, status=status, retryable=False)
    return Unreadable(call, _UNREADABLE, status=status, retryable=call.repeatable, wait_s=retry_after)


def from_answer(
    call: Call, status: int, error: object, *, secrets: Iterable[Secret] = (), retry_after: int | None = None
) -> GraphError:
    """Meta's `error` (an object, or in odd cases a text) as an exception.

    https://developers.facebook.com/docs/graph-api/guides/error-handling
    """
    secrets = tuple(secrets)
    raw = as_object(error) or {"message": error}
    data = raw.get("error_data")
    message = scrub(as_text(raw.get("message")) or "", secrets)
    # WhatsApp puts an object here, other parts of Graph a plain text.
    details = as_text(as_object(data).get("details")) or as_text(data)
    code, subcode = as_int(raw.get("code")), as_int(raw.get("error_subcode"))
    transient = as_flag(raw.get("is_transient")) is True
    rule = rule_for(code, subcode, status=status, text=message, exchange=call.exchange)
    rule = _as_transient(rule, transient=transient, exchange=call.exchange)
    unsure = not call.repeatable and (rule.ambiguous or status >= 500)
    return (OutcomeUnknown if unsure else GraphError)(
        call,
        _outcome(rule) if unsure else rule,
        status=status,
        code=code,
        subcode=subcode,
        message=message,
        details=scrub(details, secrets) if details else None,
        fbtrace_id=_TRACE.sub("", as_text(raw.get("fbtrace_id")) or "")[:64] or None,
        is_transient=transient,
        # Whatever went wrong with an exchange, its code is not tried again: it may be spent, and it dies in 30 s.
        retryable=False if unsure or call.exchange else None,
        wait_s=retry_after if retry_after is not None else _named_wait(code, details),
    )


def _as_transient(rule: Rule, *, transient: bool, exchange: bool) -> Rule:
    """`is_transient` is Meta's own word: a token that fails in passing is not dead. What is never retried stays so."""
    if not transient or exchange or rule.kind in {Kind.RETRY, Kind.NEVER_RETRY}:
        return rule
    return Rule(Kind.RETRY, Who.META, rule.sentence, True, rule.wait_s, ambiguous=True)


def _outcome(rule: Rule) -> Rule:
    return Rule(Kind.OUTCOME_UNKNOWN, rule.who, _OUTCOME.sentence, wait_s=rule.wait_s)


def _named_wait(code: int | None, details: str | None) -> int | None:
    """133008 and 133009 name their wait in `details`, as a number and a unit."""
    if code not in {133008, 133009} or details is None:
        return None
    found = _WAIT.search(details)
    return int(found[1]) * _UNIT_S[found[2].lower()] if found else None

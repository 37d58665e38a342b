"""`/graph/…`: one call from the client's bytes to Meta's, and its one line in the log.

Owns the order: key, path, object, scope, body, rules, token, call, answer. What each step decides stands in the room's
other modules.
"""

import logging
import time
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Receive, Scope, Send

from setuplinks.core import metrics
from setuplinks.core.logs import act
from setuplinks.core.problems import Problem
from setuplinks.gateway import answering, bodies, dead_tokens, refusals, rules
from setuplinks.gateway.access import Access
from setuplinks.gateway.bodies import Body
from setuplinks.gateway.credentials import Credential, Credentials
from setuplinks.gateway.dead_tokens import DeadTokens
from setuplinks.gateway.forward import Forward, Sent
from setuplinks.gateway.media import PATH, FileAddresses
from setuplinks.gateway.models import Answer, Asked, Grant, Target
from setuplinks.gateway.objects import Objects
from setuplinks.gateway.pace import Pace
from setuplinks.gateway.proofs import Proofs
from setuplinks.gateway.refusals import Refusal
from setuplinks.gateway.sends import Sends
from setuplinks.meta import gateway_answers
from setuplinks.meta import gateway_language as graph
from setuplinks.meta.gateway_params import Parameters

PREFIX, TEMPLATE = "/graph/", "/graph"
_RAW = PREFIX.encode()
_MEDIA = PATH.removeprefix(PREFIX).encode()

log = logging.getLogger("setuplinks.gateway")


@dataclass(slots=True)
class Line:
    """What the log says of a call: ids and figures, nothing of what was said."""

    fields: dict[str, Any] = field(default_factory=dict)
    meta_seconds: float = 0.0

    def note(self, sent: Sent) -> None:
        """Meta has answered; of an error its own trace id is told."""
        self.meta_seconds = sent.seconds
        if sent.response.status >= 400 and (trace := sent.response.headers.get("x-fb-trace-id")):
            self.fields["meta_trace"] = trace[:64]


class GatewayFirst:
    """The gateway before the rest of the application: nothing that wraps the other routes is of use to its calls."""

    def __init__(self, gateway: "Gateway", rest: ASGIApp) -> None:
        self._gateway, self._rest = gateway, rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """By the prefix alone, for any method: every part of a path is read by the gateway's own rules."""
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            await self._gateway(scope, receive, send)
        else:
            await self._rest(scope, receive, send)


class Gateway:
    """The application below `/graph/`."""

    def __init__(
        self, access: Access, objects: Objects, proofs: Proofs, credentials: Credentials, forward: Forward,
        dead: DeadTokens, files: FileAddresses, sends: Sends, pace: Pace, ours: str,
    ) -> None:  # fmt: skip
        self._access, self._objects, self._proofs, self._credentials = access, objects, proofs, credentials
        self._forward, self._dead, self._files, self._ours = forward, dead, files, ours
        self._sends, self._pace = sends, pace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One call; whatever happens the client is answered in Meta's shape."""
        started = time.perf_counter()
        line = Line({"method": scope["method"]})
        status = 0  # the client went away
        try:
            status = await self._answer(scope, receive, send, line)
        except Refusal as refused:
            status = await _refuse(send, scope, refused, line)
        except Problem as problem:
            line.fields["why"] = problem.code
            status = await _refuse(send, scope, refusals.away(), line)
        except ConnectionAbortedError:
            pass
        except Exception:
            log.exception("gateway.crashed")
            status = await _refuse(send, scope, refusals.crashed(), line)
        finally:
            took = time.perf_counter() - started
            count, seconds = _measures(scope["method"] if scope["method"] in graph.METHODS else "other", status)
            count.inc()
            seconds.observe(took)
            act(
                log, "gateway.call", logging.WARNING if status >= 500 else logging.INFO, **line.fields, status=status,
                duration_ms=round(took * 1000, 2), meta_ms=round(line.meta_seconds * 1000, 2),
            )  # fmt: skip

    async def _answer(self, scope: Scope, receive: Receive, send: Send, line: Line) -> int:
        query = bodies.read_query(scope["query_string"])
        headers = bodies.read_headers(scope["headers"])
        raw = scope["raw_path"].partition(_RAW)[2]
        if raw.startswith(_MEDIA):
            return await self._file(scope, receive, send, raw.removeprefix(_MEDIA).decode("latin-1"), query, line)
        key = _bearer(headers) or query.token
        grant = None if key is None else await self._access.grant(key, scope)
        method, path = scope["method"], graph.read_path(raw)
        if path is None or method not in graph.METHODS:
            await self._must_have_key(grant, scope)
            raise _no_such_path(raw, method)
        body = await bodies.read_body(receive, headers, path)
        if grant is None:
            grant = await self._access.grant(body.said.token, scope)
        line.fields |= {"tenant": grant.tenant_id, "key": grant.actor, "edge": path.edge or None}
        if path.node.isdigit():  # an upload's session is named by what opens it
            line.fields["node"] = path.node
        target = await self._target(grant, path, query, method)
        line.fields |= {"customer": target.customer_id, "waba": target.waba_id, "kind": target.kind}
        _check(grant, target, method, path, query, body)
        for other in (*query.refers, *body.said.refers):  # what a call takes from another object has to be the key's
            reference = graph.read_path(f"{path.version}/{other}".encode())
            if reference is None or reference.edge:
                raise refusals.not_yours("another", method)
            await self._target(grant, reference, query, method)
        credential = await self._credential(target)
        asked = Asked(method, path, rules.use_of(target.kind, method, path), query.rest, scope["headers"], body.kept)
        if target.kind == "phone_number" and graph.sends_message(method, path):
            return await self._message(grant, target, asked, credential, send, line)
        sent = await self._forward.send(asked, credential, body.stream or body.kept)
        line.note(sent)
        try:
            if method == "HEAD" or answering.is_text(sent):
                answer = await self._looked_at(grant, target, asked, sent, credential)
                await answering.give(send, answer, bodiless=method == "HEAD")
            else:
                line.fields["bytes"] = await answering.hand_on(send, receive, sent)
        finally:
            sent.end()
        return sent.response.status

    async def _message(
        self, grant: Grant, target: Target, asked: Asked, credential: Credential, send: Send, line: Line
    ) -> int:
        """A message: in its number's turn, and once for its Idempotency-Key."""

        async def call() -> Answer:
            async with self._pace.turn(target, asked.body):
                sent = await self._forward.send(asked, credential, asked.body or b"")
                line.note(sent)
                try:
                    return await self._looked_at(grant, target, asked, sent, credential)
                finally:
                    sent.end()

        answer = await self._sends.once(grant, asked, call)
        await answering.give(send, answer)
        return answer.status

    async def _must_have_key(self, grant: Grant | None, scope: Scope) -> None:
        """Who has no key is told that first, whatever the path."""
        if grant is None:
            await self._access.grant(None, scope)

    async def _target(self, grant: Grant, path: graph.GraphPath, query: Parameters, method: str) -> Target:
        target = (
            await self._objects.number(grant, path.node)
            or await self._objects.waba(grant, path.node)
            or await self._proofs.find(grant, path, query.number)
        )
        if target is None:
            raise refusals.not_yours(path.node, method)
        return target

    async def _credential(self, target: Target) -> Credential:
        credential = await self._credentials.of(target.tenant_id, target.waba_id)
        if credential is None:
            raise dead_tokens.refusal("")
        if credential.dead is not None:
            raise dead_tokens.refusal(credential.dead)
        return credential

    async def _looked_at(
        self, grant: Grant, target: Target, asked: Asked, sent: Sent, credential: Credential
    ) -> Answer:
        """Meta's answer with our addresses in the place of those that lead past us."""
        whole = await sent.whole(answering.MOST_LOOKED_AT)
        encoding = answering.header(sent.headers, b"content-encoding")
        body = None if whole is None else gateway_answers.plain(whole, encoding, answering.MOST_LOOKED_AT)
        if whole is None or (body is None and whole):
            raise refusals.cut_off(repeatable=sent.repeatable)
        read = body or b""
        status = sent.response.status
        if target.kind != "upload":  # the app's, where another token may be wanted: this one is not dead for that
            await self._dead.look(credential, status, read)
        changed = gateway_answers.with_key(read, credential.token.reveal(), grant.key)
        changed = gateway_answers.with_key(changed, credential.proof, "")
        changed = gateway_answers.with_pages(changed, self._forward.base_url, self._ours)
        if target.kind == "media" and not asked.path.edge:
            changed = gateway_answers.with_file_address(changed, lambda url: self._files.ours(target, url))
        if target.kind == "waba" and asked.path.edge == graph.NUMBERS and changed and status < 400:
            rows = gateway_answers.only_rows(changed, await self._objects.numbers_of(grant, target))
            if rows is None:
                raise refusals.cut_off(repeatable=sent.repeatable)
            changed = rows
        self._remember(target, asked, status, read)
        headers = answering.with_key(sent.headers, credential.token.reveal(), grant.key)
        if changed is read:
            return Answer(status, headers, whole)
        return Answer(status, answering.without(headers, b"content-encoding"), changed)

    def _remember(self, target: Target, asked: Asked, status: int, body: bytes) -> None:
        """What was just made is this target's: nobody has to be asked about it."""
        kind = graph.MAKES.get((target.kind, asked.path.edge)) if asked.method == "POST" and status < 300 else None
        made = None if kind is None else gateway_answers.object_id(body)
        if kind is not None and made is not None:
            self._proofs.remember(target, kind, made)

    async def _file(self, scope: Scope, receive: Receive, send: Send, text: str, query: Parameters, line: Line) -> int:
        grant = await self._access.grant(_bearer(dict(scope["headers"])) or query.token, scope)
        line.fields |= {"tenant": grant.tenant_id, "key": grant.actor, "kind": "file"}
        address = self._files.read(grant, text)
        method = scope["method"]
        if address is None or method not in graph.READS:
            raise refusals.not_yours("media", method)
        if "read" not in grant.scopes:
            raise refusals.lacks_scope("read")
        line.fields |= {"customer": address.customer_id, "waba": address.waba_id}
        target = await self._objects.waba(grant, address.meta_waba_id)
        if target is None:
            raise refusals.not_yours("media", method)
        credential = await self._credential(replace(target, waba_id=address.waba_id))
        sent = await self._forward.fetch(address.url, method, scope["headers"], credential)
        line.note(sent)
        try:
            if method != "HEAD" and sent.response.status < 400:
                line.fields["bytes"] = await answering.hand_on(send, receive, sent)
            else:
                whole = await sent.whole(answering.MOST_LOOKED_AT)
                body = gateway_answers.with_key(whole or b"", credential.token.reveal(), grant.key)
                await answering.give(
                    send, Answer(sent.response.status, sent.headers, body), bodiless=method == "HEAD"
                )  # fmt: skip
        finally:
            sent.end()
        return sent.response.status


async def _refuse(send: Send, scope: Scope, refused: Refusal, line: Line) -> int:
    line.fields |= {"refused": refused.code, "trace": refused.trace}
    await answering.give(send, refused.answer(), bodiless=scope["method"] == "HEAD")
    return refused.status


@lru_cache(maxsize=1024)
def _measures(method: str, status: int) -> tuple[Counter, Histogram]:
    return metrics.requests.labels(method, TEMPLATE, status), metrics.seconds.labels(TEMPLATE)


def _check(grant: Grant, target: Target, method: str, path: graph.GraphPath, query: Parameters, body: Body) -> None:
    refused = (
        rules.refusal_of_scope(grant, target.kind, method, path)
        or rules.refusal_of_path(method, target.kind, path)
        or rules.refusal_of_parameters(method, target.kind, path, (query, body.said))
    )
    if refused is not None:
        raise refused


def _bearer(headers: dict[bytes, bytes]) -> str | None:
    kind, _, value = headers.get(b"authorization", b"").partition(b" ")
    return value.strip().decode("latin-1") or None if kind.lower() in {b"bearer", b"oauth"} else None


def _no_such_path(raw: bytes, method: str) -> Refusal:
    if method not in graph.METHODS:
        return refusals.bad_request(f"The method {method} is not known here.", status=405)
    node = raw.split(b"/")[1:2]
    if node and node[0].isdigit():
        return refusals.bad_request(
            "Unknown path components.",
            details="A path is /graph/v25.0/{id}/{edge}: plain, with one object, without dots or encoded slashes.",
        )
    return refusals.not_yours(node[0].decode("ascii", "replace") if node else "", method)

"""The same message twice is sent once: sends with an `Idempotency-Key`, which Meta does not know.

Owns what an end of a send means for its key: where Meta took it, or may have, the answer is kept for 24 hours; where
Meta or we refused it, the key is free again. The rows are `tenants/idempotency`'s. Nothing is ever sent a second time.
"""

import asyncio
import hashlib
import logging

import msgspec

from setuplinks.core.clock import MINUTE, Clock
from setuplinks.core.problems import Invalid, Problem
from setuplinks.gateway import refusals
from setuplinks.gateway.models import Answer, Asked, Call, Grant
from setuplinks.gateway.refusals import Refusal
from setuplinks.meta import errors, gateway_answers, gateway_language
from setuplinks.meta.lenient import as_object
from setuplinks.tenants import idempotency
from setuplinks.tenants.idempotency import HEADER, REPLAYED, Idempotency, Kept, KeyReused, OutcomeUnknown

# A send takes at most half of this; what was begun earlier and has no end was cut off.
STILL_RUNNING = MINUTE
# Of the moment, not of the message.
_NOT_KEPT = frozenset({b"date", b"retry-after", b"x-app-usage", b"x-business-use-case-usage", b"connection"})
_CODING, MOST_KEPT = b"content-encoding", 1_000_000
_SEND = errors.Call("send", "POST", repeatable=False)

log = logging.getLogger("setuplinks.gateway")


class Sends:
    """Sends once for each key."""

    def __init__(self, kept: Idempotency, clock: Clock) -> None:
        self._idempotency, self._clock = kept, clock
        self._under_way: set[asyncio.Task[Answer]] = set()

    async def once(self, grant: Grant, asked: Asked, call: Call) -> Answer:
        """Awaits `call` once for the request's key; without one it is simply awaited.

        Raises Refusal in Meta's shape: 409 for a key that another request has or that is under way, 504 (code 1) where
        it is not known whether the message left; and a Problem where the database is away and nothing was sent.
        """
        key = asked.header(HEADER.encode())
        if key is None:
            return await call()
        try:
            kept = await self._idempotency.place(grant.tenant_id, grant.actor, key, _hash(asked))
            before = await self._idempotency.begin(kept)
        except Invalid as error:
            raise refusals.bad_request(error.detail) from None
        except KeyReused:
            raise key_reused() from None
        except OutcomeUnknown as error:
            young = 0 <= self._clock.now() - error.begun_at < STILL_RUNNING
            raise (under_way() if young else unknown()) from None
        if before is not None:
            return _unpacked(before)
        # Apart from the request: a client that hangs up must not leave open what became of its message.
        task = asyncio.get_running_loop().create_task(self._send(kept, call))
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def settle(self) -> None:
        """Waits until the end of every send is written."""
        while self._under_way:
            await asyncio.wait(tuple(self._under_way))

    async def _send(self, kept: Kept, call: Call) -> Answer:
        try:
            answer = await call()
        except Refusal as refusal:
            if refusal.code != gateway_language.UNKNOWN:
                await self._note(kept, None)
                raise
            answer = refusal.answer()
        stored = _plain(answer)
        await self._note(kept, None if _was_refused(stored) else stored)
        return answer

    async def _note(self, kept: Kept, answer: Answer | None) -> None:
        """Writes the end. Where it cannot be written the key stays as begun, and answers that it is not known."""
        try:
            if answer is None:
                await self._idempotency.free(kept)
            else:
                await self._idempotency.finish(kept, _packed(answer))
        except Problem as error:
            log.warning("gateway.send_not_noted: %s", error.code)

    def _ended(self, task: asyncio.Task[Answer]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # told to the client that waits; one that hung up is told by its next try


def key_reused() -> Refusal:
    """The key belongs to another message."""
    return Refusal(
        409, gateway_language.BAD_PARAMETER,
        f"(#{gateway_language.BAD_PARAMETER}) This Idempotency-Key was used for another message.",
        details="Nothing was sent. Use a new Idempotency-Key for each new message; a key is kept for 24 hours.",
    )  # fmt: skip


def under_way() -> Refusal:
    """The first request with the key has not ended yet."""
    return Refusal(
        409, gateway_language.UNAVAILABLE, "A request with this Idempotency-Key is still under way.", transient=True,
        retry_after=1, details="Ask again with the same key; its answer will be that of the first request.",
    )  # fmt: skip


def unknown() -> Refusal:
    """The first request with the key was cut off, and nobody knows whether Meta has the message."""
    return Refusal(
        504, gateway_language.UNKNOWN,
        "An unknown error occurred: the first request with this Idempotency-Key was cut off, so it is not known "
        "whether the message was sent.",
        details="It is not sent again under this key. Look for its status; to send it in any case use a new key.",
    )  # fmt: skip


def _hash(asked: Asked) -> bytes:
    target = f"{asked.method} {asked.path}?".encode() + asked.query
    return hashlib.sha256(target + b"\n" + (asked.body or b"")).digest()


def _plain(answer: Answer) -> Answer:
    """The answer without its content coding: who asks again may take another one."""
    coding = next((value for name, value in answer.headers if name == _CODING), b"")
    body = gateway_answers.plain(answer.body, coding, MOST_KEPT) if coding else None
    if body is None:
        return answer
    return Answer(answer.status, tuple(one for one in answer.headers if one[0] != _CODING), body)


def _was_refused(answer: Answer) -> bool:
    """Meta's own word that it did not take the message; its 5xx and its codes for "something went wrong" are none."""
    if not 400 <= answer.status < 500:
        return False
    try:
        told = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        told = None
    error = errors.from_answer(_SEND, answer.status, as_object(as_object(told).get("error")))
    return not isinstance(error, errors.OutcomeUnknown)


def _packed(answer: Answer) -> idempotency.Answer:
    headers = [one for one in answer.headers if one[0].lower() not in _NOT_KEPT]
    return idempotency.Answer(answer.status, msgspec.msgpack.encode((headers, answer.body)))


def _unpacked(kept: idempotency.Answer) -> Answer:
    headers, body = msgspec.msgpack.decode(kept.body, type=tuple[list[tuple[bytes, bytes]], bytes])
    return Answer(kept.status, (*headers, (REPLAYED.lower().encode(), b"true")), body)

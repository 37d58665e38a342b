"""How fast messages of one number go to Meta: no faster than it takes them, and no number at another's cost.

Owns the count of each number's second, of each pair of number and person, and of the sends under way. It counts in this
process: with several of them Meta's own 130429 has the last word. Nothing is queued longer than a second.

https://developers.facebook.com/documentation/business-messaging/whatsapp/throughput
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import msgspec

from setuplinks.core.clock import SECOND, Clock
from setuplinks.gateway.models import Target
from setuplinks.gateway.refusals import Refusal

STANDARD, HIGH, COEXISTENCE = 80, 1_000, 20  # messages in a second
PATIENCE = SECOND  # how long a send waits for its turn before it is refused
PAIR_BURST, PAIR_EVERY = 45, 6 * SECOND
UNDER_WAY_AT_MOST = 256  # of one number; Meta answers in some 0.2 s, so even 1000/s needs fewer
NUMBERS_KEPT, PAIRS_KEPT = 10_000, 100_000
LONGEST_PERSON = 128  # a number, or a group's id
RATE_LIMIT, PAIR_LIMIT = 130429, 131056


@dataclass(slots=True)
class Second:
    """The last moments at which a number sent, so that no second, wherever it begins, sees more than `most`."""

    moments: deque[int] = field(default_factory=deque)

    def reserve(self, most: int, now: int) -> int | None:
        """The µs to wait for a turn, which is then taken, in the order of asking; None where that is too long."""
        moments = self.moments
        if moments and moments[-1] > now + PATIENCE:
            moments.clear()  # the clock was set back: what it said before means nothing now
        while len(moments) > most:
            moments.popleft()
        at = now
        if moments:
            free = moments[0] + SECOND if len(moments) == most else now
            at = max(now, free, moments[-1])
        if at - now > PATIENCE:
            return None
        moments.append(at)
        if len(moments) > most:
            moments.popleft()
        return at - now

    def is_idle(self, now: int) -> bool:
        """Whether nothing of it matters any more."""
        return not self.moments or not now - SECOND < self.moments[-1] <= now + PATIENCE


@dataclass(slots=True)
class Pairs:
    """How often a number wrote to one person: 45 at once, then one in 6 s. Kept is when the burst is whole again."""

    kept: int = PAIRS_KEPT
    whole_at: OrderedDict[tuple[str, str], int] = field(default_factory=OrderedDict)

    def wait(self, pair: tuple[str, str], now: int) -> int:
        """The µs until one may be taken; 0 where one is free."""
        wait = self.whole_at.get(pair, now) - (PAIR_BURST - 1) * PAIR_EVERY - now
        return max(wait, 0) if wait <= PAIR_EVERY else 0  # more than one is never owed: the clock was set back

    def take(self, pair: tuple[str, str], now: int) -> None:
        """Takes one that is free."""
        whole = self.whole_at.pop(pair, now)
        if not now < whole <= now + PAIR_BURST * PAIR_EVERY:
            whole = now
        self.whole_at[pair] = whole + PAIR_EVERY
        while len(self.whole_at) > self.kept:
            self.whole_at.popitem(last=False)


@dataclass(slots=True)
class _Lane:
    second: Second = field(default_factory=Second)
    under_way: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(UNDER_WAY_AT_MOST))
    inside: int = 0


class _Said(msgspec.Struct):
    to: str | int | None = None
    status: str | None = None


class Pace:
    """Gives every send its turn; remembers so many numbers, and more only while they are busy."""

    def __init__(self, clock: Clock, kept: int = NUMBERS_KEPT) -> None:
        self._clock, self._kept = clock, kept
        self._lanes: OrderedDict[str, _Lane] = OrderedDict()
        self._pairs = Pairs()

    @asynccontextmanager
    async def turn(self, target: Target, body: bytes | None) -> AsyncIterator[None]:
        """Waits for the number's turn, at most a second, and counts the call as under way for the length of the block.

        `body` is that of the send, by which the person is known. Raises Refusal as Meta does: 130429, 131056.
        """
        number = target.meta_phone_number_id or target.meta_id
        lane = self._lane(number)
        lane.inside += 1
        try:
            wait = self._reserve(lane, number, target, body)
            if wait:
                await asyncio.sleep(wait / SECOND)
            await _enter(lane)
            try:
                yield
            finally:
                lane.under_way.release()
        finally:
            lane.inside -= 1

    def _reserve(self, lane: _Lane, number: str, target: Target, body: bytes | None) -> int:
        said = _said(body or b"")
        if said.status is not None:  # read, typing: tells of a message, and is none
            return 0
        now, person = self._clock.now(), _person(said.to)
        pair = (number, person or "")
        owed = self._pairs.wait(pair, now) if person else 0
        if owed:
            raise pair_limit(owed)
        wait = lane.second.reserve(per_second(target), now)
        if wait is None:
            raise rate_limit()
        if person:
            self._pairs.take(pair, now)
        return wait

    def _lane(self, number: str) -> _Lane:
        lane = self._lanes.pop(number, None) or _Lane()
        self._lanes[number] = lane
        if len(self._lanes) > self._kept:
            now = self._clock.now()
            oldest = next(iter(self._lanes))
            if not self._lanes[oldest].inside and self._lanes[oldest].second.is_idle(now):
                del self._lanes[oldest]
        return lane


def per_second(target: Target) -> int:
    """How many messages Meta takes of this number in a second."""
    if target.connection_type == "coexistence":
        return COEXISTENCE
    return HIGH if target.throughput_tier == "HIGH" else STANDARD


def rate_limit() -> Refusal:
    """The number's second is full."""
    return Refusal(
        429, RATE_LIMIT, f"(#{RATE_LIMIT}) Rate limit hit", retry_after=1,
        details="Too many messages were sent from this phone number in a short time. This one was not sent; send it "
        "again in a second.",
    )  # fmt: skip


def pair_limit(wait: int) -> Refusal:
    """The person has had the burst; `wait` is in µs."""
    return Refusal(
        400, PAIR_LIMIT, f"(#{PAIR_LIMIT}) (Business Account, Consumer Account) pair rate limit hit",
        retry_after=-(-wait // SECOND),
        details="Too many messages were sent from this phone number to this person in a short time. This one was not "
        "sent; wait, then send it again.",
    )  # fmt: skip


async def _enter(lane: _Lane) -> None:
    if not lane.under_way.locked():
        await lane.under_way.acquire()  # there is room: no clock has to be set
        return
    try:
        async with asyncio.timeout(PATIENCE / SECOND):
            await lane.under_way.acquire()
    except TimeoutError:
        raise rate_limit() from None


def _person(to: str | int | None) -> str | None:
    """Whom a message is for; None for what can be nobody, which Meta refuses and which would fill the memory."""
    if to is None or (isinstance(to, int) and not 0 <= to < 10**LONGEST_PERSON):
        return None
    person = str(to)
    return person if len(person) <= LONGEST_PERSON else None


def _said(body: bytes) -> _Said:
    """Whom a send is for, in JSON or as a form; what cannot be read is Meta's to refuse."""
    try:
        return msgspec.json.decode(body, type=_Said)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    if body[:1] in {b"{", b"["} or len(body) > 65_536:
        return _Said()
    fields = dict(parse_qsl(body.decode("latin-1"), max_num_fields=64)) if body.count(b"&") < 64 else {}
    return _Said(fields.get("to"), fields.get("status"))

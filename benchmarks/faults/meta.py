"""Meta, telling at a steady rate: signed notifications, each sent again until it is answered with 200.

Owns what was told and what each try was answered. It does not own which faults strike meanwhile.
"""

import asyncio
import contextlib
import itertools
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.support import notices

ANSWER_SECONDS = 20.0  # so long Meta waits
AGAIN_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)  # Meta's own waits are longer; the last one stays


@dataclass(frozen=True)
class Line:
    """A connected number to which end users write, by Meta's ids."""

    tenant: str
    waba: str
    number: str
    display: str


@dataclass(frozen=True, slots=True)
class Try:
    """One POST: when it began and ended (seconds of this machine), and its answer; None for none."""

    began: float
    ended: float
    status: int | None


@dataclass
class Notification:
    """What Meta tells once: the items in it by Meta's ids, and how it went."""

    line: Line
    items: list[str]
    body: bytes
    tries: list[Try] = field(default_factory=list)
    accepted_at: float | None = None


class Meta:
    """Tells `rate` notifications a second of these lines, one after the other; two of three hold one message."""

    def __init__(self, url: str, lines: list[Line], rate: float) -> None:
        self.told: list[Notification] = []
        self._url, self._lines, self._rate = f"{url}/meta/notifications", lines, rate
        self._tasks: set[asyncio.Task[None]] = set()
        self._telling: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None

    def start(self) -> None:
        """Begins to tell."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout)
        self._telling = asyncio.create_task(self._tell_for_ever())

    async def stop(self) -> None:
        """Tells nothing new, and returns once all that was told is accepted."""
        if self._telling is not None:
            self._telling.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self.close()

    async def close(self) -> None:
        """Leaves, whatever is open."""
        for task in (self._telling, *self._tasks):
            if task is not None:
                task.cancel()
        if self._session is not None:
            await self._session.close()

    def answers(self, since: float, until: float) -> Counter[int | None]:
        """The answers of tries that began and ended between these moments."""
        found = [one for told in self.told for one in told.tries if one.began >= since and one.ended <= until]
        return Counter(one.status for one in found)

    def slowest(self, since: float, until: float) -> float:
        """The longest time (seconds) that a try took which began between these moments."""
        found = (one.ended - one.began for told in self.told for one in told.tries if since <= one.began <= until)
        return max(found, default=0.0)

    def unanswered(self, since: float, until: float) -> int:
        """Tries that began between these moments and had no answer at all."""
        found = [one for told in self.told for one in told.tries if since <= one.began <= until]
        return sum(one.status is None for one in found)

    def accepted_after(self, moment: float) -> float | None:
        """When the first notification that was begun after this moment was answered with 200; None for none yet."""
        found = (one.accepted_at for one in reversed(self.told) if one.tries and one.tries[-1].began >= moment)
        return min((at for at in found if at is not None), default=None)

    async def _tell_for_ever(self) -> None:
        began = time.time()
        for number in itertools.count():
            await asyncio.sleep(max(0.0, began + number / self._rate - time.time()))
            line = self._lines[number % len(self._lines)]
            items = [f"wamid.F{number:07}.{position}" for position in range(3 if number % 3 == 2 else 1)]
            told = Notification(line, items, _body(line, items))
            self.told.append(told)
            task = asyncio.create_task(self._until_accepted(told))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _until_accepted(self, told: Notification) -> None:
        for wait in itertools.chain(AGAIN_SECONDS, itertools.repeat(AGAIN_SECONDS[-1])):
            began = time.time()
            status = await self._post(told.body)
            told.tries.append(Try(began, time.time(), status))
            if status == 200:
                told.accepted_at = told.tries[-1].ended
                return
            await asyncio.sleep(wait)

    async def _post(self, body: bytes) -> int | None:
        assert self._session is not None
        headers = {"Content-Type": "application/json", "X-Hub-Signature-256": notices.signature_of(body)}
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with self._session.post(self._url, data=body, headers=headers) as answer:
                await answer.read()
                return answer.status
        return None


def _body(line: Line, items: list[str]) -> bytes:
    sample: dict[str, Any] = notices.sample("messages_text", waba=line.waba, number=line.number, display=line.display)
    value = sample["entry"][0]["changes"][0]["value"]
    [first] = value["messages"]
    value["messages"] = [{**first, "id": item, "timestamp": str(int(time.time()))} for item in items]
    return notices.body_of(sample)

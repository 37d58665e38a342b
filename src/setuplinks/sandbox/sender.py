"""Sends Meta's notifications to the service: signed over the raw body, tried for days, never in anybody's way.

Owns batches, order, duplicates and the waits between tries, which pass on the sandbox's clock. What is told, and to
which address, is `telling`'s.
"""

import asyncio
import dataclasses
import hashlib
import heapq
import hmac
import itertools
import json
from collections import deque
from collections.abc import Coroutine
from typing import Any

import aiohttp

from setuplinks.sandbox.world import World

SENDERS = 16
KEPT = 2_000
NOBODY_THERE = {404, 410}  # no such route: trying again brings nothing


@dataclasses.dataclass(slots=True)
class Notification:
    """One POST to the service. `results` has one entry for each try: a status, or what went wrong."""

    field: str
    body: bytes
    signature: str
    url: str
    made: float
    results: list[str] = dataclasses.field(default_factory=list)
    state: str = "waiting"  # waiting, delivered, given_up


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """What is not in a POST yet."""

    field: str
    url: str
    entries: list[dict[str, Any]]


class Sender:
    """A queue and a few tasks; `start` and `stop` belong to the server."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sent: deque[Notification] = deque(maxlen=KEPT)
        self._queue: asyncio.Queue[Notification] = asyncio.Queue()
        self._gathered: list[Change] = []
        self._waiting: list[tuple[float, int, Notification]] = []  # a heap by the sandbox's clock
        self._numbers = itertools.count()
        self._moved = asyncio.Event()
        self._owed = 0.0  # duplicates that the share has summed up to
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        world.clock.watchers.append(self._moved.set)

    async def start(self) -> None:
        timeout = aiohttp.ClientTimeout(total=15, connect=5)
        self._session = aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=SENDERS))
        self._spawn(self._retry())
        for _ in range(SENDERS):
            self._spawn(self._work())

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def forget(self) -> None:
        """What was sent, and what waits for its next try."""
        self.sent.clear()
        self._gathered.clear()
        self._waiting.clear()

    def notify(self, field_name: str, entry_id: str, value: dict[str, Any]) -> None:
        """Queues one change, in Meta's envelope. Nothing is sent where no address is configured."""
        change = {"field": field_name, "value": value}
        self.send([{"id": entry_id, "time": int(self.world.clock.now()), "changes": [change]}], field_name)

    def send(self, entries: list[dict[str, Any]], name: str, url: str | None = None) -> None:
        """Queues entries, to the app's own address or to `url`, an override of it."""
        url, settings = url or self.world.callback_url, self.world.settings
        if url is None or not settings.notifications or not self.world.hears(name):
            return
        self._gathered.append(Change(name, url, entries))
        if settings.notification_batch <= 1 and settings.notification_order == "kept":
            self._flush()
        elif len(self._gathered) == 1:
            self._spawn(self._flush_later(settings.notification_gather_ms / 1000))

    async def _flush_later(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._flush()

    def _flush(self) -> None:
        """Makes POSTs of what was gathered, in the order and size that the settings ask for."""
        settings, changes = self.world.settings, self._gathered
        self._gathered = []
        if settings.notification_order == "reversed":
            changes.reverse()
        for url in dict.fromkeys(change.url for change in changes):
            mine = [change for change in changes if change.url == url]
            size = max(1, settings.notification_batch)
            for start in range(0, len(mine), size):
                self._post_together(url, mine[start : start + size])

    def _post_together(self, url: str, changes: list[Change]) -> None:
        entries = [entry for change in changes for entry in change.entries]
        envelope = {"object": "whatsapp_business_account", "entry": entries}
        body = json.dumps(envelope, separators=(",", ":")).encode()  # unicode escaped, as Meta does
        digest = hmac.new(self.world.app_secret.encode(), body, hashlib.sha256).hexdigest()
        name = ", ".join(dict.fromkeys(change.field for change in changes))
        self._owed += self.world.settings.notification_duplicates
        for _ in range(2 if self._owed >= 1 else 1):
            note = Notification(name, body, f"sha256={digest}", url, self.world.clock.now())
            self.sent.append(note)
            self._queue.put_nowait(note)
        self._owed %= 1

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self) -> None:
        while True:
            note = await self._queue.get()
            result = await self._post(note)
            note.results.append(result)
            waits = self.world.settings.notification_retry_seconds
            if result == "200":
                note.state = "delivered"
            elif result in map(str, NOBODY_THERE) or len(note.results) > len(waits):
                note.state = "given_up"
            else:
                due = self.world.clock.now() + waits[len(note.results) - 1]
                heapq.heappush(self._waiting, (due, next(self._numbers), note))
                self._moved.set()

    async def _retry(self) -> None:
        """Queues what is due again; a clock that was moved, or a new wait, makes it look anew."""
        while True:
            self._moved.clear()
            now = self.world.clock.now()
            while self._waiting and self._waiting[0][0] <= now:
                self._queue.put_nowait(heapq.heappop(self._waiting)[2])
            standing = not self._waiting or self.world.clock.frozen
            patience = None if standing else self._waiting[0][0] - now
            try:
                async with asyncio.timeout(patience):
                    await self._moved.wait()
            except TimeoutError:
                continue

    async def _post(self, note: Notification) -> str:
        if self._session is None:
            return "not started"
        headers = {
            "Content-Type": "application/json",
            "X-Hub-Signature-256": note.signature,
            "User-Agent": "facebookexternalua",
        }
        try:
            async with self._session.post(note.url, data=note.body, headers=headers, allow_redirects=False) as answer:
                return str(answer.status)
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
            return type(error).__name__

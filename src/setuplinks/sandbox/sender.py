"""Sends Meta's notifications to the service: signed over the raw body, retried a few times, never in anybody's way."""

import asyncio
import dataclasses
import hashlib
import hmac
import json
from collections import deque
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


class Sender:
    """A queue and a few tasks; `start` and `stop` belong to the server."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sent: deque[Notification] = deque(maxlen=KEPT)
        self._queue: asyncio.Queue[Notification] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        timeout = aiohttp.ClientTimeout(total=15, connect=5)
        self._session = aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=SENDERS))
        for _ in range(SENDERS):
            self._spawn(self._work())

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def notify(self, field_name: str, entry_id: str, value: dict[str, Any]) -> None:
        """Queues one change, in Meta's envelope. Nothing is sent where no address is configured."""
        change = {"field": field_name, "value": value}
        self.send(
            {
                "object": "whatsapp_business_account",
                "entry": [{"id": entry_id, "time": int(self.world.clock.now()), "changes": [change]}],
            },
            field_name,
        )

    def send(self, envelope: dict[str, Any], name: str, url: str | None = None) -> Notification | None:
        """Queues one POST, to the app's own address or to `url`, an override of it."""
        url = url or self.world.config.notification_url
        if url is None or not self.world.settings.notifications:
            return None
        body = json.dumps(envelope, separators=(",", ":")).encode()  # unicode escaped, as Meta does
        digest = hmac.new(self.world.app_secret.encode(), body, hashlib.sha256).hexdigest()
        note = Notification(name, body, f"sha256={digest}", url, self.world.clock.now())
        self.sent.append(note)
        self._queue.put_nowait(note)
        return note

    def _spawn(self, work: Any) -> None:
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
                self._spawn(self._later(note, waits[len(note.results) - 1]))

    async def _later(self, note: Notification, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._queue.put_nowait(note)

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

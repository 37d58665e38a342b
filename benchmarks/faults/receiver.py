"""The tenants' server under faults: keeps when each webhook came, with which body, and whether its signature is good.

Owns what arrived. It answers 204 after a moment, so that a sudden death finds deliveries under way.
"""

import asyncio
import contextlib
import hashlib
import random
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import msgspec
from aiohttp import web

from benchmarks.endpoint import endpoint_of, is_signed

SLOWEST = 0.3  # seconds that an answer takes at most: some ten deliveries are under way at any moment


@dataclass(frozen=True, slots=True)
class Arrival:
    """One webhook that was read whole. `sent_at` is its own timestamp (unix seconds), `at` when it was here."""

    tenant: str
    event_id: str
    digest: bytes
    sent_at: int
    at: float
    signed: bool


class Receiver:
    """`port` is where it listens; each tenant has a path of its own."""

    def __init__(self, seed: int) -> None:
        self.port = 0
        self.secrets: dict[str, str] = {}  # tenant → its endpoint's secret
        self.arrivals: list[Arrival] = []
        self.answered: dict[tuple[str, str], float] = {}  # tenant and event → when 204 last went
        self.messages: dict[str, float] = {}  # Meta's id of a message → when it came first
        self._chance = random.Random(f"{seed}:receiver")

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Takes webhooks for the length of the block."""
        async with endpoint_of(self._take) as self.port:
            yield

    async def _take(self, request: web.Request) -> web.Response:
        body, tenant = await request.read(), request.match_info["tenant"]
        event_id = self._keep(tenant, {name.lower(): value for name, value in request.headers.items()}, body)
        await asyncio.sleep(self._chance.random() * SLOWEST)
        self.answered[tenant, event_id] = time.time()
        return web.Response(status=204)

    def _keep(self, tenant: str, headers: Mapping[str, str], body: bytes) -> str:
        event_id, now = headers.get("webhook-id", ""), time.time()
        signed = is_signed(self.secrets.get(tenant, ""), headers, body)
        sent_at = int(headers["webhook-timestamp"]) if signed else 0
        self.arrivals.append(Arrival(tenant, event_id, hashlib.sha256(body).digest(), sent_at, now, signed))
        told = msgspec.json.decode(body)
        if told["type"] == "whatsapp.message.received":
            self.messages.setdefault(told["data"]["message"]["id"], now)
        return event_id

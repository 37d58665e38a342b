"""The tenants' server of the soak: keeps every webhook whose answer it meant, checks its signature, fails by plan.

Owns what arrived. A webhook counts as received when it was read whole and its signature fits, whatever was answered.
"""

import asyncio
import contextlib
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping

import msgspec
from aiohttp import web

from benchmarks.endpoint import endpoint_of, is_signed
from benchmarks.soak.plan import receiver_fault

SLOW_SECONDS = 1.5
RECEIVED = "whatsapp.message.received"


class Receiver:
    """`seen` has one body's hash for each event of each tenant; `problems` what should not have come."""

    def __init__(self, seed: int) -> None:
        self.port = 0
        self.secrets: dict[str, str] = {}  # tenant → its endpoint's secret
        self.seen: dict[tuple[str, str], bytes] = {}
        self.messages: dict[str, set[str]] = {}  # Meta's id of a message → the events that told of it
        self.problems: list[str] = []
        self.posts = 0
        self.well = False  # True: no more faults
        self.struck: Counter[str] = Counter()
        self._seed = seed

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Takes webhooks for the length of the block."""
        async with endpoint_of(self._take) as self.port:
            yield

    @property
    def url(self) -> str:
        """What stands before a tenant's name in its endpoint's address."""
        return f"http://127.0.0.1:{self.port}/hooks"

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.posts += 1
        fault = None if self.well else receiver_fault(self._seed, self.posts)
        if fault is not None:
            self.struck[fault] += 1
        if fault in {"500", "429", "reset"}:
            return self._failed(request, fault)
        self._keep(request.match_info["tenant"], request.headers, body)
        if fault == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        elif fault == "lost" and request.transport is not None:
            request.transport.abort()
        return web.Response(status=204)

    def _failed(self, request: web.Request, fault: str) -> web.Response:
        if fault == "reset" and request.transport is not None:
            request.transport.abort()
        headers = {"Retry-After": "2"} if fault == "429" else {}
        return web.Response(status=429 if fault == "429" else 500, headers=headers)

    def _keep(self, tenant: str, headers: Mapping[str, str], body: bytes) -> None:
        given = {name.lower(): value for name, value in headers.items()}
        event_id, secret = given.get("webhook-id", ""), self.secrets.get(tenant)
        if secret is None or not is_signed(secret, given, body):
            self.problems.append(f"a webhook to {tenant} is not signed by its secret")
            return
        digest = hashlib.sha256(body).digest()
        known = self.seen.setdefault((tenant, event_id), digest)
        if known != digest:
            self.problems.append(f"{tenant} got {event_id} twice with two bodies")
        told = msgspec.json.decode(body)
        if told["type"] == RECEIVED:
            self.messages.setdefault(told["data"]["message"]["id"], set()).add(event_id)

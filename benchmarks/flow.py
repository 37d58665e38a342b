"""The whole signup against the sandbox at zero latency: link made, page, sign-in, callback, provisioning, webhook.

Owns a lean customer (the walk's own steps, without looking for more than it needs), the tenant's receiver and the
clock on each flow. What we add is a flow's time without the dialog that the sandbox plays for the customer; the Graph
calls that the service makes meanwhile are left in, so the figure is an upper bound.
"""

import asyncio
import itertools
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp
import msgspec
from aiohttp import web
from yarl import URL

from benchmarks import servers
from benchmarks.seeding import Place
from tests.support.service import OPERATOR_KEY

AT_ONCE = 16
FLOW_SECONDS = 30.0
CONNECTED = "whatsapp.phone_number.created"
_FORM = re.compile(r'<form[^>]*action="([^"]+)"')
_TOKEN = re.compile(r'name="form_token" value="([^"]+)"')


class FlowBroke(RuntimeError):
    """A step of the flow did not answer as it should."""


@dataclass(frozen=True)
class Flowed:
    """What a run came to: flows a second, each one's whole time and the part that is ours (seconds)."""

    rate: float
    whole: tuple[float, ...]
    ours: tuple[float, ...]


class Receiver:
    """The tenant's server: answers 204 and says whose webhook came."""

    def __init__(self) -> None:
        self.awaited: dict[int, asyncio.Future[float]] = {}
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listens on a free port."""
        app = web.Application()
        app.router.add_post("/hooks", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}/hooks"

    async def stop(self) -> None:
        """Ends."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        told = msgspec.json.decode(await request.read())
        if told["type"] == CONNECTED:
            future = self.awaited.get(told["data"]["customer_id"])
            if future is not None and not future.done():
                future.set_result(time.perf_counter())
        return web.Response(status=204)


class Flow:
    """One customer's way through; `run` gives its whole time and the time of the dialog."""

    def __init__(
        self, url: str, sandbox_url: str, key: str, receiver: Receiver, session: aiohttp.ClientSession
    ) -> None:
        self._url, self._sandbox, self._key = url, sandbox_url, key
        self._receiver, self._session = receiver, session
        self._own = {"Origin": url, "Sec-Fetch-Site": "same-origin"}

    async def run(self, customer_id: int) -> tuple[float, float]:
        """From the POST that makes the link until the webhook has arrived. Raises FlowBroke."""
        arrives: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._receiver.awaited[customer_id] = arrives
        began = time.perf_counter()
        link = await self._link(customer_id)
        cookies: dict[str, str] = {}
        _, page = await self._ask("GET", link, cookies)
        where, _ = await self._press(page, cookies)
        _, page = await self._ask("GET", where, cookies)
        dialog, _ = await self._press(page, cookies)
        asked = time.perf_counter()
        async with self._session.post(f"{self._sandbox}/sandbox/signups", json={"dialogUrl": dialog}) as answer:
            played = await answer.json()
        dialog_took = time.perf_counter() - asked
        if not played.get("redirectUrl"):
            raise FlowBroke(f"the sandbox played {played}")
        await self._ask("GET", played["redirectUrl"].partition("#")[0], cookies)
        async with asyncio.timeout(FLOW_SECONDS):
            ended = await arrives
        del self._receiver.awaited[customer_id]
        return ended - began, dialog_took

    async def _link(self, customer_id: int) -> str:
        path = f"{self._url}/admin/customers/{customer_id}/setup-links"
        body = {"allowedConnectionTypes": ["dedicated"], "successRedirectUrl": "https://your-app.com/done"}
        async with self._session.post(path, json=body, headers={"Authorization": f"Bearer {self._key}"}) as answer:
            made: dict[str, Any] = await answer.json()
        if answer.status != 201:
            raise FlowBroke(f"the link was not made: {made}")
        return str(made["url"])

    async def _press(self, page: str, cookies: dict[str, str]) -> tuple[str, str]:
        action, token = _FORM.search(page), _TOKEN.search(page)
        if action is None or token is None:
            raise FlowBroke(f"the page has no form: {page[-1500:]}")
        where, text = await self._ask("POST", self._url + action[1], cookies, {"form_token": token[1]})
        if not where:
            raise FlowBroke(f"the form led nowhere: {text[-1500:]}")
        return where, text

    async def _ask(
        self, method: str, url: str, cookies: dict[str, str], form: dict[str, str] | None = None
    ) -> tuple[str, str]:
        """Where the answer leads (empty where it is a page), and its text."""
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())} if cookies else {}
        data = None
        if form is not None:
            headers |= self._own | {"Content-Type": "application/x-www-form-urlencoded"}
            data = urlencode(form).encode()
        target = URL(url, encoded=True)
        async with self._session.request(method, target, data=data, headers=headers, allow_redirects=False) as answer:
            text = await answer.text()
            cookies.update({name: morsel.value for name, morsel in answer.cookies.items()})
            if answer.status >= 400:
                raise FlowBroke(f"{method} {url} answered {answer.status}: {text[:1500]}")
            location = answer.headers.get("Location", "")
        return (self._url + location if location.startswith("/") else location), text


async def tenant_listens(session: aiohttp.ClientSession, url: str, tenant: int, hook: str) -> None:
    """The tenant's endpoint for connected numbers. Raises FlowBroke."""
    path, operator = f"{url}/admin/tenants/{tenant}/webhook-endpoints", {"Authorization": f"Bearer {OPERATOR_KEY}"}
    async with session.post(path, json={"url": hook, "eventTypes": [CONNECTED]}, headers=operator) as answer:
        if answer.status != 201:
            raise FlowBroke(f"the endpoint was not made: {await answer.text()}")


async def measured(place: Place, seconds: float, warm_seconds: float) -> Flowed:
    """Sandbox, service with its workers, receiver; 16 flows at once for that long."""
    receiver = Receiver()
    await receiver.start()
    box = servers.sandbox(place.folder)
    service = servers.service(place, sandbox_port=box.port, workers=True)
    try:
        async with servers.running(box, "/sandbox"), servers.running(service):
            connector = aiohttp.TCPConnector(limit=0)
            async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
                url = f"http://127.0.0.1:{service.port}"
                await tenant_listens(session, url, place.flow_tenant, receiver.url)
                key = place.keys[place.flow_tenant]
                flow = Flow(url, f"http://localhost:{box.port}", key, receiver, session)
                customers = itertools.chain(place.flow_customers)
                await _rounds(flow, customers, warm_seconds)
                return await _rounds(flow, customers, seconds)
    finally:
        with suppress(RuntimeError):
            await receiver.stop()


async def _rounds(flow: Flow, customers: Iterator[int], seconds: float) -> Flowed:
    began = time.perf_counter()
    until = began + seconds
    found: list[tuple[float, float]] = []

    async def one_after_the_other() -> None:
        while time.perf_counter() < until:
            found.append(await flow.run(next(customers)))

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(one_after_the_other())
    took = time.perf_counter() - began
    return Flowed(len(found) / took, tuple(w for w, _ in found), tuple(w - d for w, d in found))

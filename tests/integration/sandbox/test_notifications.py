"""What the sandbox tells the service by itself: signed, retried, and never in the way."""

import asyncio
import contextlib
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from setuplinks.sandbox.server import listening
from tests.integration.sandbox.calls import APP_SECRET, Meta, running_meta
from tests.support.ports import reserved_port


class Service:
    """Takes notifications; answers the given statuses one after the other, then 200."""

    def __init__(self, *statuses: int) -> None:
        self.statuses, self.url = list(statuses), ""
        self.came: asyncio.Queue[tuple[bytes, str]] = asyncio.Queue()

    async def take(self, request: Request) -> Response:
        self.came.put_nowait((await request.body(), request.headers.get("x-hub-signature-256", "")))
        return Response(status_code=self.statuses.pop(0) if self.statuses else 200)

    async def next(self) -> tuple[bytes, str]:
        return await asyncio.wait_for(self.came.get(), 60)

    @contextlib.asynccontextmanager
    async def up(self) -> AsyncIterator[None]:
        app = Starlette(routes=[Route("/meta/notifications", self.take, methods=["POST"])])
        async with listening(app) as running:
            self.url = running.url
            yield


async def sent(meta: Meta, wanted: str) -> dict[str, Any]:
    """The first notification once it is in that state."""
    async with asyncio.timeout(60):
        while True:
            rows = (await meta.ask("GET", "/sandbox/notifications")).json["data"]
            if rows and rows[0]["state"] == wanted:
                found: dict[str, Any] = rows[0]
                return found
            await asyncio.sleep(0.01)


async def test_a_signup_tells_partner_added_with_the_partners_portfolio_as_entry() -> None:
    service = Service()
    async with service.up(), running_meta(service.url) as meta:
        played = await meta.play()
        body, signature = await service.next()
        note = json.loads(body)
        assert note["object"] == "whatsapp_business_account"
        assert note["entry"][0]["id"] == "900000000000001"
        assert note["entry"][0]["changes"] == [
            {
                "field": "account_update",
                "value": {
                    "event": "PARTNER_ADDED",
                    "waba_info": {"waba_id": played["wabaIds"][0], "owner_business_id": played["businessId"]},
                },
            }
        ]
        assert signature == "sha256=" + hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest()


async def test_a_refused_notification_is_tried_again_byte_by_byte_the_same() -> None:
    service = Service(500, 503)
    async with service.up(), running_meta(service.url) as meta:
        await meta.ask("PUT", "/sandbox/settings", json={"notificationRetrySeconds": [0.01, 0.01]})
        await meta.play()
        tries = [await service.next() for _ in range(3)]
        assert len(set(tries)) == 1
        assert (await sent(meta, "delivered"))["results"] == ["500", "503", "200"]


async def test_it_is_given_up_after_the_last_try() -> None:
    service = Service(500, 500, 500)
    async with service.up(), running_meta(service.url) as meta:
        await meta.ask("PUT", "/sandbox/settings", json={"notificationRetrySeconds": [0.01]})
        await meta.play()
        assert (await sent(meta, "given_up"))["results"] == ["500", "500"]


async def test_an_address_that_is_not_there_disturbs_nothing() -> None:
    for url in (f"http://127.0.0.1:{reserved_port()}", "http://[broken"):
        async with running_meta(url) as meta:
            await meta.ask("PUT", "/sandbox/settings", json={"notificationRetrySeconds": []})
            customer = await meta.connect()
            assert (await meta.graph("GET", customer.waba, customer.token)).status == 200
            assert (await sent(meta, "given_up"))["results"][0]


async def test_a_404_is_given_up_at_once() -> None:
    service = Service(404)
    async with service.up(), running_meta(service.url) as meta:
        await meta.play()
        assert (await sent(meta, "given_up"))["results"] == ["404"]


async def test_nothing_is_sent_for_a_denial_without_an_address_or_when_switched_off() -> None:
    service = Service()
    async with service.up(), running_meta(service.url) as meta:
        await meta.play("denied")
        await meta.play("dev_mode_denial")
        await meta.ask("PUT", "/sandbox/settings", json={"notifications": False})
        await meta.play()
        assert (await meta.ask("GET", "/sandbox/notifications")).json["data"] == []
    async with running_meta(None) as meta:
        await meta.play()
        assert (await meta.ask("GET", "/sandbox/notifications")).json["data"] == []


async def test_without_a_configured_secret_the_exchanges_own_signs() -> None:
    service = Service()
    async with service.up(), running_meta(service.url, app_secret=None) as meta:
        first = await meta.play()
        await service.next()
        await meta.exchange(first["code"], client_secret="learnt")
        await meta.play()
        body, signature = await service.next()
        assert signature == "sha256=" + hmac.new(b"learnt", body, hashlib.sha256).hexdigest()

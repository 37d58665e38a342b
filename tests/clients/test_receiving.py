"""An unchanged client's own webhook handler behind an endpoint with `format: meta`: it checks, hears, and answers."""

import asyncio
import contextlib
import hashlib
import hmac
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import pytest
from fastapi import FastAPI
from pywa import WhatsApp
from pywa.types import Message, MessageStatus

from tests.clients.way import ANA, Way
from tests.support.guide_samples import loaded, samples_of
from tests.support.loopback import bound_socket, port_of, serving
from tests.support.node import Script, running_script
from tests.support.service import RunningService, Tenant

GUIDE = "send-and-receive.md"
SECRET = "whsec_is_told_when_the_endpoint_is_there"


class Handler(Protocol):
    """A client's web server: where it is, and what it says of each thing that it takes or refuses."""

    url: str

    async def said(self) -> dict[str, Any]: ...


@dataclass
class OfPywa:
    """pywa within a FastAPI application; its callbacks run in threads."""

    url: str
    heard: asyncio.Queue[dict[str, Any]]

    async def said(self) -> dict[str, Any]:
        async with asyncio.timeout(90):
            return await self.heard.get()


@dataclass
class OfNode:
    """A Node script with a web server."""

    url: str
    script: Script

    async def said(self) -> dict[str, Any]:
        found: dict[str, Any] = await self.script.said()
        return found


@contextlib.asynccontextmanager
async def pywa(way: Way, secret: str, folder: Path) -> AsyncIterator[Handler]:
    loop, heard = asyncio.get_running_loop(), asyncio.Queue[dict[str, Any]]()
    app = FastAPI()

    def say(what: dict[str, Any]) -> None:
        loop.call_soon_threadsafe(heard.put_nowait, what)

    with loaded(folder, GUIDE, "pywa_client.py").gateway_session(way.base) as session, bound_socket() as place:
        whatsapp = WhatsApp(
            phone_id=way.number, token=way.token, session=session, server=app, webhook_endpoint="/hooks",
            verify_token="not asked for here", app_secret=secret,
        )  # fmt: skip

        @whatsapp.on_message
        def take(_: WhatsApp, message: Message) -> None:
            answered = message.reply(f"You said: {message.text}").id
            say({"heard": message.text, "from": message.from_user.wa_id, "answered": answered})

        @whatsapp.on_message_status
        def follow(_: WhatsApp, status: MessageStatus) -> None:
            say({"status": status.status.value, "id": status.id})

        @app.middleware("http")
        async def tell(request: Any, call_next: Any) -> Any:
            answer = await call_next(request)
            if answer.status_code != 200:
                say({"refused": True})
            return answer

        async with serving(app, place):
            yield OfPywa(f"http://127.0.0.1:{port_of(place)}/hooks", heard)


@contextlib.asynccontextmanager
async def node(client: str, way: Way, secret: str, folder: Path) -> AsyncIterator[Handler]:
    given = {"base": way.base, "token": way.token, "number": way.number, "secret": secret}
    async with running_script(folder, f"{client}_receives.mjs", given, samples_of(GUIDE)) as script:
        yield OfNode(await script.said(), script)


@contextlib.asynccontextmanager
async def handling(client: str, way: Way, secret: str, folder: Path) -> AsyncIterator[Handler]:
    starts = pywa(way, secret, folder) if client == "pywa" else node(client, way, secret, folder)
    async with starts as handler:
        yield handler


async def endpoint(acme: Tenant, url: str) -> tuple[int, str]:
    """An endpoint in Meta's format; its id and its secret, which the client takes for the app's."""
    made = await acme.api.made(f"/admin/tenants/{acme.id}/webhook-endpoints", {"url": url, "format": "meta"})
    return made["id"], made["secret"]


@pytest.mark.parametrize("client", ["pywa", "kapso", "whatsapp_api_js"])
async def test_a_clients_own_handler_hears_and_answers(
    client: str, service: RunningService, acme: Tenant, through: Way, tmp_path: Path
) -> None:
    await through.meta.change_settings(notifications=True)
    # The secret is told with the endpoint, so the endpoint is there first and moves to where the handler stands.
    endpoint_id, secret = await endpoint(acme, "http://127.0.0.1:9/hooks")
    async with handling(client, through, secret, tmp_path) as handler:
        moved = await acme.api.patch(f"/admin/webhook-endpoints/{endpoint_id}", {"url": handler.url})
        assert moved.status == 200, moved.body
        await through.ana_writes("¿Están abiertos? ☎")
        # The answer's statuses may be told while the handler that answers is still at its last line.
        words = [await until_told(service, handler) for _ in range(3)]
        [told] = [word for word in words if "heard" in word]
        assert (told["heard"], told["from"]) == ("¿Están abiertos? ☎", ANA)
        [answer] = await through.ana_has()
        assert (answer["id"], answer["content"]["body"]) == (told["answered"], "You said: ¿Están abiertos? ☎")
        statuses = {(word["status"], word["id"]) for word in words if "status" in word}
        assert statuses == {("sent", answer["id"]), ("delivered", answer["id"])}


async def until_told(service: RunningService, handler: Handler) -> dict[str, Any]:
    """The handler's next word. Meta notifies in its own time, so the work is done again and again until then."""
    word = asyncio.create_task(handler.said())
    while not word.done():
        await service.drain()
        await asyncio.wait({word}, timeout=0.05)
    return await word


@pytest.mark.parametrize("client", ["pywa", "kapso", "whatsapp_api_js"])
async def test_a_clients_own_handler_refuses_what_is_not_signed_by_us(
    client: str, straight: Way, tmp_path: Path
) -> None:
    body = b'{"object":"whatsapp_business_account","entry":[]}'
    forged = {"X-Hub-Signature-256": "sha256=" + hmac.new(b"another", body, hashlib.sha256).hexdigest()}
    async with handling(client, straight, SECRET, tmp_path) as handler, aiohttp.ClientSession() as session:
        async with session.post(handler.url, data=body, headers=forged) as answer:
            assert answer.status in {401, 403}
        assert await handler.said() == {"refused": True}

"""What the sandbox makes Meta tell: messages that come in, statuses of those that went out, an account's fate."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from setuplinks.sandbox.server import listening
from tests.integration.sandbox.calls import Customer, Meta, running_meta

PARTNER = "900000000000001"


class Service:
    """Takes what Meta tells, at whatever path, and answers challenges."""

    def __init__(self) -> None:
        self.url, self.came = "", asyncio.Queue[tuple[str, dict[str, Any]]]()

    async def take(self, request: Request) -> Response:
        if request.method == "GET":
            return PlainTextResponse(request.query_params["hub.challenge"])
        body = json.loads(await request.body())
        entry = body["entry"][0]
        if entry["changes"][0]["value"].get("event") != "PARTNER_ADDED":
            self.came.put_nowait((request.url.path, entry))
        return Response()

    async def next(self) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """The path, the entry and its one change's value."""
        path, entry = await asyncio.wait_for(self.came.get(), 60)
        return path, entry, entry["changes"][0]["value"]


@contextlib.asynccontextmanager
async def scene() -> AsyncIterator[tuple[Service, Meta, Customer]]:
    """A service that listens, and a customer whose number is registered and subscribed."""
    service = Service()
    app = Starlette(routes=[Route("/{path:path}", service.take, methods=["GET", "POST"])])
    async with listening(app) as running, running_meta(running.url) as meta:
        service.url = running.url
        customer = await meta.connect()
        await meta.graph("POST", f"{customer.waba}/subscribed_apps", customer.token)
        pin = {"messaging_product": "whatsapp", "pin": "123456"}
        assert (await meta.graph("POST", f"{customer.number}/register", customer.token, json=pin)).status == 200
        yield service, meta, customer


async def test_a_message_comes_in_as_meta_tells_it() -> None:
    async with scene() as (service, meta, customer):
        sent = {"from": "+54 9 351 555-0100", "text": "¿Están abiertos?", "name": "Ana"}
        answer = await meta.ask("POST", f"/sandbox/phone-numbers/{customer.number}/inbound", json=sent)
        path, entry, value = await service.next()
    assert path == "/meta/notifications"
    assert (entry["id"], "time" in entry) == (customer.waba, False)
    assert value["metadata"]["phone_number_id"] == customer.number
    [contact] = value["contacts"]
    assert (contact["profile"], contact["wa_id"]) == ({"name": "Ana"}, "5493515550100")
    assert contact["user_id"] == value["messages"][0]["from_user_id"]
    [message] = value["messages"]
    assert (message["id"], message["from"]) == (answer.json["id"], "5493515550100")
    assert message["text"] == {"body": "¿Están abiertos?"}


async def test_a_user_without_a_number_is_named_by_an_id() -> None:
    async with scene() as (service, meta, customer):
        sent = {"userId": "US.13491208655302741918", "text": "Hello"}
        await meta.ask("POST", f"/sandbox/phone-numbers/{customer.number}/inbound", json=sent)
        _, _, value = await service.next()
    assert value["contacts"] == [{"profile": {"name": "Sandbox User"}, "user_id": "US.13491208655302741918"}]
    assert "from" not in value["messages"][0]


@pytest.mark.parametrize("body", [{}, {"text": "Hola"}, {"from": "x", "text": "Hola"}, {"from": "549351", "text": ""}])
async def test_a_message_that_nobody_could_send_is_refused(body: dict[str, str]) -> None:
    async with scene() as (_, meta, customer):
        answer = await meta.ask("POST", f"/sandbox/phone-numbers/{customer.number}/inbound", json=body)
    assert answer.status == 422


async def test_nothing_comes_in_where_nobody_would_hear_it() -> None:
    sent = {"from": "5493515550100", "text": "Hola"}
    async with running_meta() as meta:
        fresh = await meta.connect()
        path = f"/sandbox/phone-numbers/{fresh.number}/inbound"
        assert (await meta.ask("POST", path, json=sent)).status == 409
        pin = {"messaging_product": "whatsapp", "pin": "123456"}
        await meta.graph("POST", f"{fresh.number}/register", fresh.token, json=pin)
        assert "subscribed" in (await meta.ask("POST", path, json=sent)).json["error"]
        assert (await meta.ask("POST", "/sandbox/phone-numbers/1/inbound", json=sent)).status == 404


async def test_the_numbers_override_goes_before_the_wabas_and_that_before_the_apps() -> None:
    async with scene() as (service, meta, customer):
        inbound = f"/sandbox/phone-numbers/{customer.number}/inbound"
        override = {"override_callback_uri": f"{service.url}/of-waba", "verify_token": "v"}
        await meta.graph("POST", f"{customer.waba}/subscribed_apps", customer.token, json=override)
        await meta.ask("POST", inbound, json={"from": "549351", "text": "1"})
        assert (await service.next())[0] == "/of-waba"
        override = {"override_callback_uri": f"{service.url}/of-number", "verify_token": "v"}
        await meta.graph("POST", customer.number, customer.token, json={"webhook_configuration": override})
        await meta.ask("POST", inbound, json={"from": "549351", "text": "2"})
        assert (await service.next())[0] == "/of-number"
        await meta.ask("POST", f"/sandbox/wabas/{customer.waba}/account-update", json={"event": "ACCOUNT_DELETED"})
        assert (await service.next())[0] == "/meta/notifications"


@pytest.mark.parametrize(("event", "error"), [("PARTNER_REMOVED", (100, 33)), ("PARTNER_APP_UNINSTALLED", (190, 458))])
async def test_a_partner_that_is_removed_reaches_the_account_no_more(event: str, error: tuple[int, int]) -> None:
    async with scene() as (service, meta, customer):
        path = f"/sandbox/wabas/{customer.waba}/account-update"
        assert (await meta.ask("POST", path, json={"event": event})).json == {"event": event}
        _, entry, value = await service.next()
        refused = await meta.graph("GET", customer.waba, customer.token)
        state = await meta.ask("GET", f"/sandbox/wabas/{customer.waba}")
    assert (entry["id"], value["waba_info"]["waba_id"]) == (PARTNER, customer.waba)
    assert refused.codes == error
    assert state.json["subscribedApps"] == {}


async def test_waba_info_may_be_missing_as_in_metas_own_samples() -> None:
    async with scene() as (service, meta, customer):
        body = {"event": "PARTNER_REMOVED", "wabaInfo": False, "value": {"disconnection_info": {"reason": "X"}}}
        await meta.ask("POST", f"/sandbox/wabas/{customer.waba}/account-update", json=body)
        _, _, value = await service.next()
    assert "waba_info" not in value
    assert value["phone_number"].isdigit()
    assert value["disconnection_info"] == {"reason": "X"}


async def test_a_ban_and_its_end() -> None:
    async with scene() as (service, meta, customer):
        path = f"/sandbox/wabas/{customer.waba}/account-update"
        await meta.ask("POST", path, json={"event": "DISABLED_UPDATE"})
        _, entry, value = await service.next()
        banned = (await meta.ask("GET", f"/sandbox/phone-numbers/{customer.number}")).json["status"]
        lifted = {"event": "DISABLED_UPDATE", "value": {"ban_info": {"waba_ban_state": "REINSTATE"}}}
        await meta.ask("POST", path, json=lifted)
        back = (await meta.ask("GET", f"/sandbox/phone-numbers/{customer.number}")).json["status"]
    assert entry["id"] == customer.waba
    assert value["ban_info"]["waba_ban_state"] == "DISABLE"
    assert (banned, back) == ("RESTRICTED", "CONNECTED")


@pytest.mark.parametrize("body", [{}, {"event": "NO_SUCH"}, {"event": "ACCOUNT_DELETED", "value": []}])
async def test_an_event_that_meta_does_not_have_is_refused(body: dict[str, Any]) -> None:
    async with scene() as (_, meta, customer):
        answer = await meta.ask("POST", f"/sandbox/wabas/{customer.waba}/account-update", json=body)
    assert answer.status == 422

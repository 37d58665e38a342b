"""The app itself at the sandbox: settings, subscriptions behind a challenge, permissions, by the app's own token."""

import asyncio
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from setuplinks.sandbox.app_state import WHATSAPP_FIELDS
from setuplinks.sandbox.server import listening
from tests.integration.sandbox.calls import APP_ID, APP_TOKEN, Meta, running_meta

OBJECT = "whatsapp_business_account"
HERE = "http://127.0.0.1:9"


async def _graph(meta: Meta, method: str, edge: str, token: str = APP_TOKEN, **params: Any) -> Any:
    """Status and body."""
    reply = await meta.graph(method, f"{APP_ID}{edge}", token, params=params)
    return reply.status, reply.json


class Callback:
    """A server that answers Meta's challenge, and counts what it is told."""

    def __init__(self, token: str) -> None:
        self.token, self.told = token, asyncio.Queue[bytes]()

    async def take(self, request: Request) -> Response:
        """The challenge, or a notification."""
        if request.method == "POST":
            self.told.put_nowait(await request.body())
            return PlainTextResponse("")
        right = request.query_params.get("hub.verify_token") == self.token
        return PlainTextResponse(request.query_params["hub.challenge"] if right else "no", 200 if right else 403)

    def app(self) -> Starlette:
        """To be served."""
        return Starlette(routes=[Route("/hook", self.take, methods=["GET", "POST"])])


async def test_the_app_begins_as_it_was_set_up_for_the_services_address() -> None:
    async with running_meta(HERE) as meta:
        status, row = await _graph(meta, "GET", "", fields="id,name,app_domains,deauth_callback_url")
        assert (status, row["app_domains"]) == (200, ["127.0.0.1"])
        assert row["deauth_callback_url"] == f"{HERE}/meta/deauthorize"
        [held] = (await _graph(meta, "GET", "/subscriptions"))[1]["data"]
        assert (held["object"], held["callback_url"], held["active"]) == (OBJECT, f"{HERE}/meta/notifications", True)
        assert {field["name"] for field in held["fields"]} == set(WHATSAPP_FIELDS)
        granted = (await _graph(meta, "GET", "/permissions"))[1]["data"]
        assert {"permission": "whatsapp_business_management", "status": "live"} in granted


async def test_an_app_without_an_address_has_no_subscription(meta: Meta) -> None:
    assert (await _graph(meta, "GET", "/subscriptions"))[1] == {"data": []}


@pytest.mark.parametrize("edge", ["", "/subscriptions", "/permissions"])
async def test_only_the_apps_own_token_reads_the_app(meta: Meta, edge: str) -> None:
    status, answer = await _graph(meta, "GET", edge, token=f"{APP_ID}|wrong")
    assert (status, answer["error"]["code"]) == (401, 190)


async def test_a_callback_is_taken_after_its_challenge_only_and_then_told_what_was_asked_for(meta: Meta) -> None:
    callback = Callback("right")
    async with listening(callback.app()) as running:
        asked = {"object": OBJECT, "callback_url": f"{running.url}/hook", "fields": "account_update,messages"}
        status, refused = await _graph(meta, "POST", "/subscriptions", verify_token="wrong", **asked)
        assert (status, refused["error"]["code"]) == (400, 2200)
        assert await _graph(meta, "POST", "/subscriptions", verify_token="right", **asked) == (200, {"success": True})
        await meta.play()
        assert b"PARTNER_ADDED" in await asyncio.wait_for(callback.told.get(), 60)
        await _graph(meta, "DELETE", "/subscriptions", object=OBJECT, fields="account_update")
        await meta.play()
        assert (await meta.ask("GET", "/sandbox/notifications")).json["data"][1:] == []
    [held] = (await _graph(meta, "GET", "/subscriptions"))[1]["data"]
    assert [field["name"] for field in held["fields"]] == ["messages"]
    await _graph(meta, "DELETE", "/subscriptions", object=OBJECT)
    assert (await _graph(meta, "GET", "/subscriptions"))[1] == {"data": []}


async def test_an_unknown_object_or_field_is_refused(meta: Meta) -> None:
    for asked in ({"object": "weather", "fields": "rain"}, {"object": OBJECT, "fields": "rain"}):
        status, answer = await _graph(meta, "POST", "/subscriptions", callback_url=HERE, verify_token="t", **asked)
        assert (status, answer["error"]["code"]) == (400, 100)


async def test_the_dashboards_settings_can_be_changed_and_nothing_else(meta: Meta) -> None:
    changed = await meta.ask("PUT", "/sandbox/app", json={"domains": ["example.com"], "deauthorizeUrl": None})
    assert changed.json["domains"] == ["example.com"]
    row = (await _graph(meta, "GET", "", fields="app_domains,deauth_callback_url"))[1]
    assert row == {"id": APP_ID, "app_domains": ["example.com"]}
    assert (await meta.ask("PUT", "/sandbox/app", json={"domain": "x"})).status == 422

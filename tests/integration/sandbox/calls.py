"""What a test of the sandbox says to it: the calls of a Graph client, written out plainly."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp

from setuplinks.sandbox.config import SandboxConfig
from setuplinks.sandbox.server import create_app, listening
from setuplinks.sandbox.world import World

APP_ID, APP_SECRET, CONFIG_ID = "1111222233334444", "the-app-secret", "555666777"
CALLBACK = "http://127.0.0.1:9/meta/callback?from=meta"
VERSION = "v25.0"
APP_TOKEN = f"{APP_ID}|{APP_SECRET}"


@dataclass(frozen=True)
class Answer:
    status: int
    json: Any
    headers: Any
    text: str

    @property
    def error(self) -> dict[str, Any]:
        """Meta's error object."""
        found: dict[str, Any] = self.json["error"]
        return found

    @property
    def codes(self) -> tuple[int, int | None]:
        return self.error["code"], self.error.get("error_subcode")


@dataclass(frozen=True)
class Customer:
    """A finished signup with its token."""

    token: str
    waba: str
    number: str
    played: dict[str, Any]


class Meta:
    def __init__(self, url: str, world: World, http: aiohttp.ClientSession) -> None:
        self.url, self.world, self.http = url, world, http

    def dialog_url(self, **changes: str | None) -> str:
        """The full-page dialog's address; None leaves a parameter out."""
        params: dict[str, str | None] = {
            "client_id": APP_ID,
            "config_id": CONFIG_ID,
            "redirect_uri": CALLBACK,
            "state": "the-state",
            "response_type": "code",
            "override_default_response_type": "true",
        }
        chosen = {name: value for name, value in (params | changes).items() if value is not None}
        return f"{self.url}/{VERSION}/dialog/oauth?{urlencode(chosen)}"

    async def ask(self, method: str, path: str, **options: Any) -> Answer:
        async with self.http.request(method, self.url + path, **options) as answer:
            text = await answer.text()
            is_json = "json" in answer.headers.get("Content-Type", "")
            return Answer(answer.status, await answer.json() if is_json else None, answer.headers, text)

    async def graph(self, method: str, path: str, token: str | None, **options: Any) -> Answer:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return await self.ask(method, f"/{VERSION}/{path}", headers=headers, **options)

    async def play(self, scenario: str | None = None, *, popup: bool = False, **choices: Any) -> dict[str, Any]:
        body = {"dialogUrl": self.dialog_url(), "scenario": scenario, "popup": popup, "choices": choices}
        answer = await self.ask("POST", "/sandbox/signups", json=body)
        assert answer.status == 200, answer.text
        played: dict[str, Any] = answer.json
        return played

    async def exchange(self, code: str, **changes: str | None) -> Answer:
        params: dict[str, str | None] = {
            "client_id": APP_ID,
            "client_secret": APP_SECRET,
            "code": code,
            "redirect_uri": CALLBACK,
        }
        chosen = {name: value for name, value in (params | changes).items() if value is not None}
        return await self.ask("GET", f"/{VERSION}/oauth/access_token", params=chosen)

    async def connect(self, scenario: str | None = None, **choices: Any) -> Customer:
        """A whole signup by full page, up to the token."""
        played = await self.play(scenario, **choices)
        answer = await self.exchange(played["code"])
        assert answer.status == 200, answer.text
        wabas, numbers = played["wabaIds"] or [""], played["phoneNumberIds"] or [""]
        return Customer(answer.json["access_token"], wabas[0], numbers[0], played)

    async def debug(self, token: str) -> Any:
        answer = await self.graph("GET", "debug_token", APP_TOKEN, params={"input_token": token})
        return answer.json["data"]

    async def register(self, customer: Customer, pin: str = "123456") -> Answer:
        body = {"messaging_product": "whatsapp", "pin": pin}
        return await self.graph("POST", f"{customer.number}/register", customer.token, json=body)

    async def advance(self, seconds: float) -> None:
        await self.ask("POST", "/sandbox/clock", json={"advanceSeconds": seconds})


def query_of(url: str) -> dict[str, str]:
    """The parameters of an address, each with its first value."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


@contextlib.asynccontextmanager
async def running_meta(public_url: str | None = None, **config: Any) -> AsyncIterator[Meta]:
    known = {"app_id": APP_ID, "app_secret": APP_SECRET, "config_id": CONFIG_ID} | config
    app = create_app(SandboxConfig(public_url=public_url, **known))
    async with (
        listening(app, name="localhost") as running,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http,
    ):
        yield Meta(running.url, app.state.world, http)

"""A sandbox, our client of it, and a person who walks through its dialog."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from setuplinks.meta.embedded_signup import dialog_url, extras
from setuplinks.meta.errors import GraphError
from setuplinks.meta.graph import Graph
from setuplinks.meta.partner import Partner
from setuplinks.meta.secret import Secret
from setuplinks.sandbox.config import SandboxConfig
from setuplinks.sandbox.server import create_app, listening

APP, CONFIG = "4711", "222"
BUSINESS, SYSTEM_TOKEN = "900000000000001", "EAAsystemtoken0123456789"
CALLBACK = "http://127.0.0.1:8080/meta/callback"


@dataclass(frozen=True)
class Signup:
    """What one played signup gave."""

    code: Secret
    waba_ids: list[str]
    number_ids: list[str]
    message: dict[str, Any] | None
    redirect: str | None
    business_id: str | None


class Play:
    """A sandbox, our client of it, and a person who walks through its dialog."""

    def __init__(self, url: str, session: aiohttp.ClientSession, graph: Graph) -> None:
        self.url, self.graph = url, graph
        self.partner = Partner(graph, BUSINESS, Secret(SYSTEM_TOKEN))
        self._session = session

    async def signup(
        self, scenario: str = "default", *, kind: str = "dedicated", popup: bool = True, offered: str | None = None
    ) -> Signup:
        """Walks through the dialog; `offered` is the id of a pre-verified number that the sign-in names."""
        wishes = extras(kind)
        if offered is not None:
            wishes["setup"] = {"preVerifiedPhone": {"ids": [offered]}}
        url = dialog_url(
            self.url, "v25.0", app_id=APP, config_id=CONFIG, redirect_uri=CALLBACK, state="s", extras=wishes
        )
        body = {"dialogUrl": url, "scenario": scenario, "popup": popup}
        done = await self.control("POST", "/sandbox/signups", body)
        code, ids = Secret(done["code"] or ""), (done["wabaIds"], done["phoneNumberIds"])
        return Signup(code, *ids, done["message"], done["redirectUrl"], done["businessId"])

    async def connected(self, scenario: str = "default", *, kind: str = "dedicated") -> tuple[Secret, Signup]:
        """Walks through the dialog and exchanges the code."""
        signup = await self.signup(scenario, kind=kind)
        return (await self.graph.exchange_code(signup.code)).access_token, signup

    async def control(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """One of the sandbox's own routes."""
        async with self._session.request(method, self.url + path, json=body) as response:
            answer: dict[str, Any] = await response.json()
            assert response.status == 200, answer
            return answer


@contextlib.asynccontextmanager
async def playing() -> AsyncIterator[Play]:
    """One for the length of the block."""
    config = SandboxConfig(app_id=APP, app_secret="app-secret", config_id=CONFIG, system_token=SYSTEM_TOKEN)
    async with (
        listening(create_app(config), "127.0.0.1", 0, name="localhost") as sandbox,
        aiohttp.ClientSession() as session,
        Graph(sandbox.url, "v25.0", APP, Secret("app-secret")) as graph,
    ):
        yield Play(sandbox.url, session, graph)


async def failure(awaited: Any) -> GraphError:
    """The error that it ends with."""
    with pytest.raises(GraphError) as caught:
        await awaited
    return caught.value

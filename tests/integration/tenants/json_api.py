"""The JSON routes of tenants and customers as an app in process, with one client for each kind of caller."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI

from setuplinks.core.clock import ManualClock
from setuplinks.core.db.database import Database
from setuplinks.core.vault import Vault
from setuplinks.customers import api as customers_api
from setuplinks.settings import Settings
from setuplinks.tenants import api as tenants_api
from setuplinks.tenants import context
from setuplinks.tenants.openapi import install_openapi
from setuplinks.tenants.problem_answers import install_problem_handlers
from setuplinks.tenants.routes import install

OPERATOR_KEY = "sl_op_tests_operator_key_0123456789"


@dataclass
class JsonApi:
    """The app, its parts and a client; calls are made as the operator unless a key is given."""

    app: FastAPI
    deps: context.Deps
    client: httpx.AsyncClient

    async def call(
        self, method: str, path: str, body: Any = None, key: str = OPERATOR_KEY, **more: Any
    ) -> httpx.Response:
        """One request with a bearer key and, where `body` is given, a JSON body."""
        headers = {"Authorization": f"Bearer {key}", **more.pop("headers", {})}
        if body is not None:
            more["json"] = body
        return await self.client.request(method, path, headers=headers, **more)

    async def tenant(self, name: str = "Acme SaaS", **fields: Any) -> dict[str, Any]:
        """A new tenant, made by the operator."""
        answer = await self.call("POST", "/admin/tenants", {"name": name, **fields})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def key_of(self, tenant_id: int, **fields: Any) -> dict[str, Any]:
        """A new API key of a tenant; `key` in it is the key."""
        answer = await self.call("POST", f"/admin/tenants/{tenant_id}/api-keys", {"name": "test", **fields})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def count(self, table: str) -> int:
        """How many rows a table has."""
        [row] = await self.deps.db.read(f"SELECT COUNT(*) AS n FROM {table}")  # noqa: S608 (names stand in tests)
        return int(row["n"])


def settings(**more: Any) -> Settings:
    """Settings of a service on loopback."""
    given: dict[str, Any] = {
        "public_url": "http://127.0.0.1:8080",
        "master_keys": "k1:" + base64.b64encode(bytes(32)).decode(),
        "operator_key": OPERATOR_KEY,
        "meta_app_id": "1",
        "meta_app_secret": "secret",
        "meta_config_id": "2",
        "meta_verify_token": "verify",
        **more,
    }
    return Settings(**given)


@asynccontextmanager
async def running_api(db: Database, clock: ManualClock, **more: Any) -> AsyncIterator[JsonApi]:
    """The app around an open database."""
    chosen = settings(**more)
    deps = context.build(chosen, db, clock, Vault(db, chosen.key_ring, clock))
    await deps.auth.start()
    app = FastAPI(openapi_url="/openapi.json", docs_url=None, redoc_url=None)
    install_problem_handlers(app)
    install(app, customers_api.router(deps), tenants_api.router(deps))
    install_openapi(app, deps, title="setuplinks", version="0", description="")
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
        yield JsonApi(app, deps, client)
    await deps.auth.settle()

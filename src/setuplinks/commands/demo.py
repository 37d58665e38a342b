"""`setuplinks demo`: the whole product in one process on free ports, with a tenant and a link that is ready to open.

Owns what is started and set up; the tenant's part goes through the HTTP API, as a tenant's own server would do it. What
the terminal shows stands in `demo_progress`.
"""

import asyncio
import base64
import contextlib
import os
import secrets
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import typer

from setuplinks.commands.faults import Refused
from setuplinks.commands.serving import address_of, answering, listening_place, opened
from setuplinks.core import logs
from setuplinks.core.ids import crockford
from setuplinks.sandbox.config import SandboxConfig
from setuplinks.sandbox.inbox import Inbox
from setuplinks.sandbox.server import create_app as sandbox_app
from setuplinks.sandbox.server import listening
from setuplinks.settings import Settings
from setuplinks.tenants.keys import OPERATOR_PREFIX, new_key

if TYPE_CHECKING:
    from setuplinks.app import Service

COMPANY, GREEN = "Acme SaaS", "#10B981"
CUSTOMER = {"name": "Clínica San Lucas", "external_id": "clinic_001"}
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Stage:
    """Everything that runs, and the link that waits for its customer."""

    service: "Service"
    inbox: Inbox
    sandbox_url: str
    inbox_url: str
    tenant_key: str
    link: dict[str, Any]

    @property
    def service_url(self) -> str:
        """The service's address."""
        return self.service.settings.public_url


class Api:
    """The HTTP API with one key."""

    def __init__(self, session: aiohttp.ClientSession, url: str, key: str) -> None:
        self._session, self._url, self._key = session, url, key

    async def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The answer's JSON. Raises Refused with the problem's own words."""
        headers = {"Authorization": f"Bearer {self._key}"}
        async with self._session.request(method, self._url + path, json=body, headers=headers) as answer:
            value: dict[str, Any] = await answer.json(content_type=None)
            if answer.status >= 400:
                raise Refused(f"{method} {path} answered {answer.status}: {value.get('detail')}")
            return value


@contextlib.asynccontextmanager
async def staged() -> AsyncIterator[Stage]:
    """Service, sandbox and inbox for the length of the block; their data goes away with it."""
    logs.configure("error", "plain")
    inbox = Inbox(name=COMPANY)
    with tempfile.TemporaryDirectory(prefix="setuplinks-demo-") as folder, listening_place(LOOPBACK, 0) as place:
        meta = SandboxConfig(
            app_id=_digits(15), app_secret=crockford(128), config_id=_digits(15), verify_token=crockford(128),
            public_url=address_of(place), app_name=COMPANY,
        )  # fmt: skip
        async with (
            listening(sandbox_app(meta), LOOPBACK, 0, name="localhost") as sandbox,
            listening(inbox.app(), LOOPBACK) as tenant,
            opened(_settings(meta, sandbox.url, Path(folder))) as service,
        ):
            from setuplinks.app import create_app  # noqa: PLC0415 - `opened` has read it, not before

            async with answering(create_app(service), place):
                key, link = await _set_up(service.settings, inbox, tenant.url)
                yield Stage(service, inbox, sandbox.url, tenant.url, key, link)


def _settings(meta: SandboxConfig, sandbox_url: str, folder: Path) -> Settings:
    values = {
        "public_url": meta.public_url,
        "master_keys": "demo:" + base64.b64encode(os.urandom(32)).decode(),
        "operator_key": new_key(OPERATOR_PREFIX),
        "meta_app_id": meta.app_id,
        "meta_app_secret": meta.app_secret,
        "meta_config_id": meta.config_id,
        "meta_verify_token": meta.verify_token,
        "meta_graph_url": sandbox_url,
        "meta_dialog_url": sandbox_url,
        "meta_sdk_url": f"{sandbox_url}/en_US/sdk.js",
        "data_dir": folder,
        "outbound_allow": "127.0.0.0/8",
    }
    return Settings.model_validate(values)


async def _set_up(settings: Settings, inbox: Inbox, inbox_url: str) -> tuple[str, dict[str, Any]]:
    """What an operator does once and a tenant's server for each customer; the tenant's key and the link."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        operator = Api(session, settings.public_url, settings.operator_key.get_secret_value())
        theme = {"primaryColor": GREEN, "companyName": COMPANY}
        tenant_id = (await operator.ask("POST", "/admin/tenants", {"name": COMPANY, "theme": theme}))["id"]
        home = f"/admin/tenants/{tenant_id}"
        key = str((await operator.ask("POST", f"{home}/api-keys", {"name": "demo"}))["key"])
        tenant = Api(session, settings.public_url, key)
        inbox.redirect_keys.append((await tenant.ask("GET", f"{home}/redirect-key"))["key"])
        endpoint = await tenant.ask("POST", f"{home}/webhook-endpoints", {"url": f"{inbox_url}/hooks"})
        inbox.secrets.append(endpoint["secret"])
        customer = await tenant.ask("POST", f"{home}/customers", CUSTOMER)
        link = await tenant.ask(
            "POST", f"/admin/customers/{customer['id']}/setup-links",
            {
                "successRedirectUrl": f"{inbox_url}/onboarding/success",
                "failureRedirectUrl": f"{inbox_url}/onboarding/failed",
            },
        )  # fmt: skip
    return key, link


def run(*, auto: bool) -> int:
    """Shows the demo until Ctrl-C, or with `auto` until the customer has been played; the exit code."""
    from setuplinks.commands.demo_progress import follow, play  # noqa: PLC0415 - it knows this module

    typer.echo("Starting service, stand-in for Meta and a tenant's inbox …", err=True)

    async def shown() -> int:
        async with staged() as stage:
            return await (play(stage) if auto else follow(stage))

    return asyncio.run(shown())


def _digits(count: int) -> str:
    return str(10 ** (count - 1) + secrets.randbelow(9 * 10 ** (count - 1)))

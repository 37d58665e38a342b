"""The service in this process, on `127.0.0.1`, with the sandbox as Meta and the clock in the test's hand.

Owns building its settings and application, and the actors that most tests need. Work is done by `drain()`, in the
test's own time: nothing runs behind a test's back unless it asks for running workers, as the browser tests do.
"""

import base64
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from setuplinks.core.clock import SECOND, ManualClock
from setuplinks.core.db.database import Database
from setuplinks.settings import Settings
from tests.support import sandbox as meta
from tests.support.api import Api
from tests.support.loopback import Certificate, bound_socket, port_of, serving
from tests.support.sandbox import Sandbox

if TYPE_CHECKING:
    from setuplinks.app import Service

OPERATOR_KEY = "sl_op_for_tests_only_0123456789"
MASTER_KEYS = "t1:" + base64.b64encode(bytes(range(32))).decode()


@dataclass(frozen=True)
class Tenant:
    """A tenant of the cast and its key's view of the API."""

    id: int
    name: str
    key: str
    api: Api


@dataclass(frozen=True)
class RunningService:
    """A running service; `operator` calls it with the operator's key, `parts` are its insides."""

    parts: "Service"
    clock: ManualClock
    sandbox: Sandbox
    operator: Api

    @property
    def url(self) -> str:
        """The service's address, without a slash at its end."""
        return self.parts.settings.public_url

    @property
    def db(self) -> Database:
        """Its database."""
        return self.parts.db

    async def drain(self) -> int:
        """Does all that is due now; how many things that were."""
        return await self.parts.drain()

    async def advance(self, microseconds: int) -> None:
        """Lets time pass, for the sandbox as well, and does what is due then."""
        self.clock.advance(microseconds)
        await self.sandbox.move_clock_to(self.clock.now() // SECOND * SECOND)
        await self.drain()

    async def new_tenant(self, name: str, **fields: Any) -> Tenant:
        """A tenant with an admin key."""
        tenant = await self.operator.made("/admin/tenants", {"name": name, **fields})
        key = await self.operator.made(f"/admin/tenants/{tenant['id']}/api-keys", {"name": "test"})
        return Tenant(tenant["id"], name, key["key"], self.operator.with_key(key["key"]))


def settings_for(public_url: str, sandbox_url: str, data_dir: Path, database_url: str | None, **more: Any) -> Settings:
    """Settings of a service beside a sandbox; `more` wins."""
    values: dict[str, Any] = {
        "public_url": public_url,
        "master_keys": MASTER_KEYS,
        "operator_key": OPERATOR_KEY,
        "meta_app_id": meta.APP_ID,
        "meta_app_secret": meta.APP_SECRET,
        "meta_config_id": meta.CONFIG_ID,
        "meta_verify_token": meta.VERIFY_TOKEN,
        "meta_business_id": meta.BUSINESS_ID,
        "meta_system_token": meta.SYSTEM_TOKEN,
        "meta_graph_url": sandbox_url,
        "meta_dialog_url": sandbox_url,
        "meta_sdk_url": f"{sandbox_url}/en_US/sdk.js",
        "database_url": database_url,
        "data_dir": data_dir,
        "outbound_allow": "127.0.0.0/8",
        "rate_limits": "off",
        **more,
    }
    return Settings(**values)


def environment_of(settings: Settings) -> dict[str, str]:
    """The same settings as environment variables, for a service that runs as a process."""
    named: dict[str, str] = {}
    for name in settings.model_fields_set:
        value = getattr(settings, name)
        if value is not None:
            text = value.get_secret_value() if hasattr(value, "get_secret_value") else str(value)
            named[f"SETUPLINKS_{name.upper()}"] = text
    return named


@contextlib.asynccontextmanager
async def running_service(
    db: Database,
    clock: ManualClock,
    data_dir: Path,
    database_url: str | None = None,
    *,
    workers: bool = False,
    tls: Certificate | None = None,
    **more: Any,
) -> AsyncIterator[RunningService]:
    """Service and sandbox, each knowing the other's address, for the length of the block; `more` are settings.

    With `tls` the service is reached by https only, as in production.
    """
    # The whole service is read here and not above, so that a unit test starts without it.
    from setuplinks import app  # noqa: PLC0415

    with bound_socket() as place:
        public_url = f"{'https' if tls else 'http'}://127.0.0.1:{port_of(place)}"
        trusted = ssl.create_default_context(cafile=tls.certificate) if tls else True
        connector = aiohttp.TCPConnector(ssl=trusted)
        # The sandbox trusts no certificate of a test: it notifies nobody then.
        told = None if tls else public_url
        async with (
            meta.running_sandbox(clock, told) as sandbox,
            aiohttp.ClientSession(connector=connector) as session,
        ):
            settings = settings_for(public_url, sandbox.url, data_dir, database_url, **more)
            parts = app.build(settings, db, clock)
            async with serving(app.create_app(parts, workers=workers), place, tls):
                if not workers:  # `drain` stands for them, and handles what is handed over, too
                    parts.handover.open(lambda: None)
                yield RunningService(parts, clock, sandbox, Api(public_url, OPERATOR_KEY, session))

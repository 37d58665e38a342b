"""The stand-in for Meta in this process, on `localhost`, driven over HTTP as anybody would drive it.

Owns starting it and the few calls that tests make. The service runs on `127.0.0.1`: two host names, so that a cookie
which would be lost on the way back from Meta is lost here too.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from setuplinks.core.clock import SECOND, ManualClock
from setuplinks.core.wire import instant
from setuplinks.sandbox.config import SandboxConfig
from setuplinks.sandbox.server import create_app, listening

APP_ID = "1234567890"
APP_SECRET = "sandbox-app-secret"
CONFIG_ID = "2345678901"
VERIFY_TOKEN = "sandbox-verify-token"
BUSINESS_ID = "900000000000001"
SYSTEM_TOKEN = "EAAsandboxsystemtoken0123456789"
HELD_MS = 600_000  # the service gives a call up long before: what is held is let go by the test
PATIENCE_SECONDS = 60.0


class SandboxRefused(RuntimeError):
    """The sandbox did not take what a test asked of it."""


class Sandbox:
    """A running sandbox; `url` is Graph's base, the dialog's base and, with `/en_US/sdk.js`, the script's address."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session

    async def play(
        self, dialog_url: str, *, scenario: str | None = None, popup: bool = False, **choices: Any
    ) -> dict[str, Any]:
        """Plays the customer through the dialog. Answers `redirectUrl`, `code`, `message`, `outcome`, `wabaIds` …"""
        body: dict[str, Any] = {"dialogUrl": dialog_url, "popup": popup}
        if scenario is not None:
            body["scenario"] = scenario
        return await self.ask("POST", "/sandbox/signups", {**body, "choices": choices} if choices else body)

    async def next_scenario(self, *names: str) -> None:
        """The scenarios of the next signups, one each."""
        await self.ask("PUT", "/sandbox/scenario", {"next": list(names)})

    async def standing_scenario(self, name: str | None) -> None:
        """The scenario of every signup from now on; None ends it."""
        await self.ask("PUT", "/sandbox/scenario", {"standing": name})

    async def fault(self, call: str, **what: Any) -> None:
        """Makes calls of that kind (`register`, `exchange`, `*` …) fail, e.g. `times=2, code=2` or `status=502`."""
        await self.ask("POST", "/sandbox/faults", {"call": call, **what})

    async def hold(self, call: str, **what: Any) -> None:
        """Keeps the next call of that kind waiting until `let_go`, however slow this machine is."""
        await self.fault(call, **{"times": 1, "delayMs": HELD_MS, **what})

    async def until_held(self, call: str) -> None:
        """Returns once the call that is to be held has come. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while call in await self._faults():  # noqa: ASYNC110 - asked over HTTP
                await asyncio.sleep(0.02)

    async def _faults(self) -> set[str]:
        return {fault["call"] for fault in (await self.ask("GET", "/sandbox/faults"))["data"]}

    async def let_go(self, call: str) -> None:
        """Ends what was set for calls of that kind; the one that was held is answered."""
        await self.ask("DELETE", f"/sandbox/faults?call={call}")

    async def no_more_faults(self) -> None:
        """Ends all faults, and lets go of all that was held."""
        await self.ask("DELETE", "/sandbox/faults")

    async def calls(self, call: str | None = None) -> list[dict[str, Any]]:
        """What was asked of Graph so far, the oldest first: `call`, `method`, `path`, `status`, `errorCode`."""
        found: list[dict[str, Any]] = (await self.ask("GET", f"/sandbox/calls{f'?call={call}' if call else ''}"))[
            "data"
        ]
        return found

    async def forget_calls(self) -> None:
        """Begins the list of calls anew."""
        await self.ask("DELETE", "/sandbox/calls")

    async def change_settings(self, **switches: Any) -> None:
        """Sets switches such as `notifications=False` or `sdk="missing"`, camelCase."""
        await self.ask("PUT", "/sandbox/settings", switches)

    async def move_clock_to(self, microseconds: int) -> None:
        """Stops the sandbox's clock at an instant of the test's clock; codes and tokens age by it."""
        await self.ask("POST", "/sandbox/clock", {"frozen": True})
        await self.ask("POST", "/sandbox/clock", {"now": instant(microseconds)})

    async def advance(self, seconds: float) -> None:
        """Moves the sandbox's clock forward."""
        await self.ask("POST", "/sandbox/clock", {"advanceSeconds": seconds})

    async def ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Any other call of its control API. Raises SandboxRefused with its words."""
        async with self._session.request(method, self.url + path, json=body) as answer:
            text = await answer.text()
            if answer.status >= 400:
                raise SandboxRefused(f"{method} {path} answered {answer.status}: {text}")
            return {} if not text else dict(await answer.json())


@contextlib.asynccontextmanager
async def running_sandbox(clock: ManualClock, public_url: str | None = None) -> AsyncIterator[Sandbox]:
    """A sandbox for the length of the block, at the time of `clock`; it notifies `public_url`, or nobody."""
    config = SandboxConfig(
        APP_ID, APP_SECRET, CONFIG_ID, VERIFY_TOKEN, public_url=public_url, partner_business_id=BUSINESS_ID,
        system_token=SYSTEM_TOKEN,
    )  # fmt: skip
    async with (
        listening(create_app(config), "127.0.0.1", 0, name="localhost") as running,
        aiohttp.ClientSession() as session,
    ):
        sandbox = Sandbox(running.url, session)
        await sandbox.move_clock_to(clock.now() // SECOND * SECOND)
        yield sandbox

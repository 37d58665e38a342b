"""The soak's people over HTTP, as browsers without JavaScript: they sign in, click twice, go away and come back.

Owns one person's way from link to end. What each does is `plan`'s; nothing here knows the service's insides.
"""

import asyncio
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from benchmarks.soak.plan import Go
from benchmarks.soak.scene import Scene, Tenant, patiently
from setuplinks.sandbox.grants import free_display_number, new_number
from setuplinks.sandbox.telling_messages import tell_inbound
from setuplinks.walk import WalkStopped, Wishes, walk
from tests.support.customer import Customer, a_customer
from tests.support.sandbox import SandboxRefused

ENDED = ("completed", "failed", "expired", "revoked")
WORK_SECONDS = 25.0
OLD_PIN = "654321"
_TICKS = re.compile(r'<input type="checkbox" id="number-[^"]+" name="number" value="(\d+)"(?![^>]*disabled)')
TROUBLE = (aiohttp.ClientError, ConnectionError, TimeoutError, AssertionError, StopIteration, WalkStopped, ValueError)


@dataclass
class Told:
    """What one person's link came to, and what was met on the way."""

    tenant: Tenant
    customer_id: int
    link: dict[str, Any]
    states: Counter[str] = field(default_factory=Counter)  # the states in which somebody had to find a way on
    habits: list[str] = field(default_factory=list)


class Person:
    """One customer with one link."""

    def __init__(self, scene: Scene, told: Told) -> None:
        self._scene, self._told = scene, told

    async def live(self, goes: list[Go]) -> None:
        """Tries, go by go, until the link has ended or the goes are over; never raises for what is bad weather."""
        for go in goes:
            self._told.habits += [go.habit] if go.habit else []
            try:
                await self._go(go)
            except TROUBLE:
                await asyncio.sleep(0.3)
            except (SandboxRefused, RuntimeError):
                return  # the dialog is not there; somebody helps later
            link = await self.until_worked()
            if link["phase"] == "action_required":
                link = await self.answer(link)
            if link["phase"] in ENDED:
                self._written_to()
                return
            self._told.states[named(link)] += 1

    def _written_to(self) -> None:
        """Somebody writes to the number that was connected; Meta may tell of it twice, late, or to a dead service."""
        world = self._scene.ground.world
        mine = [signup for signup in world.signups.values() if signup.person == self.name]
        numbers = [number for signup in mine for waba in signup.granted for number in waba.numbers]
        if len(numbers) == 1 and numbers[0].waba.subscriptions and numbers[0].platform_type == "CLOUD_API":
            self._scene.written.append(tell_inbound(world, numbers[0], "5493515550100", None, "Ana", "¿Abren hoy?"))

    async def look(self) -> dict[str, Any]:
        """The link as the API shows it."""
        path = f"/admin/setup-links/{self._told.link['id']}"

        async def ask() -> dict[str, Any]:
            reply = await self._told.tenant.api.get(path)
            if reply.status != 200:
                raise ValueError(reply.status)
            found: dict[str, Any] = reply.json
            return found

        found: dict[str, Any] = await patiently(ask)
        return found

    async def until_worked(self, seconds: float = WORK_SECONDS) -> dict[str, Any]:
        """The link once nothing of it is being worked on, or as it is when patience ends."""
        end = asyncio.get_running_loop().time() + seconds
        while True:
            link = await self.look()
            if link["phase"] != "provisioning" or asyncio.get_running_loop().time() > end:
                return link
            await asyncio.sleep(0.25)

    async def answer(self, link: dict[str, Any]) -> dict[str, Any]:
        """Answers open questions, a wrong PIN first; the link afterwards."""
        for number in range(4):
            if link["phase"] != "action_required":
                break
            self._told.states[named(link)] += 1
            try:
                async with a_customer(self._scene.ground.url) as browser:
                    await browser.open(link["url"])
                    await browser.press()
                    await self._reply(browser, wrong=number == 0 and self._told.customer_id % 3 == 0)
            except TROUBLE:
                await asyncio.sleep(0.3)
            link = await self.until_worked()
        return link

    async def _reply(self, browser: Customer, *, wrong: bool) -> None:
        if browser.page == "pin":
            await browser.press("/pin", pin="111111" if wrong else OLD_PIN)
        elif browser.page == "numbers":
            ticks = _TICKS.findall(browser.reply.body.decode())
            await browser.press("/numbers", number=ticks[-1])
        elif browser.page == "no_number" and self._buys_a_number():
            await browser.press("/look")
        elif browser.page == "no_number":
            await browser.press("/choose-again")
            if browser.left_to is not None:
                played = await self._scene.ground.sandbox.play(browser.left_to, person=self.name)
                await browser.open(played["redirectUrl"].partition("#")[0])

    def _buys_a_number(self) -> bool:
        """At Meta, by hand: every account that this customer granted gets one; False where there is no account."""
        world = self._scene.ground.world
        bare = [
            waba
            for signup in world.signups.values()
            if signup.person == self.name
            for waba in signup.granted
            if not waba.numbers
        ]
        for waba in bare:
            new_number(world, waba, free_display_number(world), waba.name)
        return bool(bare)

    @property
    def name(self) -> str:
        """As Meta knows this person."""
        return f"{self._told.tenant.name}-{self._told.customer_id}"

    async def _go(self, go: Go) -> None:
        url = (await self.look()).get("url")
        if url is None:
            return
        if go.popup:
            await walk(url, Wishes(go.scenario, "popup", "dedicated", {"person": self.name}))
            return
        async with a_customer(self._scene.ground.url) as browser:
            if go.habit == "looks_and_leaves":
                await browser.open(url)
                return
            if go.habit == "two_browsers":
                async with a_customer(self._scene.ground.url) as other:
                    ends = (self._through(browser, url, go), self._through(other, url, go))
                    await asyncio.gather(*ends, return_exceptions=True)
                return
            await self._through(browser, url, go)

    async def _through(self, browser: Customer, url: str, go: Go) -> None:
        await browser.open(url)
        if go.habit == "second_click" and browser.forms:
            await asyncio.gather(browser.press(), browser.press(), return_exceptions=True)
        wanted = "coexistence" if go.scenario == "coexistence" else "dedicated"
        dialog = await browser.go_to_meta(url, wanted)
        played = await self._scene.ground.sandbox.play(dialog, scenario=go.scenario, person=self.name)
        back = played["redirectUrl"]
        if back is None or go.habit == "never_returns":
            return
        back = back.partition("#")[0]
        if go.habit == "gone_at_callback":
            async with asyncio.timeout(0.02):  # gone before the answer comes
                await browser.open(back)
        elif go.habit == "second_click":
            await asyncio.gather(browser.open(back), browser.open(back), return_exceptions=True)
        else:
            await browser.open(back)


def named(link: dict[str, Any]) -> str:
    """The state in words: the phase, and what is asked or why it failed."""
    why = (link["actionRequired"] or {}).get("kind") or (link["failure"] or {}).get("code")
    return f"{link['phase']}" + (f" ({why})" if why else "")

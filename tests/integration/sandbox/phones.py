"""A number that is registered and subscribed, a service that hears of it, and an end user to write with."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

from tests.integration.sandbox.calls import Answer, Customer, Meta
from tests.integration.sandbox.hearing import Heard, hearing

ANA = "5493515550100"


@dataclasses.dataclass(frozen=True)
class Phones:
    """The scene, and what is said in it."""

    heard: Heard
    meta: Meta
    customer: Customer

    @property
    def path(self) -> str:
        """The number's place in the control API."""
        return f"/sandbox/phone-numbers/{self.customer.number}"

    async def send(self, kind: str = "text", content: Any = None, **more: Any) -> Answer:
        """The business sends to Ana through Graph."""
        body = {"messaging_product": "whatsapp", "to": f"+{ANA}", "type": kind, kind: content or {"body": "Hola"}}
        return await self.graph("POST", "messages", json=body | more)

    async def graph(self, method: str, edge: str = "", **options: Any) -> Answer:
        """A call on the number, or on one of its edges."""
        path = f"{self.customer.number}/{edge}".rstrip("/")
        return await self.meta.graph(method, path, self.customer.token, **options)

    async def write(self, **what: Any) -> str:
        """Ana writes; the wamid."""
        answer = await self.meta.ask("POST", f"{self.path}/inbound", json={"from": f"+{ANA}"} | what)
        assert answer.status == 200, answer.text
        wamid: str = answer.json["id"]
        return wamid

    async def statuses(self, count: int) -> list[dict[str, Any]]:
        """The next statuses that are told, in no promised order."""
        found: list[dict[str, Any]] = []
        while len(found) < count:
            found += (await self.heard.next_value("messages")).get("statuses", [])
        return found

    async def inbound(self) -> dict[str, Any]:
        """The next message that is told."""
        while True:
            value = await self.heard.next_value("messages")
            if "messages" in value:
                found: dict[str, Any] = value["messages"][0]
                return found

    async def settings(self, **switches: Any) -> None:
        """Sets switches of the sandbox."""
        assert (await self.meta.ask("PUT", "/sandbox/settings", json=switches)).status == 200


async def ready(meta: Meta, scenario: str | None = None) -> Customer:
    """A customer whose number is registered, and whose account our app is subscribed to."""
    customer = await meta.connect(scenario)
    await meta.graph("POST", f"{customer.waba}/subscribed_apps", customer.token)
    if scenario != "coexistence":
        assert (await meta.register(customer)).status == 200
    return customer


@contextlib.asynccontextmanager
async def phones(scenario: str | None = None) -> AsyncIterator[Phones]:
    """The scene, for the length of the block; its clock stands still."""
    async with hearing() as (heard, meta):
        await meta.ask("POST", "/sandbox/clock", json={"frozen": True})
        yield Phones(heard, meta, await ready(meta, scenario))

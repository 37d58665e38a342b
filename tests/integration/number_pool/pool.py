"""The operator at the number pool, in short words."""

from dataclasses import dataclass
from typing import Any

from tests.support.api import Reply
from tests.support.service import RunningService

ARGENTINE, CHILEAN, GERMAN = "+5493515550101", "+56225550102", "+49305550103"
CODE = "123456"  # what the sandbox sends


@dataclass(frozen=True)
class Pool:
    """The operator's calls."""

    service: RunningService

    async def add(self, number: str, **fields: Any) -> dict[str, Any]:
        """Adds a number."""
        return await self.service.operator.made("/admin/number-pool", {"number": number, **fields})

    async def ask(self, number_id: int, verb: str, **fields: Any) -> Reply:
        """`request-code` or `verify-code`."""
        return await self.service.operator.call("POST", f"/admin/number-pool/{number_id}/{verb}", fields)

    async def ready(self, number: str = ARGENTINE, **fields: Any) -> dict[str, Any]:
        """A number that is added and verified."""
        added = await self.add(number, **fields)
        assert (await self.ask(added["id"], "request-code")).status == 200
        verified = await self.ask(added["id"], "verify-code", code=CODE)
        assert verified.status == 200, verified.body
        found: dict[str, Any] = verified.json
        return found

    async def all(self) -> list[dict[str, Any]]:
        """The list, newest first."""
        reply = await self.service.operator.get("/admin/number-pool")
        assert reply.status == 200, reply.body
        found: list[dict[str, Any]] = reply.json["data"]
        return found

    async def states(self) -> dict[str, str]:
        """Number → state."""
        return {row["number"]: row["state"] for row in await self.all()}

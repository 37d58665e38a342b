"""A connected number and a client of it: what its program sends to the gateway, and what Meta got of that."""

from dataclasses import dataclass
from typing import Any

from tests.integration.provisioning.standing import Standing
from tests.support.api import Api, Reply

VERSION = "v25.0"
HELLO = {"messaging_product": "whatsapp", "to": "5493515550999", "type": "text", "text": {"body": "Hola"}}


@dataclass
class Line:
    """The clinic's number, its WABA's key, and that key's view of the gateway."""

    standing: Standing
    key: str
    key_id: int
    api: Api

    @property
    def number(self) -> str:
        """Meta's id of the number."""
        return self.standing.number

    @property
    def waba(self) -> str:
        """Meta's id of the WABA."""
        return self.standing.waba

    def path(self, *parts: str) -> str:
        """A path of the gateway's."""
        return "/".join(("/graph", VERSION, *parts))

    async def send(self, body: Any = None, **headers: str) -> Reply:
        """A message from the number."""
        return await self.api.post(self.path(self.number, "messages"), HELLO if body is None else body, **headers)

    async def met(self, call: str | None = None) -> list[dict[str, Any]]:
        """The calls that Meta got since they were last forgotten."""
        return await self.standing.service.sandbox.calls(call)

    async def other_key(self, **wish: Any) -> Api:
        """Another key of the WABA."""
        made = await self.standing.tenant.api.made(
            f"/admin/wabas/{(await self.standing.shown())['wabaId']}/api-keys", {"name": "other", **wish}
        )
        return self.api.with_key(made["key"])

    async def tenant_key(self, *scopes: str) -> Api:
        """A key of the tenant with these scopes."""
        made = await self.standing.tenant.api.made(
            f"/admin/tenants/{self.standing.tenant.id}/api-keys", {"name": "gateway", "scopes": list(scopes)}
        )
        return self.api.with_key(made["key"])


def error_of(reply: Reply) -> tuple[int, int, int | None]:
    """Status, code and subcode of a refusal in Meta's shape."""
    error = reply.json["error"]
    assert {"message", "type", "code", "fbtrace_id"} <= error.keys()
    return reply.status, error["code"], error.get("error_subcode")

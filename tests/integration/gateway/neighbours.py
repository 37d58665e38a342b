"""Customers side by side: in one WABA, and in two WABAs that one token reaches; each with a key of its own.

What is one's must not exist for the other, although Meta would show it to either's token.
"""

from dataclasses import dataclass
from typing import Any

from tests.integration.gateway.line import HELLO, VERSION
from tests.support.api import Api
from tests.support.customer import Customer
from tests.support.service import RunningService, Tenant

PNG = (
    b'--cut\r\nContent-Disposition: form-data; name="messaging_product"\r\n\r\nwhatsapp\r\n'
    b'--cut\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    b"PNG\r\n--cut--\r\n"
)


@dataclass
class Neighbour:
    """A customer that holds one number, by its WABA's key."""

    tenant: Tenant
    customer_id: int
    waba: str
    number: str
    api: Api

    async def things(self) -> dict[str, str]:
        """One of each thing, made by its own key; the names are those of their kinds."""
        file = await self.api.post(
            f"/graph/{VERSION}/{self.number}/media", PNG, Content_Type="multipart/form-data; boundary=cut"
        )
        template = {"name": f"of_{self.number}", "language": "es", "category": "UTILITY", "components": []}
        made = {
            "number": self.number,
            "waba": self.waba,
            "media": file.json["id"],
            "flow": (await self._made("flows", {"name": self.number, "categories": ["OTHER"]}))["id"],
        }
        body = [{"type": "BODY", "text": "Hola"}]
        return made | {"template": (await self._made("message_templates", {**template, "components": body}))["id"]}

    async def _made(self, edge: str, body: Any) -> Any:
        reply = await self.api.post(f"/graph/{VERSION}/{self.waba}/{edge}", body)
        assert reply.status == 200, reply.body
        return reply.json


async def connected_beside(
    service: RunningService, tenant: Tenant, person: Customer, scenario: str | None, which: int, **choice: Any
) -> tuple[Neighbour, dict[str, Any]]:
    """A new customer of `tenant` that connects the number `which` of those that its sign-in reaches."""
    made = await tenant.api.made(f"/admin/tenants/{tenant.id}/customers", {"name": f"Customer {which}"})
    link = await tenant.api.made(
        f"/admin/customers/{made['id']}/setup-links", {"allowedConnectionTypes": ["dedicated"]}
    )
    played = await person.walk(link["url"], service.sandbox, scenario=scenario, **choice)
    await service.drain()
    shown = (await tenant.api.get(f"/admin/setup-links/{link['id']}")).json
    options = [option["metaPhoneNumberId"] for option in shown["actionRequired"]["options"]]
    await service.db.unit(service.parts.questions.answer_numbers, tenant.id, link["id"], (options[which],))
    await service.drain()
    numbers = (await tenant.api.get(f"/admin/customers/{made['id']}/phone-numbers")).json["data"]
    [number] = [row for row in numbers if row["status"] != "available"]
    key = await tenant.api.made(f"/admin/wabas/{number['wabaId']}/api-keys", {"name": "own"})
    own = Neighbour(
        tenant, made["id"], number["metaWabaId"], number["metaPhoneNumberId"], tenant.api.with_key(key["key"])
    )
    reply = await own.api.post(f"/graph/{VERSION}/{own.number}/messages", HELLO)
    assert reply.status == 200, reply.body
    return own, played

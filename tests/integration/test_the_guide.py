"""The guide's main job from end to end on both databases: its requests word for word, its customer over HTTP."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.customer import Customer
from tests.support.inbox import Inbox
from tests.support.service import RunningService, Tenant

GUIDE_LINK = {
    "successRedirectUrl": "https://your-app.com/onboarding/success",
    "failureRedirectUrl": "https://your-app.com/onboarding/failed",
    "expiresAt": "2026-05-25T23:59:59Z",
}


async def test_the_guides_own_request_makes_a_pending_link(service: RunningService, acme: Tenant, clinic: int) -> None:
    link: dict[str, Any] = await acme.api.made(f"/admin/customers/{clinic}/setup-links", GUIDE_LINK)
    assert link["status"] == "pending"
    assert link["url"].startswith(f"{service.url}/signup/{link['id']}-")
    assert {name: link[name] for name in GUIDE_LINK} == GUIDE_LINK


async def test_a_stranger_sees_neither_customer_nor_link(acme: Tenant, stranger: Tenant, clinic: int) -> None:
    link = await acme.api.made(f"/admin/customers/{clinic}/setup-links", GUIDE_LINK)
    assert (await stranger.api.get(f"/admin/customers/{clinic}")).status == 404
    assert (await stranger.api.get(f"/admin/setup-links/{link['id']}")).status == 404


async def test_the_customer_comes_back_connected_and_the_tenant_learns_of_it(
    service: RunningService, acme: Tenant, clinic: int, customer: Customer, inbox: Inbox
) -> None:
    endpoint = await acme.api.made(f"/admin/tenants/{acme.id}/webhook-endpoints", {"url": inbox.url})
    link = await acme.api.made(f"/admin/customers/{clinic}/setup-links", GUIDE_LINK)
    played = await customer.walk(link["url"], service.sandbox)
    await service.drain()
    (created,) = inbox.of_type("whatsapp.phone_number.created")
    assert created.signed_by(endpoint["secret"])
    assert created.data["phone_number_id"] == played["phoneNumberIds"][0]
    assert created.data["external_id"] == "clinic_001"
    await customer.look_again()
    assert customer.page == "done"
    final = urlsplit(await customer.leave())
    assert final.geturl().startswith(GUIDE_LINK["successRedirectUrl"])
    query = parse_qs(final.query)
    assert query["status"] == ["success"]
    assert query["waba_id"] == played["wabaIds"]
    ended = (await acme.api.get(f"/admin/setup-links/{link['id']}")).json
    assert ended["status"] == "completed"
    assert ended["url"] is None

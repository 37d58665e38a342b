"""The guide's own main job, from end to end, on both databases: requests word for word, the customer played over HTTP."""

from typing import Any

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

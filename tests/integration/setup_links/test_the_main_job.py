"""The main job from end to end over HTTP: a link, the customer's walk, the webhook, the redirect."""

from urllib.parse import parse_qs, urlsplit

import pytest

from setuplinks.tenants.redirects import verify
from setuplinks.walk import Walked, Wishes, walk
from tests.support.inbox import Inbox
from tests.support.service import RunningService, Tenant, running_service

SUCCESS = "https://your-app.com/onboarding/success"
FAILED = "https://your-app.com/onboarding/failed"


@pytest.fixture
async def service(db, clock, data_dir, database_url):
    """With running workers: the walk waits for them as a browser would."""
    async with running_service(db, clock, data_dir, database_url, workers=True) as running:
        yield running


async def _connected(service: RunningService, acme: Tenant, clinic: int, wishes: Wishes) -> tuple[dict, Walked]:
    link = await acme.api.made(
        f"/admin/customers/{clinic}/setup-links",
        {"successRedirectUrl": SUCCESS, "failureRedirectUrl": FAILED, "expiresAt": "2026-05-25T23:59:59Z"},
    )
    return link, await walk(link["url"], wishes)


@pytest.mark.parametrize("transport", ["popup", "page"])
@pytest.mark.parametrize("connection_type", ["dedicated", "coexistence"])
async def test_a_customer_connects_and_the_tenant_is_told(
    service: RunningService, acme: Tenant, clinic: int, inbox: Inbox, transport: str, connection_type: str
) -> None:
    endpoint = await acme.api.made(f"/admin/tenants/{acme.id}/webhook-endpoints", {"url": inbox.url})
    link, walked = await _connected(service, acme, clinic, Wishes(transport=transport, connection_type=connection_type))
    assert walked.page == "done"
    query = parse_qs(urlsplit(walked.final_url or "").query)
    assert query["status"] == ["success"]
    shown = (await acme.api.get(f"/admin/setup-links/{link['id']}")).json
    assert (shown["status"], shown["phase"], shown["url"]) == ("completed", "completed", None)
    [number] = (await acme.api.get(f"/admin/customers/{clinic}/phone-numbers")).json["data"]
    assert query["phone_number_id"] == [number["metaPhoneNumberId"]]
    assert number["connectionType"] == connection_type
    assert number["status"] == "active"
    key = (await acme.api.get(f"/admin/tenants/{acme.id}/redirect-key")).json["key"]
    assert verify(walked.final_url or "", key.encode(), service.clock.now())
    [created] = await inbox.wait_for("whatsapp.phone_number.created")
    assert created.signed_by(endpoint["secret"])
    assert created.data["phone_number_id"] == number["metaPhoneNumberId"]

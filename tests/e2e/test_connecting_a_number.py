"""A person connects a number in a real browser, from the link to the company's own page."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.support.inbox import Answer, Inbox
from tests.support.meta_dialog import MetaDialog
from tests.support.service import RunningService


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    context = await browser.new_context()
    yield await context.new_page()
    await context.close()


async def new_link(service: RunningService, inbox: Inbox, **fields: Any) -> str:
    """A link of a fresh tenant, whose webhooks and whose website are the inbox."""
    inbox.otherwise = Answer(headers={"content-type": "text/html"}, body=b"<h1>Welcome back</h1>")
    site = inbox.url.replace("127.0.0.1", "localhost")
    acme = await service.new_tenant("Acme SaaS", allowedRedirectHosts=[site.removesuffix("/hooks")])
    await acme.api.made(f"/admin/tenants/{acme.id}/webhook-endpoints", {"url": inbox.url})
    clinic = await acme.api.made(f"/admin/tenants/{acme.id}/customers", {"name": "Clínica San Lucas"})
    wanted = {"successRedirectUrl": f"{site}/success", "failureRedirectUrl": f"{site}/failed", **fields}
    link = await acme.api.made(f"/admin/customers/{clinic['id']}/setup-links", wanted)
    return str(link["url"])


async def test_a_dedicated_number_by_popup(live_service: RunningService, inbox: Inbox, page: Page) -> None:
    await page.goto(await new_link(live_service, inbox))
    await page.get_by_role("button", name="Continue").click()
    await page.get_by_text("A number for Acme SaaS alone").click()
    await page.get_by_role("button", name="Continue with Facebook").click()
    async with page.expect_popup() as opened:
        await page.get_by_role("button", name="Open Facebook").first.click()
    await MetaDialog(await opened.value, business_name="Clínica San Lucas", number="new").finish()
    await expect(page.get_by_role("heading", name="Your WhatsApp is connected")).to_be_visible(timeout=15_000)
    await inbox.wait_for("whatsapp.phone_number.created")
    await page.wait_for_url("**/hooks/success?*status=success*")
    assert "waba_id=" in page.url

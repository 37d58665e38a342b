"""The sandbox's chats in a browser: somebody writes, the answer appears by itself, and it fits a small screen."""

import pytest
from playwright.async_api import Browser, expect

from tests.e2e.person import SLOW_MS
from tests.integration.sandbox.calls import running_meta
from tests.integration.sandbox.phones import ANA, ready


@pytest.mark.parametrize("width", [320, 1280])
async def test_somebody_writes_and_sees_the_answer_appear(browser: Browser, width: int) -> None:
    async with running_meta() as meta:
        customer = await ready(meta)
        context = await browser.new_context(viewport={"width": width, "height": 800})
        page = await context.new_page()
        await page.goto(f"{meta.url}/sandbox")
        await page.get_by_role("link", name="Write as an end user").click()
        await page.get_by_role("button", name="Take this phone").click()
        await page.get_by_label("Message", exact=True).fill("¿Están abiertos?")
        await page.get_by_label("Message", exact=True).press("Enter")
        await expect(page.get_by_text("Within the 24 hours")).to_be_visible(timeout=SLOW_MS)
        chat = page.get_by_role("list", name="Messages")
        await expect(chat.get_by_text("¿Están abiertos?")).to_be_visible(timeout=SLOW_MS)
        body = {"messaging_product": "whatsapp", "to": ANA, "text": {"body": "Sí, hasta las seis."}}
        assert (await meta.graph("POST", f"{customer.number}/messages", customer.token, json=body)).status == 200
        await expect(chat.get_by_text("Sí, hasta las seis.")).to_be_visible(timeout=SLOW_MS)
        await page.get_by_role("button", name="Read 1 message").click()
        await expect(chat.get_by_text("✓✓ read")).to_be_visible(timeout=SLOW_MS)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await context.close()

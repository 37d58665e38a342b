"""The sandbox's desk in a browser: its search, its forms, and that it fits a small screen."""

import pytest
from playwright.async_api import Browser, expect

from tests.integration.sandbox.calls import running_meta


@pytest.mark.parametrize("width", [320, 1280])
async def test_a_person_finds_a_scenario_and_it_is_the_next(browser: Browser, width: int) -> None:
    async with running_meta() as meta:
        context = await browser.new_context(viewport={"width": width, "height": 800})
        page = await context.new_page()
        await page.goto(f"{meta.url}/sandbox")
        await page.get_by_role("link", name="Say what happens next").click()
        await page.get_by_label("Find a scenario").fill("guess minute")
        await expect(page.locator("[data-find]:visible")).to_have_count(1)
        await page.get_by_label("Find a scenario").fill("no such words")
        await expect(page.get_by_text("No scenario has these words.")).to_be_visible()
        await page.get_by_label("Find a scenario").fill("654321 right")
        await page.get_by_role("radio", name="already_registered_pin The").check()
        await page.get_by_role("button", name="Use for the next").click()
        await expect(page.get_by_role("status")).to_have_text("The next signup is already_registered_pin.")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert (await meta.play())["scenario"] == "already_registered_pin"
        await context.close()

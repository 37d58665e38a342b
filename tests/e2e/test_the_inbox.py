"""The tenant's inbox in a browser: what comes appears by itself, and nothing moves under somebody who reads."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from playwright.async_api import Browser, expect

from setuplinks.sandbox.inbox import Inbox
from setuplinks.sandbox.server import listening

FIRST, SECOND = '{"type": "setup_link.created", "data": {}}', '{"type": "setup_link.opened", "data": {}}'
MARK = "() => getSelection().selectAllChildren(document.querySelector('pre'))"
LOOK = 3_000


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_what_comes_appears_by_itself_but_not_while_somebody_marks_text(
    browser: Browser, http: aiohttp.ClientSession
) -> None:
    inbox = Inbox()
    async with listening(inbox.app()) as server:
        await http.post(f"{server.url}/hooks", data=FIRST)
        page = await (await browser.new_context()).new_page()
        await page.clock.install(time=1_000)
        await page.clock.pause_at(2_000)
        await page.goto(server.url)
        await expect(page.get_by_role("heading", name="setup_link.created")).to_be_visible()
        await page.evaluate(MARK)
        await http.post(f"{server.url}/hooks", data=SECOND)
        await page.clock.run_for(3 * LOOK)
        await expect(page.get_by_role("heading", name="setup_link.opened")).to_have_count(0)
        await page.evaluate("() => getSelection().removeAllRanges()")
        await page.clock.run_for(LOOK)
        await expect(page.get_by_role("heading", name="setup_link.opened")).to_be_visible()
        assert len(inbox.received) == 2
    await page.clock.run_for(LOOK)
    await expect(page.get_by_text("It no longer answers")).to_be_visible()

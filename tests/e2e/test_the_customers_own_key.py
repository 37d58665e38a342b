"""The customer's own key in a real browser: a press, a copy, and nothing that carries her away from it."""

import pytest
from playwright.async_api import expect

from setuplinks.signup.views import Done
from tests.e2e.stage import OURS, PAGES, Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_key_can_be_copied_also_where_there_is_no_clipboard(stage: Stage) -> None:
    page = PAGES["done-key-shown"]
    assert isinstance(page, Done)
    assert page.key is not None
    [shown] = page.key.keys
    await stage.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab = await stage.open(page)
    await tab.get_by_role("button", name="Copy the key").click()
    await expect(tab.get_by_text("Copied.")).to_be_visible()
    assert await tab.evaluate("() => navigator.clipboard.readText()") == shown.key
    await tab.add_init_script("delete Clipboard.prototype.writeText; document.execCommand = () => false")
    await tab.goto(f"{OURS}/signup/x")
    await tab.get_by_role("button", name="Copy the key").click()
    await expect(tab.get_by_text("Select the key and copy it by hand")).to_be_visible()
    await expect(tab.get_by_label("Key", exact=True)).to_be_focused()
    assert await tab.evaluate("() => getSelection().toString()") == shown.key


async def test_the_page_stays_while_a_key_is_offered_and_the_press_posts_once(stage: Stage) -> None:
    tab = await stage.open(PAGES["done-key"])
    await expect(tab.get_by_text("Taking you there")).to_have_count(0)
    await expect(tab.get_by_text("Copy the key")).to_have_count(0)
    await tab.get_by_role("button", name="Show the key").click()
    await expect(tab).to_have_title("signup/visit/key")
    assert stage.posted == [("/signup/visit/key", "form_token=form-token")]

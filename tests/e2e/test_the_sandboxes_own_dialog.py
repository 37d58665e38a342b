"""Meta's dialog, as the sandbox plays it, can be walked by a person in a real browser."""

from playwright.async_api import Browser

from tests.support.inbox import Answer, Inbox
from tests.support.meta_dialog import MetaDialog
from tests.support.sandbox import APP_ID, CONFIG_ID, Sandbox


def dialog_url(sandbox: Sandbox, inbox: Inbox) -> str:
    asked = f"client_id={APP_ID}&config_id={CONFIG_ID}&redirect_uri={inbox.url}&state=s1&response_type=code"
    return f"{sandbox.url}/v25.0/dialog/oauth?{asked}"


async def test_a_person_ends_at_the_redirect_with_a_code(sandbox: Sandbox, inbox: Inbox, browser: Browser) -> None:
    inbox.otherwise = Answer(headers={"content-type": "text/html"}, body=b"<h1>back</h1>")
    page = await browser.new_page()
    await page.goto(dialog_url(sandbox, inbox))
    screens = await MetaDialog(page, business_name="Clínica San Lucas", number="new").finish()
    await page.wait_for_url(f"{inbox.url}?code=*")
    assert screens == ["business", "number", "profile", "phone", "verify", "permissions", "finish"]
    assert "state=s1" in page.url


async def test_a_person_who_cancels_comes_back_without_a_code(sandbox: Sandbox, inbox: Inbox, browser: Browser) -> None:
    inbox.otherwise = Answer(headers={"content-type": "text/html"}, body=b"<h1>back</h1>")
    page = await browser.new_page()
    await page.goto(dialog_url(sandbox, inbox))
    await MetaDialog(page).cancel_at("phone")
    await page.wait_for_url(f"{inbox.url}?error=access_denied*")
    assert "code=" not in page.url.replace("error_code=", "")

"""The sandbox's SDK and popup in a real browser, on a page of another host as Meta's customers have it."""

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.async_api import Browser, Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from setuplinks.sandbox.server import listening
from tests.integration.sandbox.calls import APP_ID, CONFIG_ID, Meta, running_meta

PAGE = """<!doctype html><title>opener</title><button id="go">go</button><script nonce="n">
window.log = [];
addEventListener("message", e => { if (!/^(cb=|sandbox-)/.test(e.data)) log.push({origin: e.origin, data: e.data}); });
window.fbAsyncInit = () => FB.init({appId: "APP", version: "v25.0", autoLogAppEvents: true, xfbml: true});
document.getElementById("go").onclick = () => FB.login(answer => log.push({answer}), {config_id: "CONFIG",
  response_type: "code", override_default_response_type: true, extras: {setup: {}}});
</script><script nonce="n" async defer crossorigin="anonymous" src="SDK/en_US/sdk.js"></script>"""
READY = "() => window.FB && Object.values(FB.sandboxChecks).every(state => state !== 'pending')"


class Site:
    """A page that launches the popup, under a policy that is just wide enough, or as the test makes it."""

    def __init__(self, meta: Meta) -> None:
        self.meta, self.url = meta, ""
        self.opener_policy = "same-origin-allow-popups"
        self.policy = {
            "default-src": "'none'",
            "script-src": f"'nonce-n' {meta.url}",
            "style-src": "'unsafe-inline'",
            "frame-src": meta.url,
            "connect-src": meta.url,
        }

    async def page(self, _request: Request) -> Response:
        text = PAGE.replace("APP", APP_ID).replace("CONFIG", CONFIG_ID).replace("SDK", self.meta.url)
        policy = "; ".join(f"{name} {value}" for name, value in self.policy.items())
        headers = {"Content-Security-Policy": policy, "Cross-Origin-Opener-Policy": self.opener_policy}
        return HTMLResponse(text, headers=headers)

    @contextlib.asynccontextmanager
    async def up(self) -> AsyncIterator["Site"]:
        async with listening(Starlette(routes=[Route("/", self.page)])) as running:
            self.url = running.url
            yield self


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with running_meta() as meta, Site(meta).up() as site:
        yield site


async def opened(browser: Browser, site: Site) -> Page:
    page = await browser.new_page()
    await page.goto(site.url)
    await page.wait_for_function(READY)
    return page


async def popup_of(page: Page) -> Page:
    async with page.expect_popup() as waiting:
        await page.click("#go")
    popup = await waiting.value
    await popup.wait_for_load_state()
    return popup


async def walk(popup: Page) -> None:
    """Through every screen up to the last one."""
    for step in ("business", "number", "profile", "phone", "verify", "permissions"):
        await expect(popup.locator(f'form[data-step="{step}"]')).to_be_visible()
        if step == "verify":
            await popup.get_by_label("Code for").fill("123456")
        await popup.get_by_role("button", name="Allow" if step == "permissions" else "Continue", exact=True).click()
    await expect(popup.locator('form[data-step="finish"]')).to_be_visible()
    await popup.wait_for_load_state()


async def results(page: Page, count: int) -> list[dict[str, Any]]:
    await page.wait_for_function("count => log.length >= count", arg=count)
    found: list[dict[str, Any]] = await page.evaluate("() => log")
    return found


async def test_a_finished_popup_gives_the_message_as_text_and_the_code_to_the_callback(
    browser: Browser, site: Site
) -> None:
    page = await opened(browser, site)
    popup = await popup_of(page)
    await walk(popup)
    async with popup.expect_event("close"):
        await popup.get_by_role("button", name="Finish").click()
    message, called = await results(page, 2)
    assert message["origin"] == site.meta.url
    assert json.loads(message["data"])["event"] == "FINISH"
    assert called["answer"]["status"] == "connected"
    answer = await site.meta.exchange(called["answer"]["authResponse"]["code"], redirect_uri=None)
    assert answer.status == 200


@pytest.mark.parametrize("how", ["button", "x"])
async def test_a_cancelled_popup_tells_the_step_and_calls_back_with_nothing(
    browser: Browser, site: Site, how: str
) -> None:
    page = await opened(browser, site)
    popup = await popup_of(page)
    if how == "x":
        await popup.close(run_before_unload=True)
    else:
        async with popup.expect_event("close"):
            await popup.get_by_role("button", name="Cancel").click()
    message, called = await results(page, 2)
    assert json.loads(message["data"])["data"] == {"current_step": "BUSINESS_ACCOUNT_SELECTION"}
    assert called["answer"] == {"authResponse": None, "status": "unknown"}


async def test_closing_the_last_screen_by_x_counts_as_finished(browser: Browser, site: Site) -> None:
    page = await opened(browser, site)
    popup = await popup_of(page)
    await walk(popup)
    await popup.close(run_before_unload=True)
    message, called = await results(page, 2)
    assert json.loads(message["data"])["event"] == "FINISH"
    assert called["answer"]["authResponse"]["code"]


@pytest.mark.parametrize(
    ("scenario", "kinds"),
    [
        ("code_before_message", ["answer", "data"]),
        ("code_without_message", ["answer"]),
        ("message_without_code", ["data", "answer"]),
    ],
)
async def test_the_scenario_decides_what_comes_and_in_which_order(
    browser: Browser, site: Site, scenario: str, kinds: list[str]
) -> None:
    await site.meta.ask("PUT", "/sandbox/scenario", json={"next": scenario})
    page = await opened(browser, site)
    popup = await popup_of(page)
    await walk(popup)
    async with popup.expect_event("close"):
        await popup.get_by_role("button", name="Finish").click()
    found = await results(page, len(kinds))
    assert ["answer" if "answer" in entry else "data" for entry in found] == kinds
    if scenario == "message_without_code":
        assert found[1]["answer"] == {"authResponse": None, "status": "unknown"}


@pytest.mark.parametrize(
    ("directive", "value"), [("style-src", "'nonce-n'"), ("frame-src", "'none'"), ("connect-src", "'none'")]
)
async def test_a_policy_that_would_break_metas_sdk_breaks_this_one(
    browser: Browser, site: Site, directive: str, value: str
) -> None:
    site.policy[directive] = value
    page = await opened(browser, site)
    await page.click("#go")
    assert await results(page, 1) == [{"answer": {"authResponse": None, "status": "unknown"}}]
    assert not site.meta.world.signups


async def test_a_policy_without_the_second_script_never_gets_an_sdk(browser: Browser, site: Site) -> None:
    site.policy["script-src"] = "'nonce-n'"
    page = await browser.new_page()
    async with page.expect_event("console", lambda message: "sdk.js?hash=" in message.text):
        await page.goto(site.url)
    assert await page.evaluate("() => typeof window.FB") == "undefined"


async def test_an_opener_that_cuts_its_popups_off_hears_nothing_of_the_code(browser: Browser, site: Site) -> None:
    site.opener_policy = "same-origin"
    page = await opened(browser, site)
    await page.click("#go")
    assert await results(page, 1) == [{"answer": {"authResponse": None, "status": "unknown"}}]


async def test_an_origin_that_is_not_allowed_hears_nothing(browser: Browser, site: Site) -> None:
    await site.meta.ask("PUT", "/sandbox/settings", json={"allowedOrigins": ["https://somewhere.example"]})
    page = await opened(browser, site)
    popup = await popup_of(page)
    await walk(popup)
    await popup.get_by_role("button", name="Finish").click()
    await expect(popup.locator("#no-opener")).to_be_visible()
    assert await page.evaluate("() => log") == []


@pytest.mark.parametrize("width", [320, 390, 1280])
async def test_every_screen_fits_the_window_and_works_without_javascript(
    browser: Browser, site: Site, width: int
) -> None:
    context = await browser.new_context(java_script_enabled=False, viewport={"width": width, "height": 844})
    page = await context.new_page()
    params = {"client_id": APP_ID, "config_id": CONFIG_ID, "redirect_uri": site.url, "state": "s"}
    await page.goto(f"{site.meta.url}/v25.0/dialog/oauth?{urlencode(params)}")
    await walk(page)
    widest = await page.locator("form").bounding_box()
    await page.get_by_role("button", name="Finish").click()
    await page.wait_for_url(f"{site.url}/?code=**")
    assert widest is not None
    assert widest["x"] + widest["width"] <= width

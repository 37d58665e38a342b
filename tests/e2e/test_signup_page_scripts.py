"""The signup pages by themselves in a real browser: layout, keyboard, scripts, and what stands without scripts.

Pages are rendered from samples and answered from memory; the company's server, ours and Meta's window are played by
answers of this file, so that every order and fault can be had. The whole way with real servers is another file.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Request, Route, expect
from playwright.async_api import Page as Tab

from setuplinks.signup.rendering import STATIC_DIRECTORY, Renderer
from setuplinks.signup.views import InApp, Page
from setuplinks.signup.wording import finishing_steps, status_json
from tests.support.page_gallery import TYPES, sample_logo
from tests.support.sample_pages import NUMBER, sample_brand, sample_done, sample_landing, sample_pages, sample_sign_in

OURS = "http://127.0.0.1:9"
METAS = "http://localhost:9"
BRAND = sample_brand()
PAGES = sample_pages(BRAND)
FINISH = json.dumps({"type": "WA_EMBEDDED_SIGNUP", "event": "FINISH", "data": {"waba_id": "1"}})
CANCEL = json.dumps({"type": "WA_EMBEDDED_SIGNUP", "event": "CANCEL", "data": {"current_step": "PERMISSIONS"}})
NEWS = json.dumps({"type": "WA_EMBEDDED_SIGNUP", "event": "STEP_CHANGED", "data": {"current_step": "PERMISSIONS"}})
FOREIGN = (
    "https://evilfacebook.com", "https://facebook.com.evil.example", "http://www.facebook.com", "http://facebook.com",
    "https://www.facebook.com:8443", "https://facebook.com:8443", "http://localhost:9", "null", "", "https://facebook.co",
)  # fmt: skip
# Meta's side: a window that does in turn what the test wrote into `acts`; ["message", text], ["object", its JSON],
# ["code", code], ["null"].
SDK = """window.FB = {init(options) { window.inited = options; }, login(answered, options) {
  window.asked = options;
  if (%(blocked)s) { setTimeout(() => answered({authResponse: null, status: "unknown"}), 50); return; }
  window.metasAnswer = answered;
  window.open("%(window)s", "facebook", "width=400,height=400");
}}; window.fbAsyncInit();"""
WINDOW = """<!doctype html><title>Facebook</title><script>
(async () => { for (const [kind, text] of %(acts)s) {
  if (kind === "message") opener.postMessage(text, "*");
  if (kind === "object") opener.postMessage(JSON.parse(text), "*");
  if (kind === "code" || kind === "null") opener.postMessage("sdk:" + (text || ""), "*");
  await new Promise(done => setTimeout(done, 100));
} })();</script>"""
# What Meta's own second script does: it hands the window's code to the callback.
RELAY = """window.heard = 0; addEventListener("message", event => {
  window.heard += 1;
  if (typeof event.data !== "string" || !event.data.startsWith("sdk:")) return;
  const code = event.data.slice(4);
  setTimeout(() => window.metasAnswer(code ? {authResponse: {code}} : {authResponse: null}), 1000 * !code);
});"""


class Stage:
    """One person's browser on pages from memory; `posted` holds what the pages sent."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.page: Page = PAGES["landing"]
        self.posted: list[tuple[str, str]] = []
        self.answers: dict[str, Any] = {}
        self.acts: list[list[str]] = []
        self.window = f"{METAS}/window"
        self.sdk: str | None = "ready"
        self.arrived = asyncio.Condition()
        self.complaints: list[str] = []

    async def answer(self, route: Route, request: Request) -> None:
        path = request.url.partition("//")[2].partition("/")[2].partition("?")[0]
        asset = STATIC_DIRECTORY / path.removeprefix("static/signup/")
        if request.method == "POST":
            async with self.arrived:
                self.posted.append(("/" + path, request.post_data or ""))
                self.arrived.notify_all()
        if path == "signup/x" and request.method == "GET":
            await route.fulfill(body=Renderer().render(self.page, "n"), content_type="text/html; charset=utf-8")
        elif path == "en_US/sdk.js" and self.sdk is None:
            await route.fulfill(status=404)
        elif path == "en_US/sdk.js":
            script = SDK % {"window": self.window, "blocked": "true" if self.sdk == "blocked" else "false"}
            await route.fulfill(body=RELAY + script, content_type="text/javascript")
        elif path in {"window", "elsewhere"}:
            await route.fulfill(body=WINDOW % {"acts": json.dumps(self.acts)}, content_type="text/html")
        elif path == "logo.png":
            await route.fulfill(body=sample_logo(), content_type="image/png")
        elif path.startswith("static/signup/") and asset.is_file():
            await route.fulfill(body=asset.read_bytes(), content_type=TYPES[asset.suffix])
        elif "/" + path in self.answers:
            await route.fulfill(json=self.answers["/" + path])
        else:
            await route.fulfill(body=f"<!doctype html><title>{path}</title>", content_type="text/html")

    async def open(self, page: Page) -> Tab:
        self.page = page
        tab = await self.context.new_page()
        tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        await tab.goto(f"{OURS}/signup/x")
        return tab

    async def sent(self, path: str) -> dict[str, Any]:
        """The JSON that was posted to the path, once it was."""
        async with asyncio.timeout(8), self.arrived:
            await self.arrived.wait_for(lambda: any(where == path for where, _ in self.posted))
        found: dict[str, Any] = json.loads(next(body for where, body in self.posted if where == path))
        return found


@pytest.fixture
async def stage(browser: Browser) -> AsyncIterator[Stage]:
    context = await browser.new_context(viewport={"width": 390, "height": 844})
    stage = Stage(context)
    await context.route("**/*", stage.answer)
    yield stage
    await context.close()
    assert stage.complaints == []


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
async def test_no_page_is_wider_than_the_screen(stage: Stage, width: int) -> None:
    tab = await stage.open(PAGES["landing"])
    await tab.set_viewport_size({"width": width, "height": 844})
    too_wide = []
    for name, page in PAGES.items():
        stage.page = page
        await tab.goto(f"{OURS}/signup/x")
        if await tab.evaluate("() => document.documentElement.scrollWidth") > width:
            too_wide.append(name)
    assert too_wide == []


async def test_long_names_and_large_text_stay_inside_a_small_screen(stage: Stage) -> None:
    brand = replace(BRAND, company="Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft")
    tab = await stage.open(replace(sample_landing(brand), customer_name="W" * 60))
    await tab.set_viewport_size({"width": 320, "height": 640})
    await tab.add_style_tag(content="html { font-size: 200%; }")
    assert await tab.evaluate("() => document.documentElement.scrollWidth") <= 320


async def test_the_first_button_stands_in_the_first_six_hundred_pixels(stage: Stage) -> None:
    tab = await stage.open(PAGES["landing"])
    box = await tab.get_by_role("button", name="Continue with Facebook").first.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= 600
    assert box["height"] == 56


async def test_what_one_can_press_is_large_enough_for_a_thumb(stage: Stage) -> None:
    small = []
    tab = await stage.open(PAGES["landing"])
    for name in ("landing", "choose", "stopped", "expired", "done"):
        stage.page = PAGES[name]
        await tab.goto(f"{OURS}/signup/x")
        for thing in await tab.locator("a, button, summary").all():
            box = await thing.bounding_box()
            if box and box["height"] < 44:
                small.append((name, await thing.inner_text(), box["height"]))
    assert small == []


async def test_the_choice_can_be_made_by_the_keyboard_and_the_card_shows_the_focus(stage: Stage) -> None:
    tab = await stage.open(PAGES["choose"])
    await tab.keyboard.press("Tab")
    keep = tab.get_by_role("radio", name="Keep my WhatsApp app")
    await expect(keep).to_be_focused()
    await tab.keyboard.press("ArrowDown")
    await expect(tab.get_by_role("radio", name="A number for Acme SaaS alone")).to_be_checked()
    outline = "node => getComputedStyle(node).outlineStyle"
    assert await tab.locator(".option", has=tab.locator("#dedicated")).evaluate(outline) == "solid"
    await tab.keyboard.press("Enter")
    await tab.wait_for_url("**/signup/visit/choose")
    assert "connection_type=dedicated" in stage.posted[-1][1]


async def test_the_whole_option_card_is_its_label(stage: Stage) -> None:
    tab = await stage.open(PAGES["choose"])
    await tab.get_by_text("It no longer works in a WhatsApp app.").click(force=True)
    await expect(tab.get_by_role("radio", name="A number for Acme SaaS alone")).to_be_checked()


async def test_the_beacon_is_sent_once_when_a_person_sees_the_page(stage: Stage) -> None:
    tab = await stage.open(PAGES["landing"])
    async with tab.expect_request("**/opened") as seen:
        pass
    assert (await seen.value).method == "POST"
    await tab.mouse.click(5, 400)
    await tab.keyboard.press("Tab")
    assert [path for path, _ in stage.posted] == ["/signup/x/opened"]


async def test_a_pressed_button_says_so_and_is_not_pressed_twice(stage: Stage) -> None:
    tab = await stage.open(PAGES["expired"])

    async def stay(route: Route) -> None:
        stage.posted.append(("/ask", ""))
        await route.fulfill(status=204)

    await tab.route("**/ask", stay)
    button = tab.locator("form button")
    async with tab.expect_response("**/ask"):
        await button.click()
    await expect(button).to_have_text("One moment…")
    await expect(button).to_have_attribute("aria-disabled", "true")
    await button.click(force=True)
    await button.press("Enter")
    assert [path for path, _ in stage.posted] == ["/ask"]


async def test_without_a_script_every_form_still_leads_on(browser: Browser) -> None:
    context = await browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844})
    stage = Stage(context)
    await context.route("**/*", stage.answer)
    tab = await stage.open(PAGES["landing"])
    await expect(tab.get_by_text("JavaScript is off in this browser.")).to_be_visible()
    await tab.get_by_role("button", name="Continue with Facebook").first.click()
    await expect(tab).to_have_title("signup/x/start")
    await tab.close()
    tab = await stage.open(PAGES["signin"])
    await expect(tab.get_by_text("so Facebook opens on this page")).to_be_visible()
    await tab.get_by_role("button", name="Open Facebook", exact=True).click()
    await expect(tab).to_have_title("signup/visit/dialog")
    tab = await stage.open(PAGES["done"])
    await expect(tab.get_by_text("Taking you there")).to_be_hidden()
    assert [path for path, _ in stage.posted] == ["/signup/x/start", "/signup/visit/dialog"]


@pytest.mark.parametrize(
    ("acts", "code", "message"),
    [
        ([["message", FINISH], ["code", "AQ1"]], "AQ1", FINISH),
        ([["code", "AQ1"], ["message", FINISH]], "AQ1", FINISH),
        ([["object", FINISH], ["code", "AQ1"]], "AQ1", FINISH.replace(" ", "")),
        ([["code", "AQ1"]], "AQ1", None),
        ([["message", NEWS], ["code", "AQ1"], ["message", NEWS]], "AQ1", None),
        ([["message", "not json"], ["message", '{"type":"OTHER"}'], ["code", "AQ1"]], "AQ1", None),
    ],
    ids=["message first", "code first", "an object", "no message", "news on the way", "other messages"],
)
async def test_code_and_message_are_sent_together_in_whatever_order_they_come(
    stage: Stage, acts: list[list[str]], code: str | None, message: str | None
) -> None:
    stage.acts = acts
    stage.answers["/signup/visit/complete"] = {"location": "/signup/visit/next"}
    tab = await stage.open(PAGES["signin"])
    await tab.wait_for_function("() => window.inited")
    async with tab.expect_popup():
        await tab.get_by_role("button", name="Open Facebook").first.click()
    sent = await stage.sent("/signup/visit/complete")
    assert sent == {"state": "state-of-this-visit", "code": code, "message": message}
    await tab.wait_for_url("**/signup/visit/next")


async def test_a_message_whose_code_does_not_come_says_what_to_do_and_a_late_code_is_still_taken(stage: Stage) -> None:
    stage.answers["/signup/visit/complete"] = {"location": "/signup/visit/next"}
    tab = await stage.context.new_page()
    await tab.clock.install()
    stage.page = PAGES["signin"]
    stage.acts = [["message", FINISH]]
    await tab.goto(f"{OURS}/signup/x")
    await tab.wait_for_function("() => window.inited")
    async with tab.expect_popup() as opened:
        await tab.get_by_role("button", name="Open Facebook").first.click()
    await tab.wait_for_function("() => window.heard === 1")
    await tab.clock.fast_forward("00:11")
    await expect(tab.get_by_text("Facebook says that you are done, but its answer has not come.")).to_be_visible()
    assert stage.posted == []
    await (await opened.value).evaluate("() => opener.postMessage('sdk:AQ2', '*')")
    await tab.wait_for_function("() => window.heard === 2")
    await tab.clock.fast_forward("00:02")
    assert (await stage.sent("/signup/visit/complete"))["code"] == "AQ2"


async def test_only_metas_own_hosts_are_heard_by_their_exact_name(stage: Stage) -> None:
    stage.answers["/signup/visit/cancel"] = {"location": "/signup/visit/next"}
    page = replace(sample_sign_in(BRAND), message_origins=("https://facebook.com", "https://*.facebook.com"))
    say = """([origin, data]) => dispatchEvent(new MessageEvent("message", {origin, data}))"""
    tab = await stage.open(page)
    for origin in FOREIGN:
        await tab.evaluate(say, [origin, CANCEL])
    assert stage.posted == []
    for origin in ("https://facebook.com", "https://www.facebook.com", "https://business.facebook.com"):
        stage.posted.clear()
        await tab.goto(f"{OURS}/signup/x")
        await tab.evaluate(say, [origin, CANCEL])
        assert (await stage.sent("/signup/visit/cancel"))["message"] == CANCEL
        await tab.wait_for_url("**/signup/visit/next")


async def test_the_window_is_asked_for_with_the_products_settings(stage: Stage) -> None:
    tab = await stage.open(PAGES["signin"])
    await tab.wait_for_function("() => window.inited")
    async with tab.expect_popup():
        await tab.get_by_role("button", name="Open Facebook").first.click()
    asked = await tab.evaluate("() => window.asked")
    assert asked["config_id"] == "9876543210"
    assert asked["response_type"] == "code"
    assert asked["override_default_response_type"] is True
    assert asked["extras"]["featureType"] == "whatsapp_business_app_onboarding"
    assert (await tab.evaluate("() => window.inited"))["version"] == "v25.0"
    await expect(tab.get_by_text("It has opened beside this page.")).to_be_visible()
    await expect(tab.get_by_role("button", name="Open Facebook again")).to_be_visible()


async def test_a_cancelled_window_is_told_as_cancelled(stage: Stage) -> None:
    stage.acts = [["message", CANCEL], ["null"]]
    stage.answers["/signup/visit/cancel"] = {"location": "/signup/visit/stopped"}
    tab = await stage.open(PAGES["signin"])
    await tab.wait_for_function("() => window.inited")
    async with tab.expect_popup():
        await tab.get_by_role("button", name="Open Facebook").first.click()
    assert await stage.sent("/signup/visit/cancel") == {"state": "state-of-this-visit", "message": CANCEL}
    await tab.wait_for_url("**/signup/visit/stopped")


@pytest.mark.parametrize("origins", [("https://*.facebook.com",), ("http://elsewhere.localhost:9",)])
async def test_a_message_from_another_origin_is_not_heard(stage: Stage, origins: tuple[str, ...]) -> None:
    stage.acts = [["message", CANCEL], ["message", FINISH], ["code", "AQ1"]]
    tab = await stage.open(replace(sample_sign_in(BRAND), message_origins=origins))
    await tab.wait_for_function("() => window.inited")
    async with tab.expect_popup():
        await tab.get_by_role("button", name="Open Facebook").first.click()
    assert (await stage.sent("/signup/visit/complete"))["message"] is None


async def test_a_closed_window_ends_nothing(stage: Stage) -> None:
    stage.acts = [["null"]]
    tab = await stage.open(PAGES["signin"])
    await tab.wait_for_function("() => window.inited")
    async with tab.expect_popup():
        await tab.get_by_role("button", name="Open Facebook").first.click()
    await expect(tab.get_by_text("The Facebook window has closed. Nothing has changed.")).to_be_visible()
    assert stage.posted == []


@pytest.mark.parametrize("sdk", [None, "blocked"], ids=["no SDK", "blocked window"])
async def test_where_no_window_opens_facebook_opens_on_this_page(stage: Stage, sdk: str | None) -> None:
    stage.sdk = sdk
    tab = await stage.open(PAGES["signin"])
    button = tab.locator("[data-open]")
    if sdk:
        await tab.wait_for_function("() => window.inited")
        await button.click()
    await expect(tab.get_by_text("The button opens Facebook on this page instead.")).to_be_visible(timeout=8000)
    await button.click()
    await expect(tab).to_have_title("signup/visit/dialog")
    assert stage.posted == [("/signup/visit/dialog", "form_token=form-token")]


async def test_an_answer_that_could_not_be_sent_says_so_and_is_not_repeated(stage: Stage) -> None:
    stage.acts = [["code", "AQ1"]]
    tab = await stage.open(PAGES["signin"])
    tries: list[str] = []

    async def fail(route: Route) -> None:
        tries.append(route.request.url)
        await route.abort()

    await tab.route("**/complete", fail)
    await tab.wait_for_function("() => window.inited")
    async with tab.expect_popup():
        await tab.get_by_role("button", name="Open Facebook").first.click()
    await expect(tab.get_by_text("The answer could not be sent.")).to_be_visible()
    assert len(tries) == 1


async def test_the_pin_is_one_field_over_six_cells_that_takes_digits_by_key_and_by_paste(stage: Stage) -> None:
    stage.answers["/signup/visit/status"] = {"steps": [], "location": None, "asks": "pin.1"}
    await stage.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab = await stage.open(PAGES["pin"])
    field = tab.get_by_label("Six-digit PIN")
    await field.focus()
    await tab.keyboard.type("4a8 1")
    await expect(field).to_have_value("481")
    await expect(tab.locator(".code i").nth(3)).to_have_class("next")
    cells, digits = await tab.locator(".code i").nth(2).bounding_box(), await field.bounding_box()
    assert cells is not None
    assert digits is not None
    assert cells["y"] >= digits["y"] - 1
    await tab.evaluate("() => navigator.clipboard.writeText(' 481 920 ')")
    await field.fill("")
    await tab.keyboard.press("ControlOrMeta+V")
    await expect(field).to_have_value("481920")
    await tab.keyboard.press("Enter")
    await expect(tab).to_have_title("signup/visit/pin")
    assert stage.posted == [("/signup/visit/pin", "form_token=form-token&pin=481920")]


async def test_an_open_question_that_is_answered_elsewhere_loads_its_page_anew(stage: Stage) -> None:
    stage.answers["/signup/visit/status"] = {"steps": [], "location": "/signup/visit", "asks": "pin.1"}
    tab = await stage.open(PAGES["no-number"])
    await tab.wait_for_event("response", lambda answer: answer.url.endswith("/status"))
    assert tab.url == f"{OURS}/signup/x"
    stage.answers["/signup/visit/status"] = {"steps": [], "location": None, "asks": None}
    await tab.wait_for_url("**/signup/visit")
    assert stage.posted == []


async def test_inside_another_app_the_link_can_be_copied_also_where_there_is_no_clipboard(stage: Stage) -> None:
    page = PAGES["in-app"]
    assert isinstance(page, InApp)
    await stage.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab = await stage.open(page)
    await expect(tab.get_by_label("The link, to copy by hand")).to_be_hidden()
    await tab.get_by_role("button", name="Copy the link").click()
    await expect(tab.get_by_text("Copied. Paste it into the address line")).to_be_visible()
    assert await tab.evaluate("() => navigator.clipboard.readText()") == page.link
    await tab.add_init_script("delete Clipboard.prototype.writeText; document.execCommand = () => false")
    await tab.goto(f"{OURS}/signup/x")
    await tab.get_by_role("button", name="Copy the link").click()
    by_hand = tab.get_by_label("The link, to copy by hand")
    await expect(by_hand).to_be_focused()
    assert await tab.evaluate("() => getSelection().toString()") == page.link
    await expect(tab.get_by_text("Copied.")).to_be_hidden()


async def test_the_finishing_page_moves_its_lines_and_leaves_when_told(stage: Stage) -> None:
    status = "/signup/visit/status"
    moved = finishing_steps("Acme SaaS", dict.fromkeys(("permission", "number", "register"), "14:03"), number=NUMBER)
    stage.answers[status] = status_json(moved)
    tab = await stage.open(PAGES["finishing"])
    lines = tab.get_by_role("list")
    await expect(lines).to_have_attribute("aria-live", "polite")
    await expect(tab.locator("[data-key=register]")).to_have_class("done")
    await expect(tab.locator("[data-key=tell]")).to_have_class("now")
    await expect(tab.locator("[data-key=register] time")).to_have_text("14:03")
    stage.answers[status] = status_json(moved, "/signup/visit/done")
    await tab.wait_for_url("**/signup/visit/done")
    assert stage.posted == []


async def test_after_a_minute_she_may_close_the_finishing_page(stage: Stage) -> None:
    stage.answers["/signup/visit/status"] = status_json(finishing_steps("Acme SaaS", {}))
    tab = await stage.context.new_page()
    await tab.clock.install()
    stage.page = PAGES["finishing"]
    await tab.goto(f"{OURS}/signup/x")
    await expect(tab.get_by_text("You may close this page. Acme SaaS will be told.")).to_be_hidden()
    await tab.clock.fast_forward("01:01")
    await expect(tab.get_by_role("link", name="Back to Acme SaaS")).to_be_visible()
    await expect(tab.get_by_text("Taking longer?")).to_be_hidden()


async def test_the_done_page_leaves_after_three_seconds(stage: Stage) -> None:
    tab = await stage.open(replace(sample_done(BRAND), return_url="/back"))
    await expect(tab.get_by_text("Taking you there in 2 seconds.")).to_be_visible()
    await tab.wait_for_url("**/back")
    assert stage.posted == []


async def test_who_stays_is_not_carried_away(stage: Stage) -> None:
    tab = await stage.context.new_page()
    await tab.clock.install()
    stage.page = replace(sample_done(BRAND), return_url="/back")
    await tab.goto(f"{OURS}/signup/x")
    await tab.get_by_role("button", name="Stay here").click()
    await tab.clock.run_for(10_000)
    assert tab.url == f"{OURS}/signup/x"
    await expect(tab.get_by_text("Taking you there")).to_be_hidden()


async def test_nothing_moves_for_who_wants_no_motion(stage: Stage) -> None:
    tab = await stage.open(PAGES["finishing"])
    moving = "() => document.getAnimations().length"
    assert await tab.evaluate(moving) > 0
    await tab.emulate_media(reduced_motion="reduce")
    assert await tab.evaluate(moving) == 0

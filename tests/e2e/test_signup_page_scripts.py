"""The signup pages by themselves in a real browser: layout, keyboard, scripts, and what stands without scripts.

Pages are rendered from samples; the sign-in page's own script and the whole way with real servers are other files.
"""

from dataclasses import replace

import pytest
from playwright.async_api import Browser, Route, expect
from playwright.async_api import Page as Tab

from setuplinks.signup.views import InApp
from setuplinks.signup.wording import finishing_steps, status_json
from tests.e2e.stage import BRAND, OURS, PAGES, Stage
from tests.support.sample_pages import NUMBER, sample_done, sample_landing

pytestmark = pytest.mark.asyncio(loop_scope="session")


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
    await stage.until_posted("/signup/x/opened")
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


async def test_without_a_script_every_form_still_leads_on(chromium: Browser) -> None:
    context = await chromium.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844})
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
    status = "/signup/visit/status"
    stage.answers[status] = {"steps": [], "location": "/signup/visit", "asks": "pin.1"}
    tab = await stage.context.new_page()
    await tab.clock.install()
    stage.page = PAGES["no-number"]
    await tab.goto(f"{OURS}/signup/x")
    async with tab.expect_response(f"**{status}"):
        await tab.clock.fast_forward("00:03")
    assert tab.url == f"{OURS}/signup/x"
    stage.answers[status] = {"steps": [], "location": None, "asks": None}
    await tab.clock.fast_forward("00:04")
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


async def a_tab_whose_clock_stands(stage: Stage) -> Tab:
    """Time passes on its pages only by `tab.clock.run_for`."""
    tab = await stage.context.new_page()
    await tab.clock.install(time=1_000)
    await tab.clock.pause_at(2_000)
    return tab


async def test_the_done_page_leaves_after_three_seconds(stage: Stage) -> None:
    tab = await a_tab_whose_clock_stands(stage)
    stage.page = replace(sample_done(BRAND), return_url="/back")
    await tab.goto(f"{OURS}/signup/x")
    for left in ("3 seconds", "2 seconds", "1 second"):
        await expect(tab.get_by_text(f"Taking you there in {left}.")).to_be_visible()
        await tab.clock.run_for(1_000)
    await tab.wait_for_url("**/back")
    assert stage.posted == []


async def test_who_stays_is_not_carried_away(stage: Stage) -> None:
    tab = await a_tab_whose_clock_stands(stage)
    stage.page = replace(sample_done(BRAND), return_url="/back")
    await tab.goto(f"{OURS}/signup/x")
    await tab.get_by_role("button", name="Stay here").click()
    await tab.clock.run_for(10_000)
    assert tab.url == f"{OURS}/signup/x"
    await expect(tab.get_by_text("Taking you there")).to_be_hidden()


async def test_who_presses_a_button_is_not_carried_away_in_the_middle_of_it(stage: Stage) -> None:
    tab = await a_tab_whose_clock_stands(stage)
    stage.page = replace(sample_done(BRAND), return_url="/back")
    await tab.goto(f"{OURS}/signup/x")
    # Her answer is on its way for as long as one likes: the form is sent, and no page comes.
    await tab.evaluate("() => addEventListener('submit', event => event.preventDefault())")
    await tab.get_by_role("button", name="Disconnect it").click()
    await tab.clock.run_for(10_000)
    await expect(tab.get_by_text("Taking you there in 3 seconds.")).to_be_visible()
    assert tab.url == f"{OURS}/signup/x"


async def test_nothing_moves_for_who_wants_no_motion(stage: Stage) -> None:
    tab = await stage.open(PAGES["finishing"])
    moving = "() => document.getAnimations().length"
    assert await tab.evaluate(moving) > 0
    await tab.emulate_media(reduced_motion="reduce")
    assert await tab.evaluate(moving) == 0

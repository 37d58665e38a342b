"""The sign-in page's script in a real browser: code and message in every order, other origins, no window at all."""

import json
from dataclasses import replace

import pytest
from playwright.async_api import Route, expect

from tests.e2e.stage import BRAND, OURS, PAGES, Stage
from tests.support.sample_pages import sample_sign_in

pytestmark = pytest.mark.asyncio(loop_scope="session")
FINISH = json.dumps({"type": "WA_EMBEDDED_SIGNUP", "event": "FINISH", "data": {"waba_id": "1"}})
CANCEL = json.dumps({"type": "WA_EMBEDDED_SIGNUP", "event": "CANCEL", "data": {"current_step": "PERMISSIONS"}})
NEWS = json.dumps({"type": "WA_EMBEDDED_SIGNUP", "event": "STEP_CHANGED", "data": {"current_step": "PERMISSIONS"}})
FOREIGN = (
    "https://evilfacebook.com", "https://facebook.com.evil.example", "http://www.facebook.com", "http://facebook.com",
    "https://www.facebook.com:8443", "https://facebook.com:8443", "http://localhost:9", "null", "", "https://facebook.co",
)  # fmt: skip


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
    # An answer at once is what tells a blocked window from a closed one: on no machine does time pass between the two.
    await stage.context.clock.set_fixed_time("2026-05-18T12:00:00Z")
    tab = await stage.open(PAGES["signin"])
    button = tab.locator("[data-open]")
    if sdk:
        await tab.wait_for_function("() => window.inited")
        await button.click()
    await expect(tab.get_by_text("The button opens Facebook on this page instead.")).to_be_visible()
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

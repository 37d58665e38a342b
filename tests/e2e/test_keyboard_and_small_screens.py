"""The whole way by keyboard alone, and on a screen 320 pixels wide."""

import pytest
from playwright.async_api import Page

from setuplinks.core.clock import DAY
from tests.e2e.conftest import PHONE, NewPerson
from tests.e2e.person import COEXISTENCE, CONNECTED, DEDICATED, Person
from tests.e2e.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="session")
MOST_TABS = 40
NARROW = {**PHONE, "viewport": {"width": 320, "height": 640}}
FOCUSED = """() => {
  const at = document.activeElement;
  return at.tagName === "INPUT" ? at.name + "=" + at.value : (at.innerText || "").trim();
}"""
OUTLINE = "() => getComputedStyle(document.activeElement).outlineStyle"


async def tab_to(page: Page, wanted: str) -> None:
    """Presses Tab until the focus is on what is called so, whose focus must be seen."""
    await page.wait_for_load_state()
    met = []
    for _ in range(MOST_TABS):
        await page.keyboard.press("Tab")
        met.append(await page.evaluate(FOCUSED))
        if met[-1] == wanted:
            return
    raise AssertionError(f"Tab never came to {wanted!r}, only to {met}")


async def test_from_the_landing_page_to_the_company_by_keyboard_alone(scene: Scene, person: Person) -> None:
    link = await scene.link()
    await person.opens(link["url"])
    await tab_to(person.page, "Continue with Facebook")
    assert await person.page.evaluate(OUTLINE) == "solid"
    await person.page.keyboard.press("Enter")

    await person.sees("How will you use this number?")
    await tab_to(person.page, "connection_type=coexistence")
    await person.page.keyboard.press("ArrowDown")
    assert await person.page.evaluate(FOCUSED) == "connection_type=dedicated"
    await person.photograph("chosen-by-arrow")
    await tab_to(person.page, "Continue with Facebook")
    await person.page.keyboard.press("Space")

    await person.sees("Go on in the Facebook window")
    await person.is_ready_for_the_window()
    await tab_to(person.page, "Open Facebook")
    async with person.page.expect_popup() as opened:
        await person.page.keyboard.press("Enter")
    dialog = person.at_facebook(await opened.value)
    await dialog.finish_by_keyboard()
    await person.sees(CONNECTED)
    await tab_to(person.page, "Stay here")
    await person.page.keyboard.press("Space")
    await person.page.keyboard.press("Shift+Tab")
    assert await person.page.evaluate(FOCUSED) == "Back to Acme SaaS"
    await person.page.keyboard.press("Enter")
    await person.is_back_at_the_company()
    assert (await scene.of(link))["status"] == "completed"


async def test_nothing_must_be_scrolled_sideways_on_the_way(scene: Scene, new_person: NewPerson) -> None:
    person = await new_person(**NARROW)
    await scene.sandbox.hold("register")
    link = await scene.link(successRedirectUrl=None)
    await person.opens(link["url"])
    await person.fits("Connect your WhatsApp to Acme SaaS")
    await person.presses("Continue with Facebook")
    await person.fits("How will you use this number?")
    await person.chooses(DEDICATED)
    await person.at_facebook().cancel_at("profile")
    await person.fits("Facebook did not finish the connection")
    await person.presses("Continue with Facebook")
    await person.chooses(DEDICATED)
    await person.at_facebook().finish()
    await person.fits("Finishing the connection")
    await scene.sandbox.let_go("register")
    await person.fits(CONNECTED)
    await person.opens(link["url"])
    await person.fits("This number is already connected")
    await person.page.go_back()
    await person.presses("Disconnect it")
    await person.fits("The connection is undone")
    assert await person.page.evaluate("() => innerWidth") == 320


async def test_the_pages_of_links_that_ended_fit_a_narrow_screen(scene: Scene, new_person: NewPerson) -> None:
    person = await new_person(viewport=NARROW["viewport"])
    replaced = await scene.link()
    link = await scene.link()
    await person.opens(replaced["url"])
    await person.fits("There is a newer link")
    await person.opens(link["url"] + "x")
    await person.fits("We can’t find this link")
    await person.begins(link["url"], COEXISTENCE)
    await person.fits("Go on in the Facebook window")
    await person.opens_facebook()
    await person.fits("Go on in the Facebook window")
    other = await new_person(**NARROW)
    await other.opens(f"{scene.service.url}/meta/callback?code=c&state=unknown")
    await other.fits("We can’t find this link")
    await scene.let_pass(8 * DAY)
    await person.opens(link["url"])
    await person.fits("This link has expired")
    await person.presses("Ask for a new link")
    await person.reads("Acme SaaS knows.")
    await person.fits("This link has expired")
    assert await person.page.evaluate("() => innerWidth") == 320

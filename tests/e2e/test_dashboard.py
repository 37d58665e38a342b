"""The dashboard in a real browser: by keyboard alone, by https, and on a screen 320 pixels wide."""

from typing import Any

import pytest
from playwright.async_api import expect

from tests.e2e.conftest import NewPerson
from tests.e2e.person import Person
from tests.e2e.scene import Scene
from tests.e2e.test_keyboard_and_small_screens import FOCUSED, NARROW, OUTLINE, tab_to
from tests.support.service import OPERATOR_KEY

pytestmark = pytest.mark.asyncio(loop_scope="session")
# The test's clock stands still in May; the machine's does not.
FOUND = "Not ready yet"
DESK = {"viewport": {"width": 1280, "height": 900}}
# A control that no one can name: no words, no label, no name for readers.
NAMELESS = """() => [...document.querySelectorAll("a, button, input:not([type=hidden]), select, summary")].filter(one =>
  !one.textContent.trim() && !(one.labels && one.labels.length) && !one.getAttribute("aria-label")
).map(one => one.outerHTML)"""


async def signs_in(person: Person, url: str, key: str) -> None:
    """Goes to a page of the dashboard by way of the key."""
    await person.opens(url)
    await person.page.get_by_label("Key").fill(key)
    await person.presses("Sign in")


async def a_delivery(scene: Scene) -> dict[str, Any]:
    """The delivery of a link that is made now, once its result is recorded."""
    await scene.link()
    await scene.told("setup_link.created")
    await scene.at_rest()
    [found] = (await scene.seen(f"/admin/tenants/{scene.acme.id}/deliveries?status=delivered"))["data"]
    return dict(found)


async def test_the_operator_signs_in_looks_again_and_signs_out_by_keyboard_alone(
    scene: Scene, new_person: NewPerson
) -> None:
    person = await new_person(**DESK)
    page = person.page
    await person.opens(f"{scene.service.url}/operator")
    await person.sees("Sign in", "sign-in")
    await expect(page.get_by_label("Key")).to_be_focused()
    assert await page.evaluate(FOCUSED) == "key="
    await page.keyboard.type(OPERATOR_KEY)
    await page.keyboard.press("Enter")
    await person.sees("Home")
    await tab_to(page, "Doctor")
    await page.keyboard.press("Enter")
    await person.sees(FOUND, "doctor")
    await tab_to(page, "Clock")
    assert await page.evaluate(OUTLINE) == "solid"
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/dashboard/doctor#clock")
    await page.goto(f"{scene.service.url}/dashboard/doctor")
    await tab_to(page, "Look again")
    async with page.expect_navigation():  # the heading is there before it, too
        await page.keyboard.press("Enter")
    await person.sees(FOUND)
    await tab_to(page, "Sign out")
    await page.keyboard.press("Space")
    await person.sees("Sign in")
    await page.go_back()
    await page.reload()
    await person.sees("Sign in")


async def test_a_webhook_is_found_and_sent_again_by_keyboard_alone(scene: Scene, new_person: NewPerson) -> None:
    await a_delivery(scene)
    person = await new_person(**DESK)
    page = person.page
    await signs_in(person, f"{scene.service.url}/dashboard", scene.acme.key)
    await person.sees("Home", "home")
    await tab_to(page, "Deliveries")
    await page.keyboard.press("Enter")
    await person.sees("Deliveries")
    await tab_to(page, "Filter")
    await page.keyboard.press("Space")
    await expect(page.get_by_label("Customer")).to_be_visible()
    await tab_to(page, "setup_link.created")
    await page.keyboard.press("Enter")
    await person.sees("Delivered, first attempt", "delivery")
    await tab_to(page, "Send again")
    await page.keyboard.press("Space")
    await person.reads("It goes again.")
    assert len(await scene.events("setup_link.created")) == 2


async def test_every_page_fits_a_narrow_screen_without_scripts_and_names_its_controls(
    scene: Scene, new_person: NewPerson
) -> None:
    delivery = await a_delivery(scene)
    [link] = (await scene.seen(f"/admin/tenants/{scene.acme.id}/setup-links"))["data"]
    base = f"{scene.service.url}/dashboard/{scene.acme.id}"
    person = await new_person(**NARROW, color_scheme="dark", java_script_enabled=False)
    await signs_in(person, base, OPERATOR_KEY)
    for path, heading in (
        ("", "Home"), ("/links", "Setup links"), (f"/links/{link['id']}", "Clínica San Lucas"),
        ("/deliveries?customer=nobody", "Deliveries"), ("/deliveries?type=setup_link.failed", "Deliveries"),
        (f"/deliveries/{delivery['id']}", "Delivered"), ("/endpoints", "Endpoints"),
        (f"/endpoints/{delivery['endpointId']}", "hooks"),
    ):  # fmt: skip
        await person.opens(base + path)
        await person.sees(heading, heading.lower().replace(" ", "-"))
        html = person.page.locator("html")
        assert (path, await html.evaluate("html => html.scrollWidth")) == (path, 320)
        assert (path, await html.evaluate(NAMELESS)) == (path, [])
    await person.opens(f"{scene.service.url}/dashboard/doctor")
    await person.sees(FOUND)
    assert await person.page.locator("html").evaluate("html => html.scrollWidth") == 320


async def test_by_https_the_session_holds(secure_scene: Scene, new_person: NewPerson) -> None:
    person = await new_person()
    await signs_in(person, f"{secure_scene.service.url}/dashboard/doctor", OPERATOR_KEY)
    await person.sees(FOUND)
    [cookie] = await person.context.cookies()
    assert (cookie["name"], cookie["sameSite"], cookie["secure"]) == ("__Host-setuplinks-dashboard", "Strict", True)

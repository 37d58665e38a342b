"""The operator's pages in a real browser: by keyboard alone, by https, and on a screen 320 pixels wide."""

import pytest

from tests.e2e.conftest import NewPerson
from tests.e2e.scene import Scene
from tests.e2e.test_keyboard_and_small_screens import FOCUSED, NARROW, OUTLINE, tab_to
from tests.support.service import OPERATOR_KEY

pytestmark = pytest.mark.asyncio(loop_scope="session")
# The test's clock stands still in May; the machine's does not.
FOUND = "Not ready yet"


async def test_the_operator_signs_in_looks_again_and_signs_out_by_keyboard_alone(
    scene: Scene, new_person: NewPerson
) -> None:
    person = await new_person(viewport={"width": 1280, "height": 900})
    page = person.page
    await person.opens(f"{scene.service.url}/operator")
    await person.sees("Sign in as the operator", "sign-in")
    assert await page.evaluate(FOCUSED) == "key="
    await page.keyboard.type(OPERATOR_KEY)
    await page.keyboard.press("Enter")
    await person.sees(FOUND, "doctor")
    await tab_to(page, "Clock")
    assert await page.evaluate(OUTLINE) == "solid"
    await page.keyboard.press("Enter")
    assert page.url.endswith("/operator/doctor#clock")
    await page.goto(f"{scene.service.url}/operator/doctor")
    await tab_to(page, "Look again")
    await page.keyboard.press("Enter")
    await person.sees(FOUND)
    await tab_to(page, "Sign out")
    await page.keyboard.press("Space")
    await person.sees("Sign in as the operator")
    await page.go_back()
    await page.reload()
    await person.sees("Sign in as the operator")


async def test_the_operators_pages_fit_a_narrow_screen_without_scripts(scene: Scene, new_person: NewPerson) -> None:
    person = await new_person(**NARROW, color_scheme="dark", java_script_enabled=False)
    await person.opens(f"{scene.service.url}/operator/doctor")
    await person.page.get_by_label("Operator key").fill(OPERATOR_KEY)
    await person.presses("Sign in")
    await person.sees(FOUND, "doctor")
    width = await person.page.locator("html").evaluate("html => html.scrollWidth")
    assert width == 320


async def test_by_https_the_session_holds(secure_scene: Scene, new_person: NewPerson) -> None:
    person = await new_person()
    await person.opens(f"{secure_scene.service.url}/operator")
    await person.page.get_by_label("Operator key").fill(OPERATOR_KEY)
    await person.presses("Sign in")
    await person.sees(FOUND)
    [cookie] = await person.context.cookies()
    assert (cookie["name"], cookie["sameSite"], cookie["secure"]) == ("__Host-setuplinks-operator", "Strict", True)

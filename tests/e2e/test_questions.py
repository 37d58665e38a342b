"""A connection asks its customer: by keyboard on a narrow screen, without JavaScript, from another device."""

import pytest
from playwright.async_api import expect

from tests.e2e.conftest import PHONE, NewPerson
from tests.e2e.person import CONNECTED, DEDICATED, Person
from tests.e2e.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="session")
INSTAGRAM = {**PHONE, "user_agent": f"{PHONE['user_agent']} Instagram 385.0.0.47.74 Android (35/15)"}


async def test_the_pin_by_keyboard_on_a_narrow_screen(scene: Scene, new_person: NewPerson) -> None:
    person = await new_person(**{**PHONE, "viewport": {"width": 320, "height": 640}})
    await scene.sandbox.next_scenario("already_registered_pin")
    link = await scene.link()
    await person.begins(link["url"])
    await person.at_facebook().finish()
    # The finishing page leads to the question by itself.
    await person.fits("Enter this number’s PIN")
    assert (await scene.told("setup_link.action_required"))["kind"] == "pin"
    await person.page.get_by_label("Six-digit PIN").focus()
    await person.page.keyboard.type("111111")
    await person.page.keyboard.press("Enter")
    await person.reads("WhatsApp did not accept this PIN.")
    await person.fits("Enter this number’s PIN")
    await expect(person.page.get_by_label("Six-digit PIN")).to_be_focused()
    await expect(person.page.get_by_label("Six-digit PIN")).to_have_value("")
    await person.page.keyboard.type("654321")
    await person.page.keyboard.press("Enter")
    await person.sees(CONNECTED)
    assert (await scene.of(link))["status"] == "completed"


async def test_numbers_are_ticked_without_javascript_and_the_other_device_sees_it(
    scene: Scene, person: Person, new_person: NewPerson
) -> None:
    await scene.sandbox.next_scenario("several_numbers")
    link = await scene.link()
    await person.begins(link["url"])
    await person.presses("Open Facebook on this page instead")  # there no message names a number
    await person.at_facebook().finish()
    await person.sees("Which number should Acme SaaS use?")
    other = await new_person(**PHONE, java_script_enabled=False)
    await other.opens(link["url"])
    await other.sees("One question is left", "resume")
    await other.presses("Continue")
    await other.sees("Which number should Acme SaaS use?", "numbers")
    await other.presses("Connect")
    await other.reads("Nothing is ticked.")
    cards = other.page.locator(".option label")  # the whole card is the label
    await cards.first.click()
    await cards.last.click()
    await expect(other.page.get_by_role("checkbox", checked=True)).to_have_count(2)
    await other.presses("Connect")
    await other.sees(CONNECTED)
    await person.sees(CONNECTED)
    assert len((await scene.of(link))["resultingPhoneNumberIds"]) == 2


async def test_inside_another_app_she_may_go_on_anyway(scene: Scene, new_person: NewPerson) -> None:
    person = await new_person(**INSTAGRAM)
    link = await scene.link()
    await person.opens(link["url"])
    await person.sees("Open this page in your browser", "in-app")
    await person.reads("You are inside Instagram.")
    # After a second in sight the page has been opened; how long these lines take is not ours to say.
    assert {"created"} <= set(await scene.steps(link)) <= {"created", "opened"}
    await person.follows("Go on here anyway")
    await person.sees("Connect your WhatsApp to Acme SaaS")
    await person.presses("Continue with Facebook")
    await person.chooses(DEDICATED)
    await person.at_facebook().finish()
    await person.sees(CONNECTED)
    assert (await scene.of(link))["status"] == "completed"

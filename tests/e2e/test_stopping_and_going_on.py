"""A person stops on the way, or is held up, and goes on with the same link."""

import pytest
from playwright.async_api import expect

from tests.e2e.conftest import PHONE, NewPerson
from tests.e2e.person import CONNECTED, DEDICATED, Person
from tests.e2e.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_whoever_cancels_sees_where_and_goes_on(scene: Scene, person: Person) -> None:
    link = await scene.link()
    await person.begins(link["url"])
    await (await person.opens_facebook()).cancel_at("verify")
    await person.sees("You left Facebook before the end", "stopped")
    await person.reads("Confirming the number")
    ended = await scene.told("setup_link.visit_ended")
    assert (ended["setup_link_id"], ended["code"]) == (link["id"], "cancelled")
    stopped = await scene.of(link)
    assert (stopped["status"], stopped["phase"]) == ("pending", "started")

    await person.presses("Continue with Facebook")
    await person.chooses(DEDICATED)
    await (await person.opens_facebook()).finish()
    await person.sees(CONNECTED)
    await person.goes_back_to_the_company()
    assert len(await scene.numbers()) == 1
    assert len(await scene.events("whatsapp.phone_number.created")) == 1


async def test_closing_facebooks_window_is_leaving_it(scene: Scene, person: Person) -> None:
    link = await scene.link()
    await person.begins(link["url"])
    dialog = await person.opens_facebook()
    await dialog.go_to("phone")
    await dialog.page.wait_for_load_state()
    await dialog.page.close(run_before_unload=True)
    await person.sees("You left Facebook before the end")
    await person.reads("Adding the number")
    assert (await scene.of(link))["phase"] == "started"


async def test_whoever_leaves_for_the_company_says_so_by_the_failure_redirect(scene: Scene, person: Person) -> None:
    link = await scene.link(state="row 17")
    await person.begins(link["url"])
    await (await person.opens_facebook()).cancel_at("business")
    await person.sees("You left Facebook before the end")
    await person.follows("Back to Acme SaaS")
    await person.is_back_at_the_company("failed")
    [landing] = scene.company.landings
    assert (landing.parameters["status"], landing.parameters["error_code"]) == ("failed", "cancelled")
    assert landing.parameters["state"] == "row 17"


async def test_a_refusal_on_the_full_page_is_worded_without_a_guess(scene: Scene, person_on_a_phone: Person) -> None:
    link = await scene.link()
    await person_on_a_phone.begins(link["url"])
    await person_on_a_phone.at_facebook().go_to("permissions")
    await person_on_a_phone.presses("Do not allow")
    await person_on_a_phone.sees("Facebook did not finish the connection", "stopped")
    assert (await scene.told("setup_link.visit_ended"))["code"] == "meta_refused"
    await person_on_a_phone.presses("Continue with Facebook")
    await person_on_a_phone.chooses(DEDICATED)
    await person_on_a_phone.at_facebook().finish()
    await person_on_a_phone.sees(CONNECTED)
    assert (await scene.of(link))["status"] == "completed"


async def test_going_back_by_the_browsers_own_button_leaves_the_page_usable(
    scene: Scene, person_on_a_phone: Person
) -> None:
    link = await scene.link()
    await person_on_a_phone.begins(link["url"])
    assert await person_on_a_phone.at_facebook().screen() == "business"
    await person_on_a_phone.page.go_back()
    await person_on_a_phone.chooses(DEDICATED)
    await person_on_a_phone.at_facebook().finish()
    await person_on_a_phone.sees(CONNECTED)
    assert (await scene.of(link))["status"] == "completed"


async def test_a_blocked_window_leaves_the_full_page(scene: Scene, person: Person) -> None:
    # What a script sees of a blocked window: there is none.
    await person.context.add_init_script("window.open = () => null")
    await person.context.clock.set_fixed_time("2026-05-18T12:00:00Z")  # and it sees that at once, on any machine
    link = await scene.link()
    await person.begins(link["url"])
    await person.sees("Go on in the Facebook window")
    await person.is_ready_for_the_window()
    await person.presses("Open Facebook")
    await person.reads("Facebook’s window can’t be opened in this browser.")
    await person.photograph("blocked")
    await expect(person.page.get_by_text("beside this page").filter(visible=True)).to_have_count(0)
    await person.presses("Open Facebook")
    await person.at_facebook().finish()
    await person.sees(CONNECTED)
    assert (await scene.of(link))["status"] == "completed"


async def test_without_metas_script_the_button_opens_facebook_on_the_page(scene: Scene, person: Person) -> None:
    await scene.sandbox.change_settings(sdk="missing")
    link = await scene.link()
    await person.begins(link["url"])
    await person.reads("Facebook’s window can’t be opened in this browser.")
    await person.presses("Open Facebook")
    await person.at_facebook().finish()
    await person.sees(CONNECTED)
    assert [line for line in person.complaints if "/en_US/sdk.js" not in line] == []
    person.complaints.clear()  # the script that is missing, as the test wants it


async def test_from_the_choice_a_way_leads_back_to_who_asks(scene: Scene, person_on_a_phone: Person) -> None:
    person, link = person_on_a_phone, await scene.link()
    await person.begins(link["url"], None)
    await person.sees("How will you use this number?")
    await person.follows("Back")
    await person.sees("Connect your WhatsApp to Acme SaaS")
    await person.reads("What you allow")
    await person.presses("Continue with Facebook")
    await person.chooses(DEDICATED)
    await person.at_facebook().finish()
    await person.sees(CONNECTED)
    await person.reads("You can undo the connection here for 15 minutes.")
    assert (await scene.of(link))["status"] == "completed"


async def test_whoever_distrusts_windows_may_stay_on_the_page(scene: Scene, person: Person) -> None:
    link = await scene.link()
    await person.begins(link["url"])
    await person.sees("Go on in the Facebook window")
    await person.presses("Open Facebook on this page instead")
    await person.at_facebook().finish()
    await person.sees(CONNECTED)
    assert (await scene.of(link))["status"] == "completed"


async def test_a_code_without_metas_message_is_enough(scene: Scene, person: Person) -> None:
    await scene.sandbox.next_scenario("code_without_message")
    link = await scene.link()
    await person.connects(link["url"])
    assert len((await scene.of(link))["resultingPhoneNumberIds"]) == 1


async def test_a_message_without_a_code_leaves_the_page_as_it_is(scene: Scene, person: Person) -> None:
    await scene.sandbox.next_scenario("message_without_code")
    link = await scene.link()
    await person.begins(link["url"])
    await (await person.opens_facebook()).finish()
    await person.reads("Facebook says that you are done, but its answer has not come.")
    await person.photograph("unanswered")
    assert (await scene.of(link))["phase"] == "authorizing"
    await (await person.opens_facebook()).finish()
    await person.sees(CONNECTED)


async def test_a_code_that_meta_refuses_asks_her_to_press_continue_again(scene: Scene, person: Person) -> None:
    await scene.sandbox.next_scenario("code_expired")
    link = await scene.link()
    await person.begins(link["url"])
    await (await person.opens_facebook()).finish()
    await person.sees("The connection was not finished", "stopped")
    assert (await scene.of(link))["phase"] == "started"
    assert len(await scene.sandbox.calls("exchange")) == 1
    await person.presses("Continue with Facebook")
    await person.chooses(DEDICATED)
    await (await person.opens_facebook()).finish()
    await person.sees(CONNECTED)


async def test_the_link_goes_on_on_another_device(scene: Scene, new_person: NewPerson) -> None:
    link = await scene.link()
    at_the_desk = await new_person()
    await at_the_desk.begins(link["url"])
    await at_the_desk.sees("Go on in the Facebook window")
    with_her_phone = await new_person(**PHONE)
    await with_her_phone.begins(link["url"])
    await with_her_phone.at_facebook().finish()
    await with_her_phone.sees(CONNECTED)
    await at_the_desk.follows("I have finished, check again")
    await at_the_desk.sees(CONNECTED)
    await expect(at_the_desk.page.get_by_text("+54").first).to_be_visible()
    assert len(await scene.numbers()) == 1

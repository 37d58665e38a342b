"""The finishing page while Meta is slow: its lines tick, it may be closed, and the link shows how it went."""

import pytest
from playwright.async_api import expect

from tests.e2e.conftest import NewPerson
from tests.e2e.person import CONNECTED, Person
from tests.e2e.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="session")
LINES = ("Facebook gave permission", "Number found", "Registering it with WhatsApp", "Telling Acme SaaS")
# What the page showed over time: a line for each change, in the words of its class names.
WATCH = """() => {
  const states = () => [...document.querySelectorAll("#finishing li")].map(line => line.className).join(" ");
  window.seen = [states()];
  new MutationObserver(() => { if (seen.at(-1) !== states()) seen.push(states()); }).observe(
    document.getElementById("finishing"), {subtree: true, attributes: true, attributeFilter: ["class"]});
}"""


async def test_the_lines_tick_one_after_the_other(scene: Scene, person: Person) -> None:
    for call in ("phone_numbers", "register", "phone"):
        await scene.sandbox.hold(call)
    link = await scene.link()
    await person.begins(link["url"])
    await (await person.opens_facebook()).finish()
    await person.sees("Finishing the connection")
    assert await person.page.locator("#finishing li b").all_inner_texts() == list(LINES)
    await person.page.evaluate(WATCH)
    await scene.sandbox.let_go("phone_numbers")
    await expect(person.page.locator("li[data-key=number].done")).to_be_visible()
    await expect(person.page.locator("li[data-key=number] bdi")).to_contain_text("+54")
    await person.photograph("number-found")
    await scene.sandbox.let_go("register")
    await expect(person.page.locator("li[data-key=register].done")).to_be_visible()
    await person.photograph("registered")
    seen = await person.page.evaluate("() => window.seen")
    assert seen == ["done now open open", "done done now open", "done done done now"]
    await scene.sandbox.let_go("phone")
    await person.sees(CONNECTED)
    assert (await scene.of(link))["status"] == "completed"


async def test_the_page_may_be_closed_and_the_link_opened_later(scene: Scene, person: Person) -> None:
    await scene.sandbox.hold("register")
    link = await scene.link()
    await person.begins(link["url"])
    await (await person.opens_facebook()).finish()
    await person.sees("Finishing the connection")
    await person.page.close()
    await scene.sandbox.let_go("register")
    await scene.told("whatsapp.phone_number.created")
    await person.opens_a_tab()
    await person.opens(link["url"])
    await person.sees("This number is already connected", "later")
    await person.goes_back_to_the_company()
    assert scene.company.landings[0].parameters["status"] == "success"


async def test_another_device_joins_while_the_work_is_under_way(scene: Scene, new_person: NewPerson) -> None:
    await scene.sandbox.hold("register")
    link = await scene.link()
    person, colleague = await new_person(), await new_person()
    await person.begins(link["url"])
    await (await person.opens_facebook()).finish()
    await person.sees("Finishing the connection")
    await person.context.close()
    await colleague.opens(link["url"])
    await colleague.sees("Your connection is being finished")
    await colleague.presses("See how far it is")
    await colleague.sees("Finishing the connection", "joined")
    await scene.sandbox.let_go("register")
    await colleague.sees(CONNECTED)
    await colleague.goes_back_to_the_company()
    assert len(await scene.events("whatsapp.phone_number.created")) == 1
    assert len(await scene.sandbox.calls("exchange")) == 1


async def test_a_customer_need_not_wait_for_a_slow_meta(scene: Scene, person: Person) -> None:
    await scene.sandbox.fault("register", times=1, code=2)  # tried again later, by a clock that stands
    await person.page.clock.install()
    link = await scene.link()
    await person.begins(link["url"])
    await (await person.opens_facebook()).finish()
    await person.sees("Finishing the connection")
    await person.page.wait_for_load_state()  # its script counts from when it began, not from when the page was drawn
    await person.page.clock.fast_forward(61_000)
    await person.reads("You may close this page. Acme SaaS will be told.")
    await person.photograph("slow")
    await person.follows("Back to Acme SaaS")
    await person.is_back_at_the_company()
    [landing] = scene.company.landings
    assert landing.parameters["status"] == "pending"
    assert (await scene.of(link))["phase"] == "provisioning"
    await scene.until_work_waits()
    await scene.let_pass(3_600_000_000)
    await scene.told("whatsapp.phone_number.created")
    assert (await scene.of(link))["status"] == "completed"

"""A link that has expired, was used, withdrawn, replaced or never made: what its page says, and what may be done."""

import pytest

from setuplinks.core.clock import DAY, MINUTE, SECOND
from setuplinks.provisioning.runner import LEASE
from tests.e2e.conftest import NewPerson
from tests.e2e.person import CONNECTED, Person
from tests.e2e.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_an_expired_link_asks_the_company_for_a_new_one(scene: Scene, person: Person) -> None:
    link = await scene.link()
    await scene.let_pass(8 * DAY)
    await person.opens(link["url"])
    await person.sees("This link has expired", "expired")
    await person.reads("It worked until 25 May 2026. Nothing was connected.")
    await person.presses("Ask for a new link")
    await person.reads("Acme SaaS knows.")
    await person.photograph("asked")
    asked = await scene.told("setup_link.renewal_requested")
    assert asked["setup_link_id"] == link["id"]
    assert (await scene.told("setup_link.expired"))["setup_link_id"] == link["id"]
    await person.follows("Back to Acme SaaS")
    await person.is_back_at_the_company("failed")
    assert scene.company.landings[0].parameters["error_code"] == "link_expired"


async def test_whoever_was_at_facebook_when_it_expired_may_still_finish(scene: Scene, person: Person) -> None:
    link = await scene.link(expiresAt="2026-05-18T12:10:00Z")
    await person.begins(link["url"])
    dialog = await person.opens_facebook()
    await dialog.go_to("verify")
    await scene.let_pass(30 * MINUTE)
    await dialog.finish()
    await person.sees(CONNECTED)
    assert (await scene.of(link))["status"] == "completed"


async def test_a_used_link_says_that_all_is_connected(scene: Scene, new_person: NewPerson) -> None:
    link = await scene.link()
    person, colleague = await new_person(), await new_person()
    await person.connects(link["url"])
    await person.goes_back_to_the_company()
    for reader in (person, colleague):
        await reader.opens(link["url"])
        await reader.sees("This number is already connected", "already-connected")
        await reader.reads("You need nothing more.")
        await reader.goes_back_to_the_company()
    assert [landing.parameters["status"] for landing in scene.company.landings] == ["success"] * 3
    assert len(await scene.numbers()) == 1


async def test_the_done_page_stays_good_and_undoing_it_ends_after_a_quarter_of_an_hour(
    scene: Scene, person: Person
) -> None:
    link = await scene.link()
    await person.connects(link["url"])
    await person.presses("Stay here")
    await person.page.reload()
    await person.sees(CONNECTED)
    await person.presses("Stay here")
    await scene.let_pass(16 * MINUTE)
    await person.page.reload()
    await person.sees("This number is already connected", "later")
    assert await person.page.get_by_role("button", name="Disconnect it").count() == 0


async def test_a_link_that_is_withdrawn_while_she_is_at_facebook_connects_nothing(scene: Scene, person: Person) -> None:
    link = await scene.link()
    await person.begins(link["url"])
    dialog = await person.opens_facebook()
    await dialog.go_to("permissions")
    revoked = await scene.acme.api.post(f"/admin/setup-links/{link['id']}/revoke")
    assert revoked.status in {200, 204}
    await dialog.finish()
    await person.sees("Acme SaaS has withdrawn this link", "withdrawn")
    assert await scene.sandbox.calls("exchange") == []
    assert await scene.numbers() == []
    assert (await scene.of(link))["status"] == "revoked"
    await person.follows("Back to Acme SaaS")
    await person.is_back_at_the_company("failed")
    assert scene.company.landings[0].parameters["error_code"] == "link_revoked"


async def test_a_link_that_is_withdrawn_after_the_grant_leaves_nothing_behind(scene: Scene, person: Person) -> None:
    await scene.sandbox.hold("register")
    link = await scene.link()
    await person.begins(link["url"])
    await (await person.opens_facebook()).finish()
    await person.sees("Finishing the connection")
    await scene.sandbox.until_held("register")
    revoked = await scene.acme.api.post(f"/admin/setup-links/{link['id']}/revoke")
    assert revoked.status in {200, 204}, revoked.body
    await person.sees("Acme SaaS has withdrawn this link")
    await scene.told("setup_link.revoked")
    await scene.sandbox.let_go("register")
    await scene.let_pass(LEASE + SECOND)  # the step that was under way has its time to end
    await scene.asked_of_meta("subscribed_apps", "DELETE")
    assert await scene.numbers() == []
    assert await scene.events("whatsapp.phone_number.created") == []


async def test_a_replaced_link_points_to_the_newer_one(scene: Scene, person: Person) -> None:
    older = await scene.link()
    await scene.link()
    await person.opens(older["url"])
    await person.sees("There is a newer link", "replaced")
    assert (await scene.of(older))["status"] == "revoked"


async def test_wrong_addresses_all_get_the_same_page(scene: Scene, person: Person) -> None:
    link = await scene.link()
    other_end = "1" if link["url"].endswith("0") else "0"
    wrong = [link["url"][:-1] + other_end, link["url"][:-6], f"{scene.service.url}/signup/{link['id']}"]
    pages = set()
    for address in wrong:
        answer = await person.page.goto(address)
        assert answer is not None
        assert answer.status == 404
        await person.sees("We can’t find this link")
        pages.add(await person.page.locator("main").inner_html())
    await person.photograph("unknown")
    assert len(pages) == 1

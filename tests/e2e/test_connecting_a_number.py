"""A person connects a number, from the link to the company's own page: by popup, by full page, beside the app."""

from typing import Any

import pytest

from tests.e2e.person import COEXISTENCE, CONNECTED, Person
from tests.e2e.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="session")
DIALOG = ["business", "number", "profile", "phone", "verify", "permissions", "finish"]
BESIDE_THE_APP = ["business", "phone", "verify", "permissions", "finish"]


async def all_is_told(scene: Scene, link: dict[str, Any], connection_type: str) -> None:
    """What must stand everywhere after a connection."""
    told = await scene.told("whatsapp.phone_number.created")
    [number] = await scene.numbers()
    shown = await scene.of(link)
    assert (shown["status"], shown["url"], shown["resultingPhoneNumberIds"]) == ("completed", None, [number["id"]])
    assert (number["status"], number["connectionType"]) == ("active", connection_type)
    assert told["phone_number_id"] == number["metaPhoneNumberId"]
    [landing] = scene.company.landings
    assert landing.parameters["status"] == "success"
    assert landing.parameters["phone_number_id"] == number["metaPhoneNumberId"]
    assert landing.parameters["external_id"] == "clinic_001"


async def test_a_dedicated_number_by_popup(any_scene: Scene, person: Person) -> None:
    link = await any_scene.link()
    await person.begins(link["url"], photographed=True)
    dialog = await person.opens_facebook()
    await person.photograph("sign-in")
    assert await dialog.finish() == DIALOG
    await person.sees(CONNECTED, "done")
    await person.reads("Clínica San Lucas")
    await person.has_read()
    await person.is_back_at_the_company()
    await all_is_told(any_scene, link, "dedicated")


async def test_a_dedicated_number_by_the_full_page_on_a_phone(scene: Scene, person_on_a_phone: Person) -> None:
    link = await scene.link()
    await person_on_a_phone.begins(link["url"], photographed=True)
    assert await person_on_a_phone.at_facebook().finish() == DIALOG
    await person_on_a_phone.sees(CONNECTED, "done")
    await person_on_a_phone.goes_back_to_the_company()
    await all_is_told(scene, link, "dedicated")


async def test_a_number_that_stays_in_its_app(scene: Scene, person: Person) -> None:
    link = await scene.link()
    await person.begins(link["url"], COEXISTENCE, photographed=True)
    assert await (await person.opens_facebook()).finish() == BESIDE_THE_APP
    await person.sees(CONNECTED, "done")
    await person.goes_back_to_the_company()
    await all_is_told(scene, link, "coexistence")
    assert "register" not in {call["call"] for call in await scene.sandbox.calls()}


async def test_one_press_leads_to_facebook_where_the_link_leaves_no_choice(
    scene: Scene, person_on_a_phone: Person
) -> None:
    link = await scene.link(allowedConnectionTypes=["dedicated"])
    await person_on_a_phone.begins(link["url"], None)
    assert await person_on_a_phone.at_facebook().screen() == "business"
    assert (await scene.of(link))["phase"] == "authorizing"


async def test_the_popup_by_https_with_the_cookie_of_production(secure_scene: Scene, person: Person) -> None:
    link = await secure_scene.link()
    await person.connects(link["url"])
    [cookie] = await person.context.cookies(secure_scene.service.url)
    assert cookie["name"].startswith("__Host-")
    assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Lax")
    await person.goes_back_to_the_company()
    await all_is_told(secure_scene, link, "dedicated")


async def test_the_full_page_by_https_with_the_cookie_of_production(
    secure_scene: Scene, person_on_a_phone: Person
) -> None:
    link = await secure_scene.link()
    await person_on_a_phone.begins(link["url"], photographed=True)
    await person_on_a_phone.at_facebook().finish()
    await person_on_a_phone.sees(CONNECTED)
    [cookie] = await person_on_a_phone.context.cookies(secure_scene.service.url)
    assert cookie["name"].startswith("__Host-")
    await person_on_a_phone.goes_back_to_the_company()
    await all_is_told(secure_scene, link, "dedicated")

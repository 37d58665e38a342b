"""One link in several tabs, several links in one browser, one link in two browsers at once."""

import asyncio

import pytest

from tests.e2e.conftest import PHONE, NewPerson
from tests.e2e.person import CONNECTED, Person
from tests.e2e.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_what_a_second_tab_finishes_the_first_one_sees(scene: Scene, person: Person) -> None:
    link = await scene.link()
    await person.begins(link["url"])
    await person.sees("Go on in the Facebook window")
    first_tab = person.page
    await person.opens_a_tab()
    await person.connects(link["url"])
    person.page = first_tab
    await person.follows("I have finished, check again")
    await person.sees(CONNECTED)
    assert len(await scene.numbers()) == 1


async def test_the_first_tab_may_finish_though_a_second_one_has_begun(scene: Scene, person: Person) -> None:
    link = await scene.link()
    await person.begins(link["url"])
    dialog = await person.opens_facebook()
    first_tab = person.page
    second_tab = await person.opens_a_tab()
    await person.begins(link["url"])
    await person.sees("Go on in the Facebook window")
    person.page = first_tab
    await dialog.finish()
    await person.sees(CONNECTED)
    person.page = second_tab
    await person.follows("I have finished, check again")
    await person.sees(CONNECTED)
    assert len(await scene.numbers()) == 1
    assert len(await scene.sandbox.calls("exchange")) == 1


async def test_two_links_in_one_browser_do_not_mix(scene: Scene, person: Person) -> None:
    bakery = await scene.acme.api.made(f"/admin/tenants/{scene.acme.id}/customers", {"name": "Panadería Sol"})
    of_the_clinic = await scene.link()
    of_the_bakery = await scene.acme.api.made(f"/admin/customers/{bakery['id']}/setup-links", {})
    await person.begins(of_the_clinic["url"])
    first_tab, clinics_dialog = person.page, await person.opens_facebook()
    second_tab = await person.opens_a_tab()
    await person.begins(of_the_bakery["url"])
    bakerys_dialog = await person.opens_facebook()
    bakerys_dialog.business_name = "Panadería Sol"

    await bakerys_dialog.finish()
    await person.sees(CONNECTED)
    await person.reads("Panadería Sol")
    person.page = first_tab
    await clinics_dialog.finish()
    await person.sees(CONNECTED)
    await person.reads("Clínica San Lucas")
    person.page = second_tab
    await person.page.reload()
    await person.reads("Panadería Sol")
    [clinics] = await scene.numbers()
    [bakerys] = (await scene.seen(f"/admin/customers/{bakery['id']}/phone-numbers"))["data"]
    assert clinics["metaPhoneNumberId"] != bakerys["metaPhoneNumberId"]
    assert (await scene.of(of_the_clinic))["resultingPhoneNumberIds"] == [clinics["id"]]
    assert (await scene.of(of_the_bakery))["resultingPhoneNumberIds"] == [bakerys["id"]]


async def test_of_two_browsers_racing_one_connects_and_both_see_it(any_scene: Scene, new_person: NewPerson) -> None:
    link = await any_scene.link()
    people = [await new_person(), await new_person()]
    dialogs = []
    for person in people:
        await person.begins(link["url"])
        dialog = await person.opens_facebook()
        await dialog.go_to("finish")
        dialogs.append(dialog)
    await asyncio.gather(*(dialog.finish() for dialog in dialogs))
    for person in people:
        await person.sees(CONNECTED, "both-see-it")
    [number] = await any_scene.numbers()
    assert (await any_scene.of(link))["resultingPhoneNumberIds"] == [number["id"]]
    assert len(await any_scene.events("whatsapp.phone_number.created")) == 1
    subscribed = [call for call in await any_scene.sandbox.calls("subscribed_apps") if call["method"] == "POST"]
    assert {call["path"].split("/")[-2] for call in subscribed} == {number["metaWabaId"]}
    for person in people:
        await person.goes_back_to_the_company()
    assert {landing.parameters["phone_number_id"] for landing in any_scene.company.landings} == {
        number["metaPhoneNumberId"]
    }


async def test_metas_answer_in_another_browser_connects_nothing_and_burns_nothing(
    scene: Scene, new_person: NewPerson
) -> None:
    link = await scene.link()
    owner, stranger = await new_person(**PHONE), await new_person()
    await owner.begins(link["url"])
    callback = await owner.at_facebook().finish_without_going()
    await stranger.opens(callback)
    await stranger.sees("This is another browser", "another-browser")
    assert (await scene.of(link))["phase"] == "authorizing"
    assert await scene.sandbox.calls("exchange") == []

    await owner.opens(callback)
    await owner.sees(CONNECTED)
    assert (await scene.of(link))["status"] == "completed"


async def test_metas_answer_loaded_twice_shows_where_things_stand(scene: Scene, person_on_a_phone: Person) -> None:
    link = await scene.link()
    answers: list[str] = []
    person_on_a_phone.page.on(
        "request", lambda request: answers.append(request.url) if "/meta/callback" in request.url else None
    )
    await person_on_a_phone.begins(link["url"])
    await person_on_a_phone.at_facebook().finish()
    await person_on_a_phone.sees(CONNECTED)
    [answer] = answers
    await person_on_a_phone.opens(answer)
    await person_on_a_phone.sees(CONNECTED)
    assert len(await scene.sandbox.calls("exchange")) == 1
    assert len(await scene.numbers()) == 1

"""A reconnect link renews the connection of one number, and of no other."""

import pytest

from tests.e2e.person import CONNECTED, Person
from tests.e2e.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="session")
RENEW = "Renew your connection to Acme SaaS"


async def test_another_number_is_refused_and_the_right_one_renews(any_scene: Scene, person: Person) -> None:
    first = await any_scene.link()
    await person.connects(first["url"])
    await person.goes_back_to_the_company()
    [number] = await any_scene.numbers()
    link = await any_scene.link(reconnectPhoneNumberId=number["id"])
    assert link["purpose"] == "reconnect"

    await person.opens(link["url"])
    await person.sees(RENEW, "landing")
    await person.reads(number["displayPhoneNumber"])
    await person.presses("Continue with Facebook")
    dialog = await person.opens_facebook()
    dialog.business, dialog.business_name = "new", "Another business"
    await dialog.finish()
    await person.sees("That was another number", "another-number")
    assert (await any_scene.told("setup_link.visit_ended"))["code"] == "number_mismatch"
    assert (await any_scene.of(link))["phase"] == "started"
    assert [one["id"] for one in await any_scene.numbers() if one["status"] == "active"] == [number["id"]]

    await person.presses("Continue with Facebook")
    dialog = await person.opens_facebook()
    dialog.business_name, dialog.number = "", ""  # what Meta has preset: this link's own account
    await dialog.finish()
    await person.sees(CONNECTED, "renewed")
    await person.goes_back_to_the_company()
    told = await any_scene.told("whatsapp.phone_number.reconnected")
    assert told["phone_number_id"] == number["metaPhoneNumberId"]
    assert (await any_scene.of(link))["resultingPhoneNumberIds"] == [number["id"]]
    assert len(await any_scene.events("whatsapp.phone_number.created")) == 1
    [again] = [one for one in await any_scene.numbers() if one["status"] == "active"]
    assert again["id"] == number["id"]

"""The wrong business was connected: whoever did it undoes it on the spot."""

import pytest

from tests.e2e.person import Person
from tests.e2e.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_undoing_a_connection_takes_the_number_away_from_the_company(scene: Scene, person: Person) -> None:
    link = await scene.link()
    await person.connects(link["url"])
    [number] = await scene.numbers()
    await person.presses("Stay here")
    await person.presses("Disconnect it")
    await person.sees("The connection is undone", "undone")
    await person.reads(number["displayPhoneNumber"])
    gone = await scene.told("whatsapp.phone_number.deleted")
    assert (gone["phone_number_id"], gone["reason"]) == (number["metaPhoneNumberId"], "not_mine")
    assert [one["status"] for one in await scene.numbers()] in ([], ["deleted"])
    assert (await scene.seen(f"/admin/customers/{scene.clinic}"))["connection"] == "none"
    unsubscribed = await scene.asked_of_meta("subscribed_apps", "DELETE")
    assert unsubscribed["path"].split("/")[-2] == number["metaWabaId"]
    await person.page.reload()
    await person.sees("The connection is undone")

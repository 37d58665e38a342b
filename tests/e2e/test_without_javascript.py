"""A browser without JavaScript: the full page works to the end, and pages that cannot work say what to do."""

import shutil
from pathlib import Path

import pytest

from setuplinks.core.clock import ManualClock
from setuplinks.core.db.open import FILE_NAME
from tests.e2e.conftest import PHONE, NewPerson
from tests.e2e.person import COEXISTENCE, CONNECTED, DEDICATED
from tests.e2e.scene import Scene, staged

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_full_page_works_to_the_end(scene: Scene, new_person: NewPerson) -> None:
    await scene.sandbox.hold("register")  # so that the finishing page has to refresh itself
    person = await new_person(**PHONE, java_script_enabled=False)
    link = await scene.link()
    await person.opens(link["url"])
    await person.reads("JavaScript is off in this browser. This page works without it")
    await person.begins(link["url"])
    await person.at_facebook().finish()
    await person.sees("Finishing the connection", "finishing")
    await scene.sandbox.let_go("register")
    await person.sees(CONNECTED, "done")
    await person.goes_back_to_the_company()
    assert (await scene.of(link))["status"] == "completed"


async def test_at_a_desk_facebook_opens_on_the_page(scene: Scene, new_person: NewPerson) -> None:
    person = await new_person(java_script_enabled=False)
    link = await scene.link()
    await person.begins(link["url"], COEXISTENCE)
    await person.reads("so Facebook opens on this page instead of in a window.")
    await person.photograph("sign-in")
    await person.presses("Open Facebook")
    await person.at_facebook().finish()
    await person.sees(CONNECTED)
    await person.goes_back_to_the_company()
    assert (await scene.numbers())[0]["connectionType"] == "coexistence"


async def test_where_only_the_window_will_do_the_page_says_so(
    clock: ManualClock, data_dir: Path, sqlite_template: Path, new_person: NewPerson
) -> None:
    shutil.copy(sqlite_template / FILE_NAME, data_dir / FILE_NAME)
    async with staged(clock, data_dir, meta_page_extras="off") as scene:
        person = await new_person(**PHONE, java_script_enabled=False)
        link = await scene.link()
        await person.begins(link["url"], COEXISTENCE)
        await person.reads("This step needs it: turn it on for this page, or open your link in another browser.")
        await person.photograph("needs-javascript")
        assert await person.page.get_by_role("button").count() == 0
        await person.page.context.close()
        with_javascript = await new_person(**PHONE)
        await with_javascript.begins(link["url"], DEDICATED)
        assert await with_javascript.at_facebook().screen() == "business"


async def test_stopping_and_undoing_need_no_script(scene: Scene, new_person: NewPerson) -> None:
    person = await new_person(**PHONE, java_script_enabled=False)
    link = await scene.link()
    await person.begins(link["url"])
    await person.at_facebook().cancel_at("profile")
    await person.sees("Facebook did not finish the connection")
    await person.presses("Continue with Facebook")
    await person.chooses(DEDICATED)
    await person.at_facebook().finish()
    await person.sees(CONNECTED)
    await person.presses("Disconnect it")
    await person.sees("The connection is undone")
    assert (await scene.told("whatsapp.phone_number.deleted"))["reason"] == "not_mine"

"""Row 3b: whoever presses Continue while the work goes on, or waits for an answer, sees how it stands, anywhere."""

import contextlib

import pytest

from setuplinks.setup_links.machine import VISITS_CAP
from tests.integration.setup_links.desk import Desk
from tests.support.customer import Customer, a_customer


@pytest.mark.parametrize(
    ("scenario", "page"), [("already_registered_pin", "pin"), ("several_numbers", "numbers"), ("no_waba", "no_number")]
)
async def test_a_second_browser_sees_the_open_question(
    desk: Desk, customer: Customer, scenario: str, page: str
) -> None:
    link = await desk.link()
    await customer.walk(link["url"], desk.service.sandbox, scenario=scenario)
    await desk.service.drain()
    before = await desk.row(link)
    async with a_customer(desk.service.url) as colleague:
        await colleague.open(link["url"])
        await colleague.press()
        assert colleague.page == page
        await customer.look_again()
        assert customer.page == page
    assert await desk.row(link) == before
    assert "joined" in await desk.steps(link)
    assert len(await desk.rows("visit")) == 2


async def test_browsers_that_join_count_as_visits_and_one_too_many_ends_nothing(desk: Desk, customer: Customer) -> None:
    link = await desk.link()
    await customer.walk(link["url"], desk.service.sandbox, scenario="already_registered_pin")
    await desk.service.drain()
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(VISITS_CAP - 1):
            colleague = await stack.enter_async_context(a_customer(desk.service.url))
            await colleague.open(link["url"])
            await colleague.press()
            assert colleague.page == "pin"
        late = await stack.enter_async_context(a_customer(desk.service.url))
        await late.open(link["url"])
        await late.press()
        assert (late.page, late.reply.status) == ("trouble", 429)
        await colleague.open(link["url"])
        await colleague.press()  # a browser that is known already
        assert colleague.page == "pin"
    assert len(await desk.rows("visit")) == VISITS_CAP
    assert await desk.phase(link) == "action_required"
    await desk.service.db.unit(desk.service.parts.questions.answer_pin, desk.acme.id, link["id"], "654321")
    await desk.service.drain()
    assert await desk.phase(link) == "completed"

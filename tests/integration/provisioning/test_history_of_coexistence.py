"""Coexistence: Meta is asked once for contacts and chats; how far the chats have come is kept with the number."""

import asyncio
from typing import Any

import pytest

from setuplinks.core.clock import DAY, HOUR, SECOND
from tests.integration.setup_links.desk import Desk
from tests.support import notices
from tests.support.customer import Customer

COEXISTENCE = {"allowedConnectionTypes": ["coexistence"], "syncHistory": True}


async def connected(desk: Desk, customer: Customer, scenario: str | None = None) -> dict[str, Any]:
    """A number of the WhatsApp Business app, and all that Meta tells of it at once."""
    link = await desk.link(**COEXISTENCE)
    await customer.walk(link["url"], desk.service.sandbox, scenario=scenario, connection_type="coexistence")
    await desk.service.drain()
    return link


async def history(desk: Desk) -> dict[str, Any] | None:
    [number] = await desk.numbers()
    found: dict[str, Any] | None = number["historySync"]
    return found


async def until_over(desk: Desk) -> dict[str, Any]:
    """Meta sends its chunks by itself: they are handled as they come."""
    async with asyncio.timeout(60):
        while True:
            await desk.service.drain()
            found = await history(desk)
            if found is not None and (found["declined"] or found["progress"] == 100):
                return found
            await asyncio.sleep(0.02)


async def steps(desk: Desk, link: dict[str, Any]) -> list[str]:
    rows = (await desk.acme.api.get(f"/admin/setup-links/{link['id']}/timeline")).json["data"]
    return [row["kind"] for row in rows]


@pytest.mark.parametrize("scenario", ["default", "history_out_of_order"])
async def test_the_history_that_came_whole_is_shown_and_stands_in_the_timeline(
    desk: Desk, customer: Customer, scenario: str
) -> None:
    link = await connected(desk, customer, scenario)
    found = await until_over(desk)
    assert found == {"phase": 2, "progress": 100, "declined": False, "updatedAt": "2026-05-18T12:00:00Z"}
    assert (await steps(desk, link)).count("history_synced") == 1


async def test_a_history_that_is_not_shared_is_shown_as_declined(desk: Desk, customer: Customer) -> None:
    link = await connected(desk, customer, "history_declined")
    found = await until_over(desk)
    assert (found["declined"], found["progress"]) == (True, None)
    assert (await steps(desk, link)).count("history_declined") == 1
    [number] = await desk.numbers()
    assert number["status"] == "active"


async def test_without_a_history_there_is_nothing_to_show(desk: Desk, customer: Customer) -> None:
    link = await desk.link(allowedConnectionTypes=["coexistence"])
    await customer.walk(link["url"], desk.service.sandbox, connection_type="coexistence")
    await desk.service.drain()
    assert await history(desk) is None


def chunk(number: dict[str, Any], phase: int, progress: int) -> dict[str, Any]:
    told = notices.sample(
        "history_chunk", waba=number["metaWabaId"], number=number["metaPhoneNumberId"],
        display=number["displayPhoneNumber"],
    )  # fmt: skip
    told["entry"][0]["changes"][0]["value"]["history"][0]["metadata"] = {
        "phase": phase, "chunk_order": 1, "progress": progress
    }  # fmt: skip
    return told


async def test_progress_goes_only_forward_whatever_the_order_and_however_many_at_once(
    desk: Desk, customer: Customer
) -> None:
    await desk.service.sandbox.change_settings(notifications=False)
    await connected(desk, customer)
    [number] = await desk.numbers()
    places = [(1, 40), (0, 10), (1, 55), (0, 30), (1, 35), (0, 20)]
    for phase, progress in places:
        assert await notices.post(desk.service.url, notices.body_of(chunk(number, phase, progress))) == 200
    await desk.service.drain()
    found = await history(desk)
    assert found is not None
    assert (found["phase"], found["progress"]) == (1, 55)
    assert len(await desk.service.db.read("SELECT 1 FROM event WHERE type = 'whatsapp.history'")) == len(places)


async def test_a_new_onboarding_begins_its_history_anew(desk: Desk, customer: Customer) -> None:
    await desk.service.sandbox.change_settings(notifications=False)
    await connected(desk, customer)
    [number] = await desk.numbers()
    for wait, phase, progress, expected in ((0, 2, 100, 100), (HOUR, 0, 10, 100), (2 * DAY, 0, 20, 20)):
        await desk.service.advance(wait)
        assert await notices.post(desk.service.url, notices.body_of(chunk(number, phase, progress))) == 200
        await desk.service.drain()
        found = await history(desk)
        assert found is not None
        assert found["progress"] == expected


@pytest.mark.parametrize("code", [2593107, 2593108])
async def test_a_sync_that_was_asked_for_before_or_comes_too_late_holds_no_link(
    desk: Desk, customer: Customer, code: int
) -> None:
    await desk.service.sandbox.fault("smb_app_data", times=None, code=code)
    link = await connected(desk, customer)
    assert (await desk.acme.api.get(f"/admin/setup-links/{link['id']}")).json["status"] == "completed"
    assert len(await desk.service.sandbox.calls("smb_app_data")) == 2, "each type once"


async def test_an_answer_that_got_lost_is_asked_again_and_already_called_is_fine(
    desk: Desk, customer: Customer
) -> None:
    # Meta does it, and its answer never arrives: the step runs again and hears 2593107.
    await desk.service.sandbox.fault("smb_app_data", times=1, status=502, body="<html>")
    link = await connected(desk, customer)
    await desk.service.advance(5 * SECOND)
    await desk.service.advance(30 * SECOND)
    assert (await desk.acme.api.get(f"/admin/setup-links/{link['id']}")).json["status"] == "completed"
    [number] = await desk.numbers()
    assert (number["status"], number["isCoexistence"]) == ("active", True)


async def test_a_meta_that_is_away_for_a_day_ends_the_sync_by_its_24_hours_and_not_the_number(
    desk: Desk, customer: Customer
) -> None:
    await desk.service.sandbox.fault("smb_app_data", times=None, code=2)
    link = await connected(desk, customer)
    for _ in range(23):
        await desk.service.advance(HOUR)
    assert (await desk.acme.api.get(f"/admin/setup-links/{link['id']}")).json["phase"] == "provisioning"
    await desk.service.sandbox.no_more_faults()
    await desk.service.sandbox.fault("smb_app_data", times=None, code=2593108)
    await desk.service.advance(40 * 60 * SECOND)
    assert (await desk.acme.api.get(f"/admin/setup-links/{link['id']}")).json["status"] == "completed"


async def test_a_sync_that_meta_never_answers_holds_no_link_either(desk: Desk, customer: Customer) -> None:
    await desk.service.sandbox.fault("smb_app_data", times=None, code=2)
    link = await connected(desk, customer)
    for _ in range(26):
        await desk.service.advance(HOUR)
    assert (await desk.acme.api.get(f"/admin/setup-links/{link['id']}")).json["status"] == "completed"
    assert (await desk.numbers())[0]["status"] == "active"

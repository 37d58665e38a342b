"""Meta shares an account with our app, no browser brings a code: recovered for its reconnect link, else an orphan."""

import asyncio
from typing import Any

import pytest

from setuplinks.core.clock import DAY, MINUTE, SECOND
from tests.integration.notifications.conftest import connect, settled
from tests.integration.setup_links.desk import Desk
from tests.support import notices
from tests.support.customer import Customer, a_customer
from tests.support.service import RunningService

ORPHANS = "/admin/orphan-authorisations"
GRACE = 5 * MINUTE + SECOND


async def orphans(service: RunningService, query: str = "") -> list[dict[str, Any]]:
    """The rows as the operator sees them."""
    found: list[dict[str, Any]] = (await service.operator.get(ORPHANS + query)).json["data"]
    return found


async def states(service: RunningService) -> list[str]:
    """Their statuses, newest first."""
    return [row["status"] for row in await orphans(service)]


async def lost(desk: Desk, person: Customer, link: dict[str, Any], **choices: Any) -> dict[str, Any]:
    """The customer grants everything at Meta, and the browser never comes back."""
    dialog = await person.go_to_meta(link["url"])
    played = await desk.service.sandbox.play(dialog, **choices)
    await settled(desk.service.sandbox)
    await desk.service.drain()
    return played


async def orphaned(desk: Desk, person: Customer) -> tuple[dict[str, Any], dict[str, Any]]:
    """A signup whose browser never came back, after the time in which it might; the row and what the sandbox says."""
    played = await lost(desk, person, await desk.link())
    await desk.service.advance(GRACE)
    [row] = await orphans(desk.service)
    return row, played


async def cut_off(desk: Desk, person: Customer) -> tuple[dict[str, Any], str]:
    """A number that was connected and removed at Meta: its reconnect link, and Meta's id of its account."""
    service = desk.service
    await desk.connected(person)
    [number] = await desk.numbers()
    waba = str(number["metaWabaId"])
    await service.sandbox.ask("POST", f"/sandbox/wabas/{waba}/account-update", {"event": "PARTNER_REMOVED"})
    await settled(service.sandbox)
    await service.advance(MINUTE)
    [cut] = await desk.told("whatsapp.phone_number.disconnected")
    return {"id": cut["reconnect_setup_link_id"], "url": cut["reconnect_url"]}, waba


def told(waba: str, event: str, at: int, business: str = "2729063490586005") -> bytes:
    """A PARTNER_* notice of Meta's, told at this instant (µs)."""
    found = notices.sample("account_update_partner_added", waba=waba)
    [entry] = found["entry"]
    entry["time"] = at // SECOND
    value = entry["changes"][0]["value"]
    value["event"], value["waba_info"]["owner_business_id"] = event, business
    return notices.body_of(found)


async def tell(service: RunningService, waba: str, event: str = "PARTNER_ADDED", **more: Any) -> None:
    """Meta tells it, and it is handled."""
    at = more.pop("at", service.clock.now())
    assert await notices.post(service.url, told(waba, event, at, **more)) == 200
    await service.drain()


async def test_what_a_browser_brings_as_well_is_no_orphan_in_either_order(desk: Desk, customer: Customer) -> None:
    service, link = desk.service, await desk.link()
    dialog = await customer.go_to_meta(link["url"])
    played = await service.sandbox.play(dialog)
    await settled(service.sandbox)
    await service.drain()
    assert await states(service) == ["awaited"]  # told before the code came
    await customer.open(played["redirectUrl"].partition("#")[0])
    await service.drain()
    assert await desk.phase(link) == "completed"
    assert await orphans(service) == []
    await tell(service, played["wabaIds"][0], "PARTNER_APP_INSTALLED", at=service.clock.now() + 2 * SECOND)
    await service.advance(GRACE)
    assert await orphans(service) == []  # told after it was connected


async def test_nobody_gets_an_account_by_guess(desk: Desk, customer: Customer) -> None:
    row, played = await orphaned(desk, customer)
    assert (row["status"], row["metaWabaId"]) == ("open", played["wabaIds"][0])
    assert row["ownerBusinessId"] == played["businessId"]
    assert (row["customerId"], row["setupLinkId"], row["lastError"]) == (None, None, None)
    assert "Assign it" in row["message"]
    assert await desk.rows("provisioning") == []
    assert await desk.service.sandbox.calls("system_user_access_tokens") == []
    assert (await desk.acme.api.get(ORPHANS)).status == 403
    assert (await desk.acme.api.get(f"{ORPHANS}/{row['id']}")).status == 403


async def test_a_customer_who_starts_again_closes_it(desk: Desk, customer: Customer) -> None:
    service, link = desk.service, await desk.link()
    played = await lost(desk, customer, link)
    await service.advance(GRACE)
    assert await states(service) == ["open"]
    dialog = await customer.go_to_meta(link["url"])
    again = await service.sandbox.play(dialog, wabaId=played["wabaIds"][0])
    await settled(service.sandbox)
    await service.drain()
    await customer.open(again["redirectUrl"].partition("#")[0])
    await service.drain()
    assert await desk.phase(link) == "completed"
    assert await states(service) == []  # the new grant was awaited again, and came
    await service.advance(GRACE)
    assert await orphans(service, "?status=open") == []


async def test_a_reconnect_whose_browser_is_lost_is_recovered_after_a_while(desk: Desk, customer: Customer) -> None:
    service = desk.service
    link, waba = await cut_off(desk, customer)
    played = await lost(desk, customer, link)
    assert played["wabaIds"] == [waba]
    assert await desk.phase(link) == "authorizing"  # the code may come any second
    await service.advance(2 * MINUTE)
    assert await desk.phase(link) == "authorizing"
    await service.advance(GRACE)
    assert await desk.phase(link) == "completed"
    assert [one["status"] for one in await desk.numbers()] == ["active"]
    assert len(await desk.told("whatsapp.phone_number.reconnected")) == 1
    assert "permission_recovered" in await desk.steps(link)
    assert await states(service) == ["connected"]
    await customer.open(played["redirectUrl"].partition("#")[0])  # and then the browser comes after all
    await service.drain()
    assert customer.page == "done"
    assert len([run for run in await desk.rows("provisioning") if run["link_id"] == link["id"]]) == 1


async def test_a_browser_that_comes_within_the_grace_is_first(desk: Desk, customer: Customer) -> None:
    service = desk.service
    link, _ = await cut_off(desk, customer)
    played = await lost(desk, customer, link)
    await customer.open(played["redirectUrl"].partition("#")[0])  # within the grace: its own code wins
    await service.drain()
    await service.advance(GRACE)
    assert await desk.phase(link) == "completed"
    assert await service.sandbox.calls("system_user_access_tokens") == []
    assert await orphans(service) == []
    assert len([run for run in await desk.rows("provisioning") if run["link_id"] == link["id"]]) == 1


async def test_a_browser_and_the_recovery_at_the_same_moment_make_one_provisioning(
    desk: Desk, customer: Customer
) -> None:
    service = desk.service
    await desk.connected(customer)
    [number] = await desk.numbers()
    service.clock.advance(MINUTE)
    link = (await desk.acme.api.post(f"/admin/phone-numbers/{number['id']}/reconnect-link", {})).json
    played = await lost(desk, customer, link)
    service.clock.advance(GRACE)  # not Meta's: its code still works
    await asyncio.gather(customer.open(played["redirectUrl"].partition("#")[0]), service.drain())
    await service.drain()
    service.clock.advance(2 * MINUTE)
    await service.drain()
    assert await desk.phase(link) == "completed"
    runs = [run for run in await desk.rows("provisioning") if run["link_id"] == link["id"]]
    assert [run["status"] for run in runs] == ["done"]
    assert [run["token"] for run in runs] == [None]
    assert len(await desk.told("whatsapp.phone_number.reconnected")) == 1
    assert await orphans(service, "?status=open") == []


async def test_a_reconnect_link_that_nobody_opened_takes_a_grant_from_elsewhere_at_once(
    desk: Desk, customer: Customer
) -> None:
    service = desk.service
    await desk.connected(customer)
    [number] = await desk.numbers()
    link = (await desk.acme.api.post(f"/admin/phone-numbers/{number['id']}/reconnect-link", {})).json
    service.clock.advance(MINUTE)
    [waba] = await desk.rows("waba")
    await tell(service, number["metaWabaId"], business=waba["business_id"])
    assert await desk.phase(link) == "completed"
    assert (await desk.of(link))["usedAt"] is None
    assert len(await desk.told("whatsapp.phone_number.reconnected")) == 1


async def test_news_from_before_the_reconnect_link_recovers_nothing(desk: Desk, customer: Customer) -> None:
    service = desk.service
    await desk.connected(customer)
    [number] = await desk.numbers()
    told_at = service.clock.now()
    await service.advance(MINUTE)
    link = (await desk.acme.api.post(f"/admin/phone-numbers/{number['id']}/reconnect-link", {})).json
    await tell(service, number["metaWabaId"], at=told_at)
    await service.advance(GRACE)
    assert await desk.phase(link) == "pending"
    assert await orphans(service) == []


async def test_links_of_two_customers_for_one_account_are_left_to_the_operator(desk: Desk, customer: Customer) -> None:
    service = desk.service
    await desk.connected(customer)
    [number] = await desk.numbers()
    other = await desk.another_customer()
    async with a_customer(service.url) as person:
        await connect(service, desk.acme, other, person)
    # The branch's number stands on the clinic's account from here on, as where two locations share one.
    for table in ("waba", "phone_number"):
        text = f"UPDATE {table} SET meta_waba_id = $1 WHERE customer_id = $2"  # noqa: S608 - a test's own word
        await service.db.bulk(text, number["metaWabaId"], other)
    await service.sandbox.ask(
        "POST", f"/sandbox/wabas/{number['metaWabaId']}/account-update", {"event": "PARTNER_REMOVED"}
    )
    await settled(service.sandbox)
    await service.advance(MINUTE)
    assert len(await desk.told("whatsapp.phone_number.disconnected")) == 2
    [waba, _] = await desk.rows("waba")
    await tell(service, number["metaWabaId"], business=waba["business_id"])
    [row] = await orphans(service)
    assert (row["status"], row["lastError"]) == ("open", "several_links")


@pytest.mark.parametrize("times", [1, 3])
async def test_metas_repeats_make_one_row(desk: Desk, times: int) -> None:
    for turn in range(times):
        await tell(desk.service, "777", ("PARTNER_ADDED", "PARTNER_APP_INSTALLED")[turn % 2])
        desk.service.clock.advance(SECOND)
    await desk.service.advance(GRACE)
    assert await states(desk.service) == ["open"]


async def test_what_the_customer_takes_back_is_closed_and_a_late_word_of_it_opens_nothing(desk: Desk) -> None:
    service = desk.service
    await tell(service, "777")
    first = service.clock.now()
    await service.advance(GRACE)
    await tell(service, "777", "PARTNER_REMOVED")
    assert await states(service) == ["removed"]
    await tell(service, "777", "PARTNER_APP_INSTALLED", at=first + SECOND)
    await service.advance(GRACE)
    assert await states(service) == ["removed"]
    await tell(service, "888", "PARTNER_REMOVED")  # the order of Meta's is not promised
    await tell(service, "888", at=first)
    await service.advance(GRACE)
    assert await orphans(service, "?status=open") == []
    await tell(service, "777")
    await service.advance(GRACE)
    assert [row["metaWabaId"] for row in await orphans(service, "?status=open")] == ["777"]


async def test_another_app_of_the_partner_is_none_of_our_business(desk: Desk) -> None:
    found = notices.sample("account_update_partner_app_installed", waba="777")
    found["entry"][0]["changes"][0]["value"]["waba_info"]["partner_app_id"] = "99"
    assert await notices.post(desk.service.url, notices.body_of(found)) == 200
    await desk.service.advance(GRACE)
    assert await orphans(desk.service) == []


async def test_a_dismissed_one_stays_so_until_it_is_granted_anew(desk: Desk) -> None:
    service = desk.service
    await tell(service, "777")
    [waiting] = await orphans(service)
    early = await service.operator.post(f"{ORPHANS}/{waiting['id']}/dismiss")
    assert (early.status, early.code) == (409, "orphan_not_open")
    assert "five minutes" in early.json["detail"]
    await service.advance(GRACE)
    assert (await service.operator.post(f"{ORPHANS}/{waiting['id']}/dismiss")).status == 204
    assert (await service.operator.post(f"{ORPHANS}/{waiting['id']}/dismiss")).status == 409
    assert (await service.operator.post(f"{ORPHANS}/999/dismiss")).status == 404
    await tell(service, "777", "PARTNER_APP_INSTALLED", at=service.clock.now() - MINUTE)
    await service.advance(GRACE)
    assert await states(service) == ["dismissed"]
    await tell(service, "777")
    await service.advance(GRACE)
    assert await states(service) == ["open"]


async def test_closed_ones_are_dropped_and_open_ones_are_kept(desk: Desk) -> None:
    service = desk.service
    await tell(service, "777")
    await tell(service, "888")
    await service.advance(GRACE)
    await tell(service, "777", "PARTNER_REMOVED")
    await service.advance(91 * DAY)
    assert [(row["metaWabaId"], row["status"]) for row in await orphans(service)] == [("888", "open")]


async def test_the_list_has_pages_and_filters(desk: Desk) -> None:
    service = desk.service
    for waba in ("701", "702", "703"):
        await tell(service, waba)
        service.clock.advance(SECOND)
    first = (await service.operator.get(f"{ORPHANS}?limit=2")).json
    rest = (await service.operator.get(f"{ORPHANS}?limit=2&after={first['nextCursor']}")).json
    assert [row["metaWabaId"] for row in first["data"] + rest["data"]] == ["703", "702", "701"]
    assert [row["metaWabaId"] for row in await orphans(service, "?metaWabaId=702&status=awaited")] == ["702"]
    assert (await service.operator.get(f"{ORPHANS}?status=lost")).status == 422

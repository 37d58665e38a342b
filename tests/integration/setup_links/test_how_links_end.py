"""Rows 1 and 14 to 18 of the transition table: superseded, expired, revoked, failed, and what a late comer finds."""

from urllib.parse import parse_qs, urlsplit

import pytest

from setuplinks.core.clock import DAY, HOUR, MINUTE, SECOND
from tests.integration.setup_links.desk import Desk
from tests.support.customer import Customer, a_customer


async def test_a_newer_link_supersedes_an_open_one(desk: Desk, customer: Customer) -> None:
    first = await desk.link()
    second = await desk.link()
    old = await desk.of(first)
    assert (old["status"], old["phase"], old["endedReason"], old["url"]) == ("revoked", "revoked", "superseded", None)
    [revoked] = await desk.told("setup_link.revoked")
    assert (revoked["setup_link_id"], revoked["reason"]) == (first["id"], "superseded")
    assert revoked["superseded_by"] == second["id"]
    assert (await desk.row(first))["url_secret"] is None
    reply = await customer.open(first["url"])
    assert (reply.status, customer.page) == (410, "revoked")


async def test_one_that_was_abandoned_at_meta_is_superseded_too_and_its_code_is_spent_on_nobody(
    desk: Desk, customer: Customer
) -> None:
    first = await desk.link()
    played = await desk.service.sandbox.play(await customer.go_to_meta(first["url"]))
    await desk.link()
    await customer.open(played["redirectUrl"].partition("#")[0])
    assert customer.page == "revoked"
    assert await desk.service.sandbox.calls("exchange") == []
    assert await desk.rows("provisioning") == []


async def test_one_that_is_being_provisioned_is_in_use(desk: Desk, customer: Customer) -> None:
    first = await desk.link()
    await customer.walk(first["url"], desk.service.sandbox)
    reply = await desk.acme.api.post(f"/admin/customers/{desk.clinic}/setup-links", {})
    assert (reply.status, reply.code) == (409, "link_in_use")
    assert reply.json["setupLinkId"] == first["id"]
    assert (await desk.acme.api.post(f"/admin/setup-links/{first['id']}/revoke")).status == 200
    assert (await desk.acme.api.post(f"/admin/customers/{desk.clinic}/setup-links", {})).status == 201


async def test_links_of_two_customers_and_a_reconnect_stand_side_by_side(desk: Desk, customer: Customer) -> None:
    await desk.connected(customer)
    [number] = await desk.numbers()
    reconnect = await desk.acme.api.made(
        f"/admin/customers/{desk.clinic}/setup-links", {"reconnectPhoneNumberId": number["id"]}
    )
    other = await desk.another_customer()
    await desk.acme.api.made(f"/admin/customers/{other}/setup-links", {})
    mine = await desk.link()
    assert [await desk.phase(link) for link in (reconnect, mine)] == ["pending", "pending"]


async def test_an_expired_link_reads_as_expired_at_once_and_is_told_once_by_the_sweeper(
    desk: Desk, customer: Customer
) -> None:
    link = await desk.link(expiresAt="2026-05-18T13:00:00Z")
    desk.service.clock.advance(HOUR)
    shown = await desk.of(link)
    assert (shown["status"], shown["phase"], shown["url"]) == ("expired", "expired", None)
    assert (await desk.row(link))["phase"] == "pending"
    for _ in range(3):
        await desk.service.drain()
    row = await desk.row(link)
    assert (row["phase"], row["url_secret"], row["due_at"]) == ("expired", None, None)
    assert len(await desk.told("setup_link.expired")) == 1
    reply = await customer.open(link["url"])
    assert (reply.status, customer.page) == (410, "expired")


async def test_a_visit_begun_before_the_expiry_has_an_hour_of_grace(desk: Desk, customer: Customer) -> None:
    link = await desk.link(expiresAt="2026-05-18T13:00:00Z")
    await desk.service.advance(59 * MINUTE)
    played = await desk.service.sandbox.play(await customer.go_to_meta(link["url"]))
    await desk.service.advance(20 * SECOND)
    desk.service.clock.advance(59 * MINUTE)  # Meta's clock stays: the code is still fresh there
    await desk.service.drain()
    assert await desk.phase(link) == "authorizing"
    await customer.open(played["redirectUrl"].partition("#")[0])
    await desk.service.drain()
    assert await desk.phase(link) == "completed"


async def test_after_the_grace_a_grant_comes_too_late_and_no_code_is_spent(desk: Desk, customer: Customer) -> None:
    link = await desk.link(expiresAt="2026-05-18T13:00:00Z")
    await desk.service.advance(59 * MINUTE)
    dialog = await customer.go_to_meta(link["url"])
    await desk.service.advance(61 * MINUTE)
    assert await desk.phase(link) == "expired"
    played = await desk.service.sandbox.play(dialog)
    await customer.open(played["redirectUrl"].partition("#")[0])
    assert customer.page == "expired"
    assert await desk.service.sandbox.calls("exchange") == []
    assert await desk.rows("credential") == []


async def test_nobody_starts_within_the_grace_and_a_cancel_there_ends_the_link(desk: Desk, customer: Customer) -> None:
    link = await desk.link(expiresAt="2026-05-18T13:00:00Z")
    await desk.service.advance(59 * MINUTE)
    dialog = await customer.go_to_meta(link["url"])
    await desk.service.advance(10 * MINUTE)
    async with a_customer(desk.service.url) as other:
        await other.open(link["url"])
        if other.page == "landing":
            await other.press()
        assert other.page in {"expired", "landing"}
    assert len(await desk.rows("visit")) == 1
    played = await desk.service.sandbox.play(dialog, scenario="denied")
    await customer.open(played["redirectUrl"].partition("#")[0])
    await desk.service.drain()
    assert await desk.phase(link) == "expired"


async def test_a_provisioning_does_not_expire(desk: Desk, customer: Customer) -> None:
    link = await desk.link(expiresAt="2026-05-18T13:00:00Z")
    await desk.service.sandbox.fault("phone_numbers", times=None, status=503)
    await customer.walk(link["url"], desk.service.sandbox)
    await desk.service.advance(5 * HOUR)
    assert await desk.phase(link) == "provisioning"
    await desk.service.sandbox.no_more_faults()
    await desk.service.advance(HOUR)
    assert await desk.phase(link) == "completed"


@pytest.mark.parametrize("how_far", ["pending", "started", "authorizing"])
async def test_a_waiting_link_is_revoked_for_good(desk: Desk, customer: Customer, how_far: str) -> None:
    link = await desk.link(allowedConnectionTypes=["dedicated", "coexistence"])
    if how_far != "pending":
        await customer.open(link["url"])
        await customer.press()
    if how_far == "authorizing":
        await customer.press("/authorize", connection_type="dedicated")
    assert await desk.phase(link) == how_far
    answer = (await desk.acme.api.post(f"/admin/setup-links/{link['id']}/revoke")).json
    assert (answer["status"], answer["phase"], answer["url"], answer["endedReason"]) == (
        "revoked", "revoked", None, "revoked",
    )  # fmt: skip
    again = await desk.acme.api.post(f"/admin/setup-links/{link['id']}/revoke")
    assert (again.status, again.code) == (409, "link_ended")
    assert len(await desk.told("setup_link.revoked")) == 1
    await desk.service.advance(8 * DAY)
    assert await desk.told("setup_link.expired") == []


async def test_revoking_while_it_provisions_stops_the_work_and_cleans_up_what_it_did(
    desk: Desk, customer: Customer
) -> None:
    link = await desk.link()
    await desk.service.sandbox.fault("register", times=None, status=503)
    played = await customer.walk(link["url"], desk.service.sandbox)
    await desk.service.drain()
    [run] = await desk.rows("provisioning")
    assert (run["status"], run["step"], run["token"] is None) == ("running", "register_number", False)
    assert await _subscribed(desk, played["wabaIds"][0])
    await desk.acme.api.post(f"/admin/setup-links/{link['id']}/revoke")
    await desk.service.drain()
    await desk.service.advance(MINUTE)
    [run] = await desk.rows("provisioning")
    assert (run["status"], run["token"], run["pin"], run["due_at"]) == ("revoked", None, None, None)
    assert not await _subscribed(desk, played["wabaIds"][0])
    assert await desk.rows("credential") == []
    assert await desk.rows("phone_number") == []
    await customer.look_again()
    assert customer.page == "revoked"


async def test_an_app_that_was_subscribed_before_this_run_stays_subscribed(desk: Desk, customer: Customer) -> None:
    await customer.walk((await desk.link())["url"], desk.service.sandbox)
    await desk.service.drain()
    [number] = await desk.numbers()
    link = await desk.link(reconnectPhoneNumberId=number["id"])
    await desk.service.sandbox.fault("phone", times=None, status=503)
    await customer.walk(link["url"], desk.service.sandbox)
    await desk.service.drain()
    await desk.service.sandbox.forget_calls()
    await desk.acme.api.post(f"/admin/setup-links/{link['id']}/revoke")
    await desk.service.advance(MINUTE)
    assert [call["method"] for call in await desk.service.sandbox.calls("subscribed_apps")] == []
    assert await _subscribed(desk, number["metaWabaId"])
    assert len(await desk.rows("credential")) == 1


async def _subscribed(desk: Desk, meta_waba_id: str) -> bool:
    state = await desk.service.sandbox.ask("GET", f"/sandbox/wabas/{meta_waba_id}")
    return bool(state["subscribedApps"])


async def test_a_customer_of_an_expired_link_asks_for_another_once_an_hour(desk: Desk, customer: Customer) -> None:
    link = await desk.link(expiresAt="2026-05-18T13:00:00Z")
    await desk.service.advance(2 * HOUR)
    for _ in range(3):
        await customer.open(link["url"])
        if customer.forms:
            await customer.press("/renew")
        assert customer.page == "expired"
    assert len(await desk.told("setup_link.renewal_requested")) == 1
    [asked] = await desk.told("setup_link.renewal_requested")
    assert (asked["setup_link_id"], asked["status"]) == (link["id"], "expired")
    assert {event["external_id"] for event in await desk.told()} == {"clinic_001"}


async def test_a_link_that_has_not_expired_cannot_be_renewed(desk: Desk, customer: Customer) -> None:
    link = await desk.link()
    await customer.open(link["url"])
    token = customer.forms[0].fields["form_token"]
    await customer._go("POST", link["url"] + "/renew", {"form_token": token})
    assert await desk.told("setup_link.renewal_requested") == []


@pytest.mark.parametrize("how_far", ["pending", "authorizing", "provisioning"])
async def test_suspending_a_tenant_fails_its_open_links(desk: Desk, customer: Customer, how_far: str) -> None:
    link = await desk.link()
    if how_far == "authorizing":
        await customer.go_to_meta(link["url"])
    if how_far == "provisioning":
        await desk.service.sandbox.fault("register", times=None, status=503)
        played = await customer.walk(link["url"], desk.service.sandbox)
        await desk.service.drain()
    await desk.service.operator.patch(f"/admin/tenants/{desk.acme.id}", {"status": "suspended"})
    await desk.service.advance(HOUR)
    shown = (await desk.service.operator.get(f"/admin/setup-links/{link['id']}")).json
    assert (shown["status"], shown["failure"]["code"], shown["url"]) == ("failed", "tenant_suspended", None)
    if how_far == "provisioning":
        [run] = await desk.rows("provisioning")
        assert (run["status"], run["token"]) == ("failed", None)
        assert not await _subscribed(desk, played["wabaIds"][0])
    async with a_customer(desk.service.url) as other:
        await other.open(link["url"])
        assert other.page == "failed"


async def test_a_suspended_tenant_makes_no_links_and_starts_none(desk: Desk, customer: Customer) -> None:
    link = await desk.link()
    await customer.open(link["url"])
    await desk.service.operator.patch(f"/admin/tenants/{desk.acme.id}", {"status": "suspended"})
    await customer.press()
    assert customer.page == "failed"
    reply = await desk.service.operator.post(f"/admin/customers/{desk.clinic}/setup-links", {})
    assert (reply.status, reply.code) == (409, "tenant_suspended")


async def test_only_an_active_customer_gets_links(desk: Desk) -> None:
    await desk.acme.api.patch(f"/admin/customers/{desk.clinic}", {"status": "inactive"})
    reply = await desk.acme.api.post(f"/admin/customers/{desk.clinic}/setup-links", {})
    assert (reply.status, reply.code) == (409, "customer_inactive")


async def test_24_hours_of_a_silent_meta_fail_the_link_and_erase_the_token(desk: Desk, customer: Customer) -> None:
    link = await desk.link()
    await desk.service.sandbox.fault("debug_token", times=None, status=503)
    await customer.walk(link["url"], desk.service.sandbox)
    for _ in range(60):
        await desk.service.advance(30 * MINUTE)
    shown = await desk.of(link)
    assert (shown["status"], shown["failure"]["code"]) == ("failed", "meta_unavailable")
    assert shown["failure"]["step"] == "inspect_token"
    [run] = await desk.rows("provisioning")
    assert (run["status"], run["token"]) == ("failed", None)
    await customer.look_again()
    assert customer.page == "failed"
    query = parse_qs(urlsplit(await customer.leave()).query)
    assert query["error_code"] == ["meta_unavailable"]


async def test_a_completed_link_shows_that_it_is_done_and_starts_no_more(desk: Desk, customer: Customer) -> None:
    link = await desk.link()
    await customer.walk(link["url"], desk.service.sandbox)
    await desk.service.drain()
    async with a_customer(desk.service.url) as other:
        reply = await other.open(link["url"])
        assert (reply.status, other.page) == (200, "already_connected")
    assert (await desk.acme.api.post(f"/admin/setup-links/{link['id']}/revoke")).status == 409
    assert len(await desk.rows("provisioning")) == 1


async def test_another_browser_sees_the_work_that_goes_on(desk: Desk, customer: Customer) -> None:
    link = await desk.link()
    await customer.walk(link["url"], desk.service.sandbox)
    async with a_customer(desk.service.url) as other:
        await other.open(link["url"])
        await other.press()
        assert other.page == "finishing"
        await desk.service.drain()
        await other.look_again()
        assert other.page == "done"
    assert len(await desk.rows("provisioning")) == 1
    assert len(await desk.told("setup_link.started")) == 1

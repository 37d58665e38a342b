"""What a dead connection means: cut off with a reason, told with a way back, brought back by Meta or by a link."""

import json
from typing import Any

import pytest

from setuplinks.core.clock import DAY, HOUR, MINUTE, SECOND
from tests.integration.notifications.conftest import Connected, connect
from tests.support.customer import Customer, a_customer
from tests.support.service import Tenant

DISCONNECTED, RECONNECTED = "whatsapp.phone_number.disconnected", "whatsapp.phone_number.reconnected"


def failing(number: dict[str, Any]) -> set[str]:
    return {row["check"] for row in number["readiness"] if not row["passed"]}


@pytest.mark.parametrize(
    ("sample", "reason", "checks"),
    [
        ("account_update_partner_removed", "app_removed", {"token", "subscribed"}),
        ("account_update_partner_app_uninstalled", "app_removed", {"token", "subscribed"}),
        ("account_update_partner_removed_in_app", "offboarded_in_app", {"registered"}),
        ("account_update_account_offboarded", "offboarded_in_app", {"registered"}),
        ("account_update_disabled", "account_disabled", {"can_send"}),
        ("account_update_disabled_older_shape", "account_disabled", {"can_send"}),
        ("account_update_account_deleted", "number_removed", {"registered", "can_send"}),
    ],
)
async def test_a_connection_that_meta_ends_is_told_with_its_reason_and_a_way_back(
    connected: Connected, sample: str, reason: str, checks: set[str]
) -> None:
    told = await connected.tell(sample)
    [event] = [one for one in told if one.type == DISCONNECTED]
    assert (event.data["reason"], event.data["status"]) == (reason, "disconnected")
    assert event.data["phone_number_id"] == connected.number
    assert event.data["external_id"] == "clinic_001"
    number = await connected.of_number()
    assert (number["status"], number["disconnectReason"], failing(number)) == ("disconnected", reason, checks)
    assert await connected.connection() == "disconnected"
    link = (await connected.tenant.api.get(f"/admin/setup-links/{event.data['reconnect_setup_link_id']}")).json
    assert (link["purpose"], link["status"]) == ("reconnect", "pending")
    assert link["url"] == event.data["reconnect_url"]
    assert link["reconnectPhoneNumberId"] == connected.phone_id


async def test_another_app_of_the_partner_that_goes_is_none_of_our_business(connected: Connected) -> None:
    told = connected.sample("account_update_partner_app_uninstalled")
    told["entry"][0]["changes"][0]["value"]["waba_info"]["partner_app_id"] = "99"
    assert await connected.tell(told) == []
    assert (await connected.of_number())["status"] == "active"


async def test_the_customer_reconnects_by_the_link_of_the_event(connected: Connected, customer: Customer) -> None:
    [event] = [one for one in await connected.tell("account_update_partner_removed") if one.type == DISCONNECTED]
    await customer.walk(event.data["reconnect_url"], connected.service.sandbox)
    await connected.service.drain()
    [again] = connected.inbox.of_type(RECONNECTED)
    assert again.data["phone_number_id"] == connected.number
    number = await connected.of_number()
    assert (number["status"], number["disconnectReason"], failing(number)) == ("active", None, set())
    assert await connected.connection() == "connected"
    assert connected.inbox.of_type("whatsapp.phone_number.created") == []


async def test_an_open_reconnect_link_is_given_again_and_never_replaced(connected: Connected) -> None:
    route = f"/admin/phone-numbers/{connected.phone_id}/reconnect-link"
    first = (await connected.tenant.api.post(route, {})).json
    [event] = [one for one in await connected.tell("account_update_partner_removed") if one.type == DISCONNECTED]
    again = (await connected.tenant.api.post(route, {})).json
    assert event.data["reconnect_url"] == first["url"] == again["url"]
    assert connected.inbox.of_type("setup_link.revoked") == []
    await connected.tenant.api.post(f"/admin/setup-links/{first['id']}/revoke", {})
    fresh = (await connected.tenant.api.post(route, {})).json
    assert fresh["id"] != first["id"]
    assert fresh["status"] == "pending"


async def test_a_reconnect_link_of_ours_has_the_tenants_defaults(connected: Connected) -> None:
    redirects = {"successRedirectUrl": "https://acme.example/done", "failureRedirectUrl": "https://acme.example/oops"}
    changed = await connected.tenant.api.patch(
        f"/admin/tenants/{connected.tenant.id}", {"defaultRedirects": redirects, "language": "es"}
    )
    assert changed.status == 200
    link = (await connected.tenant.api.post(f"/admin/phone-numbers/{connected.phone_id}/reconnect-link", {})).json
    assert {name: link[name] for name in redirects} == redirects


async def test_only_a_connected_number_of_ones_own_has_a_way_back(connected: Connected, stranger: Tenant) -> None:
    route = f"/admin/phone-numbers/{connected.phone_id}/reconnect-link"
    assert (await stranger.api.post(route, {})).status == 404
    await connected.tenant.api.delete(f"/admin/phone-numbers/{connected.phone_id}")
    assert (await connected.tenant.api.post(route, {})).status == 404


async def test_an_inactive_customers_number_is_told_without_a_link(connected: Connected) -> None:
    await connected.tenant.api.patch(f"/admin/customers/{connected.customer_id}", {"status": "inactive"})
    [event] = await connected.tell("account_update_partner_removed")
    assert (event.type, event.data["reconnect_url"]) == (DISCONNECTED, None)


async def test_the_links_secret_is_sealed_in_the_database(connected: Connected) -> None:
    [event] = [one for one in await connected.tell("account_update_partner_removed") if one.type == DISCONNECTED]
    secret = event.data["reconnect_url"].rpartition("-")[2]
    rows = await connected.service.db.read("SELECT body FROM event_payload")
    assert all(secret.encode() not in bytes(row["body"]) for row in rows)


async def test_the_same_news_twice_is_told_once(connected: Connected) -> None:
    await connected.tell("account_update_partner_removed")
    connected.service.clock.advance(MINUTE)
    assert await connected.tell("account_update_partner_removed") == []
    assert len(connected.inbox.of_type(DISCONNECTED)) == 1


async def test_news_from_before_the_present_grant_cuts_nothing_off(connected: Connected, customer: Customer) -> None:
    late = connected.sample("account_update_partner_removed")
    connected.service.clock.advance(HOUR)
    await connect(connected.service, connected.tenant, connected.customer_id, customer, wabaId=connected.waba)
    assert await connected.tell(late) == []
    assert (await connected.of_number())["status"] == "active"


@pytest.mark.parametrize(
    ("taken", "given_back"), [("account_offboarded", "account_reconnected"), ("disabled", "reinstated")]
)
async def test_what_meta_took_and_gives_back_works_again(connected: Connected, taken: str, given_back: str) -> None:
    await connected.tell(f"account_update_{taken}")
    connected.service.clock.advance(DAY)
    told = await connected.tell(f"account_update_{given_back}")
    [event] = [one for one in told if one.type == RECONNECTED]
    assert event.data["status"] == "active"
    number = await connected.of_number()
    assert (number["status"], number["disconnectReason"], failing(number)) == ("active", None, set())
    assert await connected.connection() == "connected"


async def test_an_older_event_that_comes_late_does_not_undo_a_newer_one(connected: Connected) -> None:
    late = connected.sample("account_update_account_offboarded")
    connected.service.clock.advance(MINUTE)
    back = connected.sample("account_update_account_reconnected")
    assert await connected.tell(back) == []
    assert await connected.tell(late) == []
    assert (await connected.of_number())["status"] == "active"


async def test_a_ban_that_is_lifted_does_not_bring_back_an_app_that_was_removed(connected: Connected) -> None:
    await connected.tell("account_update_disabled")
    connected.service.clock.advance(MINUTE)
    await connected.tell("account_update_partner_removed")
    connected.service.clock.advance(MINUTE)
    await connected.tell("account_update_reinstated")
    number = await connected.of_number()
    assert (number["status"], number["disconnectReason"]) == ("disconnected", "app_removed")


async def test_one_account_of_two_customers_dies_for_both(
    connected: Connected, stranger: Tenant, customer: Customer
) -> None:
    service = connected.service
    made = await stranger.api.made(f"/admin/tenants/{stranger.id}/customers", {"name": "Branch"})
    url = connected.inbox.url + "/stranger"
    await stranger.api.made(f"/admin/tenants/{stranger.id}/webhook-endpoints", {"url": url})
    async with a_customer(service.url) as person:
        played = await connect(service, stranger, made["id"], person)
    # The branch's number stands on the clinic's account from here on, as where two locations share one.
    branch = played["phoneNumberIds"][0]
    await service.db.bulk("UPDATE waba SET meta_waba_id = $1 WHERE tenant_id = $2", connected.waba, stranger.id)
    await service.db.bulk(
        "UPDATE phone_number SET meta_waba_id = $1 WHERE meta_phone_number_id = $2", connected.waba, branch
    )
    told = [one for one in await connected.tell("account_update_partner_removed") if one.type == DISCONNECTED]
    assert {(one.path, one.data["phone_number_id"]) for one in told} == {
        ("/hooks", connected.number),
        ("/hooks/stranger", branch),
    }


async def test_time_stands_in_whole_seconds_at_meta(connected: Connected) -> None:
    connected.service.clock.advance(SECOND // 2)
    told = await connected.tell("account_update_partner_removed")
    assert DISCONNECTED in {one.type for one in told}


async def connect_by_popup(connected: Connected, person: Customer, **played_as: Any) -> dict[str, Any]:
    """A signup by popup, whose message names the number; what the sandbox says of it."""
    service, settings = connected.service, connected.service.parts.settings
    body = {"allowedConnectionTypes": ["dedicated"]}
    link = await connected.tenant.api.made(f"/admin/customers/{connected.customer_id}/setup-links", body)
    await person.open(link["url"])
    await person.press()
    state = person.reply.body.decode().partition('data-state="')[2].partition('"')[0]
    dialog = (
        f"{settings.meta_dialog_url}/v25.0/dialog/oauth?client_id={settings.meta_app_id}"
        f"&config_id={settings.meta_config_id}&response_type=code&display=popup"
    )
    played = await service.sandbox.play(dialog, popup=True, **played_as)
    told = {"state": state, "code": played["code"], "message": json.dumps(played["message"])}
    await person.post_json(f"/signup/{link['id']}/complete", told)
    await service.drain()
    return played


async def test_one_link_brings_every_number_of_the_account_back(connected: Connected, customer: Customer) -> None:
    played = await connect_by_popup(connected, customer, scenario="several_numbers")
    [waba], [first, second, third] = played["wabaIds"], played["phoneNumberIds"]
    other = second if played["message"]["data"]["phone_number_id"] == first else first
    await connect_by_popup(connected, customer, phoneNumberId=other)
    [told, more] = [
        event
        for event in await connected.tell(connected.sample("account_update_partner_removed", waba=waba))
        if event.type == DISCONNECTED
    ]
    assert {told.data["phone_number_id"], more.data["phone_number_id"]} == {first, second}
    assert told.data["reconnect_url"] == more.data["reconnect_url"]
    await customer.walk(told.data["reconnect_url"], connected.service.sandbox)
    await connected.service.drain()
    again = connected.inbox.of_type(RECONNECTED)
    assert {event.data["phone_number_id"] for event in again} == {first, second}
    rows = (await connected.tenant.api.get(f"/admin/customers/{connected.customer_id}/phone-numbers")).json["data"]
    assert {row["metaPhoneNumberId"]: row["status"] for row in rows if row["metaWabaId"] == waba} == {
        first: "active",
        second: "active",
        third: "available",
    }

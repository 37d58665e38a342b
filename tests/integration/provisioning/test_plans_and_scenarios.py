"""From grant to number, or back: each plan and scenario ends with the right code, page, API view and event."""

import msgspec
import pytest

from setuplinks.core.clock import HOUR, MINUTE
from setuplinks.provisioning.machine import PLANS
from setuplinks.provisioning.models import Facts
from tests.integration.setup_links.desk import Desk
from tests.support.customer import Customer, a_customer

CREATED_KEYS = {
    "tenant_id", "customer_id", "external_id", "setup_link_id", "connection_type", "waba_id", "phone_number_id",
    "internal_waba_id", "internal_phone_number_id", "display_phone_number", "verified_name", "quality_rating", "status",
    "state", "metadata",
}  # fmt: skip


async def _calls(desk: Desk) -> list[str]:
    return [f"{call['method']} {call['call']}" for call in await desk.service.sandbox.calls()]


async def test_a_dedicated_number_takes_these_calls_in_this_order(desk: Desk, customer: Customer) -> None:
    link = await desk.connected(customer, state="row 7", metadata={"plan": "pro"})
    assert await _calls(desk) == [
        "POST exchange", "GET debug_token", "GET waba", "GET phone_numbers", "GET subscribed_apps",
        "POST subscribed_apps", "POST register", "GET phone",
    ]  # fmt: skip
    [number] = await desk.numbers()
    assert (number["status"], number["connectionType"], number["isCoexistence"]) == ("active", "dedicated", False)
    assert link["resultingWabaId"] == number["wabaId"]
    assert link["resultingPhoneNumberIds"] == [number["id"]]
    assert link["completedAt"] == "2026-05-18T12:00:00Z"
    [created] = await desk.told("whatsapp.phone_number.created")
    assert set(created) == CREATED_KEYS
    assert created == {
        "tenant_id": desk.acme.id, "customer_id": desk.clinic, "external_id": "clinic_001",
        "setup_link_id": link["id"], "connection_type": "dedicated", "waba_id": number["metaWabaId"],
        "phone_number_id": number["metaPhoneNumberId"], "internal_waba_id": number["wabaId"],
        "internal_phone_number_id": number["id"], "display_phone_number": number["displayPhoneNumber"],
        "verified_name": number["verifiedName"], "quality_rating": "GREEN", "status": "active", "state": "row 7",
        "metadata": {"plan": "pro"},
    }  # fmt: skip
    customer_row = (await desk.acme.api.get(f"/admin/customers/{desk.clinic}")).json
    assert customer_row["connection"] == "connected"


async def test_completion_credential_and_events_stand_in_one_commit(desk: Desk, customer: Customer) -> None:
    await desk.connected(customer)
    types = await desk.types()
    assert types[-4:] == [
        "whatsapp.waba.created", "whatsapp.phone_number.created", "whatsapp.phone_number.ready", "setup_link.completed",
    ]  # fmt: skip
    [credential] = await desk.rows("credential")
    [run] = await desk.rows("provisioning")
    assert (run["status"], run["token"], run["pin"]) == ("done", None, None)
    assert credential["token"] is not None


@pytest.mark.parametrize(("connection_type", "records"), [("dedicated", 5), ("coexistence", 5)])
async def test_steps_share_their_records(desk: Desk, customer: Customer, connection_type: str, records: int) -> None:
    """Claimed, chosen, subscription and PIN noted, subscribed and registered, finished: each raises the version."""
    link = await desk.link(allowedConnectionTypes=[connection_type])
    await customer.walk(link["url"], desk.service.sandbox, connection_type=connection_type)
    await desk.service.drain()
    assert await desk.phase(link) == "completed"
    [run] = await desk.rows("provisioning")
    assert run["version"] == records
    stamped = msgspec.json.decode(run["facts"], type=Facts).done_at
    assert set(stamped) == {step.value for step in PLANS[connection_type]} - {"finish"}


async def test_coexistence_never_registers_and_asks_for_each_sync_once(desk: Desk, customer: Customer) -> None:
    link = await desk.link(allowedConnectionTypes=["coexistence"], syncHistory=True)
    await customer.walk(link["url"], desk.service.sandbox, connection_type="coexistence")
    await desk.service.drain()
    assert await desk.phase(link) == "completed"
    calls = await _calls(desk)
    assert calls.count("POST smb_app_data") == 2
    assert "POST register" not in calls
    [number] = await desk.numbers()
    assert (number["connectionType"], number["isCoexistence"], number["status"]) == ("coexistence", True, "active")


async def test_history_is_asked_for_only_where_the_link_says_so(desk: Desk, customer: Customer) -> None:
    link = await desk.link(allowedConnectionTypes=["coexistence"])
    await customer.walk(link["url"], desk.service.sandbox, connection_type="coexistence")
    await desk.service.drain()
    assert (await _calls(desk)).count("POST smb_app_data") == 1


REJECTED = [
    ("unverified_number", "verification_failed"),
    ("wrong_app", "permission_missing"),
    ("permission_missing", "permission_missing"),
    ("dead_token", "permission_missing"),
    ("expired_token", "permission_missing"),
    ("coexistence", "connection_type_not_allowed"),
    ("subscribe_refused", "permission_missing"),
]


@pytest.mark.parametrize(("scenario", "code"), REJECTED)
async def test_a_grant_that_cannot_be_used_goes_back_to_the_customer_and_leaves_nothing(
    desk: Desk, customer: Customer, scenario: str, code: str
) -> None:
    link = await desk.link()
    played = await customer.walk(link["url"], desk.service.sandbox, scenario=scenario)
    assert customer.page == "finishing"
    await desk.service.drain()
    await desk.service.advance(MINUTE)
    await customer.look_again()
    assert customer.page == "stopped"
    shown = await desk.of(link)
    assert (shown["phase"], shown["status"], shown["failure"]) == ("started", "pending", None)
    [ended] = await desk.told("setup_link.visit_ended")
    assert (ended["code"], ended["phase"], ended["retryable"]) == (code, "started", True)
    [run] = await desk.rows("provisioning")
    assert (run["status"], run["token"], run["pin"], run["due_at"]) == ("rejected", None, None, None)
    assert await desk.rows("credential") == []
    assert await desk.rows("connected_number") == []
    for waba in played["wabaIds"]:
        assert (await desk.service.sandbox.ask("GET", f"/sandbox/wabas/{waba}"))["subscribedApps"] == {}
    await desk.service.sandbox.no_more_faults()
    await desk.again(customer)
    assert await desk.phase(link) == "completed"
    assert len(await desk.told("whatsapp.phone_number.created")) == 1


GOOD = [
    "never_expiring", "sixty_days", "june_2026_scopes", "transient_errors", "transient_debug_token",
    "transient_phone_numbers", "transient_subscribed_apps", "transient_register", "throttled", "register_flaky",
    "left_behind", "life_not_told", "app_throttled", "no_target_ids", "no_granular_scopes",
]  # fmt: skip


@pytest.mark.parametrize("scenario", GOOD)
async def test_what_passes_by_itself_is_waited_for_and_the_link_completes(
    desk: Desk, customer: Customer, scenario: str
) -> None:
    link = await desk.link()
    await customer.walk(link["url"], desk.service.sandbox, scenario=scenario)
    for _ in range(30):
        await desk.service.drain()
        if await desk.phase(link) == "completed":
            break
        await desk.service.advance(MINUTE)
    assert await desk.phase(link) == "completed"
    assert len(await desk.service.sandbox.calls("exchange")) == 1
    assert len(await desk.told("whatsapp.phone_number.created")) == 1
    assert await desk.told("setup_link.visit_ended") == []
    [number] = await desk.numbers()
    assert (number["tokenExpiresAt"] is None) is (scenario == "never_expiring")


async def test_a_wait_grows_and_is_not_polled(desk: Desk, customer: Customer) -> None:
    link = await desk.link()
    await desk.service.sandbox.fault("debug_token", times=None, code=2)
    await customer.walk(link["url"], desk.service.sandbox)
    await desk.service.drain()
    await desk.service.drain()
    assert len(await desk.service.sandbox.calls("debug_token")) == 1
    await desk.service.advance(HOUR)
    assert len(await desk.service.sandbox.calls("debug_token")) == 2
    assert await desk.phase(link) == "provisioning"


@pytest.mark.parametrize("scenario", ["register_rate_limited", "register_pin_guesses", "name_in_review"])
async def test_a_registration_that_must_wait_does_not_hold_the_link(
    desk: Desk, customer: Customer, scenario: str
) -> None:
    link = await desk.link()
    await customer.walk(link["url"], desk.service.sandbox, scenario=scenario)
    await desk.service.drain()
    assert await desk.phase(link) == "completed"
    [number] = await desk.numbers()
    assert number["status"] == "pending"
    failing = [check["check"] for check in number["readiness"] if not check["passed"]]
    assert "registered" in failing
    await customer.look_again()
    assert customer.page == "done"
    assert "phone_status=pending" in await customer.leave()
    [created] = await desk.told("whatsapp.phone_number.created")
    assert created["status"] == "pending"
    assert await desk.told("whatsapp.phone_number.ready") == []


async def test_a_name_in_review_completes_with_a_pending_number(desk: Desk, customer: Customer) -> None:
    link = await desk.link()
    await customer.walk(link["url"], desk.service.sandbox, scenario="name_in_review_registers")
    await desk.service.drain()
    assert await desk.phase(link) == "completed"
    [number] = await desk.numbers()
    assert (number["status"], number["nameStatus"]) == ("pending", "PENDING_REVIEW")


async def test_a_number_that_another_customer_holds_is_refused_and_stays_theirs(desk: Desk, customer: Customer) -> None:
    await desk.connected(customer)
    [mine] = await desk.numbers()
    before = await desk.rows("credential")
    other = await desk.another_customer()
    link = await desk.acme.api.made(f"/admin/customers/{other}/setup-links", {"allowedConnectionTypes": ["dedicated"]})
    async with a_customer(desk.service.url) as thief:
        await thief.walk(link["url"], desk.service.sandbox, scenario="existing_waba")
        await desk.service.drain()
        await desk.service.advance(MINUTE)
        await thief.look_again()
        assert thief.page == "stopped"
    assert [data["code"] for data in await desk.told("setup_link.visit_ended")] == ["number_in_use"]
    assert await desk.rows("credential") == before
    assert (await desk.service.sandbox.ask("GET", f"/sandbox/wabas/{mine['metaWabaId']}"))["subscribedApps"] != {}
    assert (await desk.numbers())[0]["status"] == "active"


async def test_the_same_customer_connecting_again_refreshes_and_tells_no_second_created(
    desk: Desk, customer: Customer
) -> None:
    await desk.connected(customer)
    [before] = await desk.numbers()
    link = await desk.link()
    await customer.walk(link["url"], desk.service.sandbox, scenario="existing_waba")
    await desk.service.drain()
    assert await desk.phase(link) == "completed"
    [after] = await desk.numbers()
    assert (after["id"], after["wabaId"]) == (before["id"], before["wabaId"])
    types = await desk.types()
    assert types.count("whatsapp.phone_number.created") == 1
    assert types.count("whatsapp.phone_number.reconnected") == 1
    assert types.count("whatsapp.waba.created") == 1


async def test_a_reconnect_refreshes_the_wabas_token(desk: Desk, customer: Customer) -> None:
    await desk.connected(customer)
    [number] = await desk.numbers()
    [old] = await desk.rows("credential")
    link = await desk.link(reconnectPhoneNumberId=number["id"])
    await customer.walk(link["url"], desk.service.sandbox)
    await desk.service.drain()
    shown = await desk.of(link)
    assert (shown["phase"], shown["resultingWabaId"]) == ("completed", number["wabaId"])
    [new] = await desk.rows("credential")
    assert new["token"] != old["token"]
    assert len(await desk.rows("waba")) == 1
    types = await desk.types()
    assert (types.count("whatsapp.phone_number.reconnected"), types.count("whatsapp.phone_number.created")) == (1, 1)


async def test_a_reconnect_with_another_account_is_refused_and_the_old_token_is_kept(
    desk: Desk, customer: Customer
) -> None:
    await desk.connected(customer)
    [number] = await desk.numbers()
    before = await desk.rows("credential")
    link = await desk.link(reconnectPhoneNumberId=number["id"])
    await customer.walk(link["url"], desk.service.sandbox, scenario="wrong_account")
    await desk.service.drain()
    await customer.look_again()
    assert customer.page == "stopped"
    assert [data["code"] for data in await desk.told("setup_link.visit_ended")] == ["number_mismatch"]
    assert await desk.rows("credential") == before
    assert (await desk.numbers())[0]["status"] == "active"
    assert (await desk.service.sandbox.ask("GET", f"/sandbox/wabas/{number['metaWabaId']}"))["subscribedApps"] != {}

"""Off-boarding: a number, a customer, a tenant, "not mine"; what must be erased is, and what must be told is told."""

from typing import Any

from setuplinks.core.clock import HOUR, MINUTE
from tests.integration.provisioning.asking import asked, pick
from tests.integration.setup_links.desk import Desk
from tests.support.customer import Customer, a_customer
from tests.support.inbox import Inbox


async def _subscribed(desk: Desk, meta_waba_id: str) -> bool:
    return bool((await desk.service.sandbox.ask("GET", f"/sandbox/wabas/{meta_waba_id}"))["subscribedApps"])


async def _erased(desk: Desk) -> bool:
    """No secret of the connection is left in any row."""
    pins = [row["pin"] for row in await desk.rows("phone_number")] + [
        row["pin"] for row in await desk.rows("provisioning")
    ]
    tokens = [row["token"] for table in ("credential", "provisioning", "offboarding") for row in await desk.rows(table)]
    return not any(pins) and not any(tokens)


async def test_deleting_a_number_unsubscribes_and_erases_and_is_told(
    desk: Desk, customer: Customer, inbox: Inbox
) -> None:
    await desk.acme.api.made(f"/admin/tenants/{desk.acme.id}/webhook-endpoints", {"url": inbox.url})
    await desk.connected(customer)
    [number] = await desk.numbers()
    assert not await _erased(desk)
    assert (await desk.acme.api.delete(f"/admin/phone-numbers/{number['id']}")).status == 204
    await desk.service.drain()
    assert await desk.numbers() == []
    assert [row["status"] for row in await desk.numbers("?status=deleted")] == ["deleted"]
    assert await _erased(desk)
    assert not await _subscribed(desk, number["metaWabaId"])
    assert await desk.rows("connected_number") == []
    [told] = inbox.of_type("whatsapp.phone_number.deleted")
    assert (told.data["phone_number_id"], told.data["reason"]) == (number["metaPhoneNumberId"], "deleted")
    assert (await desk.acme.api.delete(f"/admin/phone-numbers/{number['id']}")).status == 404
    assert (await desk.acme.api.get(f"/admin/customers/{desk.clinic}")).json["connection"] == "none"
    assert [call["method"] for call in await desk.service.sandbox.calls("deregister")] == []


async def test_a_deleted_number_may_be_connected_again_and_is_created_again(desk: Desk, customer: Customer) -> None:
    await desk.connected(customer)
    [number] = await desk.numbers()
    await desk.acme.api.delete(f"/admin/phone-numbers/{number['id']}")
    await desk.service.drain()
    link = await desk.link()
    await customer.walk(link["url"], desk.service.sandbox, scenario="existing_waba")
    await desk.service.drain()
    assert await desk.phase(link) == "completed"
    assert len(await desk.told("whatsapp.phone_number.created")) == 2
    assert await _subscribed(desk, number["metaWabaId"])


async def test_the_app_stays_subscribed_while_another_number_of_the_waba_is_connected(
    desk: Desk, customer: Customer
) -> None:
    """Two customers, one WABA: the second one connects another number of it."""
    await desk.connected(customer)
    [number] = await desk.numbers()
    other = await desk.another_customer()
    link = await desk.acme.api.made(f"/admin/customers/{other}/setup-links", {"allowedConnectionTypes": ["dedicated"]})
    await customer.walk(link["url"], desk.service.sandbox, wabaId=number["metaWabaId"], number="new")
    await desk.service.drain()
    if (await desk.of(link))["phase"] != "completed":  # the full page names no number, and the WABA has two now
        assert [data["code"] for data in await desk.told("setup_link.visit_ended")] == ["no_phone_number"]
        await desk.service.advance(MINUTE)
    assert await _subscribed(desk, number["metaWabaId"])
    await desk.acme.api.delete(f"/admin/customers/{other}")
    await desk.service.advance(MINUTE)
    assert await _subscribed(desk, number["metaWabaId"])
    await desk.acme.api.delete(f"/admin/customers/{desk.clinic}")
    await desk.service.advance(MINUTE)
    assert not await _subscribed(desk, number["metaWabaId"])


async def test_deleting_a_customer_erases_secrets_and_payloads_and_keeps_the_audit(
    desk: Desk, customer: Customer, inbox: Inbox
) -> None:
    await desk.acme.api.made(f"/admin/tenants/{desk.acme.id}/webhook-endpoints", {"url": inbox.url})
    await desk.connected(customer, metadata={"plan": "secret plan"}, state="secret state")
    await desk.service.drain()
    open_link = await desk.link()
    [number] = await desk.numbers()
    inbox.received.clear()
    assert (await desk.acme.api.delete(f"/admin/customers/{desk.clinic}")).status == 204
    await desk.service.drain()
    assert (await desk.acme.api.get(f"/admin/customers/{desk.clinic}")).status == 404
    assert await _erased(desk)
    assert not await _subscribed(desk, number["metaWabaId"])
    assert {received.type for received in inbox.received} >= {"whatsapp.phone_number.deleted"}
    [deleted] = inbox.of_type("whatsapp.phone_number.deleted")
    assert deleted.data["reason"] == "customer_deleted"
    for row in await desk.rows("setup_link"):
        assert (row["metadata"], row["state"], row["url_secret"]) == ("{}", None, None)
    left = [row["body"] for row in await desk.rows("event_payload")]
    assert all(b"secret plan" not in bytes(body) or b"deleted" in bytes(body) for body in left)
    reply = await customer.open(open_link["url"])
    assert (reply.status, customer.page) == (404, "no_link")
    actions = [row["action"] for row in await desk.rows("audit")]
    assert {"customer.deleted", "phone_number.deleted"} <= set(actions)


async def test_a_customer_whose_link_has_lapsed_but_was_not_swept_can_be_deleted(desk: Desk) -> None:
    link = await desk.link(expiresAt="2026-05-18T13:00:00Z")
    desk.service.clock.advance(HOUR)
    assert (await desk.acme.api.delete(f"/admin/customers/{desk.clinic}")).status == 204
    await desk.service.drain()
    row = await desk.row(link)
    assert row["ended_at"] is not None
    assert row["url_secret"] is None


async def test_deleting_a_customer_stops_what_is_being_provisioned(desk: Desk, customer: Customer) -> None:
    link = await desk.link()
    await desk.service.sandbox.fault("register", times=None, status=503)
    played = await customer.walk(link["url"], desk.service.sandbox)
    await desk.service.drain()
    assert (await desk.acme.api.delete(f"/admin/customers/{desk.clinic}")).status == 204
    await desk.service.sandbox.no_more_faults()
    await desk.service.advance(2 * MINUTE)
    assert await _erased(desk)
    assert not await _subscribed(desk, played["wabaIds"][0])
    assert await desk.rows("phone_number") == []


async def test_a_tenant_with_customers_is_deleted_only_with_cascade(desk: Desk, customer: Customer) -> None:
    await desk.connected(customer)
    [number] = await desk.numbers()
    operator = desk.service.operator
    assert (await operator.delete(f"/admin/tenants/{desk.acme.id}")).status == 409
    assert (await operator.delete(f"/admin/tenants/{desk.acme.id}?cascade=true")).status == 204
    await desk.service.drain()
    assert await _erased(desk)
    assert not await _subscribed(desk, number["metaWabaId"])
    assert (await operator.get(f"/admin/tenants/{desk.acme.id}")).status == 404
    assert (await desk.acme.api.get("/admin/me")).status == 401


async def test_not_mine_off_boards_the_numbers_of_the_link(desk: Desk, customer: Customer) -> None:
    link = await desk.connected(customer)
    [number] = await desk.numbers()
    await customer.look_again()
    assert customer.page == "done"
    await customer.press("/not-mine")
    await desk.service.drain()
    [told] = await desk.told("whatsapp.phone_number.deleted")
    assert (told["reason"], told["setup_link_id"]) == ("not_mine", link["id"])
    assert await _erased(desk)
    assert not await _subscribed(desk, number["metaWabaId"])
    assert (await desk.of(link))["phase"] == "completed"


async def test_not_mine_is_offered_for_a_quarter_of_an_hour_to_the_browser_that_took_part(
    desk: Desk, customer: Customer
) -> None:
    link = await desk.connected(customer)
    await customer.look_again()
    form: dict[str, Any] = next(form.fields for form in customer.forms if form.action.endswith("/not-mine"))
    async with a_customer(desk.service.url) as other:
        await other._go("POST", f"{desk.service.url}/signup/{link['id']}/not-mine", form)
        assert other.page == "no_link"
    await desk.service.advance(15 * MINUTE)
    await customer.look_again()
    assert customer.page == "already_connected"
    await customer._go("POST", f"{desk.service.url}/signup/{link['id']}/not-mine", form)
    assert [number["status"] for number in await desk.numbers()] == ["active"]


async def test_an_unsubscription_that_meta_does_not_answer_is_tried_again(desk: Desk, customer: Customer) -> None:
    await desk.connected(customer)
    [number] = await desk.numbers()
    await desk.service.sandbox.fault("subscribed_apps", times=2, status=503)
    await desk.acme.api.delete(f"/admin/phone-numbers/{number['id']}")
    await desk.service.drain()
    assert await _subscribed(desk, number["metaWabaId"])
    for _ in range(3):
        await desk.service.advance(MINUTE)
    assert not await _subscribed(desk, number["metaWabaId"])
    assert await _erased(desk)


async def test_a_dead_token_is_given_up_and_erased(desk: Desk, customer: Customer) -> None:
    await desk.connected(customer)
    [number] = await desk.numbers()
    await desk.service.sandbox.ask("POST", "/sandbox/tokens/kill", {"wabaId": number["metaWabaId"], "subcode": 460})
    await desk.acme.api.delete(f"/admin/phone-numbers/{number['id']}")
    await desk.service.drain()
    assert await _erased(desk)
    assert [row["status"] for row in await desk.rows("offboarding")] == ["given_up"]


async def test_a_number_is_deregistered_where_that_is_asked_for(desk: Desk, customer: Customer) -> None:
    await desk.connected(customer)
    [number] = await desk.numbers()
    path = f"/admin/phone-numbers/{number['id']}"
    assert (await desk.acme.api.delete(f"{path}?deregister=perhaps")).status == 422
    assert (await desk.acme.api.delete(f"{path}?deregister=true")).status == 204
    await desk.service.drain()
    assert [call["status"] for call in await desk.service.sandbox.calls("deregister")] == [200]
    at_meta = await desk.service.sandbox.ask("GET", f"/sandbox/phone-numbers/{number['metaPhoneNumberId']}")
    assert at_meta["platformType"] == "NOT_APPLICABLE"
    assert not await _subscribed(desk, number["metaWabaId"])
    assert await _erased(desk)


async def test_a_deregistration_that_meta_refuses_or_puts_off_does_not_hold_the_leaving(
    desk: Desk, customer: Customer
) -> None:
    await desk.service.sandbox.fault("deregister", code=2, times=1)
    await desk.service.sandbox.fault("deregister", code=133016, times=1)
    await desk.connected(customer)
    [number] = await desk.numbers()
    assert (await desk.acme.api.delete(f"/admin/customers/{desk.clinic}?deregister=true")).status == 204
    await desk.service.drain()
    assert await _subscribed(desk, number["metaWabaId"])
    await desk.service.advance(MINUTE)
    assert len(await desk.service.sandbox.calls("deregister")) >= 2
    assert not await _subscribed(desk, number["metaWabaId"])
    assert await _erased(desk)


async def test_one_of_two_numbers_is_deregistered_and_the_account_stays(desk: Desk, customer: Customer) -> None:
    link, _ = await asked(desk, customer, "several_numbers")
    await pick(desk, link, *(option["metaPhoneNumberId"] for option in link["actionRequired"]["options"][:2]))
    number = (await desk.numbers("?status=active"))[0]
    assert (await desk.acme.api.delete(f"/admin/phone-numbers/{number['id']}?deregister=true")).status == 204
    await desk.service.drain()
    assert [call["status"] for call in await desk.service.sandbox.calls("deregister")] == [200]
    assert await _subscribed(desk, number["metaWabaId"])
    [left] = await desk.numbers("?status=active")
    assert (left["wabaId"], len(await desk.rows("credential"))) == (number["wabaId"], 1)
    assert [row["token"] for row in await desk.rows("offboarding")] == [None]


async def test_a_number_in_coexistence_is_never_deregistered(desk: Desk, customer: Customer) -> None:
    await desk.connected(customer, allowedConnectionTypes=["coexistence"])
    [number] = await desk.numbers()
    assert number["isCoexistence"] is True
    assert (await desk.acme.api.delete(f"/admin/phone-numbers/{number['id']}?deregister=true")).status == 204
    await desk.service.drain()
    assert await desk.service.sandbox.calls("deregister") == []
    assert not await _subscribed(desk, number["metaWabaId"])

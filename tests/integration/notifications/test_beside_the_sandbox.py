"""Service and stand-in Meta together: messages in and out, and a customer who removes the app and comes back."""

import aiohttp
import pytest

from tests.integration.notifications.conftest import Connected, connect, settled
from tests.support.customer import Customer
from tests.support.inbox import Inbox
from tests.support.service import RunningService, Tenant


@pytest.fixture
async def telling(connected: Connected) -> Connected:
    """Connected, with a sandbox that tells by itself again."""
    await connected.service.sandbox.change_settings(notifications=True)
    return connected


async def test_a_message_that_comes_in_reaches_the_tenant(telling: Connected) -> None:
    sandbox = telling.service.sandbox
    sent = {"from": "+54 9 351 555-0100", "text": "¿Están abiertos?"}
    answer = await sandbox.ask("POST", f"/sandbox/phone-numbers/{telling.number}/inbound", sent)
    await settled(sandbox)
    await telling.service.drain()
    [event] = telling.inbox.of_type("whatsapp.message.received")
    assert event.data["message"]["id"] == answer["id"]
    assert event.data["message"]["text"]["body"] == "¿Están abiertos?"
    assert event.data["internal_phone_number_id"] == telling.phone_id


async def test_a_message_that_goes_out_is_told_as_sent_and_delivered(telling: Connected) -> None:
    service = telling.service
    [row] = await service.db.read("SELECT tenant_id, waba_id, token FROM credential")
    sealer = await service.parts.vault.tenant(row["tenant_id"])
    token = sealer.open(row["token"], "credential", row["waba_id"], "token").decode()
    asked = {"from": "5493515550100", "text": "¿Están abiertos?"}
    await service.sandbox.ask("POST", f"/sandbox/phone-numbers/{telling.number}/inbound", asked)
    text = {"messaging_product": "whatsapp", "to": "5493515550100", "text": {"body": "Hola"}}
    url = f"{service.sandbox.url}/v25.0/{telling.number}/messages"
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession() as session, session.post(url, json=text, headers=headers) as answer:
        assert answer.status == 200
    await settled(service.sandbox)
    await service.drain()
    told = telling.inbox.of_type("whatsapp.message.status")
    assert {event.data["status"]["status"] for event in told} == {"sent", "delivered"}


async def test_a_customer_who_removes_the_app_comes_back_by_the_events_link(
    telling: Connected, customer: Customer
) -> None:
    sandbox = telling.service.sandbox
    await sandbox.ask("POST", f"/sandbox/wabas/{telling.waba}/account-update", {"event": "PARTNER_REMOVED"})
    await settled(sandbox)
    await telling.service.drain()
    [event] = telling.inbox.of_type("whatsapp.phone_number.disconnected")
    await customer.walk(event.data["reconnect_url"], sandbox)
    await settled(sandbox)
    await telling.service.drain()
    assert (await telling.of_number())["status"] == "active"
    sent = {"from": "5493515550100", "text": "Hola de nuevo"}
    await sandbox.ask("POST", f"/sandbox/phone-numbers/{telling.number}/inbound", sent)
    await settled(sandbox)
    await telling.service.drain()
    assert len(telling.inbox.of_type("whatsapp.message.received")) == 1


async def test_a_coexistence_number_that_is_taken_off_on_the_phone(
    service: RunningService, acme: Tenant, clinic: int, customer: Customer, inbox: Inbox
) -> None:
    played = await connect(service, acme, clinic, customer, scenario="coexistence", connection_type="coexistence")
    await acme.api.made(f"/admin/tenants/{acme.id}/webhook-endpoints", {"url": inbox.url})
    [waba], sandbox = played["wabaIds"], service.sandbox
    taken_off = {"event": "PARTNER_REMOVED", "wabaInfo": False}
    await sandbox.ask("POST", f"/sandbox/wabas/{waba}/account-update", taken_off)
    await settled(sandbox)
    await service.drain()
    [event] = inbox.of_type("whatsapp.phone_number.disconnected")
    assert event.data["reason"] == "offboarded_in_app"
    assert event.data["detail"]["disconnection_info"] == {"reason": "ACCOUNT_DISCONNECTED", "initiated_by": "USER"}


async def test_what_comes_while_a_signup_is_being_finished_is_not_lost(
    service: RunningService, acme: Tenant, clinic: int, customer: Customer, inbox: Inbox
) -> None:
    sandbox = service.sandbox
    await acme.api.made(f"/admin/tenants/{acme.id}/webhook-endpoints", {"url": inbox.url})
    link = await acme.api.made(f"/admin/customers/{clinic}/setup-links", {})
    await sandbox.fault("phone", times=1, code=2)  # the last reading of the number fails once: the run waits a second
    played = await customer.walk(link["url"], sandbox)
    await service.drain()
    [number] = played["phoneNumberIds"]
    sent = {"from": "5493515550100", "text": "Hola"}
    await sandbox.ask("POST", f"/sandbox/phone-numbers/{number}/inbound", sent)
    await settled(sandbox)
    await service.drain()
    assert inbox.of_type("whatsapp.message.received") == []
    for _ in range(4):
        await service.advance(3_000_000)
    assert len(inbox.of_type("whatsapp.phone_number.created")) == 1
    assert len(inbox.of_type("whatsapp.message.received")) == 1

"""What Meta tells reaches the customer's tenant: one event for each item, with our ids, once, and nobody else."""

import asyncio
from typing import Any

import pytest

from setuplinks.core.clock import DAY, HOUR, MINUTE, SECOND
from tests.integration.notifications.conftest import Connected, connect
from tests.support import notices
from tests.support.customer import a_customer
from tests.support.service import Tenant

ITEM_LISTS = ("messages", "statuses", "message_echoes")
IDS = {"customer_id", "external_id", "waba_id", "phone_number_id", "internal_waba_id", "internal_phone_number_id"}


async def test_a_message_arrives_with_our_ids_and_metas_own_words(connected: Connected) -> None:
    told = connected.sample("messages_text")
    [event] = await connected.tell(told)
    value = told["entry"][0]["changes"][0]["value"]
    assert event.type == "whatsapp.message.received"
    assert event.data["message"] == value["messages"][0]
    assert event.data["contact"] == value["contacts"][0]
    assert event.data["metadata"] == value["metadata"]
    assert {name: event.data[name] for name in IDS} == {
        "customer_id": connected.customer_id,
        "external_id": "clinic_001",
        "waba_id": connected.waba,
        "phone_number_id": connected.number,
        "internal_waba_id": (await connected.of_number())["wabaId"],
        "internal_phone_number_id": connected.phone_id,
    }


@pytest.mark.parametrize(
    ("sample", "event_type", "item"),
    [
        ("messages_image", "whatsapp.message.received", "message"),
        ("messages_without_wa_id", "whatsapp.message.received", "message"),
        ("messages_status_delivered", "whatsapp.message.status", "status"),
        ("messages_status_failed", "whatsapp.message.status", "status"),
        ("smb_message_echoes", "whatsapp.message.echo", "message"),
        ("history_chunk", "whatsapp.history", "value"),
        ("history_declined", "whatsapp.history", "value"),
        ("smb_app_state_sync", "whatsapp.contacts.synced", "value"),
        ("message_template_status_update", "whatsapp.template.updated", "value"),
        ("message_template_quality_update", "whatsapp.template.updated", "value"),
        ("template_category_update", "whatsapp.template.updated", "value"),
        ("account_alerts", "whatsapp.account.alert", "value"),
        ("messages_errors", "whatsapp.notification", "value"),
        ("security", "whatsapp.notification", "value"),
        ("calls_unknown_field", "whatsapp.notification", "value"),
    ],
)
async def test_each_field_has_its_event(connected: Connected, sample: str, event_type: str, item: str) -> None:
    told = connected.sample(sample)
    [event] = await connected.tell(told)
    change = told["entry"][0]["changes"][0]
    items: list[Any] = [one for name in ITEM_LISTS for one in change["value"].get(name, [])]
    assert event.type == event_type
    assert event.data[item] == (change["value"] if item == "value" else items[0])
    assert (event.data["customer_id"], event.data["waba_id"]) == (connected.customer_id, connected.waba)


async def test_a_batch_of_a_thousand_makes_a_thousand_events(connected: Connected) -> None:
    batch = connected.sample("messages_text")
    change = batch["entry"][0]["changes"][0]
    [first] = change["value"]["messages"]
    change["value"]["messages"] = [{**first, "id": f"wamid.{number:04}"} for number in range(1_000)]
    assert await notices.post(connected.service.url, notices.body_of(batch)) == 200
    await connected.service.drain()
    rows = await connected.service.db.read(
        "SELECT p.body FROM event e JOIN message_payload p ON p.tenant_id = e.tenant_id AND p.event_id = e.id "
        "WHERE e.type = 'whatsapp.message.received'"
    )
    ids = [bytes(row["body"]).partition(b'"id":"')[2][:10].decode() for row in rows]
    assert sorted(ids) == [f"wamid.{number:04}" for number in range(1_000)]


async def test_metas_own_repeats_make_nothing(connected: Connected) -> None:
    text = connected.sample("messages_text")
    assert len(await connected.tell(text, text)) == 1
    assert len(await connected.states()) == 1  # the same bytes within an hour are not even stored
    connected.service.clock.advance(2 * HOUR)
    assert await connected.tell(text) == []
    mixed = connected.sample("messages_two_people")
    mixed["entry"].insert(0, text["entry"][0])
    assert len(await connected.tell(mixed)) == 2  # the two that are new
    connected.service.clock.advance(5 * DAY)
    assert await connected.tell(mixed) == []


async def test_two_statuses_of_one_message_are_both_told(connected: Connected) -> None:
    told = await connected.tell("messages_status_delivered", "messages_status_failed")
    assert sorted(event.data["status"]["status"] for event in told) == ["delivered", "failed"]


async def test_what_is_nobodys_is_kept_and_told_to_nobody(
    connected: Connected, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "setuplinks")
    strangers = connected.sample("messages_text", number="999", waba="888")
    added = connected.sample("account_update_partner_added", waba="777")
    nameless = connected.sample("account_update_partner_app_uninstalled_without_waba_info")
    assert await connected.tell(strangers, added, nameless) == []
    assert await connected.states() == [("unrouted", 1), ("handled", 1), ("unrouted", 1)]
    lines = [record.__dict__["fields"] for record in caplog.records if record.message == "notification.unrouted"]
    assert {(line.get("waba"), line.get("event")) for line in lines} == {
        ("888", None), (None, "PARTNER_APP_UNINSTALLED"),
    }  # fmt: skip


async def test_a_number_of_the_account_that_was_not_chosen_is_nobodys(connected: Connected) -> None:
    assert await connected.tell(connected.sample("messages_text", number="999")) == []
    assert await connected.states() == [("unrouted", 1)]


async def test_another_tenant_hears_nothing(connected: Connected, stranger: Tenant) -> None:
    url = connected.inbox.url + "/stranger"
    await stranger.api.made(f"/admin/tenants/{stranger.id}/webhook-endpoints", {"url": url})
    [event] = await connected.tell("messages_text")
    assert event.path == "/hooks"


async def test_an_endpoint_for_one_number_hears_that_numbers_messages(connected: Connected) -> None:
    await connected.tenant.api.made(
        f"/admin/tenants/{connected.tenant.id}/webhook-endpoints",
        {"url": connected.inbox.url + "/one", "phoneNumberId": connected.phone_id},
    )
    told = await connected.tell("messages_text", "message_template_status_update")
    assert sorted((event.path, event.type) for event in told) == [
        ("/hooks", "whatsapp.message.received"),
        ("/hooks", "whatsapp.template.updated"),
        ("/hooks/one", "whatsapp.message.received"),
    ]


async def test_what_cannot_be_read_fails_at_once_and_holds_up_nothing(
    connected: Connected, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "setuplinks")
    assert await notices.post(connected.service.url, b'{"object":"whatsapp_business_account","secret-word":') == 200
    [event] = await connected.tell("messages_text")
    assert event.type == "whatsapp.message.received"
    assert sorted(await connected.states()) == [("failed", 1), ("handled", 1)]
    assert "secret-word" not in caplog.text


async def test_a_tenant_whose_secrets_are_gone_holds_up_nobody_else_in_the_same_batch(
    connected: Connected, stranger: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    service = connected.service
    made = await stranger.api.made(f"/admin/tenants/{stranger.id}/customers", {"name": "Elsewhere"})
    async with a_customer(service.url) as person:
        played = await connect(service, stranger, made["id"], person)
    batch = connected.sample("messages_text", number=played["phoneNumberIds"][0], waba=played["wabaIds"][0])
    batch["entry"].append(connected.sample("messages_image")["entry"][0])
    await service.db.bulk("DELETE FROM data_key WHERE tenant_id = $1", stranger.id)
    service.clock.advance(MINUTE)  # sealers are kept for 30 seconds
    caplog.set_level("INFO", "setuplinks")
    assert [event.data["message"]["type"] for event in await connected.tell(batch)] == ["image"]
    for _ in range(6):
        await service.advance(5 * MINUTE)
    assert len(connected.inbox.received) == 1
    assert await connected.states() == [("failed", 5)]
    assert "notification.failed" in caplog.text
    assert "abiertos" not in caplog.text


async def test_a_worker_that_died_in_the_middle_leaves_nothing_undone_and_nothing_doubled(connected: Connected) -> None:
    await connected.tell("messages_text")
    body = notices.body_of(connected.sample("messages_text"))
    await connected.service.db.bulk(
        "UPDATE notification SET status = 'stored', due_at = received_at, lease_until = 1, body = $1", body
    )
    connected.service.clock.advance(SECOND)  # nobody is woken by the end of a lease
    assert await connected.tell("messages_two_people") != []
    assert len(connected.inbox.of_type("whatsapp.message.received")) == 3
    assert await connected.states() == [("handled", 2), ("handled", 1)]


async def test_raw_notifications_are_dropped_after_a_week_and_items_a_day_later(connected: Connected) -> None:
    await connected.tell("messages_text", "messages_image")
    await connected.service.advance(7 * DAY + MINUTE)
    assert await connected.states() == []
    items = "SELECT count(*) AS n FROM notification_item"
    assert (await connected.service.db.read(items))[0]["n"] == 2
    await connected.service.advance(DAY)
    assert (await connected.service.db.read(items))[0]["n"] == 0


async def test_several_workers_at_once_tell_each_item_once(connected: Connected) -> None:
    service = connected.service
    for number in range(40):
        told = connected.sample("messages_text")
        message = told["entry"][0]["changes"][0]["value"]["messages"][0]
        message["id"] = f"wamid.{number % 20}"  # every one comes twice, in bodies that differ
        told["entry"][0]["changes"][0]["value"]["contacts"][0]["profile"]["name"] = f"Ana {number}"
        assert await notices.post(service.url, notices.body_of(told)) == 200
    [runner] = [one for one in service.parts.workers.runners if one.name == "notifications"]
    await asyncio.gather(*(runner.run_once() for _ in range(4)))
    await service.drain()
    ids = [event.data["message"]["id"] for event in connected.inbox.of_type("whatsapp.message.received")]
    assert sorted(ids) == sorted(f"wamid.{number}" for number in range(20))
    assert await connected.states() == [("handled", 1)] * 40

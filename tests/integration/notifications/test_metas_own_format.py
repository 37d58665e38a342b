"""`format: meta`: what Meta sent reaches the tenant byte for byte, signed as Meta signs, one request a change."""

import hashlib
import hmac
import json
from typing import Any

from setuplinks.core.clock import HOUR, SECOND
from tests.integration.notifications.conftest import Connected, connect
from tests.support import notices
from tests.support.customer import a_customer
from tests.support.inbox import Answer, Received

TEXT = (
    rb'{ "messaging_product":"whatsapp" , "metadata":{"display_phone_number":"DISPLAY","phone_number_id":"NUMBER"},'
    rb'"contacts":[{"profile":{"name":"Cl\u00ednica \ud83d\ude00 \ud83d"},"wa_id":"16505551234"}],'
    rb'"messages":[{"from":"16505551234","id":"ID","timestamp":"1779105600","type":"text","n":1.0e2,"n":100,'
    rb'"text":{"body":"a\/b \" } ]"}}]}'
)


def text(connected: Connected, wamid: str, **more: str) -> bytes:
    """The value of a message as Meta might write it, which no JSON library writes back so."""
    names = {"DISPLAY": connected.display, "NUMBER": connected.number, "ID": wamid, **more}
    value = TEXT
    for name, given in names.items():
        value = value.replace(name.encode(), given.encode())
    return value


def notification(waba: str, *values: bytes, field: str = "messages") -> bytes:
    """One entry with a change for each value."""
    told = b",".join(b'{"value":' + value + b',"field":"' + field.encode() + b'"}' for value in values)
    return b'{"object":"whatsapp_business_account","entry":[{"id":"' + waba.encode() + b'","changes":[' + told + b"]}]}"


async def endpoint(connected: Connected, **fields: Any) -> dict[str, Any]:
    """An endpoint that takes Meta's format at a path of its own."""
    path = f"/admin/tenants/{connected.tenant.id}/webhook-endpoints"
    made: dict[str, Any] = await connected.tenant.api.made(
        path, {"url": connected.inbox.url + "/meta", "format": "meta", **fields}
    )
    return made


async def tell(connected: Connected, body: bytes) -> list[Received]:
    """What reaches the endpoint in Meta's format by this notification, in the order of its ids: requests overtake."""
    seen = len(connected.inbox.received)
    assert await notices.post(connected.service.url, body) == 200
    await connected.service.drain()
    came = [one for one in connected.inbox.received[seen:] if one.path == "/hooks/meta"]
    return sorted(came, key=lambda one: one.headers["webhook-id"])


def is_signed_as_meta_signs(came: Received, secret: str) -> bool:
    """By the recipe of Meta's page, with the endpoint's secret where an app's stands."""
    wanted = "sha256=" + hmac.new(secret.encode(), came.body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(wanted, came.headers["x-hub-signature-256"])


async def test_a_value_arrives_byte_for_byte_and_signed_as_meta_signs(connected: Connected) -> None:
    made = await endpoint(connected)
    value = text(connected, "wamid.1")
    [came] = await tell(connected, notification(connected.waba, value))
    assert value in came.body
    entry = came.json["entry"][0]
    assert (came.json["object"], entry["id"]) == ("whatsapp_business_account", connected.waba)
    assert [change["field"] for change in entry["changes"]] == ["messages"]
    assert is_signed_as_meta_signs(came, made["secret"])
    assert came.signed_by(made["secret"])
    assert len(connected.inbox.of_type("whatsapp.message.received")) == 1


async def test_each_change_is_a_request_of_its_own_and_a_repeat_makes_none(connected: Connected) -> None:
    await endpoint(connected)
    first, second, third = (text(connected, f"wamid.{n}") for n in range(3))
    came = await tell(connected, notification(connected.waba, first, second))
    assert [value in one.body for one, value in zip(came, (first, second), strict=True)] == [True, True]
    assert len({one.headers["webhook-id"] for one in came}) == 2
    connected.service.clock.advance(2 * HOUR)
    assert await tell(connected, notification(connected.waba, first, second)) == []
    [only] = await tell(connected, notification(connected.waba, second, third))
    assert third in only.body


async def test_a_change_with_an_old_and_a_new_item_comes_whole_and_once(connected: Connected) -> None:
    await endpoint(connected)
    batch = connected.sample("messages_text")
    value = batch["entry"][0]["changes"][0]["value"]
    await tell(connected, notices.body_of(batch))
    value["messages"].append({**value["messages"][0], "id": "wamid.new"})
    [came] = await tell(connected, notices.body_of(batch))
    assert came.json["entry"][0]["changes"][0]["value"] == value
    assert await tell(connected, notices.body_of(batch) + b" ") == []


async def test_accounts_of_one_notification_are_kept_apart(connected: Connected) -> None:
    desk = connected.tenant.api
    other = (await desk.made(f"/admin/tenants/{connected.tenant.id}/customers", {"name": "Otra"}))["id"]
    async with a_customer(connected.service.url) as person:
        played = await connect(connected.service, connected.tenant, other, person)
    [number] = (await desk.get(f"/admin/customers/{other}/phone-numbers")).json["data"]
    await endpoint(connected)
    await endpoint(connected, url=connected.inbox.url + "/other", customerId=other)
    mine = text(connected, "wamid.1")
    theirs = text(connected, "wamid.2").replace(connected.number.encode(), number["metaPhoneNumberId"].encode())
    one, two = (json.dumps(waba) for waba in (connected.waba, played["wabaIds"][0]))
    changes = [b'{"value":' + value + b',"field":"messages"}' for value in (mine, theirs)]
    entries = b",".join(
        b'{"id":' + waba.encode() + b',"changes":[' + change + b"]}"
        for waba, change in zip((one, two), changes, strict=True)
    )
    came = await tell(connected, b'{"object":"whatsapp_business_account","entry":[' + entries + b"]}")
    assert [(request.json["entry"][0]["id"], len(request.json["entry"])) for request in came] == [
        (connected.waba, 1), (played["wabaIds"][0], 1),
    ]  # fmt: skip
    [apart] = [request for request in connected.inbox.received if request.path == "/hooks/other"]
    assert theirs in apart.body


async def test_only_messages_templates_and_history_come_in_metas_format(connected: Connected) -> None:
    await endpoint(connected)
    fields = []
    for sample in (
        "messages_status_delivered", "smb_message_echoes", "history_chunk", "smb_app_state_sync",
        "message_template_status_update", "template_category_update", "account_alerts", "account_review_update",
        "calls_unknown_field",
    ):  # fmt: skip
        came = await tell(connected, notices.body_of(connected.sample(sample)))
        fields += [change["field"] for one in came for change in one.json["entry"][0]["changes"]]
    assert fields == [
        "messages", "smb_message_echoes", "history", "smb_app_state_sync", "message_template_status_update",
        "template_category_update",
    ]  # fmt: skip


async def test_our_own_events_never_come_in_metas_format(connected: Connected) -> None:
    await endpoint(connected)
    await connected.tenant.api.made(f"/admin/customers/{connected.customer_id}/setup-links", {})
    await connected.service.drain()
    assert {one.path for one in connected.inbox.of_type("setup_link.created")} == {"/hooks"}
    assert [one for one in connected.inbox.received if one.path == "/hooks/meta"] == []


async def test_event_types_narrow_changes_by_what_is_in_them(connected: Connected) -> None:
    await endpoint(connected, eventTypes=["whatsapp.message.status"])
    assert await tell(connected, notices.body_of(connected.sample("messages_text"))) == []
    assert len(await tell(connected, notices.body_of(connected.sample("messages_status_delivered")))) == 1


async def test_it_is_retried_with_the_same_bytes_and_missed_ones_are_recovered(connected: Connected) -> None:
    made = await endpoint(connected)
    connected.inbox.otherwise = Answer(500)
    [first] = await tell(connected, notification(connected.waba, text(connected, "wamid.1")))
    connected.inbox.otherwise = Answer(200)
    connected.service.clock.advance(10 * SECOND)
    await connected.service.drain()
    again = [one for one in connected.inbox.received if one.path == "/hooks/meta"][-1]
    assert (again.body, again.headers["webhook-id"]) == (first.body, first.headers["webhook-id"])
    path = f"/admin/webhook-endpoints/{made['id']}"
    await connected.tenant.api.call("PATCH", path, {"status": "disabled"})
    missed = text(connected, "wamid.2")
    assert await tell(connected, notification(connected.waba, missed)) == []
    await connected.tenant.api.call("POST", f"{path}/enable")
    seen = len(connected.inbox.received)
    recovered = await connected.tenant.api.call("POST", f"{path}/recover", {"since": made["createdAt"]})
    assert recovered.json == {"failedAgain": 0, "missed": 1}
    await connected.service.drain()
    [came] = connected.inbox.received[seen:]
    assert missed in came.body


async def test_a_poller_sees_items_and_not_changes(connected: Connected) -> None:
    await endpoint(connected)
    await tell(connected, notification(connected.waba, text(connected, "wamid.1")))
    told = (await connected.tenant.api.get(f"/admin/tenants/{connected.tenant.id}/events")).json["data"]
    assert [event["type"] for event in told].count("whatsapp.message.received") == 1


async def test_a_test_is_what_metas_own_button_sends(connected: Connected) -> None:
    made = await endpoint(connected, eventTypes=["whatsapp.history"])
    sent = (await connected.tenant.api.call("POST", f"/admin/webhook-endpoints/{made['id']}/test")).json
    await connected.service.drain()
    [came] = [one for one in connected.inbox.received if one.path == "/hooks/meta"]
    [message] = came.json["entry"][0]["changes"][0]["value"]["messages"]
    assert (message["type"], came.headers["webhook-id"]) == ("text", sent["eventId"])
    assert is_signed_as_meta_signs(came, made["secret"])

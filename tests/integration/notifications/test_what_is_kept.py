"""What is kept of Meta's notifications: held for a connection on its way, empty once told, gone with a customer."""

from typing import Any

import pytest

from setuplinks.core.clock import DAY, MINUTE, SECOND
from setuplinks.notifications.store import forget
from tests.integration.notifications.conftest import Connected, connect, settled
from tests.integration.setup_links.desk import Desk
from tests.support import notices
from tests.support.customer import Customer, a_customer
from tests.support.inbox import Inbox


async def raw(desk: Desk) -> list[bytes]:
    """All that is left of raw notifications."""
    return [bytes(row["body"]) for row in await desk.rows("notification") if row["body"]]


async def tell(desk: Desk, sample: str, waba: str, number: str = notices.NUMBER, **more: Any) -> None:
    """Meta tells it now, and it is handled."""
    found = notices.sample(sample, waba=waba, number=number, **more)
    for entry in found["entry"]:
        if "time" in entry:
            entry["time"] = desk.service.clock.now() // SECOND
    assert await notices.post(desk.service.url, notices.body_of(found)) == 200
    await desk.service.drain()


async def test_what_is_told_while_the_code_is_still_on_its_way_reaches_the_tenant(
    desk: Desk, customer: Customer, inbox: Inbox
) -> None:
    service = desk.service
    await desk.acme.api.made(f"/admin/tenants/{desk.acme.id}/webhook-endpoints", {"url": inbox.url})
    link = await desk.link()
    dialog = await customer.go_to_meta(link["url"])
    played = await service.sandbox.play(dialog)
    await settled(service.sandbox)
    await service.drain()
    [waba], [number] = played["wabaIds"], played["phoneNumberIds"]
    await tell(desk, "message_template_status_update", waba)  # nobody's yet: no row of ours knows the account
    await tell(desk, "messages_text", waba, number)
    await tell(desk, "account_review_update", waba)
    assert inbox.of_type("whatsapp.template.updated") == []
    await customer.open(played["redirectUrl"].partition("#")[0])
    await service.drain()
    for _ in range(4):
        await service.advance(3 * SECOND)
    assert len(inbox.of_type("whatsapp.template.updated")) == 1
    assert len(inbox.of_type("whatsapp.message.received")) == 1
    [event] = inbox.of_type("whatsapp.waba.updated")
    assert event.data["changes"]["account_review_status"]["new"] == "REJECTED"
    assert {row["status"] for row in await desk.rows("notification")} == {"handled"}


async def test_what_is_told_while_the_customer_is_asked_reaches_the_tenant_after_the_answer(
    desk: Desk, customer: Customer, inbox: Inbox
) -> None:
    service = desk.service
    await desk.acme.api.made(f"/admin/tenants/{desk.acme.id}/webhook-endpoints", {"url": inbox.url})
    link = await desk.link()
    played = await customer.walk(link["url"], service.sandbox, scenario="several_numbers")
    await settled(service.sandbox)
    await service.drain()
    assert await desk.phase(link) == "action_required"
    [waba], chosen = played["wabaIds"], played["phoneNumberIds"][1]
    await tell(desk, "messages_text", waba, chosen)
    await service.advance(30 * MINUTE)
    parts = service.parts
    await parts.db.unit(parts.questions.answer_numbers, desk.acme.id, link["id"], [chosen])
    await service.drain()
    assert await desk.phase(link) == "completed"
    await service.advance(11 * MINUTE)
    [event] = inbox.of_type("whatsapp.message.received")
    assert event.data["phone_number_id"] == chosen


async def test_what_nobody_ever_connects_is_let_go_after_a_day(desk: Desk) -> None:
    await tell(desk, "account_update_partner_added", "777")
    await tell(desk, "message_template_status_update", "777")
    await desk.service.advance(6 * MINUTE)
    states = {row["status"] for row in await desk.rows("notification")}
    assert states == {"handled", "stored"}
    await desk.service.advance(DAY)
    assert {row["status"] for row in await desk.rows("notification")} == {"handled", "unrouted"}


async def test_what_was_told_is_not_kept_a_second_time(connected: Connected, desk: Desk) -> None:
    await connected.tell("messages_text", "messages_status_delivered", "account_review_update")
    assert [row["status"] for row in await desk.rows("notification")] == ["handled"] * 3
    assert await raw(desk) == []


async def test_of_a_batch_only_what_is_nobodys_is_kept(connected: Connected, desk: Desk) -> None:
    batch = connected.sample("messages_text")
    batch["entry"] += connected.sample("messages_image", waba="888", number="999")["entry"]
    await connected.tell(batch)
    [kept] = await raw(desk)
    assert b"999" in kept
    assert connected.number.encode() not in kept
    assert b"abiertos" not in kept


async def test_with_a_customer_all_that_is_kept_of_it_goes_at_once(
    desk: Desk, customer: Customer, connected: Connected
) -> None:
    service = desk.service
    stays = connected.sample("messages_text", waba="888", number="999")
    other = connected.sample("messages_text", number="999")  # of the account, of a number that was not chosen
    await connected.tell(other, stays)
    assert len(await raw(desk)) == 2
    await desk.acme.api.delete(f"/admin/customers/{desk.clinic}")
    await service.drain()
    [kept] = await raw(desk)
    assert b"888" in kept
    assert connected.waba.encode() not in kept
    assert sorted(row["meta_id"] for row in await desk.rows("notification_mention")) == ["888", "999"]
    late = connected.sample("messages_image")
    assert await notices.post(service.url, notices.body_of(late)) == 200  # Meta was just sending it
    await service.drain()
    assert len(await raw(desk)) == 1


async def test_what_failed_for_good_goes_with_its_customer_too(
    desk: Desk, connected: Connected, caplog: pytest.LogCaptureFixture
) -> None:
    service = desk.service
    await service.db.bulk("DELETE FROM data_key WHERE tenant_id = $1", desk.acme.id)
    service.clock.advance(MINUTE)  # sealers are kept for 30 seconds
    assert await notices.post(service.url, notices.body_of(connected.sample("messages_text"))) == 200
    for _ in range(6):
        await service.advance(5 * MINUTE)
    assert [row["status"] for row in await desk.rows("notification")] == ["failed"]
    assert len(await raw(desk)) == 1
    async with service.db.transaction() as tx:
        forget(tx, [connected.number])
    assert await raw(desk) == []
    assert "notification.failed" in caplog.text


async def test_an_account_of_two_customers_stays_where_one_of_them_leaves(desk: Desk, connected: Connected) -> None:
    service = desk.service
    branch = await desk.another_customer()
    async with a_customer(service.url) as person:
        await connect(service, desk.acme, branch, person)
    for table in ("waba", "phone_number"):
        text = f"UPDATE {table} SET meta_waba_id = $1 WHERE customer_id = $2"  # noqa: S608 - a test's own word
        await service.db.bulk(text, connected.waba, branch)
    await connected.tell(connected.sample("messages_text", number="999"))
    await desk.acme.api.delete(f"/admin/customers/{branch}")
    await service.drain()
    assert len(await raw(desk)) == 1

"""The log of deliveries: what was tried and answered, sending again, and why nothing was sent at all."""

from setuplinks.core.clock import MINUTE, SECOND
from tests.integration.dashboard.desk import Person
from tests.support.inbox import Answer, Inbox
from tests.support.service import RunningService, Tenant


async def _endpoint(acme: Tenant, inbox: Inbox, **fields: object) -> dict[str, object]:
    return await acme.api.made(f"/admin/tenants/{acme.id}/webhook-endpoints", {"url": inbox.url, **fields})


async def _link(service: RunningService, acme: Tenant, clinic: int) -> None:
    await acme.api.made(f"/admin/customers/{clinic}/setup-links", {})
    await service.drain()


async def _newest(acme: Tenant) -> dict[str, object]:
    found: list[dict[str, object]] = (await acme.api.get(f"/admin/tenants/{acme.id}/deliveries")).json["data"]
    return found[0]


async def test_a_delivery_shows_each_attempt_with_its_answer_and_the_distance_to_the_one_before(
    service: RunningService, acme: Tenant, clinic: int, inbox: Inbox, person: Person
) -> None:
    await _endpoint(acme, inbox)
    inbox.answer_next(Answer(503, {}, b"<b>database is away</b>"))
    await _link(service, acme, clinic)
    delivery = await _newest(acme)
    page = f"/dashboard/{acme.id}/deliveries/{delivery['id']}"
    await person.open(page)
    assert "Waiting for the second attempt" in person.words
    assert "503 Service Unavailable" in person.words
    assert "&lt;b&gt;database is away" in person.text
    await service.advance(7 * SECOND)
    await person.open(page)
    assert "Delivered, second attempt" in person.words
    assert "200 OK" in person.words
    assert "12:00:07 +7 s" in person.words
    assert str(delivery["eventId"]) in person.words
    assert "Clínica San Lucas" in person.words


async def test_the_body_is_shown_unless_it_carries_a_links_address(
    service: RunningService, acme: Tenant, clinic: int, inbox: Inbox, person: Person
) -> None:
    await _endpoint(acme, inbox)
    made = await acme.api.made(f"/admin/customers/{clinic}/setup-links", {})
    await acme.api.post(f"/admin/setup-links/{made['id']}/revoke")
    await service.drain()
    seen = {}
    for row in (await acme.api.get(f"/admin/tenants/{acme.id}/deliveries")).json["data"]:
        await person.open(f"/dashboard/{acme.id}/deliveries/{row['id']}")
        assert made["url"].rpartition("-")[2] not in person.text
        seen[row["eventType"]] = person.words
    assert "secret, and so it is not shown" in seen["setup_link.created"]
    assert '"external_id": "clinic_001"' in seen["setup_link.revoked"]


async def test_sending_again_goes_by_the_same_way_as_the_api_and_leaves_an_audit_row(
    service: RunningService, acme: Tenant, clinic: int, inbox: Inbox, person: Person
) -> None:
    await _endpoint(acme, inbox)
    await _link(service, acme, clinic)
    delivery = await _newest(acme)
    page = f"/dashboard/{acme.id}/deliveries/{delivery['id']}"
    await person.open(page)
    await person.press("/send-again")
    assert (person.path, "It goes again" in person.words) == (page, True)
    await service.drain()
    assert [one.headers["webhook-id"] for one in inbox.received] == [delivery["eventId"]] * 2
    [row] = await service.db.read("SELECT actor, object_id FROM audit WHERE action = 'delivery.redelivered'")
    assert (row["actor"].startswith("key:"), row["object_id"]) == (True, delivery["id"])


async def test_what_cannot_go_again_is_said_on_the_same_page(
    service: RunningService, acme: Tenant, clinic: int, inbox: Inbox, person: Person
) -> None:
    endpoint = await _endpoint(acme, inbox)
    await _link(service, acme, clinic)
    delivery = await _newest(acme)
    await person.open(f"/dashboard/{acme.id}/deliveries/{delivery['id']}")
    await acme.api.patch(f"/admin/webhook-endpoints/{endpoint['id']}", {"status": "disabled"})
    await person.press("/send-again")
    assert (person.status, "Enable the endpoint first." in person.words) == (409, True)


async def test_a_delivery_that_waits_says_that_its_endpoint_is_paused(
    service: RunningService, acme: Tenant, clinic: int, inbox: Inbox, person: Person
) -> None:
    await _endpoint(acme, inbox)
    inbox.otherwise = Answer(500)
    for _ in range(6):
        await _link(service, acme, clinic)
        await service.advance(SECOND)
    delivery = await _newest(acme)
    await person.open(f"/dashboard/{acme.id}/deliveries/{delivery['id']}")
    assert "Its endpoint is paused after" in person.words


async def test_the_list_is_narrowed_by_its_address_and_goes_on_page_by_page(
    service: RunningService, acme: Tenant, clinic: int, inbox: Inbox, person: Person
) -> None:
    await _endpoint(acme, inbox, eventTypes=["setup_link.created"])
    for _ in range(26):
        await acme.api.made(f"/admin/customers/{clinic}/setup-links", {})
        service.clock.advance(MINUTE)
    await service.drain()
    log = f"/dashboard/{acme.id}/deliveries"
    await person.open(f"{log}?status=delivered&customer=clinic_001")
    assert person.text.count('class="whole') == 25
    older = next(one for one in person.text.split('"') if one.startswith(f"{log}?") and "after=" in one)
    await person.open(older.replace("&amp;", "&"))
    assert person.text.count('class="whole') == 1
    assert "customer=clinic_001" in person.text
    for query, count in (
        ("status=failed", 0), ("type=setup_link.revoked", 0), (f"customer={clinic}", 25),
        ("since=2026-05-18T12:05&until=2026-05-18T12:08", 3), ("since=2026-05-18T12:25:00Z", 1),
    ):  # fmt: skip
        await person.open(f"{log}?{query}")
        assert (query, person.text.count('class="whole')) == (query, count)


async def test_a_filter_that_cannot_be_read_is_a_fault_beside_its_field(acme: Tenant, person: Person) -> None:
    for query, words in (
        ("customer=nobody", "No customer has this id"), ("since=yesterday", "no such time;"),
        ("endpoint=99", "no such endpoint"), ("type=what", "none of those"),
    ):  # fmt: skip
        await person.open(f"/dashboard/{acme.id}/deliveries?{query}")
        assert (query, person.status) == (query, 200)
        assert words.lower() in person.words.lower()
        assert 'aria-invalid="true"' in person.text


async def test_times_are_told_and_taken_in_the_tenants_zone(
    service: RunningService, clinic: int, acme: Tenant, inbox: Inbox, person: Person
) -> None:
    zone = {"timeZone": "America/Argentina/Buenos_Aires"}
    assert (await acme.api.patch(f"/admin/tenants/{acme.id}", zone)).status == 200
    await _endpoint(acme, inbox)
    await _link(service, acme, clinic)
    await person.open(f"/dashboard/{acme.id}/deliveries?since=2026-05-18T09:00&until=2026-05-18T09:01")
    assert "09:00:00" in person.words
    assert "Times in America/Argentina/Buenos Aires" in person.words


async def test_an_empty_log_says_that_there_is_no_endpoint(
    service: RunningService, acme: Tenant, clinic: int, person: Person
) -> None:
    await person.open(f"/dashboard/{acme.id}/deliveries")
    assert "there is no endpoint to send to" in person.words
    assert f"/admin/tenants/{acme.id}/webhook-endpoints" in person.words


async def test_an_empty_log_says_of_each_endpoint_why_it_was_not_told(
    service: RunningService, acme: Tenant, clinic: int, inbox: Inbox, person: Person
) -> None:
    log = f"/dashboard/{acme.id}/deliveries"
    await _link(service, acme, clinic)
    service.clock.advance(MINUTE)
    await _endpoint(acme, inbox, eventTypes=["whatsapp.*"])
    late = await _endpoint(acme, inbox, eventTypes=["setup_link.*"])
    other = await acme.api.made(f"/admin/tenants/{acme.id}/customers", {"name": "Another"})
    await _endpoint(acme, inbox, customerId=other["id"])
    off = await _endpoint(acme, inbox)
    await acme.api.patch(f"/admin/webhook-endpoints/{off['id']}", {"status": "disabled"})
    await person.open(f"{log}?type=setup_link.created")
    assert "Something happened, and nobody was told" in person.words
    assert "It takes only whatsapp.*, so never setup_link.created." in person.words
    assert "It was made after this event." in person.words
    assert f"It is only for customer {other['id']}" in person.words
    assert "It is disabled" in person.words
    await person.open(f"{log}?type=setup_link.expired&endpoint={late['id']}")
    assert "nothing of this kind has happened" in person.words
    assert "It is enabled and listens" in person.words


async def test_a_list_that_is_empty_for_its_status_alone_leads_to_the_others(
    service: RunningService, acme: Tenant, clinic: int, inbox: Inbox, person: Person
) -> None:
    await _endpoint(acme, inbox)
    await _link(service, acme, clinic)
    await person.open(f"/dashboard/{acme.id}/deliveries?status=failed")
    assert "None of these has failed" in person.words
    assert "Show them whatever came of them" in person.words


async def test_a_failed_delivery_says_what_to_do_and_why_it_cannot_go_again(
    service: RunningService, acme: Tenant, clinic: int, inbox: Inbox, person: Person
) -> None:
    endpoint = await _endpoint(acme, inbox)
    inbox.otherwise = Answer(410)
    await _link(service, acme, clinic)
    page = f"/dashboard/{acme.id}/deliveries/{(await _newest(acme))['id']}"
    await person.open(page)
    assert "410 says that your server wants no more, so the endpoint was disabled." in person.words
    assert "Its endpoint is disabled: nothing is sent until you enable it." in person.words
    assert "Send again" not in person.words
    assert (await acme.api.delete(f"/admin/webhook-endpoints/{endpoint['id']}")).status == 204
    await person.open(page)
    assert "Its endpoint was deleted: it cannot be sent again." in person.words


async def test_the_filters_that_are_set_are_told_by_name(
    service: RunningService, acme: Tenant, clinic: int, inbox: Inbox, person: Person
) -> None:
    endpoint = await _endpoint(acme, inbox)
    await _link(service, acme, clinic)
    await person.open(f"/dashboard/{acme.id}/deliveries?endpoint={endpoint['id']}&customer={clinic}&status=delivered")
    assert f"Filter endpoint {inbox.url.removeprefix('http://')} , customer Clínica San Lucas" in person.words
    assert person.text.count('class="whole') == 1

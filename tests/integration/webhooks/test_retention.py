"""Messages, events and attempts are kept for as many days as the settings say, and then dropped."""

from setuplinks.core.clock import DAY
from tests.support.inbox import Inbox
from tests.support.service import RunningService, Tenant


async def _counts(service: RunningService) -> dict[str, int]:
    tables = ("event", "event_payload", "delivery", "attempt")
    return {table: (await service.db.read(f"SELECT COUNT(*) AS n FROM {table}"))[0]["n"] for table in tables}  # noqa: S608


async def test_attempts_go_after_30_days_and_events_after_90(
    service: RunningService, acme: Tenant, clinic: int, inbox: Inbox
) -> None:
    await acme.api.made(f"/admin/tenants/{acme.id}/webhook-endpoints", {"url": inbox.url})
    await acme.api.made(f"/admin/customers/{clinic}/setup-links", {"expiresAt": "2026-05-25T23:59:59Z"})
    await service.drain()
    assert min((await _counts(service)).values()) >= 1
    service.clock.advance(31 * DAY)
    await service.drain()  # the link expires, which makes a younger event
    counts = await _counts(service)
    assert counts["attempt"] == 1
    assert counts["event"] >= 2
    service.clock.advance(61 * DAY)
    await service.drain()
    assert (await _counts(service))["event"] == 1


async def test_what_end_users_wrote_goes_after_seven_days_and_its_event_stays(
    service: RunningService, acme: Tenant
) -> None:
    for event_type in ("whatsapp.message.received", "whatsapp.template.updated"):
        async with service.db.transaction() as tx:
            audience = await service.parts.events.load(tx, acme.id)
            service.parts.events.emit(tx, audience, event_type, {"word": event_type})
    service.clock.advance(6 * DAY)
    await service.drain()
    assert len(await service.db.read("SELECT body FROM message_payload")) == 1
    service.clock.advance(2 * DAY)
    await service.drain()
    assert await service.db.read("SELECT body FROM message_payload") == []
    told = (await acme.api.get(f"/admin/tenants/{acme.id}/events")).json["data"]
    found = {event["type"]: event["data"] is None for event in told if event["type"].startswith("whatsapp.")}
    assert found == {"whatsapp.message.received": True, "whatsapp.template.updated": False}


async def test_the_tries_of_an_old_delivery_that_is_sent_again_are_kept_for_as_long_as_others(
    service: RunningService, acme: Tenant, clinic: int, inbox: Inbox
) -> None:
    only = {"url": inbox.url, "eventTypes": ["setup_link.created"]}
    await acme.api.made(f"/admin/tenants/{acme.id}/webhook-endpoints", only)
    await acme.api.made(f"/admin/customers/{clinic}/setup-links", {"expiresAt": "2026-05-25T23:59:59Z"})
    await service.drain()
    [delivery] = await service.db.read("SELECT id FROM delivery")
    service.clock.advance(40 * DAY)
    await service.drain()
    assert (await _counts(service))["attempt"] == 0
    await acme.api.post(f"/admin/deliveries/{delivery['id']}/redeliver")
    await service.drain()
    service.clock.advance(29 * DAY)
    await service.drain()
    [attempt] = (await acme.api.get(f"/admin/deliveries/{delivery['id']}")).json["attempts"]
    assert attempt["number"] == 2
    service.clock.advance(2 * DAY)
    await service.drain()
    assert (await _counts(service))["attempt"] == 0

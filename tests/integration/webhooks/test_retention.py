"""Events and attempts are kept for as many days as the settings say, and then dropped."""

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

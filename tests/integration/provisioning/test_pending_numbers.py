"""A number that could not be made ready at once becomes so later, by itself, and the tenant is told."""

import asyncio
from typing import Any

from setuplinks.core.clock import HOUR, MINUTE
from setuplinks.walk import Wishes, walk
from tests.support.inbox import Inbox
from tests.support.service import RunningService, Tenant


async def _pending(service: RunningService, acme: Tenant, clinic: int, scenario: str) -> dict[str, Any]:
    link = await acme.api.made(f"/admin/customers/{clinic}/setup-links", {"allowedConnectionTypes": ["dedicated"]})
    walking = asyncio.create_task(walk(link["url"], Wishes(scenario=scenario)))
    while not walking.done():  # the walk waits for the work as a browser would
        await service.drain()
        await asyncio.wait({walking}, timeout=0.02)
    assert (await walking).page == "done"
    return await _number(acme, clinic)


async def _number(acme: Tenant, clinic: int) -> dict[str, Any]:
    [number] = (await acme.api.get(f"/admin/customers/{clinic}/phone-numbers")).json["data"]
    found: dict[str, Any] = number
    return found


async def test_a_name_in_review_completes_the_link_and_the_number_is_ready_after_the_approval(
    service: RunningService, acme: Tenant, clinic: int, inbox: Inbox
) -> None:
    await acme.api.made(f"/admin/tenants/{acme.id}/webhook-endpoints", {"url": inbox.url})
    number = await _pending(service, acme, clinic, "name_in_review")
    assert number["status"] == "pending"
    assert (await acme.api.get(f"/admin/customers/{clinic}")).json["connection"] == "pending"
    registrations = len(await service.sandbox.calls("register"))
    await service.advance(HOUR)
    assert (await _number(acme, clinic))["status"] == "pending"
    assert len(await service.sandbox.calls("register")) == registrations, "not tried while the name is in review"
    meta_id = number["metaPhoneNumberId"]
    await service.sandbox.ask("PATCH", f"/sandbox/phone-numbers/{meta_id}", {"nameStatus": "APPROVED"})
    await service.advance(3 * HOUR)
    [told] = await inbox.wait_for("whatsapp.phone_number.ready")
    number = await _number(acme, clinic)
    assert told.data["internal_phone_number_id"] == number["id"]
    assert number["status"] == "active"
    assert all(check["passed"] for check in number["readiness"])
    assert (await acme.api.get(f"/admin/customers/{clinic}")).json["connection"] == "connected"


async def test_a_registration_that_meta_locks_is_tried_again_when_the_lock_is_over(
    service: RunningService, acme: Tenant, clinic: int
) -> None:
    await service.sandbox.fault("register", times=2, code=133016)
    number = await _pending(service, acme, clinic, "default")
    assert number["status"] == "pending"
    await service.advance(HOUR)
    assert len(await service.sandbox.calls("register")) == 2
    for _ in range(7):
        await service.advance(10 * HOUR)
    assert len(await service.sandbox.calls("register")) == 2, "Meta's lock of 72 hours is respected"
    await service.advance(10 * HOUR)
    assert (await _number(acme, clinic))["status"] == "active"


async def test_a_token_that_dies_meanwhile_cuts_the_number_off(
    service: RunningService, acme: Tenant, clinic: int
) -> None:
    number = await _pending(service, acme, clinic, "name_in_review")
    await service.sandbox.ask("POST", "/sandbox/tokens/kill", {"wabaId": number["metaWabaId"], "subcode": 463})
    await service.advance(10 * MINUTE)
    number = await _number(acme, clinic)
    assert (number["status"], number["disconnectReason"]) == ("disconnected", "token_expired")

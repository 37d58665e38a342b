"""A row that can never be done: it is put off and ended in time, and holds up nobody else."""

import asyncio
from typing import Any

import pytest

from setuplinks.core.clock import DAY, HOUR, MINUTE
from setuplinks.provisioning.models import Facts, RunMoved
from tests.support.customer import a_customer
from tests.support.service import RunningService, Tenant

OTHER_LINK = (
    "INSERT INTO setup_link (tenant_id, id, customer_id, purpose, phase, secret_hash, expires_at, lapses_at, due_at, "
    "created_at, updated_at, connection_types, created_by) SELECT tenant_id, $2, customer_id, purpose, 'unheard_of', "
    "secret_hash, expires_at, lapses_at, $3, created_at, updated_at, connection_types, created_by "
    "FROM setup_link WHERE id = $1"
)


async def _granted(service: RunningService, tenant: Tenant, name: str) -> dict[str, Any]:
    """A link whose customer has come back from Meta; its provisioning is due."""
    customer = await tenant.api.made(f"/admin/tenants/{tenant.id}/customers", {"name": name})
    link = await tenant.api.made(
        f"/admin/customers/{customer['id']}/setup-links", {"allowedConnectionTypes": ["dedicated"]}
    )
    async with a_customer(service.url) as person:
        await person.walk(link["url"], service.sandbox)
    return link


async def _phase(tenant: Tenant, link: dict[str, Any]) -> str:
    return str((await tenant.api.get(f"/admin/setup-links/{link['id']}")).json["phase"])


async def _run_of(service: RunningService, link: dict[str, Any]) -> dict[str, Any]:
    [row] = await service.db.read("SELECT * FROM provisioning WHERE link_id = $1", link["id"])
    return dict(row)


async def test_a_run_that_cannot_be_read_holds_up_no_other(service: RunningService, acme: Tenant) -> None:
    broken, good = await _granted(service, acme, "Broken"), await _granted(service, acme, "Good")
    async with service.db.transaction() as tx:
        tx.add("UPDATE provisioning SET step = 'of_a_newer_version' WHERE link_id = $1", broken["id"])
    await service.drain()
    assert await _phase(acme, good) == "completed"
    run = await _run_of(service, broken)
    assert (run["status"], run["tries"], run["lease_until"]) == ("running", 1, None)
    assert run["due_at"] > service.clock.now()


async def test_a_run_whose_token_does_not_open_ends_its_link_after_a_day(service: RunningService, acme: Tenant) -> None:
    link = await _granted(service, acme, "Broken")
    async with service.db.transaction() as tx:
        tx.add("UPDATE provisioning SET token = $2 WHERE link_id = $1", link["id"], b"damaged")
    await service.drain()
    assert await _phase(acme, link) == "provisioning"
    for _ in range(3):
        await service.advance(12 * HOUR)
    shown = (await acme.api.get(f"/admin/setup-links/{link['id']}")).json
    assert (shown["phase"], shown["failure"]["code"]) == ("failed", "internal")
    run = await _run_of(service, link)
    assert (run["status"], run["token"], run["due_at"]) == ("failed", None, None)


async def test_a_run_that_its_link_knows_nothing_of_loses_its_token(service: RunningService, acme: Tenant) -> None:
    link = await _granted(service, acme, "Torn")
    async with service.db.transaction() as tx:
        tx.add("UPDATE setup_link SET provisioning_id = NULL, phase = 'started' WHERE id = $1", link["id"])
    await service.drain()
    run = await _run_of(service, link)
    assert (run["status"], run["token"], run["due_at"]) == ("rejected", None, None)
    assert (await acme.api.get(f"/admin/customers/{link['customerId']}/phone-numbers")).json["data"] == []


async def test_a_run_that_waits_for_meta_holds_up_no_other(service: RunningService, acme: Tenant) -> None:
    slow = await _granted(service, acme, "Slow")
    await service.sandbox.hold("debug_token")
    first = asyncio.create_task(service.drain())
    while (await _run_of(service, slow))["lease_until"] is None:
        assert not first.done()
        await asyncio.sleep(0.01)
    quick = await _granted(service, acme, "Quick")
    while await _phase(acme, quick) != "completed":
        assert not first.done()
        await asyncio.sleep(0.01)
    assert await _phase(acme, slow) == "provisioning"
    await service.sandbox.let_go("debug_token")
    await first
    assert await _phase(acme, slow) == "completed"


async def test_a_verdict_of_a_worker_that_lost_its_lease_counts_no_more(service: RunningService, acme: Tenant) -> None:
    link = await _granted(service, acme, "Overtaken")
    run = await _run_of(service, link)
    stale = run["version"]
    async with service.db.transaction() as tx:  # another worker claimed it meanwhile
        tx.add("UPDATE provisioning SET version = version + 1 WHERE link_id = $1", link["id"])
    for verdict in (service.parts.provisionings.send_back, service.parts.provisionings.fail):
        with pytest.raises(RunMoved):
            await service.db.unit(verdict, acme.id, run["id"], "meta_refused", Facts(), version=stale)
    await service.drain()
    assert await _phase(acme, link) == "completed"


async def test_links_that_cannot_be_swept_hide_none_behind_them(
    service: RunningService, acme: Tenant, clinic: int
) -> None:
    link = await acme.api.made(f"/admin/customers/{clinic}/setup-links", {"expiresAt": "2026-05-18T12:10:00Z"})
    async with service.db.transaction() as tx:
        for n in range(120):
            tx.add(OTHER_LINK, link["id"], f"00000000-0000-4000-8000-{n:012}", service.clock.now())
    await service.advance(10 * MINUTE)
    [row] = await service.db.read("SELECT phase, url_secret FROM setup_link WHERE id = $1", link["id"])
    assert (row["phase"], row["url_secret"]) == ("expired", None)


async def test_an_off_boarding_that_cannot_be_done_holds_up_no_other_and_ends(
    service: RunningService, acme: Tenant
) -> None:
    link = await _granted(service, acme, "Leaves")
    await service.drain()
    async with service.db.transaction() as tx:
        tx.add(
            "INSERT INTO offboarding (tenant_id, id, meta_waba_id, token, status, due_at, created_at, updated_at) "
            "VALUES ($1, 999, '1', $2, 'running', $3, $3, $3)", acme.id, b"damaged", service.clock.now(),
        )  # fmt: skip
    assert (await acme.api.delete(f"/admin/customers/{link['customerId']}")).status == 204
    await service.drain()
    ended = {row["id"]: row["status"] for row in await service.db.read("SELECT id, status FROM offboarding")}
    assert sorted(ended.values()) == ["done", "running"]
    for _ in range(4):
        await service.advance(2 * DAY)
    [row] = await service.db.read("SELECT status, token FROM offboarding WHERE id = 999")
    assert (row["status"], row["token"]) == ("given_up", None)


async def _pending_numbers(service: RunningService, acme: Tenant) -> tuple[int, int]:
    """Two customers' numbers that wait for their names; the token of the first cannot be opened."""
    for name in ("Broken", "Good"):
        customer = await acme.api.made(f"/admin/tenants/{acme.id}/customers", {"name": name})
        link = await acme.api.made(
            f"/admin/customers/{customer['id']}/setup-links", {"allowedConnectionTypes": ["dedicated"]}
        )
        async with a_customer(service.url) as person:
            await person.walk(link["url"], service.sandbox, scenario="name_in_review")
        await service.drain()
    rows = await service.db.read("SELECT id, waba_id FROM phone_number ORDER BY id")
    async with service.db.transaction() as tx:
        tx.add("UPDATE credential SET token = $2 WHERE waba_id = $1", rows[0]["waba_id"], b"damaged")
    return rows[0]["id"], rows[1]["id"]


async def test_a_pending_number_whose_token_does_not_open_holds_up_no_other(
    service: RunningService, acme: Tenant
) -> None:
    broken, good = await _pending_numbers(service, acme)
    for row in await service.db.read("SELECT meta_phone_number_id AS id FROM phone_number"):
        await service.sandbox.ask("PATCH", f"/sandbox/phone-numbers/{row['id']}", {"nameStatus": "APPROVED"})
    await service.advance(30 * MINUTE)
    assert (await acme.api.get(f"/admin/phone-numbers/{good}")).json["status"] == "active"
    [row] = await service.db.read("SELECT status, lease_until, due_at FROM phone_number WHERE id = $1", broken)
    assert (row["status"], row["lease_until"]) == ("pending", None)
    assert row["due_at"] > service.clock.now()


async def test_an_account_that_cannot_be_looked_at_holds_up_no_other(service: RunningService, acme: Tenant) -> None:
    broken, good = await _pending_numbers(service, acme)
    await service.advance(2 * HOUR)
    rows = {
        row["id"]: row
        for row in await service.db.read(
            "SELECT p.id, p.observed_at, c.due_at, c.lease_until, c.unasked FROM phone_number p "
            "JOIN credential c ON c.tenant_id = p.tenant_id AND c.waba_id = p.waba_id"
        )
    }
    assert (rows[broken]["observed_at"], rows[broken]["lease_until"]) == (None, None)
    assert rows[broken]["due_at"] > service.clock.now()
    assert "our side" in rows[broken]["unasked"]
    assert rows[good]["observed_at"] is not None


async def test_a_token_whose_end_cannot_be_told_holds_up_no_other(service: RunningService, acme: Tenant) -> None:
    broken, good = await _pending_numbers(service, acme)
    async with service.db.transaction() as tx:
        tx.add("UPDATE phone_number SET readiness = 'no json' WHERE id = $1", broken)
    await service.advance(46 * DAY)
    told = await service.db.read(
        "SELECT phone_id FROM event WHERE type = 'whatsapp.phone_number.token_expiring'"
    )  # fmt: skip
    assert [row["phone_id"] for row in told] == [good]

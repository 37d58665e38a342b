"""Two units that touch the same customer at the same moment: one of them reads again, and nothing is lost."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from setuplinks.core.clock import MINUTE
from setuplinks.core.problems import RaceLost
from setuplinks.setup_links.models import LinkMoved
from setuplinks.setup_links.request import NewSetupLink
from tests.support.customer import a_customer
from tests.support.service import RunningService, Tenant


async def _walked(service: RunningService, acme: Tenant, clinic: int, **choices: Any) -> dict[str, Any]:
    """A link whose customer has come back from Meta."""
    link = await acme.api.made(f"/admin/customers/{clinic}/setup-links", {"allowedConnectionTypes": ["dedicated"]})
    async with a_customer(service.url) as person:
        await person.walk(link["url"], service.sandbox, **choices)
    return link


async def _numbers(acme: Tenant, clinic: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await acme.api.get(f"/admin/customers/{clinic}/phone-numbers")).json["data"]
    return found


async def test_a_number_that_leaves_while_another_one_is_connected_leaves_the_customer_connected(
    service: RunningService, acme: Tenant, clinic: int
) -> None:
    await _walked(service, acme, clinic)
    await service.drain()
    [first] = await _numbers(acme, clinic)
    await _walked(service, acme, clinic)

    async def leave_meanwhile() -> None:
        async with service.db.transaction() as tx:
            await service.parts.offboarding.number(tx, acme.id, first["id"], "test")
            await service.drain()  # the second number is connected between this unit's reads and its commit

    with pytest.raises(RaceLost):
        await leave_meanwhile()
    await service.db.unit(service.parts.offboarding.number, acme.id, first["id"], "test")
    assert [number["status"] for number in await _numbers(acme, clinic)] == ["active"]
    assert (await acme.api.get(f"/admin/customers/{clinic}")).json["connection"] == "connected"


async def test_a_number_that_stood_in_another_account_of_the_customer_is_connected_anew(
    service: RunningService, acme: Tenant, clinic: int
) -> None:
    await _walked(service, acme, clinic)
    await service.drain()
    [number] = await _numbers(acme, clinic)
    async with service.db.transaction() as tx:  # as if it had been moved at Meta since
        tx.add(
            "INSERT INTO waba (tenant_id, id, customer_id, meta_waba_id, status, connection_type, created_at, "
            "updated_at) SELECT tenant_id, 9999, customer_id, '1', status, connection_type, created_at, updated_at "
            "FROM waba WHERE id = $1", number["wabaId"],
        )  # fmt: skip
        tx.then()
        tx.add("UPDATE phone_number SET waba_id = 9999, meta_waba_id = '1' WHERE id = $1", number["id"])
        tx.add("UPDATE connected_number SET meta_waba_id = '1'")
    link = await _walked(service, acme, clinic, phoneNumberId=number["metaPhoneNumberId"])
    await service.drain()
    assert (await acme.api.get(f"/admin/setup-links/{link['id']}")).json["phase"] == "completed"
    [moved] = await _numbers(acme, clinic)
    assert (moved["id"], moved["wabaId"], moved["metaWabaId"]) == (number["id"], number["wabaId"], number["metaWabaId"])
    [held] = await service.db.read("SELECT meta_waba_id FROM connected_number")
    assert held["meta_waba_id"] == number["metaWabaId"]


async def test_a_link_that_is_made_while_its_customer_leaves_is_refused_or_revoked(
    service: RunningService, acme: Tenant
) -> None:
    links, body, actor = service.parts.links, NewSetupLink(), "test"
    sealer = await service.parts.vault.tenant(acme.id)

    async def new_customer() -> int:
        made = await acme.api.made(f"/admin/tenants/{acme.id}/customers", {"name": "Leaves"})
        return int(made["id"])

    async def leaves_within(leaving: int, *, before: int) -> None:
        for _ in range(before):
            await acme.api.made(f"/admin/customers/{leaving}/setup-links")
        async with service.db.transaction() as tx:
            await links.create(tx, sealer, acme.id, leaving, body, actor)
            await service.db.unit(service.parts.offboarding.customer, acme.id, leaving, actor)

    for before in (0, 1):
        with pytest.raises(LinkMoved):
            await leaves_within(await new_customer(), before=before)

    async def made_within(leaving: int) -> None:
        async with service.db.transaction() as tx:
            await service.parts.offboarding.customer(tx, acme.id, leaving, actor)
            await service.db.unit(links.create, sealer, acme.id, leaving, body, actor)

    leaving = await new_customer()
    with pytest.raises(LinkMoved):
        await made_within(leaving)
    await service.db.unit(service.parts.offboarding.customer, acme.id, leaving, actor)
    rows = await service.db.read("SELECT phase, url_secret FROM setup_link")
    assert {(row["phase"], row["url_secret"]) for row in rows} == {("revoked", None)}


async def test_a_customer_leaves_though_a_link_of_it_has_lapsed_and_nobody_has_swept_it_yet(
    service: RunningService, acme: Tenant, clinic: int
) -> None:
    await acme.api.made(f"/admin/customers/{clinic}/setup-links", {"expiresAt": "2026-05-18T12:10:00Z"})
    service.clock.advance(11 * MINUTE)
    assert (await acme.api.delete(f"/admin/customers/{clinic}")).status == 204
    await service.drain()
    [row] = await service.db.read("SELECT phase, url_secret FROM setup_link")
    assert (row["phase"], row["url_secret"]) == ("expired", None)


async def test_a_number_that_leaves_takes_its_open_reconnect_link_along(
    service: RunningService, acme: Tenant, clinic: int
) -> None:
    await _walked(service, acme, clinic)
    await service.drain()
    [number] = await _numbers(acme, clinic)
    link = await acme.api.made(f"/admin/customers/{clinic}/setup-links", {"reconnectPhoneNumberId": number["id"]})
    async with a_customer(service.url) as person:
        await person.walk(link["url"], service.sandbox)
        assert (await acme.api.delete(f"/admin/phone-numbers/{number['id']}")).status == 204
        await service.drain()
    shown = (await acme.api.get(f"/admin/setup-links/{link['id']}")).json
    assert (shown["phase"], shown["endedReason"]) == ("revoked", "number_deleted")
    assert await _numbers(acme, clinic) == []
    assert [row["token"] for row in await service.db.read("SELECT token FROM provisioning")] == [None, None]
    assert await service.db.read("SELECT token FROM credential") == []


async def test_a_new_start_explains_the_silence_of_every_earlier_visit(
    service: RunningService, acme: Tenant, clinic: int
) -> None:
    link = await acme.api.made(f"/admin/customers/{clinic}/setup-links", {"allowedConnectionTypes": ["dedicated"]})
    async with (
        a_customer(service.url) as first, a_customer(service.url) as second, a_customer(service.url) as third
    ):  # fmt: skip
        [state] = parse_qs(urlsplit(await first.go_to_meta(link["url"])).query)["state"]
        await second.go_to_meta(link["url"])
        await first.open(f"{service.url}/meta/callback?error=access_denied&state={state}")
        await third.go_to_meta(link["url"])
        await service.advance(20 * MINUTE)
    told = (await acme.api.get(f"/admin/tenants/{acme.id}/events?type=setup_link.abandoned")).json["data"]
    assert told == []


async def test_nothing_of_a_customer_that_left_stands_in_its_runs_and_timelines(
    service: RunningService, acme: Tenant, clinic: int
) -> None:
    await _walked(service, acme, clinic)
    await service.drain()
    [number] = await _numbers(acme, clinic)
    assert (await acme.api.delete(f"/admin/customers/{clinic}")).status == 204
    await service.drain()
    [run] = await service.db.read("SELECT facts, claims, token, pin FROM provisioning")
    assert dict(run) == {"facts": "{}", "claims": "{}", "token": None, "pin": None}
    steps = await service.db.read("SELECT kind, detail FROM setup_link_step")
    assert "connected" in {row["kind"] for row in steps}
    assert not any(number["displayPhoneNumber"] in row["detail"] for row in steps)
    assert [row["token"] for row in await service.db.read("SELECT token FROM offboarding")] == [None]
    assert await service.db.read("SELECT token FROM credential") == []

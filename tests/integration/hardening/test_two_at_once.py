"""Two units that touch the same customer at the same moment: one of them reads again, and nothing is lost."""

from typing import Any

import pytest

from setuplinks.core.problems import RaceLost
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

"""The operator assigns an account that no link awaited: the same run as ever, and everything that may be in its way."""

from pathlib import Path
from typing import Any

import pytest

from setuplinks.core.clock import MINUTE, SECOND, ManualClock
from setuplinks.core.db.database import Database
from tests.integration.notifications.conftest import settled
from tests.integration.notifications.test_authorisations_nobody_awaits import (
    GRACE,
    ORPHANS,
    lost,
    orphaned,
    orphans,
    states,
    tell,
)
from tests.integration.setup_links.desk import Desk
from tests.support.api import Reply
from tests.support.customer import Customer
from tests.support.inbox import Inbox
from tests.support.service import RunningService, Tenant, running_service


async def assign(desk: Desk, orphan_id: int, customer_id: Any = None, **headers: str) -> Reply:
    """The operator assigns it to the clinic, or to another."""
    body = {"customerId": desk.clinic if customer_id is None else customer_id}
    return await desk.service.operator.post(f"{ORPHANS}/{orphan_id}/assign", body, **headers)


async def fresh(desk: Desk) -> Desk:
    """The desk of a customer who has no link yet."""
    return Desk(desk.service, desk.acme, await desk.another_customer())


async def test_an_assigned_account_is_connected_as_by_any_link(desk: Desk, customer: Customer, inbox: Inbox) -> None:
    await desk.acme.api.made(f"/admin/tenants/{desk.acme.id}/webhook-endpoints", {"url": inbox.url})
    row, played = await orphaned(desk, customer)
    branch = await fresh(desk)
    reply = await assign(branch, row["id"], Idempotency_Key="k1")
    assert (reply.status, reply.json["status"], reply.json["customerId"]) == (200, "recovering", branch.clinic)
    assert (await assign(branch, row["id"], Idempotency_Key="k1")).json == reply.json
    link = {"id": reply.json["setupLinkId"]}
    assert await desk.phase(link) == "provisioning"
    await desk.service.drain()
    [number] = await branch.numbers()
    assert (number["status"], number["metaWabaId"]) == ("active", played["wabaIds"][0])
    shown = await desk.of(link)
    assert (shown["status"], shown["purpose"], shown["resultingPhoneNumberIds"]) == (
        "completed", "connect", [number["id"]],
    )  # fmt: skip
    told = {event.type: event.data for event in inbox.received if event.data["customer_id"] == branch.clinic}
    assert {"setup_link.created", "setup_link.completed", "whatsapp.phone_number.created"} <= set(told)
    assert await states(desk.service) == ["connected"]
    assert (await assign(branch, row["id"])).code == "orphan_not_open"
    [audited] = [one for one in await desk.rows("audit") if one["action"] == "orphan_authorisation.assigned"]
    assert (audited["tenant_id"], audited["actor"]) == (desk.acme.id, "operator")


async def test_no_token_stands_in_clear_anywhere(desk: Desk, customer: Customer) -> None:
    row, _ = await orphaned(desk, customer)
    await assign(await fresh(desk), row["id"])
    for table in ("provisioning", "orphan_authorisation", "audit", "setup_link_step", "event_payload", "notification"):
        assert b"EAA" not in b"".join(bytes(v) for one in await desk.rows(table) for v in one.values() if _raw(v))
        assert "EAA" not in str([v for one in await desk.rows(table) for v in one.values() if not _raw(v)])


def _raw(value: Any) -> bool:
    return isinstance(value, bytes | memoryview)


async def test_a_cut_off_number_is_assigned_by_its_reconnect_link(desk: Desk, customer: Customer) -> None:
    service = desk.service
    await desk.connected(customer)
    [number] = await desk.numbers()
    removed = {"event": "PARTNER_REMOVED"}
    await service.sandbox.ask("POST", f"/sandbox/wabas/{number['metaWabaId']}/account-update", removed)
    await settled(service.sandbox)
    await service.advance(MINUTE)
    [cut] = await desk.told("whatsapp.phone_number.disconnected")
    await desk.acme.api.post(f"/admin/setup-links/{cut['reconnect_setup_link_id']}/revoke")
    plain = await desk.link()  # the customer takes a plain link instead, and its browser is lost
    await lost(desk, customer, plain, wabaId=number["metaWabaId"])
    await service.advance(GRACE)
    [row] = await orphans(service)
    reply = await assign(desk, row["id"])
    link = await desk.of({"id": reply.json["setupLinkId"]})
    assert (link["purpose"], link["reconnectPhoneNumberId"]) == ("reconnect", number["id"])
    await service.drain()
    assert [one["status"] for one in await desk.numbers()] == ["active"]
    assert len(await desk.told("whatsapp.phone_number.reconnected")) == 1


async def test_only_this_account_is_looked_at_though_the_token_reaches_more(desk: Desk, customer: Customer) -> None:
    played = await lost(desk, customer, await desk.link(), scenario="several_wabas")
    await desk.service.advance(GRACE)
    rows = {row["metaWabaId"]: row["id"] for row in await orphans(desk.service)}
    assert set(rows) == set(played["wabaIds"])
    wanted = played["wabaIds"][1]
    branch = await fresh(desk)
    assert (await assign(branch, rows[wanted])).status == 200
    await desk.service.drain()
    assert {number["metaWabaId"] for number in await branch.numbers()} == {wanted}
    assert {row["status"] for row in await orphans(desk.service)} == {"connected", "open"}


async def test_a_run_that_fails_gives_the_account_back_to_the_operator(desk: Desk, customer: Customer) -> None:
    row, _ = await orphaned(desk, customer)
    await desk.service.sandbox.fault("waba", times=9, code=200)
    branch = await fresh(desk)
    assert (await assign(branch, row["id"])).status == 200
    await desk.service.drain()
    await desk.service.advance(MINUTE)
    [again] = await orphans(desk.service)
    assert (again["status"], again["lastError"], again["customerId"]) == ("open", "permission_missing", None)
    assert "The last try ended" in again["message"]
    await desk.service.sandbox.no_more_faults()
    third = await desk.another_customer("Third clinic")
    assert (await assign(desk, row["id"], third)).status == 200
    await desk.service.drain()
    assert await states(desk.service) == ["connected"]


async def test_whom_nobody_knows_gets_nothing(desk: Desk, customer: Customer) -> None:
    row, _ = await orphaned(desk, customer)
    for nobody in (9_999, "x", None, 0):
        reply = await desk.service.operator.post(f"{ORPHANS}/{row['id']}/assign", {"customerId": nobody})
        assert reply.status in {400, 422}, reply.body
    assert (await assign(desk, 9_999)).status == 404
    assert (await desk.acme.api.post(f"{ORPHANS}/{row['id']}/assign", {"customerId": desk.clinic})).status == 403
    branch = await fresh(desk)
    await desk.acme.api.patch(f"/admin/customers/{branch.clinic}", {"status": "inactive"})
    assert (await assign(branch, row["id"])).code == "customer_inactive"
    assert await states(desk.service) == ["open"]
    assert await desk.rows("provisioning") == []


async def test_a_customer_whose_link_is_just_being_completed_keeps_it(desk: Desk, customer: Customer) -> None:
    row, _ = await orphaned(desk, customer)
    busy = await fresh(desk)
    link = await busy.link()
    await customer.walk(link["url"], desk.service.sandbox)  # provisioning, and nobody has worked on it yet
    reply = await assign(busy, row["id"])
    assert (reply.status, reply.code) == (409, "link_in_use")
    await desk.service.drain()
    assert await desk.phase(link) == "completed"
    assert (await orphans(desk.service, f"?metaWabaId={row['metaWabaId']}"))[0]["status"] == "open"


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [({"code": 2}, 503, "unavailable"), ({"code": 200}, 409, "token_refused"), ({"code": 190}, 409, "token_refused")],
)
async def test_where_meta_gives_no_token_the_operator_is_told_whose_turn_it_is(
    desk: Desk, customer: Customer, fault: dict[str, Any], status: int, code: str
) -> None:
    row, _ = await orphaned(desk, customer)
    await desk.service.sandbox.fault("system_user_access_tokens", times=9, **fault)
    reply = await assign(await fresh(desk), row["id"])
    assert (reply.status, reply.code) == (status, code), reply.body
    assert await states(desk.service) == ["open"]
    await desk.service.sandbox.no_more_faults()
    assert (await assign(await fresh(desk), row["id"])).status == 200


async def test_without_a_portfolio_of_ones_own_it_is_shown_and_said_what_is_missing(
    db: Database, clock: ManualClock, data_dir: Path, database_url: str | None
) -> None:
    none = {"meta_business_id": None, "meta_system_token": None}
    async with running_service(db, clock, data_dir, database_url, **none) as service:
        acme: Tenant = await service.new_tenant("Acme SaaS")
        made = await acme.api.made(f"/admin/tenants/{acme.id}/customers", {"name": "Clínica San Lucas"})
        desk = Desk(service, acme, made["id"])
        await tell(service, "777")
        await service.advance(GRACE)
        [row] = await orphans(service)
        reply = await assign(desk, row["id"])
        assert (row["status"], reply.status, reply.code) == ("open", 409, "partner_not_configured")
        assert "SETUPLINKS_META_SYSTEM_TOKEN" in reply.json["title"]
        assert await desk.rows("setup_link") == []


async def test_a_leaving_customer_takes_its_row_along(desk: Desk, customer: Customer) -> None:
    row, _ = await orphaned(desk, customer)
    branch = await fresh(desk)
    await assign(branch, row["id"])
    await desk.service.drain()
    assert await states(desk.service) == ["connected"]
    await desk.acme.api.delete(f"/admin/customers/{branch.clinic}")
    await desk.service.drain()
    assert await orphans(desk.service) == []
    await tell(desk.service, row["metaWabaId"], at=desk.service.clock.now() - 10 * SECOND)
    await desk.service.advance(GRACE)
    assert await orphans(desk.service) == []  # a late repeat of what has left since


async def test_a_reserved_number_of_the_pool_names_the_link(
    desk: Desk, customer: Customer, service: RunningService
) -> None:
    added = await service.operator.made("/admin/number-pool", {"number": "+12025550143"})
    await service.operator.made(f"/admin/number-pool/{added['id']}/request-code", {})
    await service.operator.made(f"/admin/number-pool/{added['id']}/verify-code", {"code": "123456"})
    link = await desk.link()
    dialog = await customer.go_to_meta(link["url"])
    text = "UPDATE pool_number SET tenant_id = $1, link_id = $2, reserved_at = 1 WHERE id = $3"
    await service.db.bulk(text, desk.acme.id, link["id"], added["id"])
    await service.sandbox.play(dialog, phoneNumber="+12025550143")
    await settled(service.sandbox)
    await service.drain()
    await service.advance(GRACE)
    assert await desk.phase(link) == "completed"
    assert [one["displayPhoneNumberNormalized"] for one in await desk.numbers()] == ["+12025550143"]
    assert await states(service) == ["connected"]

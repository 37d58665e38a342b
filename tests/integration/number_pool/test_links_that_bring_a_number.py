"""A link that provisions a number: takes one of the pool, offers it at Meta, keeps it, gives it back."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from setuplinks.core.clock import DAY, HOUR, ManualClock
from setuplinks.core.db.database import Database
from tests.integration.number_pool.pool import ARGENTINE, CHILEAN, CODE, GERMAN, Pool
from tests.integration.setup_links.desk import Desk
from tests.support.customer import Customer, a_customer
from tests.support.service import RunningService, running_service

WISH = {"phoneProvisioningEnabled": True}


def offered(dialog: str) -> list[str]:
    """The pre-verified ids in the dialog's extras."""
    [extras] = parse_qs(urlsplit(dialog).query)["extras"]
    found: list[str] = json.loads(extras)["setup"].get("preVerifiedPhone", {}).get("ids", [])
    return found


async def to_meta(desk: Desk, **fields: Any) -> tuple[dict[str, Any], str]:
    """A link whose customer, in a browser of her own, has gone to Meta; the link and the dialog's address."""
    link = await desk.link(**{**WISH, **fields})
    async with a_customer(desk.service.url) as person:
        return link, await person.go_to_meta(link["url"])


async def test_a_customer_without_a_number_connects_that_of_the_pool(
    pool: Pool, desk: Desk, customer: Customer, service: RunningService
) -> None:
    number = await pool.ready()
    link = await desk.link(**WISH)
    dialog = await customer.go_to_meta(link["url"])
    assert offered(dialog) == [number["preverifiedId"]]
    [held] = await pool.all()
    assert (held["state"], held["setupLinkId"], held["tenantId"]) == ("reserved", link["id"], desk.acme.id)
    played = await service.sandbox.play(dialog)
    await customer.open(played["redirectUrl"].partition("#")[0])
    await service.drain()
    done = await desk.of(link)
    assert (done["phase"], done["warnings"]) == ("completed", [])
    [connected] = await desk.numbers()
    assert (connected["displayPhoneNumberNormalized"], connected["status"]) == (ARGENTINE, "active")
    assert connected["metaPhoneNumberId"] != number["preverifiedId"]
    assert await pool.states() == {ARGENTINE: "claimed"}
    await service.advance(2 * HOUR)
    assert await pool.states() == {ARGENTINE: "claimed"}


async def test_a_link_that_completes_with_another_number_gives_the_pools_back(
    pool: Pool, desk: Desk, customer: Customer, service: RunningService
) -> None:
    await pool.ready()
    link = await desk.link(**WISH)
    await customer.walk(link["url"], service.sandbox, number="new")
    await service.drain()
    assert await desk.phase(link) == "completed"
    [row] = await pool.all()
    assert (row["state"], row["setupLinkId"], row["tenantId"]) == ("verified", None, None)


async def test_only_a_number_of_an_allowed_country_is_offered(pool: Pool, desk: Desk) -> None:
    await pool.ready(ARGENTINE)
    german = await pool.ready(GERMAN)
    _, dialog = await to_meta(desk, phoneNumberCountryIsos=["CL", "DE"])
    assert offered(dialog) == [german["preverifiedId"]]
    assert await pool.states() == {ARGENTINE: "verified", GERMAN: "reserved"}


async def test_where_no_number_is_free_the_link_goes_on_without_and_says_so(pool: Pool, desk: Desk) -> None:
    await pool.ready(ARGENTINE)
    link, dialog = await to_meta(desk, phoneNumberCountryIsos=["CL"])
    assert offered(dialog) == []
    [warning] = (await desk.of(link))["warnings"]
    assert warning == "No number of the pool is free for this link (CL): the customer went on without one."
    changed = await desk.acme.api.patch(f"/admin/setup-links/{link['id']}", {"themeConfig": {"primaryColor": "#0a5"}})
    assert warning in changed.json["warnings"]


async def test_the_warning_goes_when_a_number_comes(pool: Pool, desk: Desk, customer: Customer) -> None:
    link = await desk.link(**WISH)
    assert offered(await customer.go_to_meta(link["url"])) == []
    assert len((await desk.of(link))["warnings"]) == 1
    number = await pool.ready()
    assert offered(await customer.go_to_meta(link["url"])) == [number["preverifiedId"]]
    assert (await desk.of(link))["warnings"] == []


async def test_a_link_keeps_its_number_over_all_its_visits(pool: Pool, desk: Desk, customer: Customer) -> None:
    for number in (ARGENTINE, CHILEAN):
        await pool.ready(number)
    link, first = await to_meta(desk)
    assert offered(await customer.go_to_meta(link["url"])) == offered(first)
    assert sorted((await pool.states()).values()) == ["reserved", "verified"]


async def test_a_number_whose_ninety_days_end_is_changed_for_another(
    pool: Pool, desk: Desk, customer: Customer, service: RunningService
) -> None:
    old = await pool.ready(ARGENTINE)
    await service.advance(30 * DAY)
    link, first = await to_meta(desk, expiresAt="2026-09-10T12:00:00Z")
    assert offered(first) == [old["preverifiedId"]]
    await service.advance(59 * DAY + 23 * HOUR)
    fresh = await pool.ready(CHILEAN)
    assert offered(await customer.go_to_meta(link["url"])) == [fresh["preverifiedId"]]
    assert await pool.states() == {CHILEAN: "reserved", ARGENTINE: "verified"}


async def end_by_revoking(desk: Desk, link: dict[str, Any]) -> None:
    await desk.acme.api.post(f"/admin/setup-links/{link['id']}/revoke")


async def end_by_a_newer_link(desk: Desk, link: dict[str, Any]) -> None:
    await desk.link()


async def end_by_its_date(desk: Desk, link: dict[str, Any]) -> None:
    await desk.service.advance(8 * DAY)


async def end_by_suspending(desk: Desk, link: dict[str, Any]) -> None:
    await desk.service.operator.patch(f"/admin/tenants/{desk.acme.id}", {"status": "suspended"})
    await desk.service.drain()


async def end_by_offboarding(desk: Desk, link: dict[str, Any]) -> None:
    await desk.service.operator.delete(f"/admin/customers/{desk.clinic}")


ENDS = [end_by_revoking, end_by_a_newer_link, end_by_its_date, end_by_suspending, end_by_offboarding]


@pytest.mark.parametrize("end", ENDS)
async def test_a_link_that_ends_gives_its_number_back(pool: Pool, desk: Desk, end: Any) -> None:
    await pool.ready()
    link, _ = await to_meta(desk)
    busy = await desk.service.operator.delete(f"/admin/number-pool/{(await pool.all())[0]['id']}")
    assert (busy.status, busy.code, busy.json["setupLinkId"]) == (409, "pool_number_state", link["id"])
    await end(desk, link)
    assert await pool.states() == {ARGENTINE: "verified"}


async def test_a_sign_in_that_stopped_keeps_the_number_until_the_link_ends(
    pool: Pool, desk: Desk, customer: Customer, service: RunningService
) -> None:
    await pool.ready()
    link = await desk.link(**WISH)
    await customer.walk(link["url"], service.sandbox, scenario="denied")
    assert await pool.states() == {ARGENTINE: "reserved"}
    await desk.again(customer)
    assert await desk.phase(link) == "completed"
    assert await pool.states() == {ARGENTINE: "claimed"}


@pytest.mark.parametrize(
    "fields", [{"phoneProvisioningEnabled": False}, {"allowedConnectionTypes": ["coexistence"]}], ids=["off", "app"]
)
async def test_a_link_that_needs_no_number_takes_none(pool: Pool, desk: Desk, fields: dict[str, Any]) -> None:
    await pool.ready()
    link = await desk.link(**{**WISH, **fields})
    async with a_customer(desk.service.url) as person:
        await person.go_to_meta(link["url"], "coexistence")
    assert await pool.states() == {ARGENTINE: "verified"}
    assert (await desk.of(link))["warnings"] == []


async def test_without_a_pool_links_go_on_and_are_warned(
    db: Database, clock: ManualClock, data_dir: Path, database_url: str | None
) -> None:
    async with running_service(db, clock, data_dir, database_url, meta_business_id=None) as service:
        acme = await service.new_tenant("Acme SaaS")
        made = await acme.api.made(f"/admin/tenants/{acme.id}/customers", {"name": "Clínica San Lucas"})
        desk = Desk(service, acme, made["id"])
        link, dialog = await to_meta(desk)
        assert offered(dialog) == []
        assert len((await desk.of(link))["warnings"]) == 1


async def test_a_number_can_be_verified_again_while_a_link_holds_it(
    pool: Pool, desk: Desk, service: RunningService
) -> None:
    number = await pool.ready()
    await to_meta(desk, expiresAt="2026-08-10T12:00:00Z")
    await service.advance(46 * DAY)
    assert (await pool.ask(number["id"], "request-code")).status == 200
    again = (await pool.ask(number["id"], "verify-code", code=CODE)).json
    assert (again["state"], again["expiresAt"]) == ("reserved", "2026-10-01T12:00:00Z")

"""What a customer without a number reads before she goes to Meta, from what the pool and the link's countries allow."""

from pathlib import Path

import pytest

from setuplinks.core.clock import ManualClock
from setuplinks.core.db.database import Database
from tests.integration.number_pool.pool import ARGENTINE, GERMAN, Pool
from tests.integration.setup_links.desk import Desk
from tests.support.customer import Customer, a_customer
from tests.support.service import running_service

WISH = {"phoneProvisioningEnabled": True, "allowedConnectionTypes": ["dedicated", "coexistence"]}
METAS = "Facebook may offer you a free US number (+1 555)."
NONE_NOW = "has no new number to give now, so you go on with one of your own."


def read(customer: Customer) -> str:
    return " ".join(customer.text.split())


@pytest.mark.parametrize(
    ("in_the_pool", "countries", "says", "never"),
    [
        (None, [], METAS, "has one for you."),
        (None, ["AR"], NONE_NOW, METAS),
        (None, ["US", "AR"], METAS, "has one for you."),
        (GERMAN, ["AR"], NONE_NOW, GERMAN),
        (ARGENTINE, ["AR", "CL"], "has one for you. It is kept for you as you go on", NONE_NOW),
        (ARGENTINE, [], "has one for you.", METAS),
    ],
)
async def test_landing_choice_and_sign_in_say_what_there_is(
    desk: Desk, customer: Customer, in_the_pool: str | None, countries: list[str], says: str, never: str
) -> None:
    if in_the_pool:
        await Pool(desk.service).ready(in_the_pool)
    link = await desk.link(**WISH, phoneNumberCountryIsos=countries)
    await customer.open(link["url"])
    assert "No number yet?" in read(customer)
    assert says in read(customer)
    assert never not in read(customer)
    assert (await Pool(desk.service).states() if in_the_pool else {}) in ({}, {in_the_pool: "verified"})
    await customer.press()
    assert customer.page == "choose"
    assert says in read(customer)
    await customer.press("/authorize", connection_type="dedicated")
    assert customer.page == "signin"
    kept = in_the_pool == ARGENTINE
    assert (f"{ARGENTINE} is kept for you." if kept else says) in read(customer)
    await customer.open(link["url"])
    assert (f"{ARGENTINE} is kept for you." in read(customer)) is kept


@pytest.mark.parametrize(
    "fields", [{"phoneProvisioningEnabled": False}, {"allowedConnectionTypes": ["coexistence"]}], ids=["off", "app"]
)
async def test_where_no_new_number_is_offered_no_page_speaks_of_one(
    desk: Desk, customer: Customer, fields: dict[str, object]
) -> None:
    await Pool(desk.service).ready()
    link = await desk.link(**{**WISH, **fields})
    await customer.open(link["url"])
    assert "No number yet?" not in read(customer)
    await customer.press()
    assert "No number yet?" not in read(customer)


async def test_without_extras_on_the_full_page_only_the_window_is_told_of_the_number(
    db: Database, clock: ManualClock, tmp_path: Path, database_url: str | None
) -> None:
    async with running_service(db, clock, tmp_path, database_url, meta_page_extras="off") as service:
        acme = await service.new_tenant("Acme SaaS")
        clinic = await acme.api.made(f"/admin/tenants/{acme.id}/customers", {"name": "Clinic"})
        desk = Desk(service, acme, clinic["id"])
        await Pool(service).ready()
        link = await desk.link(phoneProvisioningEnabled=True)
        async with a_customer(service.url) as customer:
            await customer.open(link["url"])
            assert METAS in read(customer)
            assert "has one for you." not in read(customer)
            await customer.press()
            assert customer.page == "signin"
            assert f"{ARGENTINE} is kept for you." in read(customer)

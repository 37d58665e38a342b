"""The pages of setup links: the list, a link's timeline, what it waits for, withdrawing it; and the first page."""

from setuplinks.core.clock import DAY, MINUTE
from tests.integration.dashboard.desk import Person
from tests.support.customer import Customer
from tests.support.service import RunningService, Tenant

DEDICATED = {"allowedConnectionTypes": ["dedicated"]}


async def _link(acme: Tenant, clinic: int, **fields: object) -> dict[str, str]:
    return await acme.api.made(f"/admin/customers/{clinic}/setup-links", {**DEDICATED, **fields})


async def test_a_finished_link_shows_its_timeline_and_its_number(
    service: RunningService, acme: Tenant, clinic: int, customer: Customer, person: Person
) -> None:
    link = await _link(acme, clinic)
    service.clock.advance(MINUTE)
    await customer.walk(link["url"], service.sandbox)
    await service.drain()
    [number] = (await acme.api.get(f"/admin/customers/{clinic}/phone-numbers")).json["data"]
    await person.open(f"/dashboard/{acme.id}/links/{link['id']}")
    told = person.words
    steps = ["Link created", "Continued", "At Facebook", "Permission granted", "Connected"]
    assert "by the key “test”" in told
    assert told.count("At Facebook") == 1
    places = [told.index(step, told.index("Timeline")) for step in steps]
    assert places == sorted(places)
    assert number["displayPhoneNumber"] in told
    assert "Withdraw" not in told
    assert link["url"] not in person.text
    await person.open(f"/dashboard/{acme.id}")
    assert "100% of created" in person.words
    assert "Clínica San Lucas" in person.words


async def test_a_link_that_waits_for_a_pin_says_whose_turn_it_is(
    service: RunningService, acme: Tenant, clinic: int, customer: Customer, person: Person
) -> None:
    link = await _link(acme, clinic)
    await customer.walk(link["url"], service.sandbox, scenario="already_registered_pin")
    await service.drain()
    await person.open(f"/dashboard/{acme.id}/links/{link['id']}")
    assert "Needs a PIN: the customer’s turn." in person.words
    assert "21 May, 12:00" in person.words
    await person.open(f"/dashboard/{acme.id}")
    assert "Waiting for a customer’s answer" in person.words
    await person.open(f"/dashboard/{acme.id}/links?phase=action_required")
    assert person.text.count('class="whole') == 1
    assert "Filter stands at Needs an answer" in person.words


async def test_a_lapsed_link_says_what_comes_next_and_a_revoked_key_keeps_its_name(
    service: RunningService, acme: Tenant, clinic: int, person: Person
) -> None:
    made = await acme.api.made(f"/admin/tenants/{acme.id}/api-keys", {"name": "spring campaign"})
    await _link(acme, clinic)
    other = acme.api.with_key(made["key"])
    link = await other.made(f"/admin/customers/{clinic}/setup-links", DEDICATED)
    assert (await acme.api.delete(f"/admin/tenants/{acme.id}/api-keys/{made['id']}")).status == 204
    service.clock.advance(8 * DAY)
    await person.sign_in(acme.key)
    await person.open(f"/dashboard/{acme.id}/links/{link['id']}")
    assert "This link has expired: your turn. Nothing was connected." in person.words
    assert "by the key “spring campaign”" in person.words


async def test_a_link_is_withdrawn_once_and_leaves_an_audit_row(
    service: RunningService, acme: Tenant, clinic: int, customer: Customer, person: Person
) -> None:
    link = await _link(acme, clinic)
    page = f"/dashboard/{acme.id}/links/{link['id']}"
    await person.open(page)
    assert link["url"] in person.text
    before = person.token
    await person.press("/withdraw")
    assert (person.path, "The link is withdrawn" in person.words) == (page, True)
    assert link["url"] not in person.text
    await person.post(f"{page}/withdraw", form_token=before)
    assert (person.status, "make a new one" in person.words) == (409, True)
    [row] = await service.db.read("SELECT actor FROM audit WHERE action = 'setup_link.revoked'")
    assert row["actor"].startswith("key:")
    await customer.open(link["url"])
    assert customer.page == "revoked"


async def test_the_list_is_narrowed_and_a_lapsed_link_is_expired_before_the_sweeper_came(
    service: RunningService, acme: Tenant, clinic: int, person: Person
) -> None:
    await _link(acme, clinic)
    other = await acme.api.made(f"/admin/tenants/{acme.id}/customers", {"name": "Óptica Belgrano"})
    await _link(acme, other["id"], expiresAt="2026-06-18T12:00:00Z")
    links = f"/dashboard/{acme.id}/links"
    service.clock.advance(8 * DAY)
    await person.sign_in(acme.key)
    for query, names in (
        ("", {"Clínica San Lucas", "Óptica Belgrano"}), ("?status=expired", {"Clínica San Lucas"}),
        ("?status=pending", {"Óptica Belgrano"}), ("?customer=clinic_001", {"Clínica San Lucas"}),
        ("?status=completed", set()),
    ):  # fmt: skip
        await person.open(links + query)
        shown = {name for name in ("Clínica San Lucas", "Óptica Belgrano") if name in person.words}
        assert (query, shown) == (query, names)


async def test_a_customer_that_has_left_leaves_its_links_without_a_name(
    service: RunningService, acme: Tenant, clinic: int, person: Person
) -> None:
    link = await _link(acme, clinic)
    assert (await acme.api.delete(f"/admin/customers/{clinic}")).status == 204
    await person.open(f"/dashboard/{acme.id}/links/{link['id']}")
    assert (person.status, "A customer that has left" in person.words) == (200, True)
    assert "Clínica" not in person.text


async def test_what_is_no_id_is_not_found(acme: Tenant, person: Person) -> None:
    base = f"/dashboard/{acme.id}"
    for path in ("/links/x", "/deliveries/x", "/endpoints/x", "/links/1", "/nothing", f"/endpoints/{2**70}"):
        await person.open(base + path)
        assert (path, person.status) == (path, 404)
        assert "There is nothing here" in person.words


async def test_the_address_of_a_form_leads_back_to_its_page(
    service: RunningService, acme: Tenant, clinic: int, person: Person
) -> None:
    link = await _link(acme, clinic)
    page = f"/dashboard/{acme.id}/links/{link['id']}"
    await person.open(f"{page}/withdraw")
    assert (person.path, person.status) == (page, 200)
    assert "Not opened yet" in person.words

"""Customers over the JSON API."""

import asyncio

from setuplinks.core.clock import SECOND, ManualClock
from tests.integration.tenants.json_api import JsonApi

GUIDE = {"name": "Clínica San Lucas", "external_id": "clinic_001"}


async def test_the_guides_own_body_makes_a_customer(api: JsonApi) -> None:
    tenant = await api.tenant()
    answer = await api.call("POST", f"/admin/tenants/{tenant['id']}/customers", GUIDE)
    assert answer.status_code == 201
    made = answer.json()
    assert {**made, "id": 0} == {
        "id": 0,
        "tenantId": tenant["id"],
        "name": "Clínica San Lucas",
        "externalId": "clinic_001",
        "email": None,
        "phone": None,
        "metadata": {},
        "status": "active",
        "connection": "none",
        "createdAt": "2026-05-18T12:00:00Z",
        "updatedAt": "2026-05-18T12:00:00Z",
    }
    assert (await api.call("GET", f"/admin/customers/{made['id']}")).json() == made


async def test_a_duplicate_external_id_is_a_409_with_the_existing_id(api: JsonApi) -> None:
    path = f"/admin/tenants/{(await api.tenant())['id']}/customers"
    first = (await api.call("POST", path, GUIDE)).json()
    second = await api.call("POST", path, {**GUIDE, "name": "Another"})
    assert second.status_code == 409
    assert second.json()["code"] == "external_id_taken"
    assert second.json()["existingId"] == first["id"]
    assert await api.count("customer") == 1


async def test_of_two_creations_at_once_one_wins_and_the_other_is_told_its_id(api: JsonApi) -> None:
    path = f"/admin/tenants/{(await api.tenant())['id']}/customers"
    answers = await asyncio.gather(*(api.call("POST", path, GUIDE) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
    [won] = [answer.json()["id"] for answer in answers if answer.status_code == 201]
    assert {answer.json()["existingId"] for answer in answers if answer.status_code == 409} == {won}


async def test_two_tenants_may_use_the_same_external_id(api: JsonApi) -> None:
    for name in ("Acme", "Other"):
        tenant = await api.tenant(name)
        answer = await api.call("POST", f"/admin/tenants/{tenant['id']}/customers", GUIDE)
        assert answer.status_code == 201


async def test_customers_without_an_external_id_do_not_collide(api: JsonApi) -> None:
    path = f"/admin/tenants/{(await api.tenant())['id']}/customers"
    answers = [await api.call("POST", path, {"name": "Same"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]


async def test_a_customer_is_found_by_its_external_id_in_both_spellings(api: JsonApi) -> None:
    path = f"/admin/tenants/{(await api.tenant())['id']}/customers"
    made = (await api.call("POST", path, GUIDE)).json()
    for spelling in ("external_id", "externalId"):
        found = (await api.call("GET", path, params={spelling: "clinic_001"})).json()
        assert found == {"data": [made], "nextCursor": None}
    assert (await api.call("GET", path, params={"external_id": "none"})).json()["data"] == []


async def test_a_list_is_paged_newest_first_and_its_cursor_leads_on(api: JsonApi, clock: ManualClock) -> None:
    path = f"/admin/tenants/{(await api.tenant())['id']}/customers"
    for number in range(5):
        await api.call("POST", path, {"name": f"c{number}"})
        clock.advance(SECOND if number % 2 else 0)
    names: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = (await api.call("GET", path, params={"limit": "2", **after})).json()
        names += [one["name"] for one in page["data"]]
        if page["nextCursor"] is None:
            break
        after = {"after": page["nextCursor"]}
    assert names == ["c4", "c3", "c2", "c1", "c0"]


async def test_a_patch_tells_absent_from_null(api: JsonApi) -> None:
    path = f"/admin/tenants/{(await api.tenant())['id']}/customers"
    made = (await api.call("POST", path, {**GUIDE, "email": "a@example.com", "metadata": {"plan": "pro"}})).json()
    one = f"/admin/customers/{made['id']}"
    changed = await api.call("PATCH", one, {"name": "San Lucas", "email": None})
    assert changed.status_code == 200
    assert changed.json() == {**made, "name": "San Lucas", "email": None}
    cleared = await api.call("PATCH", one, {"external_id": None, "status": "suspended"})
    assert (cleared.json()["externalId"], cleared.json()["status"]) == (None, "suspended")
    assert cleared.json()["metadata"] == {"plan": "pro"}


async def test_a_patch_to_a_taken_external_id_is_refused(api: JsonApi) -> None:
    path = f"/admin/tenants/{(await api.tenant())['id']}/customers"
    first = (await api.call("POST", path, GUIDE)).json()
    second = (await api.call("POST", path, {"name": "Other", "externalId": "clinic_002"})).json()
    answer = await api.call("PATCH", f"/admin/customers/{second['id']}", {"externalId": "clinic_001"})
    assert (answer.status_code, answer.json()["existingId"]) == (409, first["id"])
    same = await api.call("PATCH", f"/admin/customers/{second['id']}", {"externalId": "clinic_002"})
    assert same.status_code == 200


async def test_of_two_patches_to_one_external_id_at_once_one_wins(api: JsonApi) -> None:
    path = f"/admin/tenants/{(await api.tenant())['id']}/customers"
    made = [(await api.call("POST", path, {"name": name})).json()["id"] for name in ("a", "b")]
    answers = await asyncio.gather(
        *(api.call("PATCH", f"/admin/customers/{one}", {"externalId": "same"}) for one in made)
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]


async def test_every_change_leaves_an_audit_row(api: JsonApi) -> None:
    tenant = await api.tenant()
    key = await api.key_of(tenant["id"])
    made = (await api.call("POST", f"/admin/tenants/{tenant['id']}/customers", GUIDE, key=key["key"])).json()
    await api.call("PATCH", f"/admin/customers/{made['id']}", {"name": "New"}, key=key["key"])
    rows = await api.deps.db.read(
        "SELECT action, actor, object_id FROM audit WHERE tenant_id = $1 AND object_kind = 'customer' ORDER BY id",
        tenant["id"],
    )
    actor = f"key:{key['id']}"
    assert [(row["action"], row["actor"], row["object_id"]) for row in rows] == [
        ("customer.created", actor, str(made["id"])),
        ("customer.updated", actor, str(made["id"])),
    ]


async def test_another_tenants_customer_is_a_404_in_the_same_words(api: JsonApi) -> None:
    own, other = await api.tenant("Acme"), await api.tenant("Other")
    key = (await api.key_of(own["id"]))["key"]
    foreign = (await api.call("POST", f"/admin/tenants/{other['id']}/customers", GUIDE)).json()
    calls = [
        ("GET", f"/admin/customers/{foreign['id']}", None),
        ("PATCH", f"/admin/customers/{foreign['id']}", {"name": "Mine"}),
        ("GET", f"/admin/tenants/{other['id']}/customers", None),
        ("POST", f"/admin/tenants/{other['id']}/customers", GUIDE),
        ("GET", "/admin/customers/999999", None),
        ("GET", "/admin/customers/abc", None),
        ("GET", "/admin/customers/99999999999999999999", None),
    ]
    answers = [await api.call(method, path, body, key=key) for method, path, body in calls]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert (await api.call("GET", f"/admin/customers/{foreign['id']}")).json() == foreign

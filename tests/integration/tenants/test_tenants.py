"""Tenants and their redirect keys over the JSON API."""

from typing import Any

import pytest

from setuplinks.core.clock import DAY, SECOND, ManualClock
from tests.integration.tenants.json_api import JsonApi


async def test_a_tenant_answers_with_everything_it_was_given(api: JsonApi) -> None:
    given: dict[str, Any] = {
        "name": "Acme SaaS",
        "theme": {"primaryColor": "#1ba", "companyName": "Acme"},
        "defaultRedirects": {
            "successRedirectUrl": "https://your-app.com/ok",
            "failureRedirectUrl": "https://your-app.com/no",
        },
        "allowedRedirectHosts": ["Your-App.com", "*.your-app.com", "myapp:"],
        "language": "pt-br",
        "timeZone": "America/Sao_Paulo",
    }
    made = await api.tenant(**given)
    assert {**made, "id": 0} == {
        **given,
        "id": 0,
        "status": "active",
        "theme": {"primaryColor": "#11BBAA", "companyName": "Acme"},
        "allowedRedirectHosts": ["your-app.com", "*.your-app.com", "myapp:"],
        "language": "pt-BR",
        "createdAt": "2026-05-18T12:00:00Z",
        "updatedAt": "2026-05-18T12:00:00Z",
    }
    assert (await api.call("GET", f"/admin/tenants/{made['id']}")).json() == made


async def test_a_patch_changes_what_it_names_and_null_clears(api: JsonApi, clock: ManualClock) -> None:
    made = await api.tenant(
        language="es", default_redirects={"success_redirect_url": "https://a.example/", "failureRedirectUrl": None}
    )
    one = f"/admin/tenants/{made['id']}"
    clock.advance(SECOND)
    changed = await api.call("PATCH", one, {"default_redirects": {"failure_redirect_url": "https://b.example/"}})
    assert changed.json() == {
        **made,
        "defaultRedirects": {"successRedirectUrl": "https://a.example/", "failureRedirectUrl": "https://b.example/"},
        "updatedAt": "2026-05-18T12:00:01Z",
    }
    cleared = await api.call(
        "PATCH", one, {"defaultRedirects": None, "language": None, "theme": None, "timeZone": None}
    )
    assert cleared.json()["defaultRedirects"] == {"successRedirectUrl": None, "failureRedirectUrl": None}
    assert (cleared.json()["language"], cleared.json()["timeZone"]) == (None, "UTC")


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({}, "name"),
        ({"name": 5}, "name"),
        ({"name": " "}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "a", "plan": "pro"}, "plan"),
        ({"name": "a", "theme": {"primaryColor": "red;}body{display:none"}}, "theme.primaryColor"),
        ({"name": "a", "theme": {"css": "x"}}, "theme.css"),
        ({"name": "a", "theme": []}, "theme"),
        ({"name": "a", "language": "klingon!"}, "language"),
        ({"name": "a", "timeZone": "Mars/Olympus"}, "timeZone"),
        ({"name": "a", "timeZone": "UTC", "time_zone": "UTC"}, "timeZone"),
        ({"name": "a", "allowedRedirectHosts": ["ok.example", "javascript:"]}, "allowedRedirectHosts[1]"),
        ({"name": "a", "allowedRedirectHosts": ["ok.example"] * 101}, "allowedRedirectHosts"),
        (
            {"name": "a", "defaultRedirects": {"successRedirectUrl": "javascript:alert(1)"}},
            "defaultRedirects.successRedirectUrl",
        ),
        (
            {
                "name": "a",
                "allowedRedirectHosts": ["ok.example"],
                "defaultRedirects": {"failureRedirectUrl": "https://other.example/"},
            },
            "defaultRedirects.failureRedirectUrl",
        ),
        ({"name": "a", "defaultRedirects": {"url": "https://a.example/"}}, "defaultRedirects.url"),
        ({"name": "a\0"}, "name"),
    ],
)
async def test_a_bad_field_is_a_422_that_names_it_and_nothing_is_written(
    api: JsonApi, body: dict[str, Any], name: str
) -> None:
    answer = await api.call("POST", "/admin/tenants", body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in answer.json()["errors"]] == [name]
    assert (await api.count("tenant"), await api.count("audit"), await api.count("data_key")) == (0, 0, 0)


async def test_a_host_list_that_shuts_out_the_default_redirects_is_refused(api: JsonApi) -> None:
    made = await api.tenant(defaultRedirects={"successRedirectUrl": "https://a.example/"})
    answer = await api.call("PATCH", f"/admin/tenants/{made['id']}", {"allowedRedirectHosts": ["b.example"]})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "defaultRedirects.successRedirectUrl"
    assert (await api.call("GET", f"/admin/tenants/{made['id']}")).json() == made


async def test_tenants_are_listed_newest_first(api: JsonApi, clock: ManualClock) -> None:
    for name in ("a", "b", "c"):
        await api.tenant(name)
        clock.advance(SECOND)
    first = (await api.call("GET", "/admin/tenants", params={"limit": 2})).json()
    assert [one["name"] for one in first["data"]] == ["c", "b"]
    second = (await api.call("GET", "/admin/tenants", params={"limit": 2, "after": first["nextCursor"]})).json()
    assert ([one["name"] for one in second["data"]], second["nextCursor"]) == (["a"], None)


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"limit": "0"}, "limit"), ({"limit": "101"}, "limit"), ({"limit": "ten"}, "limit"), ({"limit": ""}, "limit"),
        ({"after": "x"}, "after"), ({"after": ""}, "after"), ({"after": "\0"}, "after"),
    ],
)  # fmt: skip
async def test_a_bad_limit_or_cursor_is_a_422_that_names_it(api: JsonApi, params: dict[str, str], name: str) -> None:
    answer = await api.call("GET", "/admin/tenants", params=params)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == name


async def test_a_tenant_without_customers_is_deleted_with_its_keys(api: JsonApi) -> None:
    tenant = await api.tenant()
    key = (await api.key_of(tenant["id"]))["key"]
    one = f"/admin/tenants/{tenant['id']}"
    assert (await api.call("GET", one, key=key)).status_code == 200
    assert (await api.call("DELETE", one)).status_code == 204
    assert (await api.call("GET", one)).status_code == 404
    assert (await api.call("GET", "/admin/me", key=key)).status_code == 401
    assert (await api.call("GET", "/admin/tenants")).json()["data"] == []
    actions = [row["action"] for row in await api.deps.db.read("SELECT action FROM audit ORDER BY id")]
    assert actions == ["tenant.created", "api_key.created", "tenant.deleted"]


async def test_a_tenant_with_customers_is_not_deleted(api: JsonApi) -> None:
    tenant = await api.tenant()
    one = f"/admin/tenants/{tenant['id']}"
    await api.call("POST", f"{one}/customers", {"name": "c"})
    for path in (one, f"{one}?cascade=false"):
        answer = await api.call("DELETE", path)
        assert (answer.status_code, answer.json()["code"]) == (409, "tenant_has_customers")
    assert (await api.call("DELETE", f"{one}?cascade=perhaps")).status_code == 422
    assert (await api.call("GET", one)).status_code == 200


async def test_the_redirect_key_overlaps_for_a_day_when_it_is_rotated(api: JsonApi, clock: ManualClock) -> None:
    path = f"/admin/tenants/{(await api.tenant())['id']}/redirect-key"
    first = (await api.call("GET", path)).json()
    assert first["key"].startswith("rk_")
    assert (first["previousKey"], first["previousKeyExpiresAt"]) == (None, None)
    second = (await api.call("POST", f"{path}/rotate")).json()
    assert second == {
        "key": second["key"], "previousKey": first["key"], "previousKeyExpiresAt": "2026-05-19T12:00:00Z",
    }  # fmt: skip
    assert second["key"] != first["key"]
    assert (await api.call("GET", path)).json() == second
    clock.advance(DAY)
    assert (await api.call("GET", path)).json() == {**second, "previousKey": None, "previousKeyExpiresAt": None}


async def test_no_redirect_key_stands_in_clear_in_the_database(api: JsonApi) -> None:
    tenant = await api.tenant()
    path = f"/admin/tenants/{tenant['id']}/redirect-key"
    old = (await api.call("GET", path)).json()["key"]
    new = (await api.call("POST", f"{path}/rotate", headers={"Idempotency-Key": "r1"})).json()["key"]
    tables = ("tenant", "idempotency", "audit")
    rows = [dict(row) for table in tables for row in await api.deps.db.read(f"SELECT * FROM {table}")]  # noqa: S608
    assert len(rows) >= 4
    stored = b"".join(
        value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row.values()
    )
    assert old.encode() not in stored
    assert new.encode() not in stored

"""Who may call what: keys, scopes, revocation, isolation of tenants."""

import asyncio
from typing import Any

import pytest

from setuplinks.core.clock import DAY, MINUTE, SECOND, ManualClock
from setuplinks.core.db.database import Database
from tests.integration.tenants.json_api import OPERATOR_KEY, JsonApi, running_api


async def test_a_key_is_taken_as_bearer_or_as_x_api_key(api: JsonApi) -> None:
    for headers in (
        {"Authorization": f"Bearer {OPERATOR_KEY}"},
        {"authorization": f"bearer  {OPERATOR_KEY}"},
        {"X-API-Key": OPERATOR_KEY},
    ):
        answer = await api.client.get("/admin/me", headers=headers)
        assert answer.json() == {
            "role": "operator", "tenantId": None, "tenantName": None, "keyId": None, "scopes": ["admin", "read"],
        }  # fmt: skip


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"Authorization": "Bearer"}, {"Authorization": "Bearer "}, {"Authorization": "Basic abc"},
        {"X-API-Key": ""}, {"X-API-Key": "sl_live_unknown"}, {"X-API-Key": "x" * 5000},
        {"X-API-Key": OPERATOR_KEY + "x"}, {"Authorization": f"Bearer {OPERATOR_KEY[:-1]}"},
    ],
)  # fmt: skip
async def test_no_key_or_a_wrong_one_is_a_401(api: JsonApi, headers: dict[str, str]) -> None:
    answer = await api.client.get("/admin/me", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["code"] == "unauthenticated"


async def test_a_key_is_shown_once_and_only_its_hash_is_stored(api: JsonApi) -> None:
    tenant = await api.tenant()
    path = f"/admin/tenants/{tenant['id']}/api-keys"
    made = await api.key_of(tenant["id"], name="server", scopes=["read", "gateway"], expiresAt="2026-06-01T00:00:00Z")
    assert made["key"].startswith("sl_live_")
    assert made["key"].startswith(made["prefix"])
    assert len(made["key"]) >= len("sl_live_") + 52
    listed = (await api.call("GET", path)).json()["data"]
    assert listed == [{name: value for name, value in made.items() if name != "key"}]
    rows = await api.deps.db.read("SELECT * FROM api_key")
    assert made["key"].encode() not in b"".join(str(dict(row)).encode() for row in rows)
    me = (await api.call("GET", "/admin/me", key=made["key"])).json()
    assert me == {
        "role": "tenant", "tenantId": tenant["id"], "tenantName": "Acme SaaS", "keyId": made["id"],
        "scopes": ["gateway", "read"],
    }  # fmt: skip


async def test_a_revoked_key_stops_at_once(api: JsonApi) -> None:
    tenant = await api.tenant()
    made = await api.key_of(tenant["id"])
    assert (await api.call("GET", "/admin/me", key=made["key"])).status_code == 200
    path = f"/admin/tenants/{tenant['id']}/api-keys/{made['id']}"
    assert (await api.call("DELETE", path)).status_code == 204
    assert (await api.call("GET", "/admin/me", key=made["key"])).status_code == 401
    assert (await api.call("DELETE", path)).status_code == 404


async def test_a_revocation_that_is_not_heard_counts_after_thirty_seconds(api: JsonApi, clock: ManualClock) -> None:
    made = await api.key_of((await api.tenant())["id"])
    assert (await api.call("GET", "/admin/me", key=made["key"])).status_code == 200
    await api.deps.db.bulk("UPDATE api_key SET revoked_at = $1", clock.now())
    assert (await api.call("GET", "/admin/me", key=made["key"])).status_code == 200
    clock.advance(30 * SECOND)
    assert (await api.call("GET", "/admin/me", key=made["key"])).status_code == 401


async def test_a_key_expires_to_the_second_though_it_is_cached(api: JsonApi, clock: ManualClock) -> None:
    made = await api.key_of((await api.tenant())["id"], expiresAt="2026-05-18T12:00:10Z")
    clock.advance(9 * SECOND)
    assert (await api.call("GET", "/admin/me", key=made["key"])).status_code == 200
    clock.advance(SECOND)
    assert (await api.call("GET", "/admin/me", key=made["key"])).status_code == 401


async def test_the_last_use_is_noted_at_most_once_a_minute(api: JsonApi, clock: ManualClock) -> None:
    tenant = await api.tenant()
    made = await api.key_of(tenant["id"])
    path = f"/admin/tenants/{tenant['id']}/api-keys"

    async def used() -> Any:
        await api.call("GET", "/admin/me", key=made["key"])
        await api.deps.auth.settle()
        return (await api.call("GET", path)).json()["data"][0]["lastUsedAt"]

    assert await used() == "2026-05-18T12:00:00Z"
    clock.advance(59 * SECOND)
    assert await used() == "2026-05-18T12:00:00Z"
    clock.advance(MINUTE)
    assert await used() == "2026-05-18T12:01:59Z"


@pytest.mark.parametrize(
    ("scope", "reads", "writes", "manages"),
    [("admin", 200, 201, 201), ("read", 200, 403, 403), ("gateway", 403, 403, 403)],
)
async def test_a_scope_decides_what_a_key_may_do(
    api: JsonApi, scope: str, reads: int, writes: int, manages: int
) -> None:
    tenant = await api.tenant()
    key = (await api.key_of(tenant["id"], scopes=[scope]))["key"]
    one = f"/admin/tenants/{tenant['id']}"
    assert (await api.call("GET", one, key=key)).status_code == reads
    assert (await api.call("POST", f"{one}/customers", {"name": "c"}, key=key)).status_code == writes
    assert (await api.call("POST", f"{one}/api-keys", {"name": "k"}, key=key)).status_code == manages
    assert (await api.call("GET", f"{one}/redirect-key", key=key)).status_code == (200 if scope == "admin" else 403)
    assert (await api.call("GET", "/admin/me", key=key)).status_code == 200


async def test_a_tenants_key_never_sees_another_tenant(api: JsonApi) -> None:
    own, other = await api.tenant("Acme"), await api.tenant("Other")
    key = (await api.key_of(own["id"]))["key"]
    foreign = await api.key_of(other["id"])
    one = f"/admin/tenants/{other['id']}"
    calls = [
        ("GET", one, None), ("PATCH", one, {"language": "es"}), ("DELETE", one, None),
        ("GET", f"{one}/api-keys", None), ("POST", f"{one}/api-keys", {"name": "x"}),
        ("DELETE", f"{one}/api-keys/{foreign['id']}", None), ("GET", f"{one}/redirect-key", None),
        ("POST", f"{one}/redirect-key/rotate", None), ("GET", f"{one}/customers", None),
        ("DELETE", f"/admin/tenants/{own['id']}/api-keys/{foreign['id']}", None),
        ("GET", "/admin/tenants/999999", None), ("GET", "/admin/tenants/x", None),
    ]  # fmt: skip
    answers = [await api.call(method, path, body, key=key) for method, path, body in calls]
    assert [answer.status_code for answer in answers] == [404] * len(calls)
    assert len({answer.text for answer in answers}) == 1
    assert [one["id"] for one in (await api.call("GET", "/admin/tenants", key=key)).json()["data"]] == [own["id"]]
    assert (await api.call("GET", "/admin/me", key=foreign["key"])).status_code == 200


async def test_only_the_operator_creates_renames_suspends_and_deletes(api: JsonApi) -> None:
    tenant = await api.tenant()
    key = (await api.key_of(tenant["id"]))["key"]
    one = f"/admin/tenants/{tenant['id']}"
    calls = [
        ("POST", "/admin/tenants", {"name": "Mine"}), ("PATCH", one, {"name": "New"}),
        ("PATCH", one, {"status": "suspended"}), ("DELETE", one, None),
    ]  # fmt: skip
    for method, path, body in calls:
        assert (await api.call(method, path, body, key=key)).status_code == 403
    allowed = await api.call(
        "PATCH", one, {"theme": {"primaryColor": "#10B981"}, "language": "es", "timeZone": "UTC"}, key=key
    )
    assert allowed.status_code == 200
    assert (await api.call("GET", one)).json()["name"] == "Acme SaaS"


async def test_a_suspended_tenants_keys_read_and_change_nothing(api: JsonApi) -> None:
    tenant = await api.tenant()
    key = (await api.key_of(tenant["id"]))["key"]
    one = f"/admin/tenants/{tenant['id']}"
    assert (await api.call("GET", one, key=key)).json()["status"] == "active"
    assert (await api.call("PATCH", one, {"status": "suspended"})).json()["status"] == "suspended"
    assert (await api.call("GET", one, key=key)).json()["status"] == "suspended"
    refused = await api.call("POST", f"{one}/customers", {"name": "c"}, key=key)
    assert (refused.status_code, refused.json()["code"]) == (403, "tenant_suspended")
    await api.call("PATCH", one, {"status": "active"})
    assert (await api.call("POST", f"{one}/customers", {"name": "c"}, key=key)).status_code == 201


async def test_a_limit_per_key_answers_429_with_the_time_to_wait(db: Database, clock: ManualClock) -> None:
    async with running_api(db, clock, rate_api=3) as api:
        answers = [await api.call("GET", "/admin/me") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert 0 < int(answers[3].headers["retry-after"]) <= 60
        clock.advance(MINUTE)
        assert (await api.call("GET", "/admin/me")).status_code == 200


async def test_a_key_that_is_revoked_while_it_is_looked_up_is_not_kept(api: JsonApi) -> None:
    tenant = await api.tenant()
    made = await api.key_of(tenant["id"])
    path = f"/admin/tenants/{tenant['id']}/api-keys/{made['id']}"
    await asyncio.gather(api.call("DELETE", path), *(api.call("GET", "/admin/me", key=made["key"]) for _ in range(8)))
    assert (await api.call("GET", "/admin/me", key=made["key"])).status_code == 401


async def test_an_expiry_in_the_past_is_refused_for_a_new_key(api: JsonApi, clock: ManualClock) -> None:
    path = f"/admin/tenants/{(await api.tenant())['id']}/api-keys"
    for body, name in (
        ({"name": "k", "expiresAt": "2026-05-18T12:00:00Z"}, "expiresAt"),
        ({"name": "k", "scopes": ["root"]}, "scopes[0]"),
        ({"name": "k", "scopes": []}, "scopes"),
        ({"name": ""}, "name"),
    ):
        answer = await api.call("POST", path, body)
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [name]
    assert clock.now() % DAY != 0
    assert await api.count("api_key") == 0

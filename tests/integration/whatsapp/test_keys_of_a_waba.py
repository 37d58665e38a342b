"""Keys of a WABA over HTTP: made, listed, revoked; what they hold, and when they end by themselves."""

import asyncio
from typing import Any

import pytest

from setuplinks.core.clock import SECOND
from setuplinks.core.db.database import Database
from setuplinks.tenants.key_memory import CHANNEL
from setuplinks.tenants.keys import hash_key
from setuplinks.whatsapp.waba_keys import FIND_BY_HASH, WabaKey
from tests.integration.setup_links.desk import Desk
from tests.support.customer import Customer
from tests.support.service import Tenant

FIELDS = {
    "id", "tenantId", "customerId", "wabaId", "metaWabaId", "name", "prefix", "scopes", "addresses", "setupLinkId",
    "expiresAt", "createdAt", "lastUsedAt",
}  # fmt: skip


@pytest.fixture
async def keys(desk: Desk, customer: Customer) -> str:
    """The path of the clinic's WABA's keys."""
    link = await desk.connected(customer)
    return f"/admin/wabas/{link['resultingWabaId']}/api-keys"


async def found(db: Database, key: str) -> WabaKey | None:
    """The key as the gateway finds it."""
    row = await db.one(FIND_BY_HASH, hash_key(key))
    return None if row is None else WabaKey.of(row)


async def test_a_key_is_shown_once_and_only_its_hash_is_stored(desk: Desk, keys: str) -> None:
    body = {
        "name": " server ", "scopes": ["read", "send"], "expiresAt": "2026-06-01T00:00:00Z",
        "addresses": ["203.0.113.7", "10.1.2.3/8", "2001:DB8::/32", "203.0.113.7/32"],
    }  # fmt: skip
    made = await desk.acme.api.made(keys, body)
    key = made.pop("key")
    assert key.startswith("sl_waba_")
    assert (set(made), made["prefix"], made["name"]) == (FIELDS, key[:12], "server")
    assert (made["scopes"], made["expiresAt"]) == (["send", "read"], "2026-06-01T00:00:00Z")
    assert made["addresses"] == ["203.0.113.7", "10.0.0.0/8", "2001:db8::/32"]
    assert (await desk.acme.api.get(keys)).json == {"data": [made], "nextCursor": None}
    assert key not in str(await desk.rows("waba_api_key"))
    stored = await found(desk.service.db, key)
    assert stored is not None
    assert (stored.id, stored.scopes, stored.customer_id) == (made["id"], {"read", "send"}, desk.clinic)
    [audit] = [row for row in await desk.rows("audit") if row["action"] == "waba_api_key.created"]
    assert key not in audit["detail"]


async def test_without_more_words_a_key_may_do_all_and_does_not_end(desk: Desk, keys: str) -> None:
    made = await desk.acme.api.made(keys, {"name": "server"})
    assert (made["scopes"], made["expiresAt"], made["addresses"]) == (["send", "manage", "read"], None, [])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"), ({"name": " "}, "name"), ({"name": "x" * 81}, "name"), ({"name": "k", "scopes": []}, "scopes"),
        ({"name": "k", "scopes": ["admin"]}, "scopes[0]"), ({"name": "k", "expiresAt": "soon"}, "expiresAt"),
        ({"name": "k", "expiresAt": "2026-05-18T12:00:00Z"}, "expiresAt"),
        ({"name": "k", "addresses": ["203.0.113.7", "here"]}, "addresses[1]"),
        ({"name": "k", "addresses": ["10.0.0.1"] * 101}, "addresses"), ({"name": "k", "other": 1}, "other"),
    ],
)  # fmt: skip
async def test_what_cannot_be_is_named(desk: Desk, keys: str, body: dict[str, Any], field: str) -> None:
    reply = await desk.acme.api.post(keys, body)
    assert (reply.status, [error["field"] for error in reply.json["errors"]]) == (422, [field])
    assert await desk.rows("waba_api_key") == []


async def test_the_same_post_twice_makes_one_key_and_keeps_it_sealed(desk: Desk, keys: str) -> None:
    first = await desk.acme.api.made(keys, {"name": "server"}, Idempotency_Key="one")
    again = await desk.acme.api.post(keys, {"name": "server"}, Idempotency_Key="one")
    assert (again.status, again.json, again.headers["idempotency-replayed"]) == (201, first, "true")
    assert (await desk.acme.api.post(keys, {"name": "other"}, Idempotency_Key="one")).code == "idempotency_key_reused"
    assert len(await desk.rows("waba_api_key")) == 1
    assert all(first["key"].encode() not in bytes(row["answer"]) for row in await desk.rows("idempotency"))


async def test_the_list_is_newest_first_in_pages(desk: Desk, keys: str) -> None:
    for name in "abc":
        await desk.acme.api.made(keys, {"name": name})
        desk.service.clock.advance(SECOND)
    page = (await desk.acme.api.get(f"{keys}?limit=2")).json
    rest = (await desk.acme.api.get(f"{keys}?limit=2&after={page['nextCursor']}")).json
    assert [one["name"] for one in [*page["data"], *rest["data"]]] == ["c", "b", "a"]
    assert rest["nextCursor"] is None


async def test_a_revoked_key_is_found_no_more_and_every_process_hears_of_it(desk: Desk, keys: str) -> None:
    heard = asyncio.Event()
    await desk.service.db.listen(CHANNEL, heard.set)
    made = await desk.acme.api.made(keys, {"name": "server"})
    assert (await desk.acme.api.call("DELETE", f"{keys}/{made['id']}")).status == 204
    async with asyncio.timeout(60):
        await heard.wait()
    assert await found(desk.service.db, made["key"]) is None
    assert (await desk.acme.api.call("DELETE", f"{keys}/{made['id']}")).status == 404
    assert (await desk.acme.api.get(keys)).json["data"] == []


async def test_another_wabas_key_is_not_revoked_by_this_ones_path(desk: Desk, keys: str, stranger: Tenant) -> None:
    made = await desk.acme.api.made(keys, {"name": "server"})
    assert (await stranger.api.call("DELETE", f"{keys}/{made['id']}")).status == 404
    assert (await desk.acme.api.call("DELETE", f"/admin/wabas/999/api-keys/{made['id']}")).status == 404
    assert await found(desk.service.db, made["key"]) is not None


@pytest.mark.parametrize("way", ["number", "customer"])
async def test_off_boarding_revokes_the_keys_of_the_waba(desk: Desk, keys: str, way: str) -> None:
    made = [await desk.acme.api.made(keys, {"name": name}) for name in "ab"]
    [number] = await desk.numbers()
    heard = asyncio.Event()
    await desk.service.db.listen(CHANNEL, heard.set)
    path = f"/admin/phone-numbers/{number['id']}" if way == "number" else f"/admin/customers/{desk.clinic}"
    assert (await desk.acme.api.call("DELETE", path)).status == 204
    async with asyncio.timeout(60):
        await heard.wait()
    assert [await found(desk.service.db, one["key"]) for one in made] == [None, None]
    left = await desk.rows("waba_api_key")
    assert (len(left), all(row["revoked_at"] for row in left)) == (2 if way == "number" else 0, True)
    audits = [row for row in await desk.rows("audit") if row["action"] == "waba_api_key.revoked"]
    assert len(audits) == 2


async def test_a_waba_that_left_gets_no_keys(desk: Desk, keys: str) -> None:
    [number] = await desk.numbers()
    assert (await desk.acme.api.call("DELETE", f"/admin/phone-numbers/{number['id']}")).status == 204
    reply = await desk.acme.api.post(keys, {"name": "late"})
    assert (reply.status, reply.code) == (409, "waba_gone")


async def test_keys_do_not_come_back_to_life_when_the_waba_is_connected_again(
    desk: Desk, keys: str, customer: Customer
) -> None:
    made = await desk.acme.api.made(keys, {"name": "server"})
    [number] = await desk.numbers()
    assert (await desk.acme.api.call("DELETE", f"/admin/phone-numbers/{number['id']}")).status == 204
    await desk.service.drain()
    await desk.connected(customer)
    assert await found(desk.service.db, made["key"]) is None


async def test_a_suspended_tenant_reads_its_keys_and_makes_none(desk: Desk, keys: str) -> None:
    await desk.acme.api.made(keys, {"name": "server"})
    reply = await desk.service.operator.call("PATCH", f"/admin/tenants/{desk.acme.id}", {"status": "suspended"})
    assert reply.status == 200
    refused = await desk.acme.api.post(keys, {"name": "late"})
    assert (refused.status, refused.code) == (403, "tenant_suspended")
    assert len((await desk.acme.api.get(keys)).json["data"]) == 1


async def test_the_gateway_learns_of_a_suspension_with_the_key(desk: Desk, keys: str) -> None:
    made = await desk.acme.api.made(keys, {"name": "server"})
    await desk.service.operator.call("PATCH", f"/admin/tenants/{desk.acme.id}", {"status": "suspended"})
    row = await desk.service.db.one(FIND_BY_HASH, hash_key(made["key"]))
    assert row is not None
    assert (row["tenant_status"], row["customer_status"]) == ("suspended", "active")

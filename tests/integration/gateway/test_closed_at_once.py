"""What ends a key, a customer, a tenant or a connection ends its calls at once, in every process; nothing waits for a
cache to grow old."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from setuplinks import app
from setuplinks.core.clock import DAY, ManualClock
from setuplinks.core.db.open import open_database
from tests.integration.gateway.line import Line, error_of
from tests.support.api import Api
from tests.support.loopback import bound_socket, port_of, serving
from tests.support.service import settings_for

REFUSED = (401, 190, None)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Waits until it is so."""
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110 - what is awaited is another process's cache
            await asyncio.sleep(0.01)


async def test_a_revoked_key_stops_with_the_next_call(line: Line) -> None:
    assert (await line.send()).status == 200
    waba_id = (await line.standing.shown())["wabaId"]
    assert (await line.standing.tenant.api.delete(f"/admin/wabas/{waba_id}/api-keys/{line.key_id}")).status == 204
    assert error_of(await line.send()) == REFUSED


async def test_a_key_of_the_tenant_stops_with_the_next_call(line: Line) -> None:
    made = await line.standing.tenant.api.made(
        f"/admin/tenants/{line.standing.tenant.id}/api-keys", {"name": "g", "scopes": ["gateway"]}
    )
    api = line.api.with_key(made["key"])
    assert (await api.get(line.path(line.number))).status == 200
    await line.standing.tenant.api.delete(f"/admin/tenants/{line.standing.tenant.id}/api-keys/{made['id']}")
    assert error_of(await api.get(line.path(line.number))) == REFUSED


async def test_a_suspended_customer_is_closed_for_every_key_and_opens_again(line: Line) -> None:
    gateway = await line.tenant_key("gateway")
    path = f"/admin/customers/{line.standing.customer_id}"
    for status, expected in (("suspended", 401), ("active", 200), ("inactive", 200)):
        assert (await line.standing.tenant.api.patch(path, {"status": status})).status == 200
        assert (await line.send()).status == expected
        assert (await gateway.get(line.path(line.number))).status == expected
        assert (await gateway.get(line.path(line.waba))).status == expected


async def test_a_suspended_tenant_is_closed_and_opens_again(line: Line) -> None:
    gateway = await line.tenant_key("gateway")
    for status, expected in (("suspended", 401), ("active", 200)):
        await line.standing.service.operator.patch(f"/admin/tenants/{line.standing.tenant.id}", {"status": status})
        assert (await line.send()).status == expected
        assert (await gateway.get(line.path(line.number))).status == expected


async def test_an_off_boarded_number_and_an_off_boarded_customer_are_gone(line: Line) -> None:
    gateway = await line.tenant_key("gateway")
    assert (await gateway.get(line.path(line.number))).status == 200
    assert (await line.standing.tenant.api.delete(f"/admin/phone-numbers/{line.standing.phone_id}")).status == 204
    assert error_of(await gateway.get(line.path(line.number))) == (400, 100, 33)
    assert error_of(await line.send()) == REFUSED
    assert (await line.standing.tenant.api.delete(f"/admin/customers/{line.standing.customer_id}")).status == 204
    assert error_of(await gateway.get(line.path(line.waba))) == (400, 100, 33)
    assert error_of(await line.send()) == REFUSED


async def test_a_key_that_expires_stops_at_its_time(line: Line) -> None:
    api = await line.other_key(expiresAt="2026-05-19T12:00:00Z")
    assert (await api.get(line.path(line.number))).status == 200
    line.standing.service.clock.advance(DAY)
    assert error_of(await api.get(line.path(line.number))) == REFUSED


async def test_a_key_is_good_from_its_addresses_alone(line: Line) -> None:
    here = await line.other_key(addresses=["127.0.0.0/8"])
    elsewhere = await line.other_key(addresses=["203.0.113.0/24", "2001:db8::/32"])
    assert (await here.get(line.path(line.number))).status == 200
    refused = await elsewhere.get(line.path(line.number))
    assert error_of(refused) == REFUSED
    assert "address" in refused.json["error"]["message"]


async def test_the_use_of_a_key_is_noted_once_a_minute(line: Line) -> None:
    parts, waba_id = line.standing.service.parts, (await line.standing.shown())["wabaId"]
    await line.send()
    await parts.gateway.access.settle()
    rows = (await line.standing.tenant.api.get(f"/admin/wabas/{waba_id}/api-keys")).json["data"]
    assert rows[0]["lastUsedAt"] == "2026-05-18T12:00:00Z"


@pytest.fixture
async def far(line: Line, database_url: str | None, clock: ManualClock, data_dir: Path) -> AsyncIterator[Api]:
    """Another process's service on the same database, as the line's own key calls it; in SQLite there is but one."""
    if database_url is None:
        yield line.api
        return
    db = await open_database(database_url, data_dir, pool_size=2)
    with bound_socket() as place:
        url = f"http://127.0.0.1:{port_of(place)}"
        settings = settings_for(url, line.standing.service.sandbox.url, data_dir, database_url)
        async with serving(app.create_app(app.build(settings, db, clock), workers=False), place):
            yield Api(url, line.key, line.api._session)
    await db.close()


async def test_what_one_process_ends_another_knows_without_a_clock_that_moves(line: Line, far: Api) -> None:
    path, tenant = line.path(line.number), line.standing.tenant

    async def is_open() -> bool:
        return (await far.get(path)).status == 200

    async def is_closed() -> bool:
        return not await is_open()

    assert await is_open()
    await tenant.api.patch(f"/admin/customers/{line.standing.customer_id}", {"status": "suspended"})
    await until(is_closed)
    await tenant.api.patch(f"/admin/customers/{line.standing.customer_id}", {"status": "active"})
    await until(is_open)
    waba_id = (await line.standing.shown())["wabaId"]
    await tenant.api.delete(f"/admin/wabas/{waba_id}/api-keys/{line.key_id}")
    await until(is_closed)
    assert error_of(await far.get(path)) == REFUSED


async def test_a_token_that_dies_in_one_process_is_dead_in_another(line: Line, far: Api) -> None:
    assert (await far.get(line.path(line.number))).status == 200
    sandbox = line.standing.service.sandbox
    await sandbox.ask("POST", "/sandbox/tokens/kill", {"subcode": 463})
    await line.send()
    await sandbox.forget_calls()

    async def is_refused_without_meta() -> bool:
        reply = await far.get(line.path(line.number))
        return error_of(reply) == (401, 190, 463) and reply.json["error"]["fbtrace_id"].startswith("sl")

    await until(is_refused_without_meta)
    assert len(await sandbox.calls()) <= 2

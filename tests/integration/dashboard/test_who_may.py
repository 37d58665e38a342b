"""Whose key opens the dashboard, what it may do there, and when its session ends."""

import re

import pytest
from starlette.routing import Route

from setuplinks.app import create_app
from setuplinks.core.clock import HOUR
from tests.integration.dashboard.desk import Person, a_person
from tests.support.customer import Customer
from tests.support.inbox import Inbox
from tests.support.service import OPERATOR_KEY, RunningService, Tenant

SIGN_IN = "/dashboard/sign-in"


async def _key(tenant: Tenant, **fields: object) -> dict[str, object]:
    return await tenant.api.made(f"/admin/tenants/{tenant.id}/api-keys", {"name": "other", **fields})


async def test_a_tenants_key_opens_its_own_tenant_and_stays_nowhere(person: Person, acme: Tenant) -> None:
    assert "Acme SaaS" in person.words
    assert "Key “test”" in person.words
    assert "Doctor" not in person.words
    [cookie] = person.cookies
    assert acme.key not in cookie.value
    assert acme.key not in person.text


async def test_a_key_for_the_gateway_alone_is_refused_in_words(service: RunningService, acme: Tenant) -> None:
    made = await _key(acme, scopes=["gateway"])
    async with a_person(service.url) as somebody:
        await somebody.sign_in(str(made["key"]))
        assert (somebody.status, somebody.cookies) == (403, [])
        assert "for the gateway alone" in somebody.words
        await somebody.sign_in("sl_waba_0123456789")
        assert (somebody.status, somebody.cookies) == (403, [])
        assert "key of one WhatsApp account" in somebody.words


async def test_a_revoked_key_ends_its_session_at_once(service: RunningService, acme: Tenant) -> None:
    made = await _key(acme)
    async with a_person(service.url) as somebody:
        await somebody.sign_in(str(made["key"]))
        assert (await acme.api.delete(f"/admin/tenants/{acme.id}/api-keys/{made['id']}")).status == 204
        await somebody.open(f"/dashboard/{acme.id}/links")
        assert (somebody.path, somebody.cookies) == (SIGN_IN, [])
        assert "You were signed out" in somebody.words


async def test_an_expired_key_ends_its_session(service: RunningService, acme: Tenant) -> None:
    made = await _key(acme, expiresAt="2026-05-18T12:20:00Z")
    async with a_person(service.url) as somebody:
        await somebody.sign_in(str(made["key"]))
        await somebody.open(f"/dashboard/{acme.id}/links")
        assert somebody.path == f"/dashboard/{acme.id}/links"
        service.clock.advance(HOUR // 3)
        await somebody.open(f"/dashboard/{acme.id}/links")
        assert somebody.path == SIGN_IN


async def test_the_operator_picks_a_tenant_and_with_one_tenant_is_there_already(
    service: RunningService, acme: Tenant
) -> None:
    async with a_person(service.url) as operator:
        await operator.sign_in(OPERATOR_KEY)
        assert operator.path == f"/dashboard/{acme.id}"
        stranger = await service.new_tenant("Stranger Inc")
        await operator.open("/dashboard")
        assert operator.path == "/dashboard/tenants"
        assert f'href="/dashboard/{stranger.id}"' in operator.text
        await operator.open(f"/dashboard/{stranger.id}")
        assert (operator.status, "Stranger Inc" in operator.words) == (200, True)
        await operator.open("/dashboard/4711")
        assert operator.status == 404


async def _one_of_each(service: RunningService, acme: Tenant, clinic: int, inbox: Inbox) -> dict[str, str]:
    """The ids that paths name, all of them acme's."""
    endpoint = await acme.api.made(f"/admin/tenants/{acme.id}/webhook-endpoints", {"url": inbox.url})
    link = await acme.api.made(f"/admin/customers/{clinic}/setup-links", {})
    await service.drain()
    [delivery] = (await acme.api.get(f"/admin/webhook-endpoints/{endpoint['id']}/deliveries")).json["data"]
    return {
        "tenantId": str(acme.id), "linkId": link["id"], "deliveryId": delivery["id"], "endpointId": str(endpoint["id"])
    }  # fmt: skip


def _paths(service: RunningService, method: str) -> list[str]:
    """The templates of the dashboard's routes that name a tenant."""
    known = create_app(service.parts).router.routes
    routes = [route for route in known if isinstance(route, Route) and method in (route.methods or ())]
    return [route.path.replace(":int", "") for route in routes if route.path.startswith("/dashboard/{tenantId")]


def _filled(path: str, things: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: things[found[1]], path)


async def _counts(service: RunningService) -> list[int]:
    names = ("audit", "event", "delivery", "attempt", "setup_link_step")
    return [
        (await service.db.read(f"SELECT COUNT(*) AS n FROM {name}"))[0]["n"] for name in names  # noqa: S608
    ]  # fmt: skip


async def test_another_tenants_session_finds_nothing_on_any_page_and_changes_nothing(
    service: RunningService, acme: Tenant, stranger: Tenant, clinic: int, inbox: Inbox
) -> None:
    things = await _one_of_each(service, acme, clinic, inbox)
    before = await _counts(service)
    async with a_person(service.url) as somebody:
        await somebody.sign_in(stranger.key)
        token = somebody.token
        pages = _paths(service, "GET")
        assert len(pages) == 7
        for tenant_id in (acme.id, stranger.id):  # by acme's address, and acme's things under one's own
            for path in pages:
                await somebody.open(_filled(path, {**things, "tenantId": str(tenant_id)}))
                own_list = tenant_id == stranger.id and path.count("{") == 1
                assert (path, somebody.status) == (path, 200 if own_list else 404)
                assert "Clínica" not in somebody.text
                assert inbox.url.partition("://")[2] not in somebody.text
            for path in _paths(service, "POST"):
                fields = {"since": "2026-05-18T10:00", "from": "2026-05-18T10:00", "until": "2026-05-18T11:00"}
                target = _filled(path, {**things, "tenantId": str(tenant_id)})
                await somebody.post(target, form_token=token, **fields)
                assert (path, somebody.status) == (path, 404)
        await somebody.open("/dashboard/tenants")
        assert somebody.status == 404
        await somebody.open("/dashboard/doctor")
        assert somebody.status == 404
    assert await _counts(service) == before


async def test_a_key_that_reads_sees_no_button_and_its_posts_are_refused(
    service: RunningService, acme: Tenant, clinic: int, inbox: Inbox, reader: Person
) -> None:
    things = await _one_of_each(service, acme, clinic, inbox)
    before = await _counts(service)
    for path in _paths(service, "GET"):
        await reader.open(_filled(path, things))
        assert (path, reader.status) == (path, 200)
        assert "reads only" in reader.words
        assert re.findall(r'method="post" action="([^"]+)"', reader.text) == ["/dashboard/sign-out"]
        assert f"/signup/{things['linkId']}" not in reader.text  # the link's address is for who may make one
    for path in _paths(service, "POST"):
        await reader.post(_filled(path, things), form_token=reader.token)
        assert (path, reader.status) == (path, 403)
        await reader.open(f"/dashboard/{acme.id}")
    assert await _counts(service) == before


async def test_a_suspended_tenants_key_reads_only(
    service: RunningService, acme: Tenant, clinic: int, inbox: Inbox, person: Person
) -> None:
    things = await _one_of_each(service, acme, clinic, inbox)
    assert (await service.operator.patch(f"/admin/tenants/{acme.id}", {"status": "suspended"})).status == 200
    await person.open(_filled("/dashboard/{tenantId}/endpoints/{endpointId}", things))
    assert (person.status, "Send a test" in person.words) == (200, False)
    await person.post(_filled("/dashboard/{tenantId}/endpoints/{endpointId}/test", things), form_token=person.token)
    assert (person.status, "suspended" in person.words) == (403, True)
    await person.open(f"/dashboard/{acme.id}")
    assert "This tenant is suspended." in person.words


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example.com"}, {"Sec-Fetch-Site": "cross-site"}, {}])
async def test_a_form_of_another_site_or_without_its_token_changes_nothing(
    service: RunningService, acme: Tenant, clinic: int, inbox: Inbox, person: Person, headers: dict[str, str]
) -> None:
    things = await _one_of_each(service, acme, clinic, inbox)
    before = await _counts(service)
    fields = {"form_token": person.token} if headers else {}
    for path in _paths(service, "POST"):
        await person.post(_filled(path, things), headers, **fields)
        assert (path, person.status) == (path, 403)
    assert await _counts(service) == before


async def test_a_get_changes_nothing(
    service: RunningService, acme: Tenant, clinic: int, inbox: Inbox, person: Person, customer: Customer
) -> None:
    things = await _one_of_each(service, acme, clinic, inbox)
    before = await _counts(service)
    for path in (*_paths(service, "GET"), *_paths(service, "POST")):
        await person.open(_filled(path, things) + "?done=sent-again&again=3")
        assert person.status in {200, 404, 405}
    assert await _counts(service) == before

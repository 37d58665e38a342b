"""Isolation: with another tenant's key every route of the OpenAPI document answers 404 and changes nothing; what a key
changes leaves an audit row."""

import json
import re
from typing import Any

import pytest

from setuplinks.core.clock import MINUTE, SECOND
from tests.support import notices
from tests.support.customer import Customer
from tests.support.inbox import Inbox
from tests.support.service import RunningService, Tenant

PARAMETER = re.compile(r"\{(\w+)\}")
# What a stranger's own activity may touch: the last use of its key.
OWN_TRACES = {"api_key"}
# The installation's own, not any tenant's: a tenant's key is told so, whatever is there.
OPERATORS = ("/admin/number-pool", "/admin/orphan-authorisations")


async def _things(
    service: RunningService, acme: Tenant, clinic: int, customer: Customer, inbox: Inbox
) -> dict[str, Any]:
    """One of each thing that a path may name, all of them acme's."""
    api = acme.api
    endpoint = await api.made(f"/admin/tenants/{acme.id}/webhook-endpoints", {"url": inbox.url})
    done = await api.made(f"/admin/customers/{clinic}/setup-links", {"allowedConnectionTypes": ["dedicated"]})
    await customer.walk(done["url"], service.sandbox)
    await service.drain()
    link = await api.made(f"/admin/customers/{clinic}/setup-links", {})
    [number] = (await api.get(f"/admin/customers/{clinic}/phone-numbers")).json["data"]
    [key] = (await api.get(f"/admin/tenants/{acme.id}/api-keys")).json["data"]
    waba_key = await api.made(f"/admin/wabas/{number['wabaId']}/api-keys", {"name": "first"})
    pooled = await service.operator.made("/admin/number-pool", {"number": "+5493515550101"})
    deliveries = (await api.get(f"/admin/webhook-endpoints/{endpoint['id']}/deliveries")).json["data"]
    return {
        "tenantId": acme.id, "customerId": clinic, "linkId": link["id"], "wabaId": number["wabaId"],
        "phoneNumberId": number["id"], "endpointId": endpoint["id"], "deliveryId": deliveries[0]["id"],
        "keyId": key["id"], "wabaKeyId": waba_key["id"], "numberId": pooled["id"], "orphanId": await _orphan(service),
    }  # fmt: skip


async def _orphan(service: RunningService) -> int:
    """An authorisation that no link awaits, open for the operator."""
    shared = notices.sample("account_update_partner_added", waba="777")
    shared["entry"][0]["time"] = service.clock.now() // SECOND
    [known] = await service.db.read("SELECT business_id FROM waba")
    shared["entry"][0]["changes"][0]["value"]["waba_info"]["owner_business_id"] = known["business_id"]
    assert await notices.post(service.url, notices.body_of(shared)) == 200
    await service.drain()
    await service.advance(6 * MINUTE)
    [row] = (await service.operator.get("/admin/orphan-authorisations")).json["data"]
    assert row["status"] == "open"
    return int(row["id"])


async def _operations(service: RunningService) -> list[tuple[str, str, dict[str, Any]]]:
    document = (await service.operator.get("/openapi.json")).json
    found = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method in {"get", "post", "patch", "put", "delete"} and path.startswith("/admin/"):
                found.append((method.upper(), path, operation))
    return found


def _body(operation: dict[str, Any]) -> Any:
    """A body that would do, were the object one's own."""
    if "requestBody" not in operation:
        return None
    return {"since": "2026-05-18T00:00:00Z"} if operation["operationId"].startswith(("recover", "replay")) else {}


def _filled(path: str, things: dict[str, Any]) -> str:
    if path.startswith("/admin/wabas/"):
        things = {**things, "keyId": things.get("wabaKeyId", 1)}
    return PARAMETER.sub(lambda found: str(things[found[1]]), path)


async def _snapshot(service: RunningService) -> dict[str, Any]:
    tables = await _tables(service)
    return {
        name: sorted(
            json.dumps([_plain(v) for v in tuple(row)])
            for row in await service.db.read(f"SELECT * FROM {name}")  # noqa: S608 - a table's own name
        )
        for name in tables
        if name not in OWN_TRACES
    }


async def _tables(service: RunningService) -> list[str]:
    if service.db.dialect == "sqlite":
        rows = await service.db.read("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        return [row["name"] for row in rows]
    text = "SELECT tablename AS name FROM pg_catalog.pg_tables WHERE schemaname = 'public'"
    return [row["name"] for row in await service.db.read(text)]


def _plain(value: Any) -> Any:
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else value


async def test_another_tenants_key_finds_nothing_and_changes_nothing_on_any_route(
    service: RunningService, acme: Tenant, stranger: Tenant, clinic: int, customer: Customer, inbox: Inbox
) -> None:
    things = await _things(service, acme, clinic, customer, inbox)
    operations = [one for one in await _operations(service) if PARAMETER.search(one[1])]
    assert len(operations) > 30
    before = await _snapshot(service)
    answers = {}
    for method, path, operation in operations:
        reply = await stranger.api.call(method, _filled(path, things), _body(operation))
        answers[f"{method} {path}"] = (reply.status, reply.code if reply.status >= 400 else None)
    wrong = {name: answer for name, answer in answers.items() if answer != _refusal(name)}
    assert wrong == {}
    assert await _snapshot(service) == before


def _refusal(name: str) -> tuple[int, str]:
    return (403, "forbidden") if name.partition(" ")[2].startswith(OPERATORS) else (404, "not_found")


async def test_without_a_key_or_with_a_wrong_one_every_route_answers_401(
    service: RunningService, acme: Tenant, clinic: int
) -> None:
    named = (
        "numberId",
        "orphanId",
        "tenantId",
        "customerId",
        "linkId",
        "wabaId",
        "phoneNumberId",
        "endpointId",
        "keyId",
        "deliveryId",
    )
    things = dict.fromkeys(named, 1)
    answers = {}
    for method, path, operation in await _operations(service):
        for key in (None, "sl_live_" + "x" * 43, acme.key[:-1], ""):
            reply = await service.operator.with_key(key).call(method, _filled(path, things), _body(operation))
            answers[f"{method} {path} {key}"] = reply.status
    assert {name: status for name, status in answers.items() if status != 401} == {}


@pytest.mark.parametrize("scope", ["read", "gateway"])
async def test_a_key_without_the_admin_scope_changes_nothing(
    service: RunningService, acme: Tenant, clinic: int, customer: Customer, inbox: Inbox, scope: str
) -> None:
    things = await _things(service, acme, clinic, customer, inbox)
    made = await acme.api.made(f"/admin/tenants/{acme.id}/api-keys", {"name": scope, "scopes": [scope]})
    weak = acme.api.with_key(made["key"])
    before = await _snapshot(service)
    changing = [one for one in await _operations(service) if one[0] != "GET"]
    answers = {
        f"{method} {path}": (await weak.call(method, _filled(path, things), _body(operation))).status
        for method, path, operation in changing
    }
    assert {name: status for name, status in answers.items() if status != 403} == {}
    assert await _snapshot(service) == before


async def test_every_change_by_a_key_leaves_an_audit_row(
    service: RunningService, acme: Tenant, clinic: int, customer: Customer, inbox: Inbox
) -> None:
    things = await _things(service, acme, clinic, customer, inbox)
    branch = await acme.api.made(f"/admin/tenants/{acme.id}/customers", {"name": "Branch"})
    bodies = {
        "POST /admin/tenants": {"name": "Third Inc"},
        "POST /admin/number-pool": {"number": "+56225550102"},
        "POST /admin/number-pool/{numberId}/verify-code": {"code": "123456"},
        "POST /admin/orphan-authorisations/{orphanId}/assign": {"customerId": branch["id"]},
        "PATCH /admin/tenants/{tenantId}": {"language": "es"},
        "POST /admin/tenants/{tenantId}/api-keys": {"name": "second"},
        "POST /admin/wabas/{wabaId}/api-keys": {"name": "second"},
        "POST /admin/tenants/{tenantId}/customers": {"name": "Second clinic"},
        "PATCH /admin/customers/{customerId}": {"name": "Clínica San Marcos"},
        "PATCH /admin/setup-links/{linkId}": {"language": "es"},
        "POST /admin/tenants/{tenantId}/webhook-endpoints": {"url": inbox.url + "/2"},
        "PATCH /admin/webhook-endpoints/{endpointId}": {"description": "ours"},
        "POST /admin/webhook-endpoints/{endpointId}/recover": {"since": "2026-05-18T00:00:00Z"},
        "POST /admin/webhook-endpoints/{endpointId}/replay": {"since": "2026-05-18T00:00:00Z"},
    }
    # Deleting comes last, from the inside out; revoking a link before its customer goes, a WABA's key before its last
    # number. What was assigned cannot be dismissed any more.
    changing = sorted(
        [one for one in await _operations(service) if one[0] != "GET"],
        key=lambda one: (
            one[0] == "DELETE", one[1] == "/admin/tenants/{tenantId}", "{customerId}" in one[1],
            one[1].endswith("/assign"), one[0] == "DELETE" and "{phoneNumberId}" in one[1], one[1],
        ),
    )  # fmt: skip
    left_none = {}
    for method, path, operation in changing:
        name = f"{method} {path}"
        before = await _audits(service)
        url = _filled(path, things) + ("?cascade=true" if name == "DELETE /admin/tenants/{tenantId}" else "")
        reply = await service.operator.call(method, url, bodies.get(name, _body(operation)))
        if await _audits(service) <= before:
            left_none[name] = (reply.status, reply.body.decode(errors="replace")[:200])
    assert left_none == {}


async def _audits(service: RunningService) -> int:
    [row] = await service.db.read("SELECT COUNT(*) AS n FROM audit")
    return int(row["n"])

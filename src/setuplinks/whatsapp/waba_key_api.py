"""The JSON routes of a WABA's keys, with which its messages are sent through the gateway.

Owns paths, bodies and views. What a key is stands in `waba_keys`.
"""

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter
from starlette.responses import Response

from setuplinks.core import wire
from setuplinks.core.db.unit import Unit
from setuplinks.core.problems import NotFound
from setuplinks.tenants.context import Deps
from setuplinks.tenants.idempotency import Answer
from setuplinks.tenants.routes import Call, Routes, answer, listing, no_content, of
from setuplinks.whatsapp import waba_keys
from setuplinks.whatsapp.models import Waba
from setuplinks.whatsapp.store import FIND_WABA
from setuplinks.whatsapp.waba_keys import WabaKey, Wish

Scope = Literal["send", "manage", "read"]


class NewWabaApiKey(wire.Body):
    """A key of a WABA to be made."""

    name: Annotated[str, msgspec.Meta(description="What it is for; 1 to 80 characters.")]
    scopes: Annotated[list[Scope] | None, msgspec.Meta(description="All three where it is left out.")] = None
    expires_at: wire.Instant | None = None
    addresses: Annotated[
        list[str] | None,
        msgspec.Meta(description="Addresses or ranges (CIDR) from which it may be used; from anywhere where left out."),
    ] = None


class WabaApiKeyView(wire.View):
    """A key of a WABA, without the key."""

    id: int
    tenant_id: int
    customer_id: int
    waba_id: int
    meta_waba_id: str
    name: str
    prefix: str
    scopes: list[Scope]
    addresses: list[str]
    setup_link_id: str | None
    expires_at: wire.Moment | None
    created_at: wire.Moment
    last_used_at: wire.Moment | None


class CreatedWabaApiKeyView(WabaApiKeyView):
    """A new key of a WABA; `key` is shown this once."""

    key: str


def router(deps: Deps) -> APIRouter:
    """The routes."""
    routes = Routes(deps, "WABAs and phone numbers")
    whose, path = of("waba", "wabaId", "admin"), "/admin/wabas/{wabaId}/api-keys"
    routes.add(
        "POST", path, whose, create_waba_api_key, takes=NewWabaApiKey, answers=CreatedWabaApiKeyView, status=201
    )  # fmt: skip
    routes.add("GET", path, whose, list_waba_api_keys, answers=WabaApiKeyView, pages=True)
    routes.add("DELETE", f"{path}/{{keyId}}", whose, revoke_waba_api_key, status=204)
    return routes.router


async def create_waba_api_key(call: Call) -> Response:
    """Creates a key that reaches this WABA and its numbers through the gateway. `key` is in this answer only."""
    await _waba(call.deps.db, call)  # another tenant's is a 404, whatever the body says
    new = call.take(NewWabaApiKey)
    wish = Wish(new.name, new.scopes, new.expires_at, new.addresses)

    async def verb(tx: Unit) -> Answer:
        waba = await _waba(tx, call)
        made, key = await waba_keys.issue(tx, call.deps.db, waba, wish, now=call.now, actor=call.actor)
        return answer(CreatedWabaApiKeyView(**fields_of(made), key=key), 201)

    return await call.change(verb)


async def list_waba_api_keys(call: Call) -> Response:
    """The WABA's keys that still count, newest first."""
    page, db = call.page(), call.deps.db
    await _waba(db, call)
    rows = await db.read(waba_keys.LIST, call.tenant_id, call.id, page.at, page.id, page.limit + 1)
    return listing(rows, page, lambda row: show(WabaKey.of(row)))


async def revoke_waba_api_key(call: Call) -> Response:
    """Revokes a key; it stops at once."""
    key_id = call.path_id("keyId")

    async def verb(tx: Unit) -> Answer:
        await waba_keys.revoke(tx, call.tenant_id, call.id, key_id, now=call.now, actor=call.actor)
        return no_content()

    return await call.change(verb)


def show(key: WabaKey) -> WabaApiKeyView:
    """A key as the API lists it."""
    return WabaApiKeyView(**fields_of(key))


def fields_of(key: WabaKey) -> dict[str, Any]:
    """What is told of a key, by the view's names."""
    return {
        "id": key.id,
        "tenant_id": key.tenant_id,
        "customer_id": key.customer_id,
        "waba_id": key.waba_id,
        "meta_waba_id": key.meta_waba_id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": key.scope_list,
        "addresses": list(key.addresses),
        "setup_link_id": key.link_id,
        "expires_at": wire.instant_or_none(key.expires_at),
        "created_at": wire.instant(key.created_at),
        "last_used_at": wire.instant_or_none(key.last_used_at),
    }


async def _waba(reads: Any, call: Call) -> Waba:
    row = await reads.one(FIND_WABA, call.tenant_id, call.id)
    if row is None:
        raise NotFound("There is no such WABA.")
    return Waba.of(row)

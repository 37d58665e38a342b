"""What the verbs `waba-keys` do, through the same service as the API."""

from typing import TYPE_CHECKING

import msgspec

from setuplinks.commands.desk import ACTOR, LATEST, done, show, show_all, tenant_of
from setuplinks.commands.tenant_acts import instant_of, said_revoked
from setuplinks.core.db.unit import Unit
from setuplinks.core.problems import NotFound
from setuplinks.whatsapp import store, waba_key_api, waba_keys
from setuplinks.whatsapp.waba_keys import WabaKey, Wish

if TYPE_CHECKING:
    from setuplinks.app import Service

COLUMNS = ("id", "name", "prefix", "scopes", "addresses", "expiresAt", "lastUsedAt", "createdAt")


def create_key(
    waba_id: int, name: str, scopes: list[str] | None, expires_at: str | None, addresses: list[str] | None,
    *, as_json: bool,
) -> None:  # fmt: skip
    """Makes a key and shows it once. Raises Invalid, NotFound, WabaGone, Refused."""
    wish = Wish(name, scopes, None if expires_at is None else instant_of(expires_at), addresses)

    async def act(desk: "Service") -> tuple[WabaKey, str]:
        tenant_id = await tenant_of(desk, "waba", waba_id)

        async def verb(tx: Unit) -> tuple[WabaKey, str]:
            waba = await store.waba(tx, tenant_id, waba_id)
            if waba is None:
                raise NotFound(f"There is no WABA {waba_id}.")
            return await waba_keys.issue(tx, desk.db, waba, wish, now=desk.clock.now(), actor=ACTOR)

        return await desk.db.unit(verb)

    made, key = done(act)
    show({"key": key, **msgspec.to_builtins(waba_key_api.show(made))}, as_json=as_json)


def list_keys(waba_id: int, limit: int, *, as_json: bool) -> None:
    """The WABA's living keys, newest first. Raises NotFound."""

    async def act(desk: "Service") -> list[WabaKey]:
        tenant_id = await tenant_of(desk, "waba", waba_id)
        rows = await desk.db.read(waba_keys.LIST, tenant_id, waba_id, LATEST, LATEST, limit)
        return [WabaKey.of(row) for row in rows]

    show_all([waba_key_api.show(key) for key in done(act)], COLUMNS, as_json=as_json, what="keys")


def revoke_key(waba_id: int, key_id: int) -> None:
    """Revokes a key. Raises NotFound."""

    async def act(desk: "Service") -> None:
        tenant_id = await tenant_of(desk, "waba", waba_id)
        await desk.db.unit(waba_keys.revoke, tenant_id, waba_id, key_id, now=desk.clock.now(), actor=ACTOR)

    done(act)
    said_revoked(key_id)

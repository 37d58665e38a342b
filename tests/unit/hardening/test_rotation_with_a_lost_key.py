"""Rotating master keys where one of the older ones is gone: the rest is wrapped again all the same."""

import base64
from pathlib import Path

import pytest

from setuplinks.core.clock import ManualClock
from setuplinks.core.db.open import open_database
from setuplinks.core.vault import KeyRing, Vault, VaultClosed
from setuplinks.migrations.apply import migrate
from tests.support.instants import TEST_BEGINS

LOST, OLD, NEW = (base64.b64encode(bytes([fill]) * 32).decode() for fill in (1, 2, 3))


async def test_keys_of_a_lost_master_key_hold_up_no_other(tmp_path: Path) -> None:
    await migrate(None, tmp_path)
    db = await open_database(None, tmp_path)
    try:
        clock = ManualClock(TEST_BEGINS)
        for tenant_id, ring in ((1, f"lost:{LOST}"), (2, f"old:{OLD}"), (3, f"old:{OLD}")):
            async with db.transaction() as tx:
                Vault(db, KeyRing.parse(ring), clock).create(tx, tenant_id)
        async with db.transaction() as tx:
            tx.add("UPDATE data_key SET wrapped = $1 WHERE tenant_id = 2", b"damaged" * 10)
        vault = Vault(db, KeyRing.parse(f"new:{NEW},old:{OLD}"), clock)
        assert await vault.rewrap() == 1
        assert {row["tenant_id"]: row["kid"] for row in await db.read("SELECT tenant_id, kid FROM data_key")} == {
            1: "lost", 2: "old", 3: "new"
        }  # fmt: skip
        with pytest.raises(VaultClosed, match="'lost' is not in MASTER_KEYS"):
            await vault.rewrap()
    finally:
        await db.close()

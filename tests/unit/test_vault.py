"""The vault: what was sealed opens only where it was written, and rotation loses nothing."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from setuplinks.core.clock import SECOND, ManualClock
from setuplinks.core.db.database import Database
from setuplinks.core.db.open import open_database
from setuplinks.core.vault import KeyRing, KeyRingInvalid, Sealer, Vault, VaultClosed
from setuplinks.migrations.apply import migrate
from tests.support.instants import TEST_BEGINS

OLD, NEW = (base64.b64encode(bytes([fill]) * 32).decode() for fill in (1, 2))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Database]:
    """A migrated SQLite file: where the wrapped keys stand."""
    await migrate(None, tmp_path)
    opened = await open_database(None, tmp_path)
    yield opened
    await opened.close()


async def _tenant(vault: Vault, store: Database, tenant_id: int) -> Sealer:
    async with store.transaction() as tx:
        vault.create(tx, tenant_id)
    return await vault.tenant(tenant_id)


def _vault(store: Database, ring: str, clock: ManualClock | None = None) -> Vault:
    return Vault(store, KeyRing.parse(ring), clock or ManualClock(TEST_BEGINS))


async def test_a_tenants_ciphertext_does_not_open_under_another_tenant(store: Database) -> None:
    vault = _vault(store, f"k1:{OLD}")
    mine, theirs = await _tenant(vault, store, 1), await _tenant(vault, store, 2)
    sealed = mine.seal(b"token", "credential", 3, "token")
    assert mine.open(sealed, "credential", 3, "token") == b"token"
    with pytest.raises(VaultClosed):
        theirs.open(sealed, "credential", 3, "token")
    same_key = Sealer(2, mine.keys)  # even with the right key the tenant is part of what is authenticated
    with pytest.raises(VaultClosed):
        same_key.open(sealed, "credential", 3, "token")


@pytest.mark.parametrize("place", [("credential", 4, "token"), ("phone_number", 3, "token"), ("credential", 3, "pin")])
async def test_a_ciphertext_that_was_moved_does_not_open(store: Database, place: tuple[str, int, str]) -> None:
    sealer = await _tenant(_vault(store, f"k1:{OLD}"), store, 1)
    sealed = sealer.seal(b"token", "credential", 3, "token")
    with pytest.raises(VaultClosed):
        sealer.open(sealed, *place)


async def test_damaged_cut_and_foreign_bytes_do_not_open(store: Database) -> None:
    sealer = await _tenant(_vault(store, f"k1:{OLD}"), store, 1)
    sealed = sealer.seal(b"token", "credential", 3, "token")
    damaged = [sealed[:-1] + bytes([sealed[-1] ^ 1]), sealed[:20], sealed[:3], b"", b"token", bytes([9]) + sealed[1:]]
    for given in damaged:
        with pytest.raises(VaultClosed):
            sealer.open(given, "credential", 3, "token")
    assert b"token" not in sealed
    assert sealer.seal(b"token", "credential", 3, "token") != sealed


async def test_a_wrapped_key_does_not_serve_another_tenant(store: Database) -> None:
    vault = _vault(store, f"k1:{OLD}")
    await _tenant(vault, store, 1)
    [row] = await store.read("SELECT kid, wrapped FROM data_key WHERE tenant_id = $1", 1)
    async with store.transaction() as tx:
        tx.add(
            "INSERT INTO data_key (tenant_id, id, kid, wrapped, created_at) VALUES ($1, $2, $3, $4, $5)",
            2, 1, row["kid"], row["wrapped"], 0,
        )  # fmt: skip
    with pytest.raises(VaultClosed):
        await vault.tenant(2)


async def test_a_rotation_keeps_what_was_sealed_and_needs_the_old_key_until_all_is_rewrapped(store: Database) -> None:
    before = _vault(store, f"old:{OLD}")
    sealed = {n: (await _tenant(before, store, n)).seal(b"secret", "t", n, "f") for n in range(1, 6)}
    both = _vault(store, f"new:{NEW},old:{OLD}")
    assert (await both.tenant(1)).open(sealed[1], "t", 1, "f") == b"secret"
    with pytest.raises(VaultClosed, match="'old' is not in MASTER_KEYS"):
        await _vault(store, f"new:{NEW}").tenant(1)
    done = [await both.rewrap(2)]  # and here the process dies; another one goes on where it stopped
    while done[-1]:
        done.append(await _vault(store, f"new:{NEW},old:{OLD}").rewrap(2))
    assert done == [2, 2, 1, 0]
    after = _vault(store, f"new:{NEW}")
    assert [(await after.tenant(n)).open(sealed[n], "t", n, "f") for n in sealed] == [b"secret"] * 5


async def test_a_renewed_data_key_seals_anew_and_the_older_still_opens(store: Database) -> None:
    vault = _vault(store, f"k1:{OLD}")
    first = (await _tenant(vault, store, 1)).seal(b"one", "t", 1, "f")
    await vault.renew(1)
    sealer = await vault.tenant(1)
    second = sealer.seal(b"two", "t", 1, "f")
    assert (first[4], second[4]) == (1, 2)
    assert (sealer.open(first, "t", 1, "f"), sealer.open(second, "t", 1, "f")) == (b"one", b"two")


async def test_a_wrong_master_key_under_the_same_kid_opens_nothing(store: Database) -> None:
    await _tenant(_vault(store, f"k1:{OLD}"), store, 1)
    with pytest.raises(VaultClosed):
        await _vault(store, f"k1:{NEW}").tenant(1)


async def test_a_tenant_without_a_key_has_no_sealer_and_one_with_a_key_gets_no_second_first(store: Database) -> None:
    vault = _vault(store, f"k1:{OLD}")
    with pytest.raises(VaultClosed):
        await vault.tenant(1)
    await _tenant(vault, store, 1)
    with pytest.raises(VaultClosed):
        async with store.transaction() as tx:
            vault.create(tx, 1)


async def test_a_sealer_is_kept_for_30_seconds_and_no_longer(store: Database) -> None:
    clock = ManualClock(TEST_BEGINS)
    vault = _vault(store, f"k1:{OLD}", clock)
    await _tenant(vault, store, 1)
    await store.bulk("DELETE FROM data_key WHERE tenant_id = $1", 1)
    clock.advance(30 * SECOND - 1)
    assert (await vault.tenant(1)).tenant_id == 1
    clock.advance(1)
    with pytest.raises(VaultClosed):
        await vault.tenant(1)


async def test_the_installations_key_is_made_once(store: Database) -> None:
    first, second = _vault(store, f"k1:{OLD}"), _vault(store, f"k1:{OLD}")
    sealed = (await first.installation()).seal(b"x", "offboarding", 1, "token")
    assert (await second.installation()).open(sealed, "offboarding", 1, "token") == b"x"
    assert len(await store.read("SELECT id FROM data_key WHERE tenant_id = $1", 0)) == 1


@pytest.mark.parametrize(
    "text", ["", " , ", "k1", f":{OLD}", "k1:short", "k1:" + OLD[:-8], f"k1:{OLD},k1:{NEW}", "x" * 33 + f":{OLD}"]
)
def test_a_key_ring_that_cannot_be_used_is_refused_without_showing_a_key(text: str) -> None:
    with pytest.raises(KeyRingInvalid) as caught:
        KeyRing.parse(text)
    assert OLD[:16] not in str(caught.value)


def test_no_sealer_shows_its_keys() -> None:
    assert "AESGCM" not in repr(Sealer(1, {}))
    assert "keys" not in repr(Sealer(1, {}))


async def test_many_that_need_the_installations_key_first_at_once_get_the_same_one(store: Database) -> None:
    vaults = [_vault(store, f"k1:{OLD}") for _ in range(8)]
    sealers = await asyncio.gather(*(vault.installation() for vault in vaults for _ in range(4)))
    sealed = sealers[0].seal(b"token", "offboarding", 1, "token")
    assert {sealer.open(sealed, "offboarding", 1, "token") for sealer in sealers} == {b"token"}

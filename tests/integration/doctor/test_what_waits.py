"""What doctor finds of work that is due, of tokens that end, and of the database beneath."""

import base64
import os
from pathlib import Path

import pytest

from setuplinks.core.clock import DAY, HOUR, MINUTE, SystemClock
from setuplinks.core.db.database import Database
from setuplinks.core.vault import Vault
from setuplinks.doctor.storage import data_folder, durability, file_durability, file_system, master_keys, revision
from tests.integration.doctor.examined import rows
from tests.integration.notifications.conftest import settled
from tests.integration.number_pool.pool import ARGENTINE, Pool
from tests.support.customer import Customer
from tests.support.service import MASTER_KEYS, RunningService, Tenant, settings_for

PUBLIC_URL = "http://127.0.0.1:8080"
IN_MEMORY = Path("/dev/shm")  # noqa: S108 - only its kind of file system is read


async def _connected(service: RunningService, acme: Tenant, clinic: int, customer: Customer, scenario: str) -> None:
    link = await acme.api.made(f"/admin/customers/{clinic}/setup-links", {"allowedConnectionTypes": ["dedicated"]})
    await service.sandbox.next_scenario(scenario)
    await customer.walk(link["url"], service.sandbox)


async def test_work_that_nobody_takes_is_a_warning_and_then_a_failure(
    service: RunningService, acme: Tenant, clinic: int, customer: Customer
) -> None:
    await service.drain()
    assert (await rows(service))["Workers"].verdict == "pass"
    await _connected(service, acme, clinic, customer, "default")  # no worker runs in this test
    for minutes, verdict in ((0, "pass"), (3, "warn"), (20, "fail")):
        service.clock.advance(minutes * MINUTE)
        assert (await rows(service))["Workers"].verdict == verdict
    await service.advance(0)
    assert (await rows(service))["Workers"].verdict == "pass"


async def test_tokens_that_end_soon_or_have_ended_are_a_warning(
    service: RunningService, acme: Tenant, clinic: int, customer: Customer
) -> None:
    assert (await rows(service))["Tokens"].said == "none is held yet"
    await _connected(service, acme, clinic, customer, "sixty_days")
    await service.drain()
    held = (await rows(service))["Tokens"]
    assert (held.verdict, held.said.startswith("1 held; the next one ends at 2026-07-")) == ("pass", True)
    service.clock.advance(50 * DAY)
    assert (await rows(service))["Tokens"].said.startswith("of 1 customers' tokens 1 end within 14 days")
    service.clock.advance(11 * DAY)
    ended = (await rows(service))["Tokens"]
    assert (ended.verdict, ended.said) == ("warn", "of 1 customers' tokens 1 have ended")


async def test_tokens_that_never_end_pass(
    service: RunningService, acme: Tenant, clinic: int, customer: Customer
) -> None:
    await _connected(service, acme, clinic, customer, "never_expiring")
    await service.drain()
    assert (await rows(service))["Tokens"].said == "1 held; none of them ends"


async def test_an_account_that_came_without_a_link_waits_for_the_operator(
    service: RunningService, acme: Tenant, clinic: int, customer: Customer
) -> None:
    assert (await rows(service))["Authorisations"].verdict == "pass"
    link = await acme.api.made(f"/admin/customers/{clinic}/setup-links", {"allowedConnectionTypes": ["dedicated"]})
    await service.sandbox.play(await customer.go_to_meta(link["url"]))  # and the browser never comes back
    await settled(service.sandbox)
    await service.drain()
    for _ in range(3):
        await service.advance(3 * HOUR)
    waiting = (await rows(service))["Authorisations"]
    assert (waiting.verdict, waiting.said) == ("warn", "1 came without a link, the oldest less than a day ago")


async def test_numbers_of_the_pool_that_end_soon_or_have_ended_are_a_warning(service: RunningService) -> None:
    assert (await rows(service))["Number pool"].said == "it holds no numbers"
    pool = Pool(service)
    await pool.ready(ARGENTINE)
    assert (await rows(service))["Number pool"].said == "1 held, none near its end"
    service.clock.advance(80 * DAY)
    assert "of 1 held that of 1 ends within 14 days, the first at 2026-08-" in (await rows(service))["Number pool"].said
    service.clock.advance(11 * DAY)
    ended = (await rows(service))["Number pool"]
    assert (ended.verdict, ended.said) == ("warn", "of 1 held the verification of 1 has ended")


async def test_a_master_key_that_does_not_open_what_is_sealed_fails(db: Database, data_dir: Path) -> None:
    settings = settings_for(PUBLIC_URL, PUBLIC_URL, data_dir, None)
    await Vault(db, settings.key_ring, SystemClock()).installation()
    assert (await master_keys(db, settings)).verdict == "pass"
    other = "k9:" + base64.b64encode(bytes(32)).decode()
    behind = settings_for(PUBLIC_URL, PUBLIC_URL, data_dir, None, master_keys=f"{other},{MASTER_KEYS}")
    assert (await master_keys(db, behind)).fix == "setuplinks master-keys rewrap"
    lost = await master_keys(db, settings_for(PUBLIC_URL, PUBLIC_URL, data_dir, None, master_keys=other))
    assert (lost.verdict, lost.said) == ("fail", "The master key 't1' is not in MASTER_KEYS.")
    forged = "t1:" + base64.b64encode(bytes(32)).decode()
    wrong = await master_keys(db, settings_for(PUBLIC_URL, PUBLIC_URL, data_dir, None, master_keys=forged))
    assert (wrong.verdict, "does not open" in wrong.said) == ("fail", True)


async def test_a_database_without_tables_is_told_as_such(blank_database_url: str | None, tmp_path: Path) -> None:
    from setuplinks.core.db.open import open_database  # noqa: PLC0415

    db = await open_database(blank_database_url, tmp_path / "blank", pool_size=1)
    try:
        found = await revision(db)
        settings = settings_for(PUBLIC_URL, PUBLIC_URL, tmp_path, blank_database_url)
        assert (await master_keys(db, settings)).verdict == "warn"
    finally:
        await db.close()
    assert found.verdict == ("warn" if db.dialect == "sqlite" else "fail")
    assert found.said


async def test_a_database_that_forgets_at_a_power_cut_is_a_warning(db: Database, data_dir: Path) -> None:
    found = await durability(db, settings_for(PUBLIC_URL, PUBLIC_URL, data_dir, None))
    # The tests' own PostgreSQL runs without fsync, for speed; that is what this row is for.
    assert found.verdict == ("pass" if db.dialect == "sqlite" else "warn")
    assert ("fsync = off" in found.said) == (db.dialect == "postgres")


def test_a_file_in_memory_is_a_warning_and_one_in_a_container_only_where_customers_come() -> None:
    assert file_system(IN_MEMORY) == "tmpfs"
    assert file_durability(IN_MEMORY, on_loopback=True).verdict == "warn"
    kind = file_system(Path("/"))
    assert file_durability(Path("/"), on_loopback=True).verdict == "pass"
    assert file_durability(Path("/"), on_loopback=False).verdict == ("warn" if kind == "overlay" else "pass")


def test_a_folder_that_cannot_be_written_to_or_is_full_fails(tmp_path: Path) -> None:
    assert data_folder(tmp_path / "not there yet").verdict == "pass"
    assert data_folder(Path("/proc/self")).verdict == "fail"
    assert data_folder(tmp_path, little=2**62).verdict == "warn"
    assert data_folder(tmp_path, too_little=2**62).verdict == "fail"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("key", "verdict"), [("x" * 24, "pass"), ("x" * 8, "warn")])
async def test_an_operator_key_that_is_short_is_a_warning(service: RunningService, key: str, verdict: str) -> None:
    assert (await rows(service, operator_key=key))["Operator key"].verdict == verdict


async def test_private_addresses_and_missing_limits_are_warnings_only_where_customers_come(
    service: RunningService,
) -> None:
    here = await rows(service)
    assert (here["Outbound"].verdict, here["Rate limits"].verdict) == ("pass", "pass")
    public = await rows(service, public_url="https://connect.example.com:9")
    assert (public["Outbound"].verdict, public["Rate limits"].verdict) == ("warn", "warn")
    strict = await rows(service, public_url="https://connect.example.com:9", outbound_allow="", rate_limits="on")
    assert (strict["Outbound"].verdict, strict["Rate limits"].verdict) == ("pass", "pass")


async def test_a_database_that_is_away_fails_and_the_rest_is_looked_at(tmp_path: Path, service: RunningService) -> None:
    from setuplinks.doctor.examine import examine  # noqa: PLC0415

    away = "postgresql://nobody@127.0.0.1:9/none"
    settings = settings_for(service.url, service.sandbox.url, tmp_path, away)
    found = {check.name: check.verdict for check in await examine(settings, SystemClock())}
    assert (found["Database"], found["App id and secret"]) == ("fail", "pass")
    assert os.listdir(tmp_path) is not None

"""`walk` beside a running service: one JSON object, and an exit code that says whether the browser would leave."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from setuplinks.core.clock import DAY, ManualClock
from setuplinks.core.db.database import Database
from tests.integration.cli.terminal import Said, setuplinks
from tests.support.ports import reserved_port
from tests.support.service import RunningService, Tenant, running_service

SUCCESS, FAILED = "https://your-app.com/onboarding/success", "https://your-app.com/onboarding/failed"


@pytest.fixture
async def service(
    db: Database, clock: ManualClock, data_dir: Path, database_url: str | None
) -> AsyncIterator[RunningService]:
    """With running workers: the walk waits for them as a browser would."""
    async with running_service(db, clock, data_dir, database_url, workers=True) as running:
        yield running


@pytest.fixture
def database_dialect() -> str:
    """The walk sees pages only; which database stands behind them it cannot tell."""
    return "sqlite"


async def link_of(acme: Tenant, clinic: int, **more: Any) -> str:
    """A fresh link's URL."""
    body = {"successRedirectUrl": SUCCESS, "failureRedirectUrl": FAILED, **more}
    made = await acme.api.made(f"/admin/customers/{clinic}/setup-links", body)
    return str(made["url"])


def told(said: Said) -> dict[str, Any]:
    """The one JSON object of standard output."""
    value = json.loads(said.out)
    assert set(value) == {"finalUrl", "page"}
    assert (value["finalUrl"] is None) == (said.code == 1)
    assert bool(said.err) == (said.code == 1)
    return value


@pytest.mark.parametrize(
    "options", [(), ("--transport", "page"), ("--transport", "popup", "--connection-type", "coexistence")]
)
async def test_a_customer_who_connects_leaves_for_the_success_page(
    options: tuple[str, ...], service: RunningService, acme: Tenant, clinic: int, tmp_path: Path
) -> None:
    said = await setuplinks("walk", await link_of(acme, clinic), *options, folder=tmp_path)
    assert said.code == 0
    assert told(said)["page"] == "done"
    assert told(said)["finalUrl"].startswith(f"{SUCCESS}?status=success&")
    [number] = (await acme.api.get(f"/admin/customers/{clinic}/phone-numbers")).json["data"]
    assert number["connectionType"] == ("coexistence" if "coexistence" in options else "dedicated")


@pytest.mark.parametrize("scenario", ["cancel_at_phone", "denied"])
async def test_a_customer_who_cancels_stays_and_may_come_back(
    scenario: str, service: RunningService, acme: Tenant, clinic: int, tmp_path: Path
) -> None:
    url = await link_of(acme, clinic)
    said = await setuplinks("walk", url, "--scenario", scenario, folder=tmp_path)
    assert said.code == 1
    assert told(said) == {"finalUrl": None, "page": "stopped"}
    again = await setuplinks("walk", url, folder=tmp_path)
    assert told(again)["page"] == "done"


async def test_a_used_link_leads_nowhere(service: RunningService, acme: Tenant, clinic: int, tmp_path: Path) -> None:
    url = await link_of(acme, clinic)
    assert (await setuplinks("walk", url, folder=tmp_path)).code == 0
    assert told(await setuplinks("walk", url, folder=tmp_path)) == {"finalUrl": None, "page": "already_connected"}


async def test_an_expired_link_leads_nowhere(
    service: RunningService, acme: Tenant, clinic: int, tmp_path: Path
) -> None:
    url = await link_of(acme, clinic)
    service.clock.advance(8 * DAY)
    assert told(await setuplinks("walk", url, folder=tmp_path)) == {"finalUrl": None, "page": "expired"}


async def test_without_a_redirect_our_page_is_the_end(
    service: RunningService, acme: Tenant, clinic: int, tmp_path: Path
) -> None:
    url = await link_of(acme, clinic, successRedirectUrl=None, failureRedirectUrl=None)
    assert told(await setuplinks("walk", url, folder=tmp_path)) == {"finalUrl": None, "page": "done"}


@pytest.mark.parametrize("scenario", ["walked_away", "message_without_code"])
async def test_a_window_without_a_code_stops_the_walk_at_the_sign_in(
    scenario: str, service: RunningService, acme: Tenant, clinic: int, tmp_path: Path
) -> None:
    said = await setuplinks("walk", await link_of(acme, clinic), "--scenario", scenario, folder=tmp_path)
    assert told(said) == {"finalUrl": None, "page": "signin"}


async def test_a_scenario_that_the_sandbox_does_not_know_is_told(
    service: RunningService, acme: Tenant, clinic: int, tmp_path: Path
) -> None:
    said = await setuplinks("walk", await link_of(acme, clinic), "--scenario", "nonsense", folder=tmp_path)
    assert told(said)["page"] == "signin"
    assert "nonsense" in said.err


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:{port}/signup/x", "not-an-address", "http://[", "ftp://a.example/"]
)
async def test_an_address_that_does_not_answer_is_still_one_json_object(address: str, tmp_path: Path) -> None:
    said = await setuplinks("walk", address.format(port=reserved_port()), folder=tmp_path)
    assert told(said) == {"finalUrl": None, "page": None}


async def test_another_page_than_a_setup_links_is_told(service: RunningService, acme: Tenant, tmp_path: Path) -> None:
    said = await setuplinks("walk", f"{service.url}/docs", folder=tmp_path)
    assert told(said) == {"finalUrl": None, "page": None}
    assert "no page of a setup link" in said.err

"""The verbs do what the API does, on the same database, beside a service that runs."""

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from setuplinks.migrations.apply import migrate
from tests.integration.cli.terminal import setuplinks
from tests.support.api import Api
from tests.support.processes import running_program


class Desk:
    """An operator at a terminal, who wants JSON."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self._folder, self._environ = folder, environ

    async def ask(self, *words: str) -> Any:
        """What a verb answers."""
        said = await setuplinks(*words, "--json", folder=self._folder, environ=self._environ)
        assert said.code == 0, said.err
        return json.loads(said.out)

    async def say(self, *words: str) -> str:
        """What a verb prints for people."""
        said = await setuplinks(*words, folder=self._folder, environ=self._environ)
        assert said.code == 0, said.err
        return said.out

    async def refused(self, *words: str) -> str:
        """The line by which a verb is refused."""
        said = await setuplinks(*words, folder=self._folder, environ=self._environ)
        assert (said.code, said.out) == (1, "")
        return said.err


@pytest.fixture
async def desk(embedded: dict[str, str], data_dir: Path, tmp_path: Path) -> Desk:
    """On a SQLite file: what the services do on each database is held by the tests of the API."""
    await migrate(None, data_dir)
    return Desk(tmp_path, embedded)


async def test_what_the_verbs_make_the_running_service_serves(
    environ: dict[str, str], port: int, tmp_path: Path
) -> None:
    desk = Desk(tmp_path, environ)
    url = f"http://127.0.0.1:{port}"
    async with (
        running_program("serve", "--port", str(port), folder=tmp_path, environ=environ) as program,
        aiohttp.ClientSession() as session,
    ):
        await program.until_answers(f"{url}/readyz")
        tenant = (await desk.ask("tenants", "create", "Acme SaaS"))["id"]
        key = await desk.ask("api-keys", "create", str(tenant), "server")
        customer = await desk.ask("customers", "create", str(tenant), "Clínica", "--external-id", "clinic_001")
        made = await desk.ask(
            "links", "create", str(customer["id"]), "--success-url", "https://your-app.com/done",
            "--connection-type", "dedicated",
        )  # fmt: skip
        api = Api(url, key["key"], session)
        shown = (await api.get(f"/admin/setup-links/{made['id']}")).json
        assert shown == made
        assert made["allowedConnectionTypes"] == ["dedicated"]
        timeline = (await api.get(f"/admin/setup-links/{made['id']}/timeline")).json
        assert timeline["data"][0]["detail"] == {"by": "cli"}
        async with session.get(made["url"]) as page:
            assert page.status == 200
        revoked = await desk.ask("links", "revoke", made["id"])
        assert (revoked["status"], revoked["url"]) == ("revoked", None)
        assert (await api.get(f"/admin/setup-links/{made['id']}")).json["status"] == "revoked"
        assert await program.stop() == 0


async def test_lists_tables_and_what_is_refused(desk: Desk) -> None:
    tenant = str((await desk.ask("tenants", "create", "Acme"))["id"])
    customer = str((await desk.ask("customers", "create", tenant, "Clínica", "--external-id", "c1"))["id"])
    assert "externalId" in await desk.refused("customers", "create", tenant, "Other", "--external-id", "c1")
    assert "successRedirectUrl" in await desk.refused("links", "create", customer, "--success-url", "javascript:x")
    assert "expiresAt" in await desk.refused("links", "create", customer, "--expires-at", "tomorrow")
    assert "scopes" in await desk.refused("api-keys", "create", tenant, "k", "--scope", "everything")
    link = await desk.ask("links", "create", customer)
    [listed] = await desk.ask("links", "list", "--customer", customer)
    assert listed == link
    assert await desk.ask("links", "list", "--tenant", tenant, "--status", "completed") == []
    table = await desk.say("links", "list", "--tenant", tenant)
    assert table.splitlines()[0].split()[:3] == ["id", "customerId", "status"]
    assert link["id"] in table
    assert link["url"] in await desk.say("links", "show", link["id"].upper())
    assert "no setup link's id" in await desk.refused("links", "show", "1")
    assert "--cascade" in await desk.refused("tenants", "delete", tenant, "--yes")


async def test_a_customer_and_a_tenant_leave(desk: Desk) -> None:
    tenant = str((await desk.ask("tenants", "create", "Acme"))["id"])
    customer = str((await desk.ask("customers", "create", tenant, "Clínica"))["id"])
    await desk.ask("customers", "create", tenant, "Another")
    link = await desk.ask("links", "create", customer)
    await desk.say("customers", "delete", customer, "--yes")
    assert (await desk.ask("links", "show", link["id"]))["endedReason"] == "customer_deleted"
    assert "There is no" in await desk.refused("customers", "show", customer)
    assert (await desk.ask("tenants", "suspend", tenant))["status"] == "suspended"
    assert (await desk.ask("tenants", "activate", tenant))["status"] == "active"
    await desk.say("tenants", "delete", tenant, "--cascade", "--yes")
    assert await desk.ask("tenants", "list") == []


async def test_keys_are_listed_without_the_key_and_revoked(desk: Desk) -> None:
    tenant = str((await desk.ask("tenants", "create", "Acme"))["id"])
    made = await desk.ask("api-keys", "create", tenant, "reader", "--scope", "read")
    assert made["scopes"] == ["read"]
    listed = await desk.ask("api-keys", "list", tenant)
    assert [one["id"] for one in listed] == [made["id"]]
    assert made["key"] not in json.dumps(listed)
    await desk.say("api-keys", "revoke", tenant, str(made["id"]))
    assert await desk.ask("api-keys", "list", tenant) == []
    assert "There is no" in await desk.refused("api-keys", "revoke", tenant, str(made["id"]))


async def test_a_master_key_is_rotated(desk: Desk, embedded: dict[str, str]) -> None:
    tenant = str((await desk.ask("tenants", "create", "Acme"))["id"])
    former = embedded["SETUPLINKS_MASTER_KEYS"]
    fresh = (await desk.say("master-keys", "new")).strip()
    embedded["SETUPLINKS_MASTER_KEYS"] = f"{fresh},{former}"
    assert (await desk.say("master-keys", "rewrap")).startswith("1 data keys")
    embedded["SETUPLINKS_MASTER_KEYS"] = fresh
    customer = await desk.ask("customers", "create", tenant, "Clínica")
    link = await desk.ask("links", "create", str(customer["id"]))
    assert link["url"].startswith("http://127.0.0.1:")

"""The verbs, one after the other in this process: starting the program anew for each would cost a second.

On a SQLite file: what the services do on each database is held by the tests of the API.
"""

import json
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from setuplinks import cli
from setuplinks.core.db.open import FILE_NAME


class Desk:
    """An operator at a terminal, in the folder and with the settings of this test."""

    def __init__(self, patch: pytest.MonkeyPatch, printed: pytest.CaptureFixture[str]) -> None:
        self._patch, self._printed = patch, printed

    def ask(self, *words: str) -> Any:
        """What a verb answers to a program."""
        return json.loads(self.say(*words, "--json"))

    def say(self, *words: str) -> str:
        """What a verb prints for people."""
        code, out, err = self._run(words)
        assert code == 0, err
        return out

    def refused(self, *words: str) -> str:
        """The line by which a verb is refused."""
        code, out, err = self._run(words)
        assert (code, out) == (1, "")
        return err

    def settings(self, **values: str) -> None:
        """Other settings from now on."""
        for name, value in values.items():
            self._patch.setenv(f"SETUPLINKS_{name.upper()}", value)

    def _run(self, words: tuple[str, ...]) -> tuple[object, str, str]:
        self._patch.setattr("sys.argv", ["setuplinks", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = self._printed.readouterr()
        return ended.value.code or 0, out, err


@pytest.fixture
def desk(
    embedded: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Desk]:
    """With a migrated database; the log is as it was afterwards."""
    log = logging.getLogger("setuplinks")
    before = (log.handlers[:], log.level, log.propagate)
    monkeypatch.chdir(tmp_path)
    for name, value in embedded.items():
        monkeypatch.setenv(name, value)
    sitting = Desk(monkeypatch, capsys)
    sitting.say("migrate")
    yield sitting
    log.handlers[:], log.level, log.propagate = before


def test_lists_tables_and_what_is_refused(desk: Desk) -> None:
    tenant = str((desk.ask("tenants", "create", "Acme"))["id"])
    customer = str((desk.ask("customers", "create", tenant, "Clínica", "--external-id", "c1"))["id"])
    assert "externalId" in desk.refused("customers", "create", tenant, "Other", "--external-id", "c1")
    assert "successRedirectUrl" in desk.refused("links", "create", customer, "--success-url", "javascript:x")
    assert "expiresAt" in desk.refused("links", "create", customer, "--expires-at", "tomorrow")
    assert "scopes" in desk.refused("api-keys", "create", tenant, "k", "--scope", "everything")
    link = desk.ask("links", "create", customer)
    [listed] = desk.ask("links", "list", "--customer", customer)
    assert listed == link
    assert desk.ask("links", "list", "--tenant", tenant, "--status", "completed") == []
    table = desk.say("links", "list", "--tenant", tenant)
    assert table.splitlines()[0].split()[:3] == ["id", "customerId", "status"]
    assert link["id"] in table
    assert link["url"] in desk.say("links", "show", link["id"].upper())
    assert "no setup link's id" in desk.refused("links", "show", "1")
    assert "--cascade" in desk.refused("tenants", "delete", tenant, "--yes")


def test_a_customer_and_a_tenant_leave(desk: Desk) -> None:
    tenant = str((desk.ask("tenants", "create", "Acme"))["id"])
    customer = str((desk.ask("customers", "create", tenant, "Clínica"))["id"])
    desk.ask("customers", "create", tenant, "Another")
    link = desk.ask("links", "create", customer)
    desk.say("customers", "delete", customer, "--yes")
    assert (desk.ask("links", "show", link["id"]))["endedReason"] == "customer_deleted"
    assert "There is no" in desk.refused("customers", "show", customer)
    assert (desk.ask("tenants", "suspend", tenant))["status"] == "suspended"
    assert (desk.ask("tenants", "activate", tenant))["status"] == "active"
    desk.say("tenants", "delete", tenant, "--cascade", "--yes")
    assert desk.ask("tenants", "list") == []


def test_keys_are_listed_without_the_key_and_revoked(desk: Desk) -> None:
    tenant = str((desk.ask("tenants", "create", "Acme"))["id"])
    made = desk.ask("api-keys", "create", tenant, "reader", "--scope", "read")
    assert made["scopes"] == ["read"]
    listed = desk.ask("api-keys", "list", tenant)
    assert [one["id"] for one in listed] == [made["id"]]
    assert made["key"] not in json.dumps(listed)
    desk.say("api-keys", "revoke", tenant, str(made["id"]))
    assert desk.ask("api-keys", "list", tenant) == []
    assert "There is no" in desk.refused("api-keys", "revoke", tenant, str(made["id"]))


def test_accounts_that_no_link_awaited(desk: Desk, data_dir: Path) -> None:
    assert desk.ask("orphans", "list") == []
    with sqlite3.connect(data_dir / FILE_NAME) as db:
        db.execute(
            "INSERT INTO orphan_authorisation (tenant_id, id, meta_waba_id, owner_business_id, event, status, told_at, "
            "noticed_at, created_at, updated_at) VALUES (0, 5, '777', '888', 'PARTNER_ADDED', 'open', 1, 1, 1, 1)"
        )
    db.close()
    [listed] = desk.ask("orphans", "list")
    assert (listed["id"], listed["metaWabaId"], listed["status"]) == (5, "777", "open")
    assert desk.say("orphans", "list").splitlines()[0].split()[:3] == ["id", "status", "metaWabaId"]
    assert "no such customer" in desk.refused("orphans", "assign", "5", "9")
    assert "dismissed" in desk.say("orphans", "dismiss", "5")
    assert desk.ask("orphans", "list") == []
    assert [one["status"] for one in desk.ask("orphans", "list", "--status", "all")] == ["dismissed"]


def test_a_master_key_is_rotated(desk: Desk, embedded: dict[str, str]) -> None:
    tenant = str((desk.ask("tenants", "create", "Acme"))["id"])
    former = embedded["SETUPLINKS_MASTER_KEYS"]
    fresh = (desk.say("master-keys", "new")).strip()
    desk.settings(master_keys=f"{fresh},{former}")
    assert (desk.say("master-keys", "rewrap")).startswith("1 data keys")
    desk.settings(master_keys=fresh)
    customer = desk.ask("customers", "create", tenant, "Clínica")
    link = desk.ask("links", "create", str(customer["id"]))
    assert link["url"].startswith("http://127.0.0.1:")


def test_keys_of_a_waba(desk: Desk, data_dir: Path) -> None:
    tenant = desk.ask("tenants", "create", "Acme")["id"]
    customer = desk.ask("customers", "create", str(tenant), "Clínica")["id"]
    with sqlite3.connect(data_dir / FILE_NAME) as db:
        db.execute(
            "INSERT INTO waba (tenant_id, id, customer_id, meta_waba_id, connection_type, created_at, updated_at) "
            "VALUES (?, 5, ?, '524', 'dedicated', 1, 1)",
            (tenant, customer),
        )
    db.close()
    made = desk.ask("waba-keys", "create", "5", "server", "--scope", "send", "--address", "203.0.113.0/24")
    assert made["key"].startswith(made["prefix"])
    assert (made["metaWabaId"], made["scopes"], made["addresses"]) == ("524", ["send"], ["203.0.113.0/24"])
    [listed] = desk.ask("waba-keys", "list", "5")
    assert listed == {name: value for name, value in made.items() if name != "key"}
    assert "sl_waba_" in desk.say("waba-keys", "create", "5", "other", "--expires-at", "2999-01-01T00:00:00Z")
    assert "addresses[0]" in desk.refused("waba-keys", "create", "5", "k", "--address", "here")
    assert "scopes" in desk.refused("waba-keys", "create", "5", "k", "--scope", "admin")
    assert "no waba 6" in desk.refused("waba-keys", "create", "6", "k")
    assert "is revoked" in desk.say("waba-keys", "revoke", "5", str(made["id"]))
    assert [one["name"] for one in desk.ask("waba-keys", "list", "5")] == ["other"]

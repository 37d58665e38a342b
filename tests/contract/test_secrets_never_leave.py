"""A canary: after whole signups, good and bad, no secret stands in a log line, and none in clear in any table."""

import contextlib
import logging
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from setuplinks.core.logs import JsonLines
from setuplinks.walk import WalkStopped, Wishes, walk
from tests.integration.dashboard.desk import a_person
from tests.recovery.mortal import Mortal, running_mortal
from tests.support.customer import Customer
from tests.support.inbox import Inbox
from tests.support.sandbox import SYSTEM_TOKEN
from tests.support.service import OPERATOR_KEY, RunningService, Tenant

GIVEN_PIN = "918273"  # what the customer enters on our page, wrongly
FAILURES = ("denied", "code_used", "exchange_unavailable", "dead_token", "already_registered_pin", "wrong_app")


class _Lines(logging.Handler):
    """Every record with all that hangs on it, as text."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self._json = JsonLines()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.getMessage()} {record.__dict__!r} {self._json.format(record)}")


@contextlib.contextmanager
def _listening() -> Iterator[_Lines]:
    handler, root = _Lines(), logging.getLogger()
    ours = logging.getLogger("setuplinks")
    before = (root.level, ours.level)
    root.addHandler(handler)
    if not ours.propagate:
        ours.addHandler(handler)
    root.setLevel(logging.DEBUG)
    ours.setLevel(logging.DEBUG)
    try:
        yield handler
    finally:
        root.removeHandler(handler)
        ours.removeHandler(handler)
        root.setLevel(before[0])
        ours.setLevel(before[1])


def _found(secrets: dict[str, str], text: str) -> set[str]:
    return {name for name, secret in secrets.items() if secret and secret in text}


async def _flow(service: RunningService, acme: Tenant, clinic: int, customer: Customer, inbox: Inbox) -> dict[str, str]:
    """Signups by page, good and bad; every secret that they met, by name."""
    endpoint = await acme.api.made(f"/admin/tenants/{acme.id}/webhook-endpoints", {"url": inbox.url})
    secrets = {
        "api key": acme.key, "operator key": OPERATOR_KEY, "webhook secret": endpoint["secret"].removeprefix("whsec_"),
        "redirect key": (await acme.api.get(f"/admin/tenants/{acme.id}/redirect-key")).json["key"],
        "app secret": service.parts.settings.meta_app_secret.get_secret_value(),
        "verify token": service.parts.settings.meta_verify_token.get_secret_value(),
        "system token": SYSTEM_TOKEN,
    }  # fmt: skip
    pooled = await service.operator.made("/admin/number-pool", {"number": "+5493515550101"})
    await service.sandbox.fault("request_code", code=190, message=f"Malformed access token {SYSTEM_TOKEN}")
    for _ in range(2):
        refused = await service.operator.post(f"/admin/number-pool/{pooled['id']}/request-code", {})
        assert SYSTEM_TOKEN not in refused.body.decode()
    for number, scenario in enumerate((*FAILURES, None)):
        link = await acme.api.made(
            f"/admin/customers/{clinic}/setup-links",
            {"allowedConnectionTypes": ["dedicated"], "issueApiKey": True},
            Idempotency_Key=f"k{number}",
        )
        secrets[f"link {scenario}"] = link["url"].rpartition("-")[2]
        dialog = await customer.go_to_meta(link["url"])
        secrets[f"state {scenario}"] = parse_qs(urlsplit(dialog).query)["state"][0]
        played = await service.sandbox.play(dialog, scenario=scenario)
        secrets[f"code {scenario}"] = played["code"] or ""
        await customer.open(played["redirectUrl"].partition("#")[0])
        await service.advance(60_000_000)
        if scenario == "already_registered_pin":
            await _asked_for_the_pin(service, acme, customer, link)
    for cookie in customer._session.cookie_jar:
        secrets["browser"] = cookie.value
    return secrets | await _keys_of_the_waba(acme, clinic, customer)


async def _keys_of_the_waba(acme: Tenant, clinic: int, customer: Customer) -> dict[str, str]:
    """One that the API made, one that the done page showed."""
    await customer.look_again()
    await customer.press("/key#key")
    _, _, shown = customer.reply.body.decode().partition('value="sl_waba_')
    [waba] = (await acme.api.get(f"/admin/customers/{clinic}/wabas")).json["data"]
    made = await acme.api.made(f"/admin/wabas/{waba['id']}/api-keys", {"name": "program"}, Idempotency_Key="waba")
    assert len(shown) > 60
    return {"own key": shown.partition('"')[0], "waba key": made["key"]}


async def _asked_for_the_pin(service: RunningService, acme: Tenant, customer: Customer, link: dict[str, Any]) -> None:
    """A PIN goes from the form to the sealed row, is refused by Meta, and is erased with the link."""
    await customer.look_again()
    await customer.press("/pin", pin=GIVEN_PIN)
    await service.drain()
    assert (await acme.api.get(f"/admin/setup-links/{link['id']}")).json["actionRequired"]["wrongPins"] == 1
    assert (await acme.api.post(f"/admin/setup-links/{link['id']}/revoke")).status == 200
    await service.drain()


async def _tokens_and_pins(service: RunningService, acme: Tenant) -> dict[str, str]:
    """The customer's token and PIN, opened from the vault."""
    sealer = await service.parts.vault.tenant(acme.id)
    [row] = await service.db.read("SELECT * FROM credential")
    secrets = {"token": sealer.open(row["token"], "credential", row["waba_id"], "token").decode()}
    [number] = await service.db.read("SELECT id, pin FROM phone_number WHERE status <> 'available'")
    secrets["pin"] = sealer.open(number["pin"], "phone_number", number["id"], "pin").decode()
    return secrets


async def test_no_secret_stands_in_any_log_line_or_in_clear_in_any_table(
    service: RunningService, acme: Tenant, clinic: int, customer: Customer, inbox: Inbox
) -> None:
    with _listening() as log:
        secrets = await _flow(service, acme, clinic, customer, inbox)
        await service.drain()
        secrets |= await _tokens_and_pins(service, acme)
        shown = await _pages_of_the_dashboard(service, acme)
    assert _found({**secrets, "verify token": "", "pin": ""}, shown) == set()
    ours = [line for line in log.lines if "'name': 'setuplinks" in line]
    assert len(ours) > 50
    pins = {secrets.pop("pin"), GIVEN_PIN}
    assert not any(f'"{pin}"' in line or f"'{pin}'" in line or f"={pin}" in line for line in ours for pin in pins)
    assert {name: line for line in ours for name in _found(secrets, line)} == {}
    secrets.pop("verify token")
    clear = {}
    for table in await _tables(service):
        for row in await service.db.read(f"SELECT * FROM {table}"):  # noqa: S608 - a table's own name
            for column in row.keys():  # noqa: SIM118 - a driver's row iterates over values
                value = row[column]
                text = bytes(value).decode("latin-1") if isinstance(value, bytes | memoryview) else str(value)
                for name in _found(secrets, text):
                    clear[f"{table}.{column}"] = name
                if text in pins or any(f'"{pin}"' in text for pin in pins):
                    clear[f"{table}.{column}"] = "pin"
    assert clear == {}


async def _pages_of_the_dashboard(service: RunningService, acme: Tenant) -> str:
    """All that a key which reads sees there."""
    made = await acme.api.made(f"/admin/tenants/{acme.id}/api-keys", {"name": "watcher", "scopes": ["read"]})
    shown, base = "", f"/dashboard/{acme.id}"
    async with a_person(service.url) as person:
        await person.sign_in(made["key"])
        waiting = [base, f"{base}/links", f"{base}/deliveries", f"{base}/endpoints"]
        seen = set(waiting)
        for page in waiting:
            await person.open(page)
            assert (page, person.status) == (page, 200)
            shown += person.text
            found = set(re.findall(rf'href="({base}/[^"?]+)"', person.text)) - seen
            seen |= found
            waiting += sorted(found)
        assert len(seen) > 30
    return shown


async def _tables(service: RunningService) -> list[str]:
    if service.db.dialect == "sqlite":
        rows = await service.db.read("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        return [row["name"] for row in rows]
    text = "SELECT tablename AS name FROM pg_catalog.pg_tables WHERE schemaname = 'public'"
    return [row["name"] for row in await service.db.read(text)]


async def test_the_operators_page_and_doctor_leave_no_secret_in_a_line_or_an_answer(service: RunningService) -> None:
    settings = service.parts.settings
    names = ("operator_key", "meta_app_secret", "meta_verify_token", "meta_system_token", "master_keys")
    secrets = {name: getattr(settings, name).get_secret_value() for name in names}
    shown = ""
    with _listening() as log:
        async with a_person(service.url) as person:
            for key in ("a wrong key", OPERATOR_KEY):
                await person.sign_in(key)
                shown += person.text
            [cookie] = person.cookies
            secrets |= {"session": cookie.value, "form token": person.token, "wrong key": "a wrong key"}
            await person.sign_out()
        shown += (await service.operator.get("/admin/doctor")).body.decode()
    ours = [line for line in log.lines if "'name': 'setuplinks" in line]
    assert any("dashboard.sign_in_refused" in line for line in ours)
    assert {name: line for line in ours for name in _found(secrets, line)} == {}
    assert _found(secrets, shown) == {"form token"}


@pytest.mark.parametrize("transport", ["popup", "page"])
async def test_a_process_prints_no_secret(data_dir: Any, database_url: str | None, transport: str) -> None:
    async with running_mortal(data_dir, database_url, SETUPLINKS_LOG_LEVEL="debug") as mortal:
        secrets = await _walks(mortal, transport)
        assert mortal.program is not None
        assert await mortal.program.stop() == 0
        printed = mortal.program.output()
        assert "provisioning.step" in printed
        assert _found(secrets, printed) == set()


async def _walks(mortal: Mortal, transport: str) -> dict[str, str]:
    assert mortal.api is not None
    secrets = {"api key": mortal.api.key or "", "operator key": OPERATOR_KEY, "app secret": "sandbox-app-secret"}
    for scenario in ("cancel_at_phone", "code_expired", None):
        link = await mortal.link()
        secrets[f"link {scenario}"] = link["url"].rpartition("-")[2]
        with contextlib.suppress(WalkStopped):
            await walk(link["url"], Wishes(transport=transport, scenario=scenario))
    return secrets

"""Meta's callbacks about a person: the app was removed, and "delete what you hold of me"."""

from typing import Any

import aiohttp
import pytest

from setuplinks.core.clock import DAY, SECOND
from tests.integration.notifications.conftest import Connected
from tests.support import notices
from tests.support.api import Reply
from tests.support.customer import Customer


async def user_of(connected: Connected) -> str:
    """The app-scoped person whose grant the connection stands on."""
    [row] = await connected.service.db.read("SELECT meta_user_id FROM credential")
    return str(row["meta_user_id"])


async def call(connected: Connected, path: str, fields: dict[str, Any] | None) -> Reply:
    method = "GET" if fields is None else "POST"
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, connected.service.url + path, data=fields) as answer,
    ):
        return Reply(answer.status, {k.lower(): v for k, v in answer.headers.items()}, await answer.read())


async def asked(connected: Connected, path: str, user_id: str, *, ago: int = 0) -> Reply:
    issued_at = (connected.service.clock.now() - ago) // SECOND
    return await call(connected, path, {"signed_request": notices.signed_request(user_id, issued_at)})


async def test_whoever_removes_the_app_cuts_off_what_they_had_granted(connected: Connected) -> None:
    reply = await asked(connected, "/meta/deauthorize", await user_of(connected))
    await connected.service.drain()
    assert reply.status == 200
    [event] = connected.inbox.of_type("whatsapp.phone_number.disconnected")
    assert event.data["reason"] == "app_removed"
    assert event.data["reconnect_url"].startswith(f"{connected.service.url}/signup/")
    assert (await connected.of_number())["disconnectReason"] == "app_removed"
    assert await connected.connection() == "disconnected"


async def test_somebody_whom_we_do_not_know_changes_nothing(connected: Connected) -> None:
    assert (await asked(connected, "/meta/deauthorize", "1")).status == 200
    assert (await connected.of_number())["status"] == "active"


async def test_a_request_from_before_the_present_grant_changes_nothing(connected: Connected) -> None:
    assert (await asked(connected, "/meta/deauthorize", await user_of(connected), ago=DAY)).status == 200
    assert (await connected.of_number())["status"] == "active"


@pytest.mark.parametrize("path", ["/meta/deauthorize", "/meta/data-deletion"])
@pytest.mark.parametrize("given", ["", "a.b", None, "forged", "huge"])
async def test_what_meta_did_not_sign_is_refused(connected: Connected, path: str, given: str | None) -> None:
    user_id = await user_of(connected)
    texts = {"forged": notices.signed_request(user_id, 1, secret="another"), "huge": "x" * 100_000}
    fields = {} if given is None else {"signed_request": texts.get(given, given)}
    reply = await call(connected, path, fields)
    assert (reply.status, reply.body) == (400, b"the signed_request is not good")
    assert (await connected.of_number())["status"] == "active"


async def test_a_person_who_wants_to_be_forgotten_is_and_can_look_it_up(
    connected: Connected, caplog: pytest.LogCaptureFixture
) -> None:
    user_id = await user_of(connected)
    caplog.set_level("INFO", "setuplinks")
    reply = await asked(connected, "/meta/data-deletion", user_id)
    assert set(reply.json) == {"url", "confirmation_code"}
    code = reply.json["confirmation_code"]
    assert reply.json["url"] == f"{connected.service.url}/meta/data-deletion/{code}"
    page = await call(connected, f"/meta/data-deletion/{code}", None)
    assert page.status == 200
    assert b"erased" in page.body
    lines = [record.__dict__.get("fields", {}) for record in caplog.records]
    assert "/meta/data-deletion/{code}" in {line.get("route") for line in lines}
    assert code not in str(lines)
    assert user_id not in str(lines)
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for kept in ("SELECT * FROM credential", "SELECT * FROM provisioning", "SELECT * FROM data_deletion"):
        rows = await connected.service.db.read(kept)
        assert user_id not in str([dict(row) for row in rows])
    assert (await connected.of_number())["status"] == "disconnected"


async def test_a_code_that_nobody_was_given_shows_nothing(connected: Connected) -> None:
    page = await call(connected, "/meta/data-deletion/0123456789", None)
    assert (page.status, b"no deletion request" in page.body) == (404, True)


async def test_after_a_deletion_the_customer_may_connect_again(connected: Connected, customer: Customer) -> None:
    await asked(connected, "/meta/data-deletion", await user_of(connected))
    path = f"/admin/phone-numbers/{connected.phone_id}/reconnect-link"
    link = (await connected.tenant.api.post(path, {})).json
    await customer.walk(link["url"], connected.service.sandbox)
    await connected.service.drain()
    assert (await connected.of_number())["status"] == "active"

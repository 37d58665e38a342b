"""The stand-in tenant: what it verifies, keeps and shows."""

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from urllib.parse import quote

import aiohttp
import pytest
from standardwebhooks import Webhook

from setuplinks.sandbox.inbox import Inbox
from setuplinks.sandbox.inbox_signatures import webhook_verdict
from setuplinks.sandbox.server import listening

NOW = 1_779_105_600
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
OTHER = "whsec_" + base64.b64encode(b"o" * 32).decode()
BODY = json.dumps({"type": "whatsapp.phone_number.created", "timestamp": "2026-05-18T12:00:00Z", "data": {"a": "ñ"}})


def headers(secret: str = SECRET, body: str = BODY, at: int = NOW) -> dict[str, str]:
    """Signed by the library of the specification, not by us."""
    signature = Webhook(secret).sign("msg_1", datetime.fromtimestamp(at, UTC), body)
    return {"webhook-id": "msg_1", "webhook-timestamp": str(at), "webhook-signature": signature}


class Tenant:
    def __init__(self, inbox: Inbox, url: str, http: aiohttp.ClientSession) -> None:
        self.inbox, self.url, self.http = inbox, url, http

    async def deliver(self, body: str = BODY, **extra: str) -> int:
        async with self.http.post(
            f"{self.url}/hooks", data=body.encode(), headers=headers(body=body) | extra
        ) as answer:
            return answer.status

    async def get(self, path: str) -> str:
        async with self.http.get(self.url + path) as answer:
            return await answer.text()


@pytest.fixture
async def tenant() -> AsyncIterator[Tenant]:
    inbox = Inbox(secrets=[SECRET], redirect_keys=["the-key"], now=lambda: NOW)
    async with listening(inbox.app()) as running, aiohttp.ClientSession() as http:
        yield Tenant(inbox, running.url, http)


def test_what_the_specifications_library_signs_is_verified() -> None:
    for _ in range(50):
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        body = secrets.token_urlsafe(secrets.randbelow(200))
        assert webhook_verdict([OTHER, secret], headers(secret, body), body.encode(), NOW) == "verified"
        assert webhook_verdict([secret], headers(secret, body), body.encode() + b" ", NOW) == "no signature fits"


def test_one_of_several_signatures_is_enough() -> None:
    both = headers()
    both["webhook-signature"] = "v2,abc " + headers(OTHER)["webhook-signature"] + " " + both["webhook-signature"]
    assert webhook_verdict([SECRET], both, BODY.encode(), NOW) == "verified"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"webhook-id": "msg_2"}, "no signature fits"),
        ({"webhook-timestamp": str(NOW - 301)}, "the timestamp is more than 5 minutes off"),
        ({"webhook-timestamp": str(NOW + 301)}, "the timestamp is more than 5 minutes off"),
        ({"webhook-timestamp": "soon"}, "the timestamp is more than 5 minutes off"),
        ({"webhook-timestamp": "²"}, "the timestamp is more than 5 minutes off"),
        ({"webhook-timestamp": "9" * 5000}, "the timestamp is more than 5 minutes off"),
        ({"webhook-signature": "v1,ñ"}, "no signature fits"),
        ({"webhook-signature": ""}, "a webhook header is missing"),
        ({"webhook-signature": "v1a,abc"}, "no signature fits"),
    ],
)
def test_anything_else_is_not(changes: dict[str, str], why: str) -> None:
    assert webhook_verdict([SECRET], headers() | changes, BODY.encode(), NOW) == why


def test_a_secret_that_is_no_secret_verifies_nothing() -> None:
    assert webhook_verdict(["whsec_***"], headers(), BODY.encode(), NOW) == "no secret to check with"


async def test_a_webhook_is_kept_and_shown_with_its_verdict(tenant: Tenant) -> None:
    assert await tenant.deliver() == 204
    assert await tenant.deliver(**{"webhook-id": "forged"}) == 401
    page, listed = await tenant.get("/"), json.loads(await tenant.get("/inbox.json"))
    assert [row["verified"] for row in listed["data"]] == [False, True]
    assert listed["data"][1]["data"] == {"a": "ñ"}
    assert "✓ Signature verified" in page
    assert "✗ no signature fits" in page
    assert "whatsapp.phone_number.created" in page


async def test_a_body_that_is_no_event_is_kept_and_escaped(tenant: Tenant) -> None:
    assert await tenant.deliver("<script>") == 204
    assert await tenant.deliver('{"type":"<script>","data":{"x":"<img>"}}') == 204
    page = await tenant.get("/")
    assert "<script>" not in page
    assert "<img>" not in page


async def test_it_fails_as_often_as_it_is_told_and_then_no_more(tenant: Tenant) -> None:
    async with tenant.http.put(f"{tenant.url}/inbox/settings", json={"failNext": 2, "failStatus": 503}) as answer:
        assert (await answer.json())["failNext"] == 2
    assert [await tenant.deliver() for _ in range(3)] == [503, 503, 204]
    assert [item.answered for item in tenant.inbox.received] == [503, 503, 204]


async def test_settings_that_are_none_are_refused(tenant: Tenant) -> None:
    for body in ({"failNext": "x"}, {"noSuch": 1}):
        async with tenant.http.put(f"{tenant.url}/inbox/settings", json=body) as answer:
            assert answer.status == 422
    assert SECRET not in await tenant.get("/inbox/settings")


async def test_waiting_ends_when_it_comes_or_when_the_time_is_over(tenant: Tenant) -> None:
    waiting = asyncio.create_task(tenant.inbox.wait_for(lambda item: item.type.endswith("created")))
    await tenant.deliver()
    assert (await waiting).verified
    with pytest.raises(TimeoutError):
        await tenant.inbox.wait_for(lambda item: item.type == "never", seconds=0.01)


def signed_query(key: str = "the-key", **parameters: str) -> str:
    pairs = [f"{name}={quote(value, safe='')}" for name, value in sorted(parameters.items())]
    return "&".join([*pairs, "sig=" + hmac.new(key.encode(), "&".join(pairs).encode(), hashlib.sha256).hexdigest()])


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        (signed_query(status="success", state="a b/ñ", ts=str(NOW)) + "&mine=1", "signature is verified"),
        (signed_query(status="success", ts=str(NOW)).replace("sig=", "sig=" + "0" * 64 + ","), "signature is verified"),
        (signed_query(status="success", ts=str(NOW)) + "&waba_id=5", "no signature fits"),
        (signed_query("other", status="success", ts=str(NOW)), "no signature fits"),
        (signed_query(status="success", ts=str(NOW - 601)), "ts is more than 10 minutes off"),
        ("status=success", "sig is missing"),
        (f"status=success&sig=%C3%B1&ts={NOW}", "no signature fits"),
    ],
)
async def test_the_landing_page_verifies_the_redirect(tenant: Tenant, query: str, shown: str) -> None:
    page = await tenant.get(f"/onboarding/success?{query}")
    assert shown in page
    landing = json.loads(await tenant.get("/inbox.json"))["landings"][0]
    assert landing["verified"] == (shown == "signature is verified")
    assert landing["parameters"]["status"] == "success"


async def test_the_failure_page_shows_the_code(tenant: Tenant) -> None:
    page = await tenant.get("/onboarding/failed?" + signed_query(status="failed", error_code="cancelled", ts=str(NOW)))
    assert "was not connected" in page
    assert "cancelled" in page

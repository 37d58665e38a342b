"""The poster of `signed_request`: deauthorize and data deletion, checked as Meta's own sample does."""

import base64
import hashlib
import hmac
import json

import pytest

from tests.integration.sandbox.calls import APP_SECRET, Meta, running_meta
from tests.integration.sandbox.hearing import hearing


def opened(signed: str) -> tuple[bool, dict[str, object]]:
    """Whether the signature is right, and the payload."""
    mark, encoded = signed.split(".")
    right = hmac.new(APP_SECRET.encode(), encoded.encode(), hashlib.sha256).digest()
    given = base64.urlsafe_b64decode(mark + "=" * (-len(mark) % 4))
    return given == right, json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))


@pytest.mark.parametrize(
    ("kind", "path"), [("deauthorize", "/meta/deauthorize"), ("data_deletion", "/meta/data-deletion")]
)
async def test_a_person_takes_back_what_was_granted(kind: str, path: str) -> None:
    async with hearing() as (heard, meta):
        customer = await meta.connect()
        await heard.post()  # PARTNER_ADDED
        heard.body = '{"url":"https://you.example/x","confirmation_code":"x"}'
        answer = await meta.ask("POST", "/sandbox/signed-requests", json={"kind": kind, "wabaId": customer.waba})
        came, form = await heard.form()
        assert (answer.json["status"], answer.json["problem"], came) == (200, None, path)
        good, payload = opened(form["signed_request"])
        assert (good, payload["user_id"], payload["algorithm"]) == (True, answer.json["userId"], "HMAC-SHA256")
        assert (await meta.graph("GET", customer.waba, customer.token)).codes == (190, 458)


async def test_a_forged_one_is_signed_wrong_and_takes_nothing_back() -> None:
    async with hearing() as (heard, meta):
        customer = await meta.connect()
        await heard.post()
        heard.statuses = [400]
        body = {"kind": "deauthorize", "wabaId": customer.waba, "forged": True}
        answer = await meta.ask("POST", "/sandbox/signed-requests", json=body)
        assert (answer.json["status"], answer.json["problem"]) == (400, "Meta wants 200")
        assert not opened((await heard.form())[1]["signed_request"])[0]
        assert (await meta.graph("GET", customer.waba, customer.token)).status == 200


@pytest.mark.parametrize("body", ["", "[]", '{"url":"https://you.example/x"}'])
async def test_a_deletion_without_address_and_code_is_what_meta_would_not_take(body: str) -> None:
    async with hearing() as (heard, meta):
        heard.body = body
        answer = await meta.ask("POST", "/sandbox/signed-requests", json={"kind": "data_deletion", "userId": "12"})
        assert "confirmation_code" in answer.json["problem"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"kind": "vote", "userId": "1"}, 422),
        ({"kind": "deauthorize"}, 422),
        ({"kind": "deauthorize", "wabaId": "5"}, 409),
    ],
)
async def test_what_names_no_person_is_refused(meta: Meta, body: dict[str, str], status: int) -> None:
    assert (await meta.ask("POST", "/sandbox/signed-requests", json=body)).status == status


async def test_without_an_address_it_says_so_and_the_token_is_dead_all_the_same() -> None:
    async with running_meta(None) as meta:
        customer = await meta.connect()
        body = {"kind": "deauthorize", "wabaId": customer.waba}
        assert "no public address" in (await meta.ask("POST", "/sandbox/signed-requests", json=body)).json["problem"]
        assert (await meta.graph("GET", customer.waba, customer.token)).codes == (190, 458)

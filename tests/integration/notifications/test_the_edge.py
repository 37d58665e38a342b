"""Where notifications come in: the handshake, the signature over the raw bytes, 200 only after the commit."""

import json
import logging

import aiohttp
import pytest

from setuplinks.core.clock import MINUTE
from setuplinks.core.logs import JsonLines
from tests.support import notices
from tests.support.sandbox import VERIFY_TOKEN
from tests.support.service import RunningService


async def handshake(service: RunningService, **query: str) -> tuple[int, str]:
    params = {f"hub.{name}": value for name, value in query.items()}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{service.url}/meta/notifications", params=params) as answer,
    ):
        return answer.status, await answer.text()


async def stored(service: RunningService) -> list[bytes]:
    return [bytes(row["body"]) for row in await service.db.read("SELECT body FROM notification ORDER BY id")]


async def test_the_challenge_goes_back_as_it_came(service: RunningService) -> None:
    answer = await handshake(service, mode="subscribe", challenge="1158201444", verify_token=VERIFY_TOKEN)
    assert answer == (200, "1158201444")


@pytest.mark.parametrize("token", ["", "another", VERIFY_TOKEN + " ", "é"])
async def test_another_verify_token_is_refused(service: RunningService, token: str) -> None:
    status, text = await handshake(service, mode="subscribe", challenge="1158201444", verify_token=token)
    assert status == 403
    assert "1158201444" not in text


async def test_the_raw_bytes_are_kept_as_they_came(service: RunningService) -> None:
    spaced = json.dumps(notices.sample("messages_text"), indent=3).encode()
    assert await notices.post(service.url, spaced) == 200
    assert await stored(service) == [spaced]


@pytest.mark.parametrize("signature", ["sha256=" + "0" * 64, "sha1=abc", "é", "of-another-secret"])
async def test_what_meta_did_not_sign_is_not_kept(service: RunningService, signature: str) -> None:
    body = notices.body_of(notices.sample("messages_text"))
    given = notices.signature_of(body, "another-secret") if signature == "of-another-secret" else signature
    assert await notices.post(service.url, body, given) == 401
    assert await stored(service) == []


async def test_a_signature_of_other_bytes_does_not_count(service: RunningService) -> None:
    told = notices.sample("messages_text")
    other = notices.signature_of(json.dumps(told, indent=1).encode())
    assert await notices.post(service.url, notices.body_of(told), other) == 401


async def test_three_megabytes_are_taken_and_four_are_not(service: RunningService) -> None:
    three = b'{"object":"x","pad":"' + b"a" * 3_000_000 + b'"}'
    five = b'{"object":"x","pad":"' + b"a" * 4_000_000 + b'"}'
    assert await notices.post(service.url, three) == 200
    assert await notices.post(service.url, five) == 413
    assert [len(body) for body in await stored(service)] == [len(three)]


async def test_the_same_bytes_are_kept_once_an_hour(service: RunningService) -> None:
    body = notices.body_of(notices.sample("messages_text"))
    assert [await notices.post(service.url, body) for _ in range(3)] == [200] * 3
    assert len(await stored(service)) == 1
    service.clock.advance(61 * MINUTE)
    assert await notices.post(service.url, body) == 200
    assert len(await stored(service)) == 2


async def test_each_has_one_line_in_the_log_and_is_counted(
    service: RunningService, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    body = notices.body_of(notices.sample("messages_text"))
    await notices.post(service.url, body)
    await notices.post(service.url, body, "sha256=" + "0" * 64)
    async with aiohttp.ClientSession() as session, session.get(f"{service.url}/metrics") as answer:
        counted = await answer.text()
    lines = [json.loads(JsonLines().format(one)) for one in caplog.records if one.name.startswith("setuplinks")]
    edge = ("notification.stored", "notification.refused")
    stored, refused = [one for one in lines if one.get("route") == "/meta/notifications" or one["message"] in edge]
    assert (stored["message"], stored["status"], stored["bytes"]) == ("notification.stored", 200, len(body))
    assert stored["duration_ms"] > 0
    assert (refused["message"], refused["level"], refused["status"]) == ("notification.refused", "warning", 401)
    assert refused["why"] == "the signature is not good"
    for status in (200, 401):
        named = f'method="POST",route="/meta/notifications",status="{status}"'
        assert f"setuplinks_http_requests_total{{{named}}}" in counted


async def test_no_200_where_nothing_could_be_stored(service: RunningService) -> None:
    await service.db.bulk("DROP TABLE notification")
    assert await notices.post(service.url, notices.body_of(notices.sample("messages_text"))) >= 500

"""Requests that cannot be served: each is a problem, none a 500, nothing is written."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.tenants.json_api import OPERATOR_KEY, JsonApi

HEADERS = {"Authorization": f"Bearer {OPERATOR_KEY}"}


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"{", 400), (b"[]", 400), (b"null", 400), (b"\xff\xfe", 400), (b'{"name":"\\ud800"}', 400),
        (b"[" * 50_000, 400), (b"", 422), (b"{}", 422), (b'{"name":"a\\u0000"}', 422), (b'{"name":1e400}', 400),
        (b'{"name":"a","theme":' + b'{"a":' * 5_000 + b"1" + b"}" * 5_000 + b"}", 400),
        (b'{"name":"a","theme":' + b"[" * 60 + b"]" * 60 + b"}", 400),
    ],
)  # fmt: skip
async def test_a_body_that_cannot_be_read_is_a_problem(api: JsonApi, raw: bytes, status: int) -> None:
    answer = await api.client.post("/admin/tenants", content=raw, headers=HEADERS)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert await api.count("tenant") == 0


async def test_ten_megabytes_are_refused_by_their_announced_length(api: JsonApi) -> None:
    answer = await api.client.post("/admin/tenants", content=b"x" * 10_000_000, headers=HEADERS)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def test_ten_megabytes_without_a_length_are_not_read_to_their_end(api: JsonApi) -> None:
    sent = 0

    async def parts() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += 100_000
            yield b" " * 100_000

    answer = await api.client.post("/admin/tenants", content=parts(), headers=HEADERS)
    assert answer.status_code == 413
    assert sent < 2_000_000


async def test_a_key_is_asked_for_before_a_body_is_read(api: JsonApi) -> None:
    answer = await api.client.post("/admin/tenants", content=b"x" * 10_000_000)
    assert answer.status_code == 401


async def test_an_unknown_path_and_an_unknown_method_are_problems(api: JsonApi) -> None:
    missing = await api.call("GET", "/admin/nothing")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    wrong = await api.call("PUT", "/admin/tenants")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert {missing.headers["content-type"], wrong.headers["content-type"]} == {"application/problem+json"}


async def test_what_nobody_foresaw_is_told_without_a_word_of_the_inside(
    api: JsonApi, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken() -> None:
        raise RuntimeError("secret-of-the-inside")

    api.app.add_api_route("/broken", broken)
    answer = await api.call("GET", "/broken")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret-of-the-inside" not in answer.text
    assert [record.message for record in caplog.records if record.name == "setuplinks.http"] == ["http.failed"]


@pytest.mark.parametrize("name", ["external_id", "externalId"])
async def test_a_nul_in_a_query_is_a_422(api: JsonApi, name: str) -> None:
    path = f"/admin/tenants/{(await api.tenant())['id']}/customers"
    answer = await api.call("GET", path, params={name: "a\0b"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "externalId")
    twice = await api.call("GET", f"{path}?external_id=a&externalId=b")
    assert twice.status_code == 422


async def test_no_path_id_makes_a_fault(api: JsonApi) -> None:
    for text in ("0", "-1", "abc", "1.5", "9" * 30, "%00", "%F0%9F%98%80", "1%20", "１"):
        answer = await api.call("GET", f"/admin/customers/{text}")
        assert answer.status_code == 404, text

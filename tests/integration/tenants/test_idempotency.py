"""The same POST twice has the effect of one."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from starlette.requests import Request

from setuplinks.core.clock import DAY, ManualClock
from setuplinks.core.problems import Conflict, Unavailable
from setuplinks.tenants.auth import OPERATOR
from setuplinks.tenants.idempotency import Answer, OutcomeUnknown
from setuplinks.tenants.runner import AnswerEraser
from tests.integration.tenants.json_api import JsonApi

KEY = {"Idempotency-Key": "order-7"}
BODY = {"name": "Clínica San Lucas", "external_id": "clinic_001"}


async def customers(api: JsonApi) -> str:
    """The path of a new tenant's customers."""
    return f"/admin/tenants/{(await api.tenant())['id']}/customers"


async def test_the_same_key_and_body_get_the_same_answer_once_made(api: JsonApi, clock: ManualClock) -> None:
    path = await customers(api)
    first = await api.call("POST", path, BODY, headers=KEY)
    clock.advance(DAY - 1)
    second = await api.call("POST", path, BODY, headers=KEY)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert second.headers["content-type"] == "application/json"
    assert await api.count("customer") == 1


async def test_the_same_key_with_another_body_or_route_is_a_409(api: JsonApi) -> None:
    path = await customers(api)
    await api.call("POST", path, BODY, headers=KEY)
    other_body = await api.call("POST", path, {**BODY, "name": "Other"}, headers=KEY)
    other_route = await api.call("POST", "/admin/tenants", BODY, headers=KEY)
    third = await api.call("POST", (await customers(api)), BODY, headers=KEY)
    assert [one.status_code for one in (other_body, other_route, third)] == [409, 422, 409]
    assert {one.json()["code"] for one in (other_body, third)} == {"idempotency_key_reused"}
    assert await api.count("customer") == 1


async def test_many_at_once_with_one_key_make_one_and_answer_alike(api: JsonApi) -> None:
    path = await customers(api)
    body = {"name": "No external id"}
    answers = await asyncio.gather(*(api.call("POST", path, body, headers=KEY) for _ in range(12)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert await api.count("customer") == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1


async def test_after_a_day_the_key_is_free_again(api: JsonApi, clock: ManualClock) -> None:
    path = await customers(api)
    first = await api.call("POST", path, {"name": "a"}, headers=KEY)
    clock.advance(DAY)
    second = await api.call("POST", path, {"name": "b"}, headers=KEY)
    assert (second.status_code, second.json()["name"]) == (201, "b")
    assert first.json()["id"] != second.json()["id"]


async def test_stored_answers_are_erased_after_a_day(api: JsonApi, clock: ManualClock) -> None:
    path, eraser = await customers(api), AnswerEraser(api.deps.idempotency, clock)
    for number in range(3):
        await api.call("POST", path, {"name": "a"}, headers={"Idempotency-Key": str(number)})
    assert await eraser.run_once() == 0
    clock.advance(DAY)
    await api.call("POST", path, {"name": "a"}, headers={"Idempotency-Key": "later"})
    assert [await eraser.run_once(), await eraser.run_once()] == [3, 0]
    assert await api.count("idempotency") == 1


async def test_a_refused_request_leaves_its_key_free(api: JsonApi) -> None:
    path = await customers(api)
    refused = await api.call("POST", path, {"name": ""}, headers=KEY)
    accepted = await api.call("POST", path, {"name": "Good"}, headers=KEY)
    assert (refused.status_code, accepted.status_code) == (422, 201)


async def test_two_callers_do_not_meet_in_one_key(api: JsonApi) -> None:
    tenant = await api.tenant()
    keys = [(await api.key_of(tenant["id"]))["key"] for _ in range(2)]
    path = f"/admin/tenants/{tenant['id']}/customers"
    answers = [await api.call("POST", path, {"name": "c"}, key=key, headers=KEY) for key in keys]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["id"] != answers[1].json()["id"]


async def test_a_stored_answer_is_sealed_and_still_shows_the_new_key(api: JsonApi) -> None:
    path = f"/admin/tenants/{(await api.tenant())['id']}/api-keys"
    first = await api.call("POST", path, {"name": "k"}, headers=KEY)
    second = await api.call("POST", path, {"name": "k"}, headers=KEY)
    assert second.json()["key"] == first.json()["key"]
    [row] = await api.deps.db.read("SELECT answer FROM idempotency")
    assert first.json()["key"].encode() not in bytes(row["answer"])


@pytest.mark.parametrize("key", ["", "x" * 256, "a\x7fb"])
async def test_a_key_that_is_empty_long_or_not_printable_is_refused(api: JsonApi, key: str) -> None:
    answer = await api.call("POST", "/admin/tenants", {"name": "a"}, headers={"Idempotency-Key": key})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"
    assert await api.count("tenant") == 0


def calling(api: JsonApi) -> Callable[[Callable[[], Awaitable[Answer]]], Awaitable[Answer]]:
    """Runs a work that calls out, each time as the same request of the operator."""
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/x",
        "query_string": b"",
        "headers": [(b"idempotency-key", b"k")],
    }
    scope["server"] = ("127.0.0.1", 80)

    async def run(work: Callable[[], Awaitable[Answer]]) -> Answer:
        return await api.deps.idempotency.calling_out(Request(scope), OPERATOR, b"{}", work)

    return run


async def test_a_post_that_calls_out_is_replayed_once_it_has_ended(api: JsonApi) -> None:
    run, calls = calling(api), []

    async def work() -> Answer:
        calls.append(1)
        return Answer(200, b'{"ok":true}')

    first, second = await run(work), await run(work)
    assert (len(calls), first.body, second.body, second.replayed) == (1, b'{"ok":true}', b'{"ok":true}', True)


async def test_a_post_that_calls_out_and_is_cut_off_answers_outcome_unknown(api: JsonApi) -> None:
    run = calling(api)

    async def cut_off() -> Answer:
        raise KeyboardInterrupt

    async def again() -> Answer:
        return Answer(200)

    with pytest.raises(KeyboardInterrupt):
        await run(cut_off)
    with pytest.raises(OutcomeUnknown) as caught:
        await run(again)
    assert (caught.value.status, caught.value.code) == (409, "outcome_unknown")


async def test_while_a_call_is_out_the_same_request_is_told_so(api: JsonApi) -> None:
    run, out, back = calling(api), asyncio.Event(), asyncio.Event()

    async def work() -> Answer:
        out.set()
        await back.wait()
        return Answer(200, b"{}")

    running = asyncio.ensure_future(run(work))
    await out.wait()
    with pytest.raises(OutcomeUnknown):
        await run(work)
    back.set()
    assert (await running).status == 200


async def test_a_known_refusal_of_a_call_frees_the_key_and_a_fault_does_not(api: JsonApi) -> None:
    run = calling(api)

    async def refused() -> Answer:
        raise Conflict("no")

    async def away() -> Answer:
        raise Unavailable("gone")

    async def fine() -> Answer:
        return Answer(200)

    with pytest.raises(Conflict):
        await run(refused)
    with pytest.raises(Unavailable):
        await run(away)
    with pytest.raises(OutcomeUnknown):
        await run(fine)
    assert await api.count("idempotency") == 1

"""Faults by rate: each kind as a client meets it, and the same ones again for the same seed."""

from typing import Any

import aiohttp
import pytest

from setuplinks.sandbox.bad_weather import Forecast, Weather
from tests.integration.sandbox.calls import Meta


async def weather(meta: Meta, **rates: Any) -> None:
    answer = await meta.ask("POST", "/sandbox/faults", json=rates)
    assert answer.status == 200, answer.text


@pytest.mark.parametrize(("kind", "status", "code"), [("500", 500, 2), ("503", 503, 2), ("throttle", 400, 80007)])
async def test_a_kind_that_is_an_answer_has_metas_shape(meta: Meta, kind: str, status: int, code: int) -> None:
    customer = await meta.connect()
    await weather(meta, rates={kind: 1})
    answer = await meta.graph("GET", customer.waba, customer.token)
    assert (answer.status, answer.codes[0]) == (status, code)


@pytest.mark.parametrize(("kind", "status", "text"), [("empty", 200, ""), ("html", 502, "<html>")])
async def test_an_answer_may_be_no_json(meta: Meta, kind: str, status: int, text: str) -> None:
    customer = await meta.connect()
    await weather(meta, rates={kind: 1})
    answer = await meta.graph("GET", customer.waba, customer.token)
    assert (answer.status, answer.text[:6]) == (status, text)


@pytest.mark.parametrize(("kind", "done"), [("reset", False), ("stall", False), ("lost", True), ("cut", True)])
async def test_an_answer_may_not_arrive_and_the_call_be_done_or_not(meta: Meta, kind: str, done: bool) -> None:
    customer = await meta.connect()
    await weather(meta, rates={kind: 1}, stallSeconds=0.05)
    with pytest.raises(aiohttp.ClientError):
        await meta.register(customer)
    assert meta.world.numbers[customer.number].platform_type == ("CLOUD_API" if done else "NOT_APPLICABLE")
    [call] = (await meta.ask("GET", "/sandbox/calls?call=register")).json["data"]
    assert call["status"] == 0
    assert (await meta.ask("DELETE", "/sandbox/faults")).status == 200
    assert (await meta.register(customer)).status == 200


async def test_an_exchange_whose_answer_is_lost_has_spent_its_code(meta: Meta) -> None:
    played = await meta.play()
    await weather(meta, rates={"lost": 1}, calls=["exchange"])
    with pytest.raises(aiohttp.ClientError):
        await meta.exchange(played["code"])
    await weather(meta, rates={})
    assert (await meta.exchange(played["code"])).codes == (100, 36009)


async def test_only_the_named_calls_suffer_and_the_control_api_never(meta: Meta) -> None:
    customer = await meta.connect()
    await weather(meta, rates={"500": 1}, calls=["register"])
    assert (await meta.graph("GET", customer.waba, customer.token)).status == 200
    assert (await meta.register(customer)).status == 500
    told = (await meta.ask("GET", "/sandbox/faults")).json
    assert (told["struck"], told["byRate"]["calls"]) == ({"500": 1}, ["register"])


def fates(seed: int, count: int = 2_000) -> list[str | None]:
    forecast = Forecast()
    forecast.set(Weather(rates={"500": 0.03, "reset": 0.02, "lost": 0.05}, seed=seed))
    return [forecast.next("waba").kind for _ in range(count)]


def test_one_seed_is_one_weather_and_the_shares_are_as_asked_for() -> None:
    first = fates(7)
    assert (first == fates(7), first == fates(8)) == (True, False)
    assert 0.07 < sum(kind is not None for kind in first) / len(first) < 0.13


def test_the_fate_of_a_call_does_not_depend_on_what_others_are_made_between() -> None:
    alone, among = Forecast(), Forecast()
    for forecast in (alone, among):
        forecast.set(Weather(rates={"500": 0.5}, latency_ms=10, seed=3))
    expected = [alone.next("register") for _ in range(50)]
    found = []
    for _ in range(50):
        among.next("waba")
        found.append(among.next("register"))
    assert found == expected
    assert all(0.01 <= fate.delay <= 0.02 for fate in found)


@pytest.mark.parametrize(
    "body",
    [
        {"rates": {"rain": 0.1}}, {"rates": {"500": 0.9, "reset": 0.2}}, {"rates": {"500": -1}}, {"latencyMs": "slow"},
        {"latencyMs": -1}, {"stallSeconds": 1e9}, {"rates": {"404": 0.1}},
    ],
)  # fmt: skip
async def test_a_weather_that_cannot_be_is_refused(meta: Meta, body: dict[str, Any]) -> None:
    assert (await meta.ask("POST", "/sandbox/faults", json=body)).status == 422
    assert (await meta.ask("GET", "/sandbox/faults")).json["byRate"] is None


async def test_rate_headers_have_the_figures_of_the_settings(meta: Meta) -> None:
    customer = await meta.connect()
    await meta.ask("PUT", "/sandbox/settings", json={"appUsage": 97, "businessUsage": 92, "regainMinutes": 4})
    answer = await meta.graph("GET", customer.waba, customer.token)
    assert '"call_count":97' in answer.headers["X-App-Usage"]
    assert '"call_count":92' in answer.headers["X-Business-Use-Case-Usage"]
    assert '"estimated_time_to_regain_access":4}' in answer.headers["X-Business-Use-Case-Usage"]

"""The control API: clock, state, calls, settings, scenarios, faults, dead tokens."""

import asyncio
import time
from typing import Any

import pytest

from setuplinks.sandbox.config import SandboxConfig
from setuplinks.sandbox.server import bound, serve
from tests.integration.sandbox.calls import APP_SECRET, Meta, query_of


async def test_the_clock_is_set_stopped_and_moved(meta: Meta) -> None:
    await meta.ask("POST", "/sandbox/clock", json={"frozen": True})
    at = await meta.ask("POST", "/sandbox/clock", json={"now": "2026-05-18T14:00:00+02:00"})
    assert at.json == {"now": "2026-05-18T12:00:00Z", "unix": 1779105600.0, "frozen": True}
    assert (await meta.ask("POST", "/sandbox/clock", json={"advanceSeconds": 90})).json["now"] == "2026-05-18T12:01:30Z"
    await meta.ask("POST", "/sandbox/clock", json={"frozen": False})
    assert 1779105690 <= (await meta.ask("GET", "/sandbox/clock")).json["unix"] < 1779105750


async def test_state_shows_what_was_made_and_no_secret(meta: Meta) -> None:
    customer = await meta.connect()
    await meta.register(customer, "424242")
    state = await meta.ask("GET", "/sandbox/state")
    assert [waba["id"] for waba in state.json["wabas"]] == [customer.waba]
    assert state.json["phoneNumbers"][0]["platformType"] == "CLOUD_API"
    assert state.json["codes"] == {"issued": 1, "used": 1}
    assert customer.token not in state.text
    assert customer.played["code"] not in state.text
    assert APP_SECRET not in state.text


async def test_calls_are_counted_so_that_a_test_can_say_once(meta: Meta) -> None:
    customer = await meta.connect()
    await meta.graph("GET", customer.waba, "wrong")
    calls = (await meta.ask("GET", "/sandbox/calls?call=exchange")).json
    everything = await meta.ask("GET", "/sandbox/calls")
    assert [(row["method"], row["status"]) for row in calls["data"]] == [("GET", 200)]
    assert everything.json["counts"] == {"GET exchange": 1, "GET waba": 1}
    assert everything.json["data"][1]["errorCode"] == 190
    assert customer.token not in everything.text
    await meta.ask("DELETE", "/sandbox/calls")
    assert (await meta.ask("GET", "/sandbox/calls")).json == {"data": [], "counts": {}}


async def test_reset_forgets_everything_but_ids_go_on(meta: Meta) -> None:
    before = await meta.connect()
    await meta.advance(1000)
    await meta.ask("PUT", "/sandbox/settings", json={"codeSeconds": 5})
    await meta.ask("POST", "/sandbox/reset")
    assert (await meta.ask("GET", "/sandbox/state")).json["wabas"] == []
    assert (await meta.ask("GET", "/sandbox/settings")).json["codeSeconds"] == 30
    assert (await meta.ask("GET", "/sandbox/clock")).json["unix"] < time.time() + 10
    assert (await meta.connect()).waba > before.waba


async def test_a_scenario_is_set_for_the_next_signups_in_order(meta: Meta) -> None:
    await meta.ask("PUT", "/sandbox/scenario", json={"next": ["denied", "no_number"], "standing": "coexistence"})
    seen = [(await meta.play())["scenario"] for _ in range(3)]
    assert seen == ["denied", "no_number", "coexistence"]
    await meta.ask("PUT", "/sandbox/scenario", json={"standing": None})
    assert (await meta.play())["scenario"] == "default"


async def test_a_scenario_is_set_for_one_state(meta: Meta) -> None:
    await meta.ask("PUT", "/sandbox/scenario", json={"state": "the-state", "name": "denied"})
    other = {"dialogUrl": meta.dialog_url(state="another")}
    assert (await meta.ask("POST", "/sandbox/signups", json=other)).json["scenario"] == "default"
    assert (await meta.play())["scenario"] == "denied"
    assert (await meta.play())["scenario"] == "default"


async def test_the_list_of_scenarios_and_of_signups_can_be_read(meta: Meta) -> None:
    played = await meta.play("several_numbers")
    names = [row["name"] for row in (await meta.ask("GET", "/sandbox/scenarios")).json["data"]]
    signups = (await meta.ask("GET", "/sandbox/signups")).json["data"]
    assert names[0] == "default"
    assert signups[0]["signupId"] == played["signupId"]
    assert played["code"] not in str(signups)


async def test_a_fault_answers_for_as_many_calls_as_it_is_set_for(meta: Meta) -> None:
    customer = await meta.connect()
    fault = {"call": "waba", "times": 2, "code": 4}
    assert (await meta.ask("POST", "/sandbox/faults", json=fault)).status == 200
    answers = [await meta.graph("GET", customer.waba, customer.token) for _ in range(3)]
    assert [answer.status for answer in answers] == [400, 400, 200]
    assert answers[0].codes == (4, None)


@pytest.mark.parametrize(("ending", "others"), [("?call=waba", 1), ("", 0)])
async def test_a_call_that_a_fault_keeps_waiting_goes_on_when_the_fault_is_ended(
    meta: Meta, ending: str, others: int
) -> None:
    customer = await meta.connect()
    for call in ("waba", "register"):
        await meta.ask("POST", "/sandbox/faults", json={"call": call, "delayMs": 600_000})
    waiting = asyncio.create_task(meta.graph("GET", customer.waba, customer.token))
    while len((await meta.ask("GET", "/sandbox/faults")).json["data"]) > 1:  # noqa: ASYNC110 - asked over HTTP
        await asyncio.sleep(0.02)
    await meta.ask("DELETE", "/sandbox/faults?call=register_of_another")
    assert not waiting.done()
    await meta.ask("DELETE", f"/sandbox/faults{ending}")
    assert (await waiting).status == 200
    assert len((await meta.ask("GET", "/sandbox/faults")).json["data"]) == others


async def test_a_fault_may_be_bare_html_and_be_for_one_object_only(meta: Meta) -> None:
    mine, other = await meta.connect(), await meta.connect()
    fault = {"call": "*", "times": None, "status": 502, "body": "<h1>Bad gateway</h1>", "objectId": mine.waba}
    await meta.ask("POST", "/sandbox/faults", json=fault)
    broken = await meta.graph("GET", mine.waba, mine.token)
    assert (broken.status, broken.text) == (502, "<h1>Bad gateway</h1>")
    assert (await meta.graph("GET", other.waba, other.token)).status == 200
    await meta.ask("DELETE", "/sandbox/faults")
    assert (await meta.graph("GET", mine.waba, mine.token)).status == 200


async def test_tokens_of_one_waba_can_be_killed(meta: Meta) -> None:
    mine, other = await meta.connect(), await meta.connect()
    killed = await meta.ask("POST", "/sandbox/tokens/kill", json={"wabaId": mine.waba, "subcode": 458})
    assert killed.json == {"killed": 1}
    assert (await meta.graph("GET", mine.waba, mine.token)).codes == (190, 458)
    assert (await meta.graph("GET", other.waba, other.token)).status == 200


BAD: list[tuple[str, str, Any]] = [
    ("PUT", "/sandbox/settings", {"noSuch": 1}),
    ("PUT", "/sandbox/settings", {"codeSeconds": "soon"}),
    ("PUT", "/sandbox/scenario", {"next": "no such"}),
    ("POST", "/sandbox/clock", {"now": "tomorrow"}),
    ("POST", "/sandbox/clock", {"now": "2026-05-18T12:00:00"}),
    ("POST", "/sandbox/clock", {"advanceSeconds": "x"}),
    ("POST", "/sandbox/clock", {"advanceSeconds": "inf"}),
    ("POST", "/sandbox/faults", {"times": 1}),
    ("POST", "/sandbox/faults", {"call": "waba", "times": "x"}),
    ("POST", "/sandbox/tokens/kill", {"subcode": "x"}),
    ("GET", "/sandbox/signups?limit=x", None),
]


@pytest.mark.parametrize(("method", "path", "body"), BAD)
async def test_what_the_control_api_does_not_understand_it_refuses(
    meta: Meta, method: str, path: str, body: Any
) -> None:
    answer = await meta.ask(method, path, json=body)
    assert answer.status == 422
    assert answer.json["error"]


async def test_a_body_that_is_no_json_object_is_refused(meta: Meta) -> None:
    for raw in ("{", "[1]"):
        assert (await meta.ask("PUT", "/sandbox/settings", data=raw)).status == 400


async def test_a_number_and_a_waba_can_be_changed(meta: Meta) -> None:
    customer = await meta.connect()
    waba = await meta.ask("PATCH", f"/sandbox/wabas/{customer.waba}", json={"reviewStatus": "REJECTED"})
    refused = await meta.ask("PATCH", f"/sandbox/phone-numbers/{customer.number}", json={"id": "1"})
    wrong = await meta.ask("PATCH", f"/sandbox/phone-numbers/{customer.number}", json={"isOnBizApp": "yes"})
    assert waba.json["reviewStatus"] == "REJECTED"
    assert (refused.status, wrong.status) == (422, 422)
    assert (await meta.ask("GET", "/sandbox/phone-numbers/1")).status == 404


async def test_the_sandboxs_home_page_tells_what_happened(meta: Meta) -> None:
    customer = await meta.connect(businessName="<i>Bakery</i>")
    page = await meta.ask("GET", "/")
    assert page.status == 200
    assert customer.number in page.text
    assert "june_2026_scopes" in page.text
    assert "<i>Bakery" not in page.text


async def test_an_unknown_path_is_a_graph_error(meta: Meta) -> None:
    customer = await meta.connect()
    answer = await meta.graph("POST", f"{customer.waba}/unknown_edge", customer.token, json={})
    assert answer.codes == (2500, None)
    assert query_of(customer.played["redirectUrl"])["state"] == "the-state"


@pytest.mark.parametrize("raw", [b"{", b"\x00", b'{"pin": ' + b"1" * 10_000])
async def test_a_broken_body_is_error_100(meta: Meta, raw: bytes) -> None:
    customer = await meta.connect()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {customer.token}"}
    answer = await meta.ask("POST", f"/v25.0/{customer.number}/register", data=raw, headers=headers)
    assert (answer.status, answer.codes) == (400, (100, None))


NASTY = ["\u00b2", "9" * 5000, "\x00", "ñ", "'; --", "{{7*7}}", "%s", "\u202e", "-1", "1e9"]


@pytest.mark.parametrize("value", NASTY)
async def test_no_parameter_makes_graph_fall_over(meta: Meta, value: str) -> None:
    customer = await meta.connect()
    params = [{"limit": value}, {"after": value}, {"fields": value}, {"appsecret_proof": value}, {"sort": value}]
    answers = [await meta.graph("GET", f"{customer.waba}/phone_numbers", customer.token, params=one) for one in params]
    for edge in ("register", "request_code", "verify_code", "smb_app_data", "messages", ""):
        names = ("pin", "code", "code_method", "language", "sync_type", "to", "type", "text", "template", "status")
        body = dict.fromkeys(names, value) | {"messaging_product": "whatsapp"}
        path = f"{customer.number}/{edge}".rstrip("/")
        answers.append(await meta.graph("POST", path, customer.token, json=body))
        wrapped = {name: [value, name] for name in names}
        answers.append(await meta.graph("POST", path, customer.token, json=wrapped))
    answers.append(await meta.exchange(value))
    assert {answer.status for answer in answers} <= {200, 400, 403, 404}


async def test_a_taken_port_is_an_error_before_anything_is_served() -> None:
    with bound("127.0.0.1", 0) as place, pytest.raises(OSError, match="in use"):
        await serve(SandboxConfig(), "127.0.0.1", place.getsockname()[1])

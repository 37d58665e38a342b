"""Keys and tokens stand in no log line, wherever they came in; one line tells of each call, by ids and figures."""

import json
import logging

import pytest

from setuplinks.core.logs import JsonLines
from tests.integration.gateway.line import HELLO, Line
from tests.integration.gateway.neighbours import PNG

pytestmark = pytest.mark.one_database


async def test_no_key_no_token_and_nothing_of_what_was_said_stands_in_the_log(
    line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    number, bare = line.path(line.number), line.api.with_key(None)
    await bare.get(f"{number}?access_token={line.key}&fields=id")
    await bare.post(f"{number}/messages", {**HELLO, "access_token": line.key})
    await bare.get(f"{number}?access_token=sl_waba_wrong")
    made = await line.api.post(f"{number}/media", PNG, Content_Type="multipart/form-data; boundary=cut")
    url = (await line.api.get(line.path(made.json["id"]))).json["url"]
    await bare.get(f"{url.removeprefix(line.api.url)}?access_token={line.key}")
    await line.standing.service.sandbox.ask("POST", "/sandbox/tokens/kill", {"subcode": 463})
    await line.send()
    await line.send()
    sealer = await line.standing.service.parts.vault.tenant(line.standing.tenant.id)
    [row] = await line.standing.service.db.read("SELECT waba_id, token FROM credential")
    token = sealer.open(row["token"], "credential", row["waba_id"], "token").decode()
    lines = JsonLines()
    text = "\n".join(f"{record.__dict__!r} {lines.format(record)}" for record in caplog.records)
    secrets = {"key": line.key, "wrong key": "sl_waba_wrong", "token": token, "said": "Hola", "to": HELLO["to"]}
    assert {name for name, secret in secrets.items() if str(secret) in text} == set()
    assert url.rpartition("/")[2] not in text


async def test_one_line_tells_of_each_call(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await line.send()
    refused = await line.api.get(line.path("106540352242922"))
    told = [json.loads(JsonLines().format(one)) for one in caplog.records if one.getMessage() == "gateway.call"]
    sent, missed = told
    assert {name: sent[name] for name in ("method", "status", "key", "node", "edge", "tenant", "waba", "kind")} == {
        "method": "POST", "status": 200, "key": f"waba_key:{line.key_id}", "node": line.number, "edge": "messages",
        "tenant": line.standing.tenant.id, "waba": sent["waba"], "kind": "phone_number",
    }  # fmt: skip
    assert 0 < sent["meta_ms"] <= sent["duration_ms"]
    assert (missed["status"], missed["refused"]) == (400, 100)
    assert missed["trace"] == refused.json["error"]["fbtrace_id"]
    assert missed["trace"].startswith("sl")
    counted = (await line.api.get("/metrics")).body.decode()
    assert 'setuplinks_http_requests_total{method="POST",route="/graph",status="200"}' in counted

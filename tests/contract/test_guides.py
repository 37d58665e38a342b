"""The guides' samples run: verifiers against signatures made by our own code, requests against the running service.

Node is the one of this environment. PHP runs where it is found; where it is missing, its samples are held against the
steps of the rule.
"""

import asyncio
import importlib.util
import io
import json
import re
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import pytest

from setuplinks.core.clock import SECOND, ManualClock
from setuplinks.core.db.database import Database
from setuplinks.setup_links.codes import CODES
from setuplinks.tenants.redirects import OURS, signed_redirect
from setuplinks.walk import Wishes, walk
from setuplinks.webhooks import signing
from tests.support.node import NODE
from tests.support.service import RunningService, Tenant, running_service

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "integrate.md"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
SAMPLE_NAME = re.compile(r"(?:#|//|<\?php //) (\w+\.(?:py|mjs|php))\n")

SUCCESS = "https://your-app.com/onboarding/success"
NOW = 1_779_105_600  # 2026-05-18T12:00:00Z
SECRET, FORMER_SECRET, FOREIGN_SECRET = (signing.new_secret() for _ in range(3))
KEY, FORMER_KEY, FOREIGN_KEY = "rk_current0123456789", "rk_former0123456789", "rk_foreign0123456789"
EVENT = {"type": "whatsapp.phone_number.created", "timestamp": "2026-05-18T12:00:00Z", "data": {"name": "Clínica ☎"}}
BODY = json.dumps(EVENT, ensure_ascii=False).encode()


def fences(language: str) -> list[str]:
    return [text for found, text in FENCE.findall(GUIDE.read_text(encoding="utf-8")) if found == language]


def samples() -> dict[str, str]:
    """The samples that begin with the name of a file."""
    found = {}
    for _, text in FENCE.findall(GUIDE.read_text(encoding="utf-8")):
        if name := SAMPLE_NAME.match(text):
            found[name[1]] = text
    return found


@dataclass(frozen=True)
class Case:
    """One message or redirect, and whether a verifier has to take it."""

    name: str
    taken: bool
    given: dict[str, Any]


def webhook(name: str, taken: bool, secrets: list[str], *, keys: list[str], at: int = NOW, body: bytes = BODY) -> Case:
    headers = signing.headers(keys, "0197-ab.c", at, BODY)
    return Case(name, taken, {"secrets": secrets, "headers": headers, "body": body.decode(), "now": NOW})


def webhook_with(name: str, taken: bool, headers: Mapping[str, str]) -> Case:
    case = webhook(name, taken, [SECRET], keys=[SECRET])
    return Case(name, taken, {**case.given, "headers": {**case.given["headers"], **headers}})


WEBHOOKS = [
    webhook("signed by the secret", True, [SECRET], keys=[SECRET]),
    webhook("signed by both secrets of a rotation", True, [FORMER_SECRET], keys=[SECRET, FORMER_SECRET]),
    webhook("read with both secrets of a rotation", True, [FORMER_SECRET, SECRET], keys=[SECRET]),
    webhook("four minutes old", True, [SECRET], keys=[SECRET], at=NOW - 240),
    webhook("signed by another secret", False, [SECRET], keys=[FOREIGN_SECRET]),
    webhook("without any secret to check with", False, [], keys=[SECRET]),
    webhook("six minutes old", False, [SECRET], keys=[SECRET], at=NOW - 360),
    webhook("six minutes ahead", False, [SECRET], keys=[SECRET], at=NOW + 360),
    webhook("changed by a byte", False, [SECRET], keys=[SECRET], body=BODY + b" "),
    webhook_with("under another id", False, {"webhook-id": "0197-ab.d"}),
    webhook_with("under another time", False, {"webhook-timestamp": str(NOW + 1)}),
    webhook_with("under a time that is no number", False, {"webhook-timestamp": "1e9"}),
    webhook_with("without a signature", False, {"webhook-signature": ""}),
    webhook_with("with garbage for a signature", False, {"webhook-signature": "v1,é v2,AAAA v1"}),
]

PARAMS = {
    "status": "success", "setup_link_id": "3f0c", "waba_id": "524126980791429", "phone_number_id": "106,107",
    "customer_id": "7", "external_id": "clínica/001 & co", "state": "~it's (all) *here*! +1%2B=?#ñ",
    "phone_status": "active",
}  # fmt: skip


def redirect(
    name: str, taken: bool, keys: list[str], *, signed_by: tuple[str, ...] = (KEY,), at: int = NOW,
    change: Callable[[str], str] = lambda query: query, url: str = "https://your-app.com/done",
) -> Case:  # fmt: skip
    """A redirect as our code builds it, its query changed by `change`."""
    built = signed_redirect(url, PARAMS, [key.encode() for key in signed_by], at * SECOND)
    return Case(name, taken, {"query": change(urlsplit(built).query), "keys": keys, "now": NOW})


REDIRECTS = [
    redirect("signed by the key", True, [KEY]),
    redirect("beside the tenant's own parameters", True, [KEY], url="https://your-app.com/done?a=1&b=%20&status=x#top"),
    redirect("signed by both keys of a rotation", True, [FORMER_KEY], signed_by=(KEY, FORMER_KEY)),
    redirect("read with both keys of a rotation", True, [FORMER_KEY, KEY]),
    redirect("nine minutes old", True, [KEY], at=NOW - 540),
    redirect("signed by another key", False, [KEY], signed_by=(FOREIGN_KEY,)),
    redirect("without any key to check with", False, []),
    redirect("eleven minutes old", False, [KEY], at=NOW - 660),
    redirect("with another number", False, [KEY], change=lambda query: query.replace("106%2C107", "106%2C108")),
    redirect("with a parameter more", False, [KEY], change=lambda query: f"{query}&error_code=cancelled"),
    redirect("with a second value", False, [KEY], change=lambda query: f"{query}&waba_id=1"),
    redirect("with a parameter less", False, [KEY], change=lambda query: query.replace("customer_id=7&", "")),
    redirect("without sig", False, [KEY], change=lambda query: query.partition("&sig=")[0]),
    redirect("with garbage for sig", False, [KEY], change=lambda query: query.partition("&sig=")[0] + "&sig=%C3%A9,"),
    redirect("without anything", False, [KEY], change=lambda _: ""),
]


def load(tmp_path: Path, name: str) -> ModuleType:
    path = tmp_path / name
    path.write_text(samples()[name], encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def verdicts(cases: list[Case]) -> dict[str, bool]:
    return {case.name: case.taken for case in cases}


def run(command: list[str], folder: Path, cases: list[Case]) -> list[Any]:
    """What a program answers for each case: the verified value, or null."""
    given = json.dumps([case.given for case in cases])
    done = subprocess.run(command, cwd=folder, input=given, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    answers: list[Any] = json.loads(done.stdout)
    return answers


# -- Python ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("case", WEBHOOKS, ids=lambda case: case.name)
def test_the_python_receiver_takes_what_we_signed_and_nothing_else(tmp_path: Path, case: Case) -> None:
    sample, given = load(tmp_path, "webhook_receiver.py"), case.given
    try:
        event = sample.verify_webhook(given["secrets"], given["headers"], given["body"].encode(), given["now"])
    except ValueError:
        event = None
    assert event == (EVENT if case.taken else None)


def test_the_python_receiver_works_once_for_each_id(tmp_path: Path) -> None:
    sample = load(tmp_path, "webhook_receiver.py")
    handled: list[Any] = []
    application = sample.receiver([SECRET], handled.append, set())

    def post(headers: Mapping[str, str]) -> str:
        statuses: list[str] = []
        environ = {"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers.items()}
        environ |= {"wsgi.input": io.BytesIO(BODY), "CONTENT_LENGTH": str(len(BODY))}
        application(environ, lambda status, _: statuses.append(status))
        return statuses[0]

    now = int(time.time())
    good = signing.headers([SECRET], "evt_1", now, BODY)
    assert [post(good), post(good)] == ["204 No Content"] * 2
    assert post(signing.headers([FOREIGN_SECRET], "evt_2", now, BODY)) == "401 Unauthorized"
    assert handled == [EVENT]


@pytest.mark.parametrize("case", REDIRECTS, ids=lambda case: case.name)
def test_the_python_verifier_takes_the_redirects_that_we_signed_and_no_other(tmp_path: Path, case: Case) -> None:
    sample, given = load(tmp_path, "verify_redirect.py"), case.given
    params = sample.verify_redirect(given["query"], given["keys"], given["now"])
    assert (params is not None) == case.taken
    if case.taken:
        assert {**PARAMS, "ts": params["ts"]} == params


# -- Node and PHP ----------------------------------------------------------------------------------------------------
NODE_WEBHOOKS = """
import { verifyWebhook } from "./webhook_receiver.mjs";
import { readFileSync } from "node:fs";
const answers = JSON.parse(readFileSync(0, "utf8")).map((given) => {
  try { return verifyWebhook(given.secrets, given.headers, Buffer.from(given.body), given.now); } catch { return null; }
});
console.log(JSON.stringify(answers));
"""
NODE_REDIRECTS = """
import { verifyRedirect } from "./verify_redirect.mjs";
import { readFileSync } from "node:fs";
const answers = JSON.parse(readFileSync(0, "utf8")).map((given) => verifyRedirect(given.query, given.keys, given.now));
console.log(JSON.stringify(answers));
"""
NODE_SERVER = """
import { receiver } from "./webhook_receiver.mjs";
import { createServer, request } from "node:http";
import { readFileSync } from "node:fs";
const given = JSON.parse(readFileSync(0, "utf8"));
const handled = [];
const server = createServer(receiver(given[0].secrets, (event) => handled.push(event), new Set()));
server.listen(0, "127.0.0.1", async () => {
  const statuses = [];
  for (const { headers, body } of given) {
    statuses.push(await new Promise((done) => {
      const sent = request({ port: server.address().port, method: "POST", headers }, (answer) => {
        answer.resume();
        answer.on("end", () => done(answer.statusCode));
      });
      sent.end(body);
    }));
  }
  console.log(JSON.stringify([statuses, handled]));
  server.closeAllConnections();
  server.close();
});
"""
PHP_WEBHOOKS = """
require 'verify_webhook.php';
echo json_encode(array_map(function ($given) {
    try {
        return verify_webhook($given['secrets'], $given['headers'], $given['body'], $given['now']);
    } catch (UnexpectedValueException $error) {
        return null;
    }
}, json_decode(stream_get_contents(STDIN), true)));
"""
PHP_REDIRECTS = """
require 'verify_redirect.php';
echo json_encode(array_map(function ($given) {
    parse_str($given['query'], $query);
    return verify_redirect($query, $given['keys'], $given['now']);
}, json_decode(stream_get_contents(STDIN), true)));
"""

# What a sample must do where its program is not here to show that it does.
STEPS = {
    "webhook_receiver.mjs": ["webhook-id", "webhook-timestamp", "webhook-signature", "whsec_", '"base64"', "300",
                             'createHmac("sha256"', "`${id}.${timestamp}.`", "v1,", "timingSafeEqual"],
    "verify_redirect.mjs": ['createHmac("sha256"', ".sort()", "encodeURIComponent", "[!'()*]", '"&"', '","', "600",
                            'digest("hex")', "timingSafeEqual"],
    "verify_webhook.php": ["webhook-id", "webhook-timestamp", "webhook-signature", "whsec_", "base64_decode",
                           "base64_encode", "300", "hash_hmac('sha256'", "$id . '.' . $timestamp . '.' . $body", "v1,",
                           "hash_equals"],
    "webhook.php": ["verify_webhook(", "php://input", "HTTP_WEBHOOK_ID", "401", "204"],
    "verify_redirect.php": ["hash_hmac('sha256'", "ksort(", "PHP_QUERY_RFC3986", "600", "hash_equals", "explode(','"],
}  # fmt: skip


def answers_of(tmp_path: Path, program: str, sample: str, script: str, cases: list[Case]) -> list[Any] | None:
    """What the sample answers for the cases; None where the program is not on this machine."""
    found = str(NODE) if program == "node" else shutil.which(program)
    if found is None:
        return None
    (tmp_path / sample).write_text(samples()[sample], encoding="utf-8")
    command = [found, "-r", script] if program == "php" else [found, "--input-type=module", "-e", script]
    return run(command, tmp_path, cases)


@pytest.mark.parametrize("name", STEPS)
def test_a_sample_has_the_steps_of_the_rule(name: str) -> None:
    assert [step for step in STEPS[name] if step not in samples()[name]] == []


@pytest.mark.parametrize(
    ("program", "sample", "script"),
    [("node", "webhook_receiver.mjs", NODE_WEBHOOKS), ("php", "verify_webhook.php", PHP_WEBHOOKS)],
)
def test_another_languages_receiver_takes_what_we_signed(
    tmp_path: Path, program: str, sample: str, script: str
) -> None:
    answers = answers_of(tmp_path, program, sample, script, WEBHOOKS)
    if answers is None:
        assert sample in samples()
        return
    assert {case.name: got for case, got in zip(WEBHOOKS, answers, strict=True)} == {
        case.name: EVENT if case.taken else None for case in WEBHOOKS
    }


@pytest.mark.parametrize(
    ("program", "sample", "script"),
    [("node", "verify_redirect.mjs", NODE_REDIRECTS), ("php", "verify_redirect.php", PHP_REDIRECTS)],
)
def test_another_languages_verifier_takes_the_redirects_that_we_signed(
    tmp_path: Path, program: str, sample: str, script: str
) -> None:
    answers = answers_of(tmp_path, program, sample, script, REDIRECTS)
    if answers is None:
        assert sample in samples()
        return
    taken = {case.name: got is not None for case, got in zip(REDIRECTS, answers, strict=True)}
    assert taken == verdicts(REDIRECTS)
    assert all(PARAMS.items() <= got.items() for got in answers if got is not None)


def test_the_node_receiver_works_once_for_each_id(tmp_path: Path) -> None:
    now = int(time.time())
    headers = [
        signing.headers([SECRET], "evt_1", now, BODY),
        signing.headers([SECRET], "evt_1", now, BODY),
        signing.headers([FOREIGN_SECRET], "evt_2", now, BODY),
    ]
    posts = [Case("", True, {"secrets": [SECRET], "headers": one, "body": BODY.decode()}) for one in headers]
    answers = answers_of(tmp_path, "node", "webhook_receiver.mjs", NODE_SERVER, posts)
    assert answers in (None, [[204, 204, 401], [EVENT]])


# -- requests and words ----------------------------------------------------------------------------------------------
REQUEST = re.compile(r'^curl -s (?:-X (\w+) )?"\$API([^"]+)"(?:(?:(?!^curl).)*?-d \'(.*?)\'\n)?', re.M | re.S)


@pytest.fixture
async def service(
    db: Database, clock: ManualClock, data_dir: Path, database_url: str | None
) -> AsyncIterator[RunningService]:
    """With running workers, since the walk waits for them as a browser would."""
    async with running_service(db, clock, data_dir, database_url, workers=True) as running:
        yield running


async def test_the_requests_of_the_guide_work_as_they_stand(acme: Tenant) -> None:
    words = {"$TENANT": str(acme.id)}
    done = []
    for method, path, body in REQUEST.findall("\n".join(fences("sh"))):
        for word, value in words.items():
            path, body = path.replace(word, value), body.replace(word, value)  # noqa: PLW2901 - read, then used
        reply = await acme.api.call(method or "GET", path, body.encode() or None)
        assert reply.status in {200, 201}, (path, reply.body)
        done.append(f"{method or 'GET'} {urlsplit(path).path.rpartition('/')[2]}")
        if done[-1] == "POST customers":
            words["$CUSTOMER"] = str(reply.json["id"])
        elif done[-1] == "POST setup-links" and "$LINK" not in words:
            words["$LINK"] = reply.json["id"]
            walked = await walk(reply.json["url"], Wishes())
            assert urlsplit(walked.final_url or "").path == "/onboarding/success"
        elif done[-1] == "GET phone-numbers":
            words["<internal_phone_id>"] = words["$PHONE"] = str(reply.json["data"][0]["id"])
    assert done == [
        "POST customers", "POST setup-links", f"PATCH {acme.id}", "POST webhook-endpoints", "GET redirect-key",
        "GET phone-numbers", f"GET {words['$LINK']}", "GET events", "POST setup-links", "GET health",
    ]  # fmt: skip


def promised() -> list[tuple[str, str, str]]:
    """Scenario, transport and end, from the table for local development; ends that take their time are left out."""
    text = (GUIDE.parent / "local-development.md").read_text(encoding="utf-8")
    found = []
    for names, popup, page in re.findall(r"^\| [^|]+ \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", text, re.M):
        ends = {"popup": popup, "page": popup if page == "the same" else page}
        for transport, end in ends.items():
            if end.startswith("`") or end == "connected":
                found += [(name, transport, end.strip("`")) for name in re.findall(r"`(\w+)`", names)]
    return found


async def test_the_scenarios_of_the_guide_end_as_it_says(acme: Tenant) -> None:
    few_at_once = asyncio.Semaphore(8)

    async def end_of(scenario: str, transport: str) -> str:
        async with few_at_once:
            return await walked_to(scenario, transport)

    async def walked_to(scenario: str, transport: str) -> str:
        made = await acme.api.made(f"/admin/tenants/{acme.id}/customers", {"name": f"{scenario} by {transport}"})
        link = await acme.api.made(f"/admin/customers/{made['id']}/setup-links", {"successRedirectUrl": SUCCESS})
        walked = await walk(link["url"], Wishes(scenario=scenario, transport=transport))
        if walked.final_url is not None:
            return "connected"
        timeline = (await acme.api.get(f"/admin/setup-links/{link['id']}/timeline")).json
        return str(timeline["data"][-1]["detail"]["code"])

    given = promised()
    ends = await asyncio.gather(*(end_of(scenario, transport) for scenario, transport, _ in given))
    assert [(*case[:2], end) for case, end in zip(given, ends, strict=True)] == given
    assert len(given) > 20


def test_the_verifiers_know_every_name_that_we_add() -> None:
    for name in ("verify_redirect.py", "verify_redirect.mjs", "verify_redirect.php"):
        head = samples()[name].split("sig", 1)[0]
        assert set(re.findall(r"[\"'](\w+)[\"']", head)) | {"sig"} >= OURS


def test_every_code_has_advice() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \|", GUIDE.read_text(encoding="utf-8"), re.M))
    assert rows >= set(CODES)

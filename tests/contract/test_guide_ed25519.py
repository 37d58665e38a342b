"""The guide's two programs that check `v1a`, run on what we sign."""

import json
import shutil
import subprocess
from pathlib import Path

from setuplinks.webhooks import signing
from tests.contract.test_guides import BODY, NOW, SECRET, load, samples

CURRENT, FORMER, FOREIGN = (signing.new_signing_key() for _ in range(3))
# Signed by these keys, checked with this one, and whether it is good.
CASES = [
    ([CURRENT], CURRENT, BODY, True),
    ([CURRENT, FORMER], FORMER, BODY, True),
    ([CURRENT, FORMER], CURRENT, BODY, True),
    ([CURRENT], FOREIGN, BODY, False),
    ([], CURRENT, BODY, False),
    ([CURRENT], CURRENT, BODY + b" ", False),
]
WANTED = [good for *_, good in CASES]
NODE = """
import { isSigned } from "./check_v1a.mjs";
import { readFileSync } from "node:fs";
const cases = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(cases.map((one) => isSigned(one.keys, one.headers, Buffer.from(one.body)))));
"""


def test_the_python_program_takes_what_the_key_signed_and_nothing_else(tmp_path: Path) -> None:
    sample = load(tmp_path, "check_v1a.py")
    answers = []
    for keys, checked, body, _ in CASES:
        headers = signing.headers([SECRET], "evt_1", NOW, BODY, keys)
        answers.append(sample.is_signed([signing.public_key(checked)], headers, body))
    assert answers == WANTED


def test_the_node_program_takes_what_the_key_signed_and_nothing_else(tmp_path: Path) -> None:
    text = samples()["check_v1a.mjs"]
    assert "Ed25519" in text
    node = shutil.which("node")
    if node is None:
        return
    (tmp_path / "check_v1a.mjs").write_text(text, encoding="utf-8")
    given = [
        {
            "keys": [signing.public_key(checked)],
            "headers": signing.headers([SECRET], "evt_1", NOW, BODY, keys),
            "body": body.decode(),
        }
        for keys, checked, body, _ in CASES
    ]
    done = subprocess.run(
        [node, "--input-type=module", "-e", NODE],
        cwd=tmp_path,
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == WANTED

"""curl, by the guide's own commands: each is run as it stands, with the words that the guide says to put in."""

import asyncio
import base64
import os
import subprocess
from pathlib import Path
from typing import Any

import msgspec

from tests.clients.way import Way, given
from tests.support.guide_samples import FENCE, GUIDES
from tests.support.service import RunningService, Tenant


def commands() -> list[str]:
    """The guide's commands, in its order."""
    text = (GUIDES / "send-and-receive.md").read_text(encoding="utf-8")
    return [command for language, command in FENCE.findall(text) if language == "sh"]


async def ran(command: str, words: dict[str, str], folder: Path) -> Any:
    """What the command printed, decoded; None where it printed nothing."""
    environ = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **words}
    done = await asyncio.to_thread(
        subprocess.run, ["bash", "-euc", command], cwd=folder, env=environ, stdin=subprocess.DEVNULL,
        capture_output=True, timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (command, done.stderr)
    return msgspec.json.decode(done.stdout) if done.stdout else None


async def check_commands(way: Way, words: dict[str, str], folder: Path) -> list[str]:
    """Runs all that the words suffice for; which calls those were."""
    asked = await given(way, folder)
    words |= {"GRAPH": way.base, "NUMBER": way.number, "META_WABA": way.waba, "RECEIVED": asked["inbound"]}
    done = []
    for command in commands():
        if "$API" in command and "API" not in words:
            continue
        said = await ran(command, words, folder)
        if "api-keys" in command:
            words["WABA_KEY"] = said["key"]
        elif "/media" in command:
            words["MEDIA"] = said["id"]
        elif "$GRAPH/v23.0/$MEDIA" in command:
            words["URL"] = said["url"]
        elif "message_templates" in command:
            assert {row["name"] for row in said["data"]} == {"hello_world"}
        elif "message_id" in command:
            assert said == {"success": True}
        elif "/messages" in command:
            assert said["messages"][0]["id"].startswith("wamid.")
        done.append(command.split('"')[1])
    assert (folder / "fetched.png").read_bytes() == (folder / "cat.png").read_bytes()
    assert await way.was_read(asked["inbound"])
    assert [message["type"] for message in await way.ana_has()] == ["text", "template", "text", "image"]
    return done


async def test_the_guides_commands_work_against_the_sandbox(straight: Way, tmp_path: Path) -> None:
    done = await check_commands(straight, {"WABA_KEY": straight.token}, tmp_path)
    assert len(done) == len(commands()) - 2  # a key and an endpoint are ours


async def test_the_guides_commands_work_as_they_stand(
    service: RunningService, acme: Tenant, through: Way, tmp_path: Path
) -> None:
    numbers = (await acme.api.get(f"/admin/tenants/{acme.id}/phone-numbers")).json["data"]
    words = {"API": service.url, "KEY": acme.key, "WABA": str(numbers[0]["wabaId"]), "TENANT": str(acme.id)}
    done = await check_commands(through, words, tmp_path)
    assert len(done) == len(commands())


async def test_a_token_in_the_address_or_in_a_form_is_as_good_as_in_a_header(through: Way, tmp_path: Path) -> None:
    words = {"GRAPH": through.base, "NUMBER": through.number, "WABA_KEY": through.token}
    by_address = await ran('curl -s "$GRAPH/v23.0/$NUMBER?fields=id&access_token=$WABA_KEY"', words, tmp_path)
    body = "-d access_token=$WABA_KEY -d messaging_product=whatsapp -d to=5493515550100 -d type=text"
    form = f'curl -s "$GRAPH/v23.0/$NUMBER/messages" {body} --data-urlencode \'text={{"body":"Hola ☎"}}\''
    by_form = await ran(form, words, tmp_path)
    assert by_address == {"id": through.number}
    assert by_form["messages"][0]["id"].startswith("wamid.")


async def test_a_file_of_many_megabytes_comes_back_as_it_went(through: Way, tmp_path: Path) -> None:
    content = base64.b64encode(os.urandom(12_000_000))
    (tmp_path / "long.txt").write_bytes(content)
    words = {"GRAPH": through.base, "NUMBER": through.number, "WABA_KEY": through.token}
    upload = 'curl -s "$GRAPH/v23.0/$NUMBER/media" -H "Authorization: Bearer $WABA_KEY"'
    parts = " -F messaging_product=whatsapp -F type=text/plain -F 'file=@long.txt;type=text/plain'"
    words["MEDIA"] = (await ran(upload + parts, words, tmp_path))["id"]
    asked = 'curl -s "$GRAPH/v23.0/$MEDIA" -H "Authorization: Bearer $WABA_KEY"'
    words["URL"] = (await ran(asked, words, tmp_path))["url"]
    await ran('curl -s "$URL" -H "Authorization: Bearer $WABA_KEY" -o back.txt', words, tmp_path)
    assert words["URL"].startswith(through.base)
    assert (tmp_path / "back.txt").read_bytes() == content

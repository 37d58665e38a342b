"""The first thing that a newcomer runs."""

import json
import os
import re
import signal
from pathlib import Path

from tests.integration.cli.terminal import names_in, setuplinks
from tests.support.processes import running_program

LINK = re.compile(r"http://127\.0\.0\.1:\d+/signup/\S+")


async def test_the_demo_that_plays_the_customer_ends_with_the_verified_webhook_and_the_redirect(tmp_path: Path) -> None:
    said = await setuplinks("demo", "--auto", folder=tmp_path, environ={"TMPDIR": str(tmp_path)})
    assert said.code == 0, said.err
    event = json.loads(said.out[said.out.index("\n{") : said.out.index("\n}") + 2])
    assert event["type"] == "whatsapp.phone_number.created"
    assert event["data"]["external_id"] == "clinic_001"
    assert "Webhook whatsapp.phone_number.created  signature verified" in said.out
    assert "/onboarding/success?status=success&" in said.out
    message = json.loads(said.out[said.out.rindex("\n{") : said.out.rindex("\n}") + 2])
    assert message["type"] == "whatsapp.message.received"
    assert message["data"]["message"]["text"] == {"body": "Hola, ¿tienen turno mañana?"}
    for status in ("sent", "delivered", "read"):
        assert f"Webhook whatsapp.message.status  {status}, signature verified" in said.out
    assert names_in(tmp_path) == []


async def test_the_demo_shows_the_link_and_what_comes_of_it_until_ctrl_c(tmp_path: Path) -> None:
    async with running_program("demo", folder=tmp_path, environ={"TMPDIR": str(tmp_path)}) as program:
        await program.until_prints("Waiting for the customer")
        link = LINK.search(program.output())
        assert link
        await setuplinks("walk", link[0], "--scenario", "cancel_at_phone", folder=tmp_path)
        await program.until_prints("Webhook setup_link.visit_ended  signature verified")
        walked = await setuplinks("walk", link[0], folder=tmp_path)
        assert walked.code == 0
        for line in ("Permission granted", "Registered the number", "✓ Connected", "Webhook setup_link.completed"):
            await program.until_prints(line)
        for line in ("Webhook whatsapp.message.received", "Write to the number yourself"):
            await program.until_prints(line)
        os.kill(program.pid, signal.SIGINT)
        assert await program.ended() == 0
        assert "The demo has ended." in program.output()
    assert [name for name in names_in(tmp_path) if not name.endswith(".log")] == []

"""What is answered where nobody foresaw the fault, where Meta goes away half-way, and what is for other routes."""

import logging
from pathlib import Path
from typing import Any, cast

import pytest
from starlette.types import Message, Receive, Scope, Send

from setuplinks.core.clock import SECOND, ManualClock
from setuplinks.core.db.database import Database
from setuplinks.meta.secret import Secret
from setuplinks.meta.signatures import SIGNATURE_HEADER, body_signature
from setuplinks.notifications.api import PATH, Taking
from setuplinks.notifications.handover import Handover
from tests.support.sandbox import APP_SECRET
from tests.support.service import settings_for

BODY = b'{"object":"whatsapp_business_account"}'


class Broken:
    """A database that fails as none should."""

    dialect = "sqlite"

    def transaction(self) -> None:
        """Fails."""
        raise RuntimeError("nobody foresaw this")


async def rest(_scope: Scope, _receive: Receive, send: Send) -> None:
    """The rest of the application."""
    await send({"type": "http.response.start", "status": 418, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def answered(folder: Path, *said: Message, path: str = PATH, method: str = "POST") -> tuple[int, str]:
    """Status and text for a request whose server says this."""
    handover = Handover(lambda _: False)
    handover.open(lambda: None)
    taking = Taking(
        settings_for("http://localhost:9", "http://localhost:9", folder, None),
        cast(Database, Broken()), ManualClock(SECOND), handover, rest,
    )  # fmt: skip
    signature = body_signature(Secret(APP_SECRET), BODY).encode()
    scope = {
        "type": "http",
        "path": path,
        "method": method,
        "headers": [(SIGNATURE_HEADER.lower().encode(), signature)],
    }
    told, answer = iter(said), list[Any]()

    async def receive() -> Message:
        return next(told)

    async def send(message: Message) -> None:
        answer.append(message)

    await taking(scope, receive, send)
    assert handover.in_hand == 0
    return answer[0]["status"], answer[1]["body"].decode()


async def test_a_fault_of_ours_is_told_so_that_meta_sends_it_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    answer = await answered(tmp_path, {"type": "http.request", "body": BODY})
    assert answer == (500, "a fault of the service; send it again")
    crashed, line = [one for one in caplog.records if one.name == "setuplinks.notifications"]
    assert "nobody foresaw this" in str(crashed.exc_info)
    assert (line.getMessage(), line.levelname) == ("notification.refused", "WARNING")


async def test_what_is_cut_off_is_not_stored(tmp_path: Path) -> None:
    begun = {"type": "http.request", "body": BODY[:9], "more_body": True}
    assert await answered(tmp_path, begun, {"type": "http.disconnect"}) == (400, "cut off")


@pytest.mark.parametrize(("path", "method"), [(PATH, "GET"), (f"{PATH}/more", "POST"), ("/", "POST")])
async def test_everything_else_is_for_the_rest(tmp_path: Path, path: str, method: str) -> None:
    assert (await answered(tmp_path, path=path, method=method))[0] == 418

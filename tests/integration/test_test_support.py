"""The tests' own supports do what the tests rely on."""

from datetime import UTC, datetime

import aiohttp
import pytest
from standardwebhooks import Webhook

from setuplinks.core.db.database import Database
from tests.support.inbox import Answer, Inbox, running_inbox
from tests.support.postgres import PostgresServer

SECRET = "whsec_" + "c2V0dXBsaW5rcy10ZXN0cy1zZWNyZXQtMzItYnl0ZXM="
OTHER_SECRET = "whsec_" + "YW5vdGhlci1zZWNyZXQtb2YtdGhpcnR5LXR3by1ieXQ="


async def post(inbox: Inbox, body: bytes, headers: dict[str, str]) -> int:
    async with aiohttp.ClientSession() as session, session.post(inbox.url, data=body, headers=headers) as answer:
        return answer.status


async def test_the_inbox_keeps_what_came_and_answers_as_planned() -> None:
    async with running_inbox() as inbox:
        inbox.answer_next(Answer(status=503))
        assert await post(inbox, b'{"type":"webhook.test","data":{}}', {}) == 503
        assert await post(inbox, b'{"type":"webhook.test","data":{}}', {}) == 200
        assert len(await inbox.wait_for("webhook.test", 2)) == 2


async def test_the_inbox_tells_a_right_signature_from_a_wrong_one_at_any_time() -> None:
    body = b'{"type":"webhook.test","data":{}}'
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    headers = {
        "webhook-id": "1",
        "webhook-timestamp": str(int(long_ago.timestamp())),
        "webhook-signature": "v1,AAAA " + Webhook(SECRET).sign("1", long_ago, body.decode()),
    }
    async with running_inbox() as inbox:
        await post(inbox, body, headers)
        assert inbox.received[0].signed_by(SECRET)
        assert not inbox.received[0].signed_by(OTHER_SECRET)


def test_each_database_of_the_server_is_its_own(postgres_server: PostgresServer) -> None:
    first, second = postgres_server.create_database(), postgres_server.create_database()
    assert first != second
    postgres_server.drop_database(first)
    postgres_server.drop_database(second)


async def test_nothing_but_loopback_can_be_reached() -> None:
    async with aiohttp.ClientSession() as session:
        for address in ("http://192.0.2.1/", "http://example.com/"):
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.get(address)


async def test_each_test_has_a_migrated_database_of_its_own(db: Database, database_dialect: str) -> None:
    assert db.dialect == database_dialect
    row = await db.one("SELECT count(*) AS n FROM tenant")
    assert row is not None
    assert row["n"] == 0

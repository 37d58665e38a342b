"""Notifications that are taken together: told in one go, each once, and an odd one among them harms no other."""

from typing import Any

import pytest

from setuplinks.core.db.database import Database
from tests.integration.notifications.conftest import Connected
from tests.support import notices

COUNT = 70  # more than one unit takes
REFUSE = {
    "sqlite": (
        "CREATE TRIGGER poison BEFORE INSERT ON message_payload "
        "WHEN instr(NEW.body, CAST('poison' AS BLOB)) > 0 BEGIN SELECT RAISE(ABORT, 'not this one'); END"
    ),
    "postgres": (
        "ALTER TABLE message_payload ADD CONSTRAINT poison CHECK (position('poison' IN encode(body, 'escape')) = 0)"
    ),
}
TOLD_TOGETHER = "notification.handled"


def message(connected: Connected, number: int, text: str = "hola") -> dict[str, Any]:
    """A message of its own."""
    told = connected.sample("messages_text")
    [item] = told["entry"][0]["changes"][0]["value"]["messages"]
    item["id"], item["text"]["body"] = f"wamid.{number:04}", text
    return told


def told_ids(connected: Connected) -> list[str]:
    """The messages that reached the tenant, by Meta's ids, in the order of their events."""
    events = connected.inbox.of_type("whatsapp.message.received")
    return [event.data["message"]["id"] for event in sorted(events, key=lambda event: event.headers["webhook-id"])]


def lines(caplog: pytest.LogCaptureFixture, name: str) -> list[dict[str, Any]]:
    """The fields of an act's lines in the log."""
    return [record.__dict__["fields"] for record in caplog.records if record.message == name]


async def bodies(db: Database) -> set[bytes]:
    """What is left of the stored notifications."""
    return {bytes(row["body"]) for row in await db.read("SELECT body FROM notification")}


async def test_many_are_told_in_their_order_and_end_with_their_events(
    connected: Connected, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "setuplinks")
    for number in range(COUNT):
        assert await notices.post(connected.service.url, notices.body_of(message(connected, number))) == 200
    await connected.service.drain()
    assert told_ids(connected) == [f"wamid.{number:04}" for number in range(COUNT)]
    assert await connected.states() == [("handled", 1)] * COUNT
    assert await bodies(connected.service.db) == {b""}
    together = lines(caplog, TOLD_TOGETHER)
    assert sum(line["told"] for line in together) == sum(len(line["notifications"]) for line in together) == COUNT
    assert len(together) < COUNT / 10


async def test_one_that_the_database_refuses_harms_no_other_and_is_tried_again(
    connected: Connected, caplog: pytest.LogCaptureFixture
) -> None:
    db = connected.service.db
    await db.bulk(REFUSE[db.dialect])
    caplog.set_level("INFO", "setuplinks")
    told = await connected.tell(*(message(connected, n, "poison" if n == 4 else "hola") for n in range(9)))
    assert len(told) == 8
    assert told_ids(connected) == [f"wamid.{number:04}" for number in range(9) if number != 4]
    assert await connected.states() == [("stored", 1) if number == 4 else ("handled", 1) for number in range(9)]
    assert [line["notifications"] for line in lines(caplog, "notification.refused_together")] == [9]
    assert "poison" not in str(lines(caplog, "notification.failing"))


async def test_repeats_among_many_are_told_once(connected: Connected) -> None:
    """Known from before, or twice in the round, in bodies that differ: the others are told all the same."""
    assert len(await connected.tell(message(connected, 1), message(connected, 2))) == 2
    again = [message(connected, number, "otra vez") for number in (2, 3, 3, 4)]
    again[2]["entry"][0]["changes"][0]["value"]["contacts"][0]["profile"]["name"] = "another body"
    assert len(await connected.tell(*again)) == 2
    assert sorted(told_ids(connected)) == [f"wamid.{number:04}" for number in (1, 2, 3, 4)]
    assert await connected.states() == [("handled", 1)] * 6


async def test_what_is_odd_among_many_is_handled_for_itself(connected: Connected) -> None:
    strangers = connected.sample("messages_text", number="999", waba="888")
    told = await connected.tell(
        message(connected, 1), strangers, "history_chunk", "message_template_status_update", "messages_errors",
        "account_update_partner_added", message(connected, 2),
    )  # fmt: skip
    assert sorted(event.type for event in told) == [
        "whatsapp.history", "whatsapp.message.received", "whatsapp.message.received", "whatsapp.notification",
        "whatsapp.template.updated",
    ]  # fmt: skip
    assert sorted(await connected.states()) == [("handled", 1)] * 6 + [("unrouted", 1)]


async def test_what_a_killed_process_had_taken_is_told_by_the_next(connected: Connected) -> None:
    """Its lease is over, and part of what it had taken was told before it was killed."""
    first = [message(connected, number) for number in range(6)]
    assert len(await connected.tell(*first[:3])) == 3
    for one in first[3:]:
        assert await notices.post(connected.service.url, notices.body_of(one)) == 200
    connected.service.parts.handover.take(3)  # what was in the memory of the killed process is gone
    db = connected.service.db
    await db.bulk("UPDATE notification SET status = 'stored', due_at = received_at, lease_until = 1, tries = 1")
    for row, one in zip(await db.read("SELECT id FROM notification ORDER BY id"), first, strict=True):
        await db.bulk("UPDATE notification SET body = $2 WHERE id = $1", row["id"], notices.body_of(one))
    assert len(await connected.tell()) == 3
    assert told_ids(connected) == [f"wamid.{number:04}" for number in range(6)]
    assert await connected.states() == [("handled", 2)] * 6

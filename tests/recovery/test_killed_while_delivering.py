"""kill -9 in the middle of deliveries: each arrives again with the same id and body, and is recorded once."""

import asyncio
from collections import Counter

from tests.recovery.mortal import Mortal
from tests.support.inbox import Answer, Inbox

TEST = "webhook.test"
SENT = 3
FREE = (
    "UPDATE delivery SET lease_until = 0, due_at = 1 WHERE status = 'pending'",
    "UPDATE endpoint_state SET next_due = 1",
)


async def _sent(mortal: Mortal, inbox: Inbox) -> tuple[str, asyncio.Event]:
    """Webhooks that the receiver has read and does not answer until the event is set; the endpoint's secret."""
    assert mortal.api is not None
    endpoint = await mortal.api.made(f"/admin/tenants/{mortal.tenant}/webhook-endpoints", {"url": inbox.url})
    answered = asyncio.Event()
    inbox.otherwise = Answer(hold=answered)
    for _ in range(SENT):
        await mortal.api.made(f"/admin/webhook-endpoints/{endpoint['id']}/test")
    await inbox.wait_for(TEST, SENT)
    return str(endpoint["secret"]), answered


async def _delivered(mortal: Mortal) -> bool:
    rows = await mortal.rows("SELECT status FROM delivery")
    return {row["status"] for row in rows} == {"delivered"}


async def test_what_was_under_way_arrives_again_with_the_same_id_and_body(mortal: Mortal, inbox: Inbox) -> None:
    secret, answered = await _sent(mortal, inbox)
    mortal.kill()
    inbox.otherwise = Answer()
    answered.set()
    rows = await mortal.rows("SELECT status, attempts, lease_until FROM delivery")
    assert [(row["status"], row["attempts"], row["lease_until"] is None) for row in rows] == [
        ("pending", 1, False)
    ] * SENT
    if mortal.database_url is not None:  # a file's next server frees the leases by itself; here 30 s pass
        for sql in FREE:
            await mortal.write(sql)
    await mortal.start()
    arrived = await inbox.wait_for(TEST, 2 * SENT)
    await mortal.until(lambda: _delivered(mortal))
    times = Counter(one.headers["webhook-id"] for one in arrived)
    assert list(times.values()) == [2] * SENT
    assert len({(one.headers["webhook-id"], one.body) for one in arrived}) == SENT
    assert all(one.signed_by(secret) for one in arrived)
    tries = await mortal.rows("SELECT number, http_status FROM attempt")
    assert [(row["number"], row["http_status"]) for row in tries] == [(2, 200)] * SENT
    assert len(inbox.received) == 2 * SENT


async def test_a_process_that_is_asked_to_end_waits_for_its_answers_and_records_them(
    mortal: Mortal, inbox: Inbox
) -> None:
    assert mortal.program is not None
    _, answered = await _sent(mortal, inbox)
    ending = asyncio.create_task(mortal.program.stop())
    await mortal.program.until_prints("serve.stopping")
    answered.set()
    assert await ending == 0
    rows = await mortal.rows(
        "SELECT d.status, d.lease_until, a.number FROM delivery d JOIN attempt a ON a.delivery_id = d.id"
    )
    assert [tuple(row.values()) for row in rows] == [("delivered", None, 1)] * SENT
    assert len(inbox.received) == SENT

"""What a tenant may ask of an endpoint beyond the plain: replay, ed25519 signatures, a challenge, a narrowed log."""

import base64
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from starlette.requests import Request
from starlette.responses import Response

from setuplinks.core.clock import DAY, HOUR, MINUTE
from setuplinks.core.wire import instant
from tests.integration.webhooks.room import Room
from tests.integration.webhooks.test_endpoints import fields_of
from tests.support.inbox import Answer, Inbox, Received
from tests.support.loopback import bound_socket, port_of, serving

TYPE = "whatsapp.message.received"


def checks(came: Received, public_key: str) -> bool:
    """Whether one of the `v1a` signatures is good, by the public key alone."""
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key.removeprefix("whpk_")))
    content = f"{came.headers['webhook-id']}.{came.headers['webhook-timestamp']}.".encode() + came.body
    for part in came.headers["webhook-signature"].split(" "):
        version, _, encoded = part.partition(",")
        if version == "v1a":
            with contextlib.suppress(InvalidSignature):
                key.verify(base64.b64decode(encoded), content)
                return True
    return False


# -- replay ----------------------------------------------------------------------------------------------------------
async def test_a_range_is_played_again_by_time_and_type_with_the_same_ids(room: Room, inbox: Inbox) -> None:
    made = await room.endpoint(inbox.url)
    ids = []
    for event_type in ("setup_link.created", "setup_link.opened", TYPE, "setup_link.completed"):
        ids.append(await room.emit(event_type))
        room.clock.advance(HOUR)
    await room.drain()
    inbox.received.clear()
    start = room.clock.now() - 4 * HOUR
    path = f"/admin/webhook-endpoints/{made['id']}/replay"
    asked = {"since": instant(start + HOUR), "until": instant(start + 3 * HOUR), "eventTypes": ["setup_link.*"]}
    answer = await room.call("POST", path, asked)
    assert (answer.status_code, answer.json()) == (202, {"again": 1, "missed": 0})
    await room.drain()
    assert [one.headers["webhook-id"] for one in inbox.received] == [ids[1]]
    inbox.received.clear()
    assert (await room.call("POST", path, {"since": instant(start)})).json()["again"] == 4
    await room.drain()
    assert sorted(one.headers["webhook-id"] for one in inbox.received) == sorted(ids)
    actions = [row["action"] for row in await room.db.read("SELECT action FROM audit")]
    assert actions.count("webhook_endpoint.replayed") == 2


async def test_a_replay_brings_an_endpoint_what_was_before_it_and_leaves_what_waits(room: Room, inbox: Inbox) -> None:
    before = await room.emit("setup_link.created")
    room.clock.advance(MINUTE)
    made = await room.endpoint(inbox.url)
    inbox.answer_next(Answer(500))
    await room.emit("setup_link.opened")
    await room.drain()
    path = f"/admin/webhook-endpoints/{made['id']}/replay"
    answer = await room.call(
        "POST", path, {"since": instant(room.clock.now() - HOUR), "until": instant(room.clock.now() + MINUTE)}
    )
    assert answer.json() == {"again": 0, "missed": 1}
    await room.drain()
    assert inbox.received[-1].headers["webhook-id"] == before


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"since": "2099-01-01T00:00:00Z"}, "since"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-05-18T11:00:00Z", "until": "2026-05-18T10:00:00Z"}, "until"),
        ({"since": "2026-05-18T11:00:00Z", "eventTypes": ["nothing.*"]}, "eventTypes"),
        ({"since": "2026-05-18T11:00:00Z", "eventTypes": []}, "eventTypes"),
    ],
)
async def test_a_range_that_is_none_is_named(room: Room, inbox: Inbox, *, asked: dict[str, Any], field: str) -> None:
    made = await room.endpoint(inbox.url)
    answer = await room.call("POST", f"/admin/webhook-endpoints/{made['id']}/replay", asked)
    assert (answer.status_code, fields_of(answer)) == (422, {field})


# -- ed25519 ---------------------------------------------------------------------------------------------------------
async def test_the_public_key_checks_what_arrives_and_a_rotation_overlaps(room: Room, inbox: Inbox) -> None:
    made = await room.endpoint(inbox.url, asymmetric=True)
    path = f"/admin/webhook-endpoints/{made['id']}"
    assert made["publicKey"].startswith("whpk_")
    await room.emit()
    await room.drain()
    assert checks(inbox.received[-1], made["publicKey"])
    assert inbox.received[-1].signed_by(made["secret"]), "v1 stands beside it"
    rotated = (await room.call("POST", f"{path}/rotate-secret")).json()
    assert rotated["publicKey"] != made["publicKey"]
    await room.emit()
    await room.drain()
    assert [checks(inbox.received[-1], key) for key in (made["publicKey"], rotated["publicKey"])] == [True, True]
    room.clock.advance(DAY + MINUTE)
    await room.emit()
    await room.drain()
    assert [checks(inbox.received[-1], key) for key in (made["publicKey"], rotated["publicKey"])] == [False, True]


async def test_it_is_turned_on_and_off_by_a_patch_and_never_shown_in_private(room: Room, inbox: Inbox) -> None:
    made = await room.endpoint(inbox.url)
    path = f"/admin/webhook-endpoints/{made['id']}"
    assert made["publicKey"] is None
    turned_on = (await room.call("PATCH", path, {"asymmetric": True})).json()
    renamed = (await room.call("PATCH", path, {"description": "x"})).json()
    assert turned_on["publicKey"] == renamed["publicKey"] == (await room.call("GET", path)).json()["publicKey"]
    [row] = await room.db.read("SELECT signing_key FROM webhook_endpoint")
    assert len(row["signing_key"]) > 32, "sealed"
    assert (await room.call("PATCH", path, {"asymmetric": False})).json()["publicKey"] is None
    await room.emit()
    await room.drain()
    assert "v1a," not in inbox.received[-1].headers["webhook-signature"]


# -- the challenge ---------------------------------------------------------------------------------------------------
@contextlib.asynccontextmanager
async def echoing() -> AsyncIterator[str]:
    """A receiver that answers a challenge; its URL."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            told = await Request(scope, receive).json()
            await Response(told["data"].get("challenge", ""), 200)(scope, receive, send)

    with bound_socket() as place:
        async with serving(app, place):
            yield f"http://127.0.0.1:{port_of(place)}/"


async def test_an_endpoint_that_answers_the_challenge_is_made(room: Room) -> None:
    async with echoing() as url:
        made = await room.endpoint(url, verify=True)
    assert made["status"] == "enabled"


@pytest.mark.parametrize(("answer", "words"), [(Answer(200, body=b"ok"), "data.challenge"), (Answer(404), "404")])
async def test_one_that_does_not_is_refused_with_url_named(
    room: Room, inbox: Inbox, *, answer: Answer, words: str
) -> None:
    inbox.otherwise = answer
    path = f"/admin/tenants/{room.tenant_id}/webhook-endpoints"
    refused = await room.call("POST", path, {"url": inbox.url, "verify": True})
    assert (refused.status_code, fields_of(refused)) == (422, {"url"})
    assert words in refused.text
    assert [one.type for one in inbox.received] == ["webhook.challenge"]
    [row] = await room.db.read("SELECT count(*) AS n FROM webhook_endpoint")
    assert row["n"] == 0


# -- the log ---------------------------------------------------------------------------------------------------------
async def test_the_log_is_narrowed_by_time_customer_and_endpoint(room: Room, inbox: Inbox) -> None:
    customer = (await room.call("POST", f"/admin/tenants/{room.tenant_id}/customers", {"name": "Clínica"})).json()["id"]
    one, two = await room.endpoint(inbox.url), await room.endpoint(inbox.url, eventTypes=["setup_link.opened"])
    start = room.clock.now()
    first = await room.emit("setup_link.created")
    room.clock.advance(HOUR)
    second = await room.emit("setup_link.opened", customer_id=customer)
    await room.drain()

    async def events(query: str) -> list[str]:
        answer = await room.call("GET", f"/admin/tenants/{room.tenant_id}/deliveries{query}")
        assert answer.status_code == 200, answer.text
        return [delivery["eventId"] for delivery in answer.json()["data"]]

    assert await events("") == [second, second, first]
    assert await events(f"?endpointId={two['id']}") == [second]
    assert await events(f"?customerId={customer}&endpointId={one['id']}") == [second]
    assert await events(f"?until={instant(start + MINUTE)}") == [first]
    assert await events(f"?since={instant(start + MINUTE)}") == [second, second]
    assert await events("?status=failed") == []
    assert [delivery["eventId"] for delivery in await room.deliveries(one, f"?since={instant(start + MINUTE)}")] == [
        second
    ]
    refused = await room.call("GET", f"/admin/tenants/{room.tenant_id}/deliveries?since=soon")
    assert (refused.status_code, fields_of(refused)) == (422, {"since"})


async def test_the_whole_log_is_paged_without_a_gap_or_a_repeat(room: Room, inbox: Inbox) -> None:
    await room.endpoint(inbox.url)
    sent = [await room.emit() for _ in range(7)]
    path, after, seen = f"/admin/tenants/{room.tenant_id}/deliveries?limit=3", "", []
    while after is not None:
        page = (await room.call("GET", path + (f"&after={after}" if after else ""))).json()
        seen += [delivery["eventId"] for delivery in page["data"]]
        after = page["nextCursor"]
    assert seen == sent[::-1]


async def test_recover_does_not_wait_for_the_next_try_of_what_is_being_retried(room: Room, inbox: Inbox) -> None:
    made = await room.endpoint(inbox.url)
    inbox.answer_next(Answer(500))
    event = await room.emit()
    await room.drain()
    assert [one["status"] for one in await room.deliveries(made)] == ["pending"]
    path = f"/admin/webhook-endpoints/{made['id']}/recover"
    answer = await room.call("POST", path, {"since": "2026-05-18T12:00:00Z"})
    assert answer.json() == {"failedAgain": 1, "missed": 0}
    await room.drain()
    assert [one.headers["webhook-id"] for one in inbox.received] == [event, event]

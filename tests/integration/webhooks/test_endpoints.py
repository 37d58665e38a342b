"""The routes of endpoints, deliveries and events, as a tenant calls them."""

import asyncio
from typing import Any

import pytest

from setuplinks.core.clock import DAY, HOUR, MINUTE, SECOND
from tests.integration.webhooks.room import LINK_ID, Room
from tests.support.inbox import Answer, Inbox

NOBODY = 999_999


def fields_of(answer: Any) -> set[str]:
    """The fields that a problem names."""
    return {error["field"] for error in answer.json().get("errors", [])}


async def test_a_created_endpoint_answers_flat_with_its_secret(room: Room, inbox: Inbox) -> None:
    made = await room.endpoint(inbox.url, eventTypes=["setup_link.*"], description="CRM")
    assert made["secret"].startswith("whsec_")
    assert (made["url"], made["eventTypes"], made["status"], made["format"]) == (
        inbox.url, ["setup_link.*"], "enabled", "events",
    )  # fmt: skip
    assert made["warnings"] == []
    got = (await room.call("GET", f"/admin/webhook-endpoints/{made['id']}")).json()
    assert got == made
    [listed] = (await room.call("GET", f"/admin/tenants/{room.tenant_id}/webhook-endpoints")).json()["data"]
    assert (listed["id"], listed["secret"]) == (made["id"], None)


async def test_snake_case_is_taken_as_well(room: Room, inbox: Inbox) -> None:
    made = await room.endpoint(inbox.url, event_types=["webhook.test"], rate_limit=5)
    assert (made["eventTypes"], made["rateLimit"]) == (["webhook.test"], 5)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/", "https://10.0.0.1/", "https://0x7f.1/", "https://2130706433/", "https://[::1]/",
        "https://169.254.169.254/latest", "https://127.1/", "https://intranet/", "https://a.local/",
        "https://a.localdomain/", "https://a.localhost/", "https://a.internal/", "https://db.default.svc/",
        "https://user:pw@hooks.example.com/", "ftp://hooks.example.com/", "javascript:alert(1)", "hooks", "",
        "https://hooks.example.com:22/", "https://[fd00::1]/", "https://[64:ff9b::a00:1]/", "https://192.168.0.1./",
    ],
)  # fmt: skip
async def test_a_url_that_must_not_be_called_is_a_422_that_names_url(room: Room, url: str) -> None:
    answer = await room.call("POST", f"/admin/tenants/{room.tenant_id}/webhook-endpoints", {"url": url})
    assert (answer.status_code, fields_of(answer)) == (422, {"url"})
    [row] = await room.db.read("SELECT count(*) AS n FROM webhook_endpoint")
    assert row["n"] == 0


async def test_a_name_that_does_not_resolve_is_taken_with_a_warning_and_judged_at_send(room: Room) -> None:
    made = await room.endpoint("https://hooks.example.com/in")
    assert "does not resolve" in made["warnings"][0]
    await room.emit()
    await room.drain()
    delivery = await room.the_delivery(made)
    assert (delivery["status"], delivery["lastError"]) == ("pending", "name does not resolve")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"eventTypes": ["setup_link.done"]}, "eventTypes"),
        ({"eventTypes": ["nothing.*"]}, "eventTypes"),
        ({"eventTypes": []}, "eventTypes"),
        ({"eventTypes": "all"}, "eventTypes"),
        ({"customerId": NOBODY}, "customerId"),
        ({"phoneNumberId": str(NOBODY)}, "phoneNumberId"),
        ({"format": "xml"}, "format"),
        ({"rateLimit": 0}, "rateLimit"),
        ({"headers": {"Webhook-Id": "x"}}, "headers"),
        ({"headers": {"Host": "x"}}, "headers"),
        ({"headers": {"X-A": "a\r\nB: c"}}, "headers"),
        ({"headers": {"X A": "a"}}, "headers"),
        ({"secret": "mine"}, "secret"),
        ({"description": "x\0"}, "description"),
    ],
)
async def test_a_field_that_is_not_valid_is_named_on_create_and_on_patch(
    room: Room, inbox: Inbox, *, change: dict[str, Any], field: str
) -> None:
    path = f"/admin/tenants/{room.tenant_id}/webhook-endpoints"
    answer = await room.call("POST", path, {"url": inbox.url, **change})
    assert (answer.status_code, fields_of(answer)) == (422, {field})
    made = await room.endpoint(inbox.url)
    answer = await room.call("PATCH", f"/admin/webhook-endpoints/{made['id']}", change)
    assert (answer.status_code, fields_of(answer)) == (422, {field})


async def test_a_patch_changes_what_it_names_and_leaves_the_rest(room: Room, inbox: Inbox) -> None:
    made = await room.endpoint(inbox.url, eventTypes=["setup_link.*"], headers={"X-Key": "k"}, rateLimit=7)
    path = f"/admin/webhook-endpoints/{made['id']}"
    changed = (await room.call("PATCH", path, {"eventTypes": None, "description": "all"})).json()
    assert (changed["eventTypes"], changed["description"]) == (None, "all")
    assert (changed["headers"], changed["rateLimit"], changed["secret"]) == ({"X-Key": "k"}, 7, made["secret"])
    assert (await room.call("GET", path)).json() == changed
    [row] = await room.db.read("SELECT headers FROM webhook_endpoint")
    assert "X-Key" not in row["headers"]


async def test_a_disabled_endpoint_gets_nothing_until_it_is_enabled_and_then_what_waited(
    room: Room, inbox: Inbox
) -> None:
    made = await room.endpoint(inbox.url)
    path = f"/admin/webhook-endpoints/{made['id']}"
    waiting = await room.emit()
    off = (await room.call("PATCH", path, {"status": "disabled"})).json()
    assert (off["status"], off["disabledReason"]) == ("disabled", "by_request")
    missed = await room.emit()
    assert await room.drain() == 0
    assert (await room.call("POST", f"{path}/test")).json()["code"] == "endpoint_disabled"
    on = (await room.call("POST", f"{path}/enable")).json()
    assert (on["status"], on["disabledReason"]) == ("enabled", None)
    assert await room.drain() == 1
    assert inbox.received[0].headers["webhook-id"] == waiting
    answer = await room.call("POST", f"{path}/recover", {"since": "2026-05-18T12:00:00Z"})
    assert (answer.status_code, answer.json()) == (202, {"failedAgain": 0, "missed": 1})
    assert await room.drain() == 1
    assert inbox.received[1].headers["webhook-id"] == missed
    again = await room.call("POST", f"{path}/recover", {"since": "2026-05-18T12:00:00Z"})
    assert again.json() == {"failedAgain": 0, "missed": 0}


async def test_recoveries_at_the_same_moment_send_what_was_missed_once(room: Room, inbox: Inbox) -> None:
    made = await room.endpoint(inbox.url)
    path = f"/admin/webhook-endpoints/{made['id']}"
    await room.call("PATCH", path, {"status": "disabled"})
    missed = {await room.emit() for _ in range(3)}
    await room.call("POST", f"{path}/enable")
    since = {"since": "2026-05-18T12:00:00Z"}
    answers = await asyncio.gather(*(room.call("POST", f"{path}/recover", since) for _ in range(6)))
    told = [answer.json() for answer in answers]
    assert sum(one["missed"] for one in told if "missed" in one) == 3
    assert {one["code"] for one in told if "code" in one} <= {"endpoint_busy"}
    await room.drain()
    assert sorted(one.headers["webhook-id"] for one in inbox.received) == sorted(missed)


async def test_recover_sends_again_what_failed_since_and_not_what_failed_before(room: Room, inbox: Inbox) -> None:
    made = await room.endpoint(inbox.url)
    await room.db.bulk("UPDATE webhook_endpoint SET url = $1, version = version + 1", "http://10.0.0.1/")
    await room.emit()
    await room.drain()
    room.clock.advance(HOUR)
    late = await room.emit()
    await room.drain()
    assert {one["status"] for one in await room.deliveries(made)} == {"failed"}
    await room.db.bulk("UPDATE webhook_endpoint SET url = $1, version = version + 1", inbox.url)
    path = f"/admin/webhook-endpoints/{made['id']}/recover"
    answer = await room.call("POST", path, {"since": "2026-05-18T12:30:00Z"})
    assert answer.json() == {"failedAgain": 1, "missed": 0}
    await room.drain()
    assert [one.headers["webhook-id"] for one in inbox.received] == [late]
    future = await room.call("POST", path, {"since": "2027-01-01T00:00:00Z"})
    assert (future.status_code, fields_of(future)) == (422, {"since"})
    nothing = await room.call("POST", path, {})
    assert (nothing.status_code, fields_of(nothing)) == (422, {"since"})


async def test_after_a_rotation_both_secrets_sign_for_a_day(room: Room, inbox: Inbox) -> None:
    made = await room.endpoint(inbox.url)
    path = f"/admin/webhook-endpoints/{made['id']}"
    rotated = (await room.call("POST", f"{path}/rotate-secret")).json()
    assert rotated["secret"] != made["secret"]
    assert rotated["previousSecretExpiresAt"] == "2026-05-19T12:00:00Z"
    await room.emit()
    await room.drain()
    room.clock.advance(DAY)
    await room.emit()
    await room.drain()
    within, after = inbox.received
    assert within.signed_by(made["secret"])
    assert within.signed_by(rotated["secret"])
    assert after.signed_by(rotated["secret"])
    assert not after.signed_by(made["secret"])


async def test_a_test_event_reaches_the_endpoint_whatever_its_filters(room: Room, inbox: Inbox) -> None:
    made = await room.endpoint(inbox.url, eventTypes=["setup_link.completed"])
    await room.endpoint(inbox.url)
    sent = await room.call("POST", f"/admin/webhook-endpoints/{made['id']}/test")
    assert sent.status_code == 202
    assert await room.drain() == 1
    [came] = inbox.received
    assert (came.type, came.headers["webhook-id"]) == ("webhook.test", sent.json()["eventId"])
    assert (await room.delivery(sent.json()["deliveryId"]))["status"] == "delivered"


async def test_a_delivery_is_sent_again_with_the_same_id_and_a_ladder_of_its_own(room: Room, inbox: Inbox) -> None:
    made = await room.endpoint(inbox.url)
    event_id = await room.emit()
    await room.drain()
    delivery = await room.the_delivery(made)
    inbox.answer_next(Answer(500))
    again = await room.call("POST", f"/admin/deliveries/{delivery['id']}/redeliver")
    assert (again.status_code, again.json()["status"]) == (202, "pending")
    assert await room.drain() == 1
    assert (await room.the_delivery(made))["nextAttemptAt"] == "2026-05-18T12:00:05Z"
    room.clock.advance(5 * SECOND)
    assert await room.drain() == 1
    assert [one.headers["webhook-id"] for one in inbox.received] == [event_id] * 3
    delivery = await room.the_delivery(made)
    assert (delivery["status"], delivery["attemptCount"]) == ("delivered", 3)
    await room.db.bulk("DELETE FROM event_payload")
    gone = await room.call("POST", f"/admin/deliveries/{delivery['id']}/redeliver")
    assert (gone.status_code, gone.json()["code"]) == (409, "payload_erased")


async def test_the_delivery_log_is_paged_newest_first_and_filtered(room: Room, inbox: Inbox) -> None:
    made = await room.endpoint(inbox.url)
    for event_type in ("setup_link.created", "setup_link.opened", "setup_link.created"):
        await room.emit(event_type)
        await room.drain()
        room.clock.advance(MINUTE)
    inbox.answer_next(Answer(410))
    await room.emit("setup_link.failed")
    await room.drain()
    path = f"/admin/webhook-endpoints/{made['id']}/deliveries"
    first = (await room.call("GET", f"{path}?limit=3")).json()
    rest = (await room.call("GET", f"{path}?limit=3&after={first['nextCursor']}")).json()
    assert [one["eventType"] for one in first["data"] + rest["data"]] == [
        "setup_link.failed", "setup_link.created", "setup_link.opened", "setup_link.created",
    ]  # fmt: skip
    assert rest["nextCursor"] is None
    assert len(await room.deliveries(made, "?type=setup_link.created")) == 2
    assert [one["eventType"] for one in await room.deliveries(made, "?status=failed")] == ["setup_link.failed"]
    assert fields_of(await room.call("GET", f"{path}?status=lost")) == {"status"}


async def test_a_deleted_endpoint_is_gone_and_what_waited_for_it_is_not_sent(room: Room, inbox: Inbox) -> None:
    made = await room.endpoint(inbox.url)
    await room.emit()
    [waiting] = await room.deliveries(made)
    path = f"/admin/webhook-endpoints/{made['id']}"
    assert (await room.call("DELETE", path)).status_code == 204
    assert (await room.call("GET", path)).status_code == 404
    assert (await room.call("GET", f"{path}/deliveries")).status_code == 404
    assert (await room.call("DELETE", path)).status_code == 404
    assert await room.drain() == 1
    delivery = await room.delivery(waiting["id"])
    assert (delivery["status"], delivery["lastError"], inbox.received) == ("failed", "endpoint deleted", [])
    assert (await room.state(made))["next_due"] is None
    [row] = await room.db.read("SELECT secret FROM webhook_endpoint")
    assert bytes(row["secret"]) == b""


async def test_another_tenants_key_sees_nothing_of_it(room: Room, inbox: Inbox) -> None:
    made = await room.endpoint(inbox.url)
    await room.emit()
    [delivery] = await room.deliveries(made)
    other = await room.api.tenant("Other")
    key = (await room.api.key_of(other["id"]))["key"]
    one = f"/admin/webhook-endpoints/{made['id']}"
    calls = [
        ("GET", one, None), ("PATCH", one, {"description": "x"}), ("DELETE", one, None), ("POST", f"{one}/test", None),
        ("POST", f"{one}/rotate-secret", None), ("POST", f"{one}/enable", None),
        ("POST", f"{one}/recover", {"since": "2026-05-18T12:00:00Z"}), ("GET", f"{one}/deliveries", None),
        ("GET", f"/admin/deliveries/{delivery['id']}", None),
        ("POST", f"/admin/deliveries/{delivery['id']}/redeliver", None),
        ("GET", f"/admin/tenants/{room.tenant_id}/events", None),
        ("POST", f"/admin/tenants/{room.tenant_id}/webhook-endpoints", {"url": inbox.url}),
    ]  # fmt: skip
    for method, path, body in calls:
        answer = await room.call(method, path, body, key=key)
        assert (answer.status_code, path) == (404, path)


async def test_a_reading_key_sees_no_secret_and_changes_nothing(room: Room, inbox: Inbox) -> None:
    made = await room.endpoint(inbox.url, headers={"Authorization": "Bearer theirs"})
    key = (await room.api.key_of(room.tenant_id, scopes=["read"]))["key"]
    got = (await room.call("GET", f"/admin/webhook-endpoints/{made['id']}", key=key)).json()
    assert (got["secret"], got["headers"]) == (None, None)
    assert (await room.call("POST", f"/admin/webhook-endpoints/{made['id']}/test", key=key)).status_code == 403


async def test_the_same_create_twice_makes_one_endpoint(room: Room, inbox: Inbox) -> None:
    path = f"/admin/tenants/{room.tenant_id}/webhook-endpoints"
    answers = [await room.call("POST", path, {"url": inbox.url}, headers={"Idempotency-Key": "one"}) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    [row] = await room.db.read("SELECT count(*) AS n FROM webhook_endpoint")
    assert row["n"] == 1


async def test_changes_leave_audit_rows_without_secrets(room: Room, inbox: Inbox) -> None:
    made = await room.endpoint(inbox.url)
    path = f"/admin/webhook-endpoints/{made['id']}"
    await room.call("PATCH", path, {"description": "x"})
    await room.call("POST", f"{path}/rotate-secret")
    await room.call("DELETE", path)
    rows = await room.db.read("SELECT action, detail FROM audit WHERE object_kind = 'webhook_endpoint' ORDER BY id")
    assert [row["action"].partition(".")[2] for row in rows] == ["created", "updated", "secret_rotated", "deleted"]
    assert not any("whsec_" in row["detail"] for row in rows)


async def test_events_can_be_polled_oldest_first_without_missing_one(room: Room) -> None:
    path, after, seen = f"/admin/tenants/{room.tenant_id}/events", "", []
    emitted = []
    for turn in range(4):
        emitted.append(await room.emit("setup_link.created", secret=turn == 1))
        page = (await room.call("GET", f"{path}?order=oldest&limit=2{after}")).json()
        after = f"&after={page['nextCursor']}"
        seen += [one["id"] for one in page["data"]]
        room.clock.advance(3 * SECOND)
    assert seen == emitted[:2], "what was made in the last five seconds is not shown yet"
    room.clock.advance(5 * SECOND)
    page = (await room.call("GET", f"{path}?order=oldest{after}")).json()
    assert seen + [one["id"] for one in page["data"]] == emitted
    newest = (await room.call("GET", f"{path}?limit=3")).json()
    assert [one["id"] for one in newest["data"]] == emitted[:0:-1]
    assert newest["data"][2]["data"]["tenant_id"] == room.tenant_id, "the sealed one is open for its tenant"


async def test_an_event_whose_payload_is_erased_is_listed_without_data(room: Room) -> None:
    await room.emit(link_id=LINK_ID)
    await room.db.bulk("DELETE FROM event_payload")
    [one] = (await room.call("GET", f"/admin/tenants/{room.tenant_id}/events?type=setup_link.created")).json()["data"]
    assert (one["type"], one["data"], one["setupLinkId"]) == (
        "setup_link.created", None, LINK_ID,
    )  # fmt: skip


async def test_every_route_is_in_the_openapi_document_with_its_models(room: Room) -> None:
    document = (await room.api.call("GET", "/openapi.json")).json()
    wanted = {
        "/admin/tenants/{tenantId}/webhook-endpoints": {"get", "post"},
        "/admin/webhook-endpoints/{endpointId}": {"get", "patch", "delete"},
        "/admin/webhook-endpoints/{endpointId}/rotate-secret": {"post"},
        "/admin/webhook-endpoints/{endpointId}/test": {"post"},
        "/admin/webhook-endpoints/{endpointId}/enable": {"post"},
        "/admin/webhook-endpoints/{endpointId}/recover": {"post"},
        "/admin/webhook-endpoints/{endpointId}/deliveries": {"get"},
        "/admin/deliveries/{deliveryId}": {"get"},
        "/admin/deliveries/{deliveryId}/redeliver": {"post"},
        "/admin/tenants/{tenantId}/events": {"get"},
    }
    for path, methods in wanted.items():
        declared = document["paths"][path]
        assert methods <= set(declared), path
        for method in methods - {"delete"}:
            success = next(answer for code, answer in declared[method]["responses"].items() if code.startswith("2"))
            assert success["content"]["application/json"]["schema"]
    assert "secret" in document["components"]["schemas"]["WebhookEndpointView"]["properties"]

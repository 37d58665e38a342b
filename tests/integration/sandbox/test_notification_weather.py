"""How notifications travel where the settings ask for it: in batches, turned round, twice, and tried for days."""

import asyncio
from typing import Any

import pytest

from tests.integration.sandbox.calls import Meta
from tests.integration.sandbox.hearing import hearing

ACCOUNT = "PARTNER_REMOVED"


async def until_tried(meta: Meta, times: int) -> dict[str, Any]:
    """The newest notification, once it was tried so often."""
    async with asyncio.timeout(60):
        while True:
            rows = (await meta.ask("GET", "/sandbox/notifications")).json["data"]
            if rows and len(rows[0]["results"]) >= times:
                found: dict[str, Any] = rows[0]
                return found
            await asyncio.sleep(0.01)


def tell(meta: Meta, *names: str) -> None:
    """So many changes in one moment: nothing is sent between them, however short the time in which they gather."""
    for name in names:
        meta.world.notify("account_update", name, {"event": "X"})


async def test_changes_are_gathered_into_one_post() -> None:
    async with hearing() as (heard, meta):
        await meta.ask("PUT", "/sandbox/settings", json={"notificationBatch": 3})
        tell(meta, "1", "2", "3", "4")
        posts = [[entry["id"] for entry in await heard.entries()] for _ in range(2)]
    assert sorted(posts) == [["1", "2", "3"], ["4"]]


async def test_what_was_gathered_may_come_last_one_first() -> None:
    async with hearing() as (heard, meta):
        await meta.ask("PUT", "/sandbox/settings", json={"notificationBatch": 9, "notificationOrder": "reversed"})
        tell(meta, "1", "2", "3")
        entries = await heard.entries()
    assert [entry["id"] for entry in entries] == ["3", "2", "1"]


@pytest.mark.parametrize(("share", "posts"), [(1.0, 8), (0.5, 6), (0.0, 4)])
async def test_a_share_of_the_posts_comes_twice_byte_by_byte(share: float, posts: int) -> None:
    async with hearing() as (heard, meta):
        await meta.ask("PUT", "/sandbox/settings", json={"notificationDuplicates": share})
        for _ in range(4):
            await meta.play()
        bodies = [(await heard.post())[1] for _ in range(posts)]
        assert len((await meta.ask("GET", "/sandbox/notifications")).json["data"]) == posts
    assert len(set(bodies)) == 4


async def test_a_refused_one_is_tried_again_when_the_sandboxes_clock_says_so() -> None:
    async with hearing() as (heard, meta):
        await meta.ask("POST", "/sandbox/clock", json={"frozen": True})
        heard.statuses = [500] * 4
        await meta.play()
        for tries, wait in enumerate((1, 5, 30, 300), 1):
            assert (await until_tried(meta, tries))["state"] == "waiting"
            await meta.advance(wait - 1)
            assert len((await meta.ask("GET", "/sandbox/notifications")).json["data"][0]["results"]) == tries
            await meta.advance(1)
        assert (await until_tried(meta, 5))["results"] == ["500"] * 4 + ["200"]


async def test_it_is_given_up_after_seven_days() -> None:
    async with hearing() as (heard, meta):
        await meta.ask("POST", "/sandbox/clock", json={"frozen": True})
        heard.statuses = [500] * 99
        await meta.play()
        tries, began = 1, (await meta.ask("GET", "/sandbox/clock")).json["unix"]
        while (await until_tried(meta, tries))["state"] == "waiting":
            tries += 1
            await meta.advance(86_400)
        passed = (await meta.ask("GET", "/sandbox/clock")).json["unix"] - began
    assert tries == 15
    assert passed >= 7 * 86_400
    waits = meta.world.settings.notification_retry_seconds
    assert 6.5 * 86_400 < sum(waits) < 7.5 * 86_400


@pytest.mark.parametrize("waba_info", [True, False])
@pytest.mark.parametrize(("event", "subcode"), [("PARTNER_APP_UNINSTALLED", 458), ("PARTNER_REMOVED", 460)])
async def test_a_token_dies_and_the_account_says_so(event: str, subcode: int, waba_info: bool) -> None:
    async with hearing() as (heard, meta):
        customer = await meta.connect()
        await heard.next_value("account_update")
        body = {"wabaId": customer.waba, "subcode": subcode, "event": event, "wabaInfo": waba_info}
        assert (await meta.ask("POST", "/sandbox/tokens/kill", json=body)).json == {"killed": 1}
        value = await heard.next_value("account_update")
        assert (value["event"], "waba_info" in value) == (event, waba_info)
        assert (await meta.graph("GET", "me", customer.token)).codes == (190, subcode)


async def test_an_event_without_its_waba_is_refused_and_nothing_dies() -> None:
    async with hearing() as (_, meta):
        customer = await meta.connect()
        for body in ({"event": "PARTNER_REMOVED"}, {"event": "VOTE", "wabaId": customer.waba}):
            assert (await meta.ask("POST", "/sandbox/tokens/kill", json=body)).status == 422
        assert (await meta.graph("GET", customer.waba, customer.token)).status == 200


async def test_only_what_an_override_covers_goes_to_it() -> None:
    async with hearing() as (heard, meta):
        customer = await meta.connect()
        service = meta.world.config.public_url or ""
        path = f"{customer.waba}/subscribed_apps"
        await meta.graph("POST", path, customer.token)
        override = {"override_callback_uri": f"{service}/elsewhere", "verify_token": "v"}
        assert (await meta.graph("POST", path, customer.token, json=override)).status == 200
        await heard.next_change("account_update")
        meta.world.tell_of_number(meta.world.numbers[customer.number], "phone_number_quality_update", {"event": "X"})
        await meta.register(customer)
        sent = {"from": "5493515550100", "text": "Hola"}
        await meta.ask("POST", f"/sandbox/phone-numbers/{customer.number}/inbound", json=sent)
        paths = [(await heard.next_change(field))[0] for field in ("phone_number_quality_update", "messages")]
    assert paths == ["/meta/notifications", "/elsewhere"]

"""Coexistence: what Meta tells after `smb_app_data`, and when the business writes in its app."""

import json
from typing import Any

import pytest

from tests.integration.sandbox.calls import Customer, Meta
from tests.integration.sandbox.hearing import Heard, hearing


async def synced(meta: Meta, scenario: str, kind: str, **choices: Any) -> Customer:
    """A subscribed coexistence customer that asked for this synchronisation."""
    customer = await meta.connect(scenario, **choices)
    assert (await meta.graph("POST", f"{customer.waba}/subscribed_apps", customer.token)).status == 200
    body = {"messaging_product": "whatsapp", "sync_type": kind}
    assert (await meta.graph("POST", f"{customer.number}/smb_app_data", customer.token, json=body)).status == 200
    return customer


async def values(heard: Heard, field: str, count: int) -> list[dict[str, Any]]:
    """The values of the next changes of this field."""
    return [await heard.next_value(field) for _ in range(count)]


@pytest.mark.parametrize("scenario", ["coexistence", "history_out_of_order"])
async def test_the_history_comes_in_chunks_with_their_progress_and_media_after(scenario: str) -> None:
    async with hearing() as (heard, meta):
        await meta.ask("PUT", "/sandbox/settings", json={"notificationBatch": 100})  # one POST keeps the order
        await synced(meta, scenario, "history")
        *chunks, media = await values(heard, "history", 7)
    places = [chunk["history"][0]["metadata"] for chunk in chunks]
    progress = [place["progress"] for place in places]
    assert sorted(progress) == [16, 33, 50, 66, 83, 100]
    assert (progress == sorted(progress)) == (scenario == "coexistence")
    assert {(place["phase"], place["chunk_order"]) for place in places} == {(p, o) for p in (0, 1, 2) for o in (1, 2)}
    assert chunks[0]["history"][0]["threads"][0]["messages"][0]["history_context"] == {"status": "READ"}
    assert media["messages"][0]["type"] == "image"


@pytest.mark.parametrize(("scenario", "choices"), [("history_declined", {}), ("coexistence", {"shareHistory": False})])
async def test_a_declined_history_is_told_as_an_error(scenario: str, choices: dict[str, Any]) -> None:
    async with hearing() as (heard, meta):
        await synced(meta, scenario, "history", **choices)
        [value] = await values(heard, "history", 1)
    assert value["history"][0]["errors"][0]["code"] == 2593109


async def test_the_apps_contacts_come_one_by_one() -> None:
    async with hearing() as (heard, meta):
        customer = await synced(meta, "coexistence", "smb_app_state_sync")
        found = await values(heard, "smb_app_state_sync", 3)
    assert {value["metadata"]["phone_number_id"] for value in found} == {customer.number}
    assert {value["state_sync"][0]["action"] for value in found} == {"add"}
    assert all(value["state_sync"][0]["contact"]["phone_number"].isdecimal() for value in found)


async def test_what_the_business_writes_in_its_app_is_echoed() -> None:
    async with hearing() as (heard, meta):
        customer = await synced(meta, "coexistence", "smb_app_state_sync")
        sent = {"to": "+54 9 351 555-0101", "text": "Hola"}
        answer = await meta.ask("POST", f"/sandbox/phone-numbers/{customer.number}/echo", json=sent)
        value = await heard.next_value("smb_message_echoes")
    assert value["message_echoes"][0] | {"timestamp": ""} == {
        "from": "".join(filter(str.isdecimal, meta.world.numbers[customer.number].display)),
        "to": "5493515550101", "id": answer.json["id"], "timestamp": "", "type": "text", "text": {"body": "Hola"},
    }  # fmt: skip


async def test_only_a_number_of_the_app_echoes(meta: Meta) -> None:
    customer = await meta.connect()
    answer = await meta.ask("POST", f"/sandbox/phone-numbers/{customer.number}/echo", json={"to": "1", "text": "x"})
    assert (answer.status, "app" in json.loads(answer.text)["error"]) == (409, True)


async def test_nobody_is_told_where_no_app_is_subscribed() -> None:
    async with hearing() as (_, meta):
        customer = await meta.connect("coexistence")
        body = {"messaging_product": "whatsapp", "sync_type": "history"}
        assert (await meta.graph("POST", f"{customer.number}/smb_app_data", customer.token, json=body)).status == 200
        fields = {row["field"] for row in (await meta.ask("GET", "/sandbox/notifications")).json["data"]}
    assert fields == {"account_update"}

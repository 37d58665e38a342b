"""Every sample of Meta's notifications, read: whom it is about, what its items are, what it means for a connection."""

import json

import pytest

from setuplinks.meta.notices import (
    Change,
    Cut,
    NotificationUnreadable,
    Restored,
    changes,
    items,
    number_values,
    review_decision,
    verdict,
)
from tests.support.notices import NUMBER, SAMPLES, WABA, body_of, sample

OUR_APP = "1234567890"
PARTNER = "900000000000001"


def read(name: str) -> Change:
    [found] = changes(body_of(sample(name)))
    return found


@pytest.mark.parametrize("name", sorted(path.stem for path in SAMPLES.glob("*.json")))
def test_every_sample_is_read(name: str) -> None:
    found = read(name)
    assert found.field in name or found.field in {"messages", "phone_number_quality_update", "history", "calls"}
    assert found.value


@pytest.mark.parametrize(
    "name",
    ["partner_added", "partner_app_installed", "partner_app_uninstalled", "partner_removed", "ad_account_linked"],
)
def test_a_partner_event_is_about_the_waba_of_its_value_and_not_about_its_entry(name: str) -> None:
    found = read(f"account_update_{name}")
    assert found.entry_id == PARTNER
    assert found.meta_waba_id == WABA


def test_a_partner_event_without_waba_info_names_no_waba_at_all() -> None:
    assert read("account_update_partner_app_uninstalled_without_waba_info").meta_waba_id is None
    in_app = read("account_update_partner_removed_in_app")
    assert in_app.meta_waba_id is None
    assert in_app.display_phone_number == "15550783881"


@pytest.mark.parametrize("name", ["account_deleted", "account_offboarded", "disabled", "violation", "restriction"])
def test_other_account_events_are_about_the_waba_of_their_entry(name: str) -> None:
    assert read(f"account_update_{name}").meta_waba_id == WABA


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("partner_removed", Cut("app_removed")),
        ("partner_removed_in_app", Cut("offboarded_in_app")),
        ("partner_app_uninstalled", Cut("app_removed")),
        ("account_offboarded", Cut("offboarded_in_app")),
        ("account_reconnected", Restored("offboarded_in_app")),
        ("account_deleted", Cut("number_removed")),
        ("disabled", Cut("account_disabled")),
        ("disabled_older_shape", Cut("account_disabled")),
        ("reinstated", Restored("account_disabled")),
        ("scheduled_for_disable", None),
        ("violation", None),
        ("restriction", None),
        ("partner_added", None),
    ],
)
def test_what_an_account_event_means_for_the_connection(name: str, meant: Cut | Restored | None) -> None:
    assert verdict(read(f"account_update_{name}"), OUR_APP) == meant


def test_another_app_of_the_partner_may_go_without_us() -> None:
    assert verdict(read("account_update_partner_app_uninstalled"), "999") is None


def test_a_message_comes_with_its_sender_and_untouched() -> None:
    found = read("messages_text")
    [item] = items(found)
    assert found.meta_phone_number_id == NUMBER
    assert (item.kind, item.key) == ("received", ("wamid.HBgNNTQ5MzUx",))
    assert item.raw == found.value["messages"][0]
    assert item.contact == {"profile": {"name": "Ana"}, "wa_id": "5493515550100"}


def test_each_message_of_a_batch_has_its_own_sender() -> None:
    names = [item.contact and item.contact["profile"]["name"] for item in items(read("messages_two_people"))]
    assert names == ["Bruno", "Ana"]


def test_a_person_without_a_number_is_known_by_the_user_id() -> None:
    [item] = items(read("messages_without_wa_id"))
    assert "from" not in item.raw
    assert item.contact is not None
    assert item.contact["user_id"] == item.raw["from_user_id"]


def test_two_statuses_of_one_message_are_two_items() -> None:
    [delivered] = items(read("messages_status_delivered"))
    [failed] = items(read("messages_status_failed"))
    assert delivered.key == ("wamid.HBgNU0VOVA", "delivered", "5493515550100")
    assert failed.key == ("wamid.HBgNU0VOVA", "failed", "5493515550100")


def test_an_echo_is_an_item_and_history_is_not() -> None:
    [echo] = items(read("smb_message_echoes"))
    assert (echo.kind, echo.key) == ("echo", ("wamid.HBgNRUNITw",))
    assert items(read("history_chunk")) == []


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("phone_number_name_update", {"name_status": "APPROVED", "verified_name": "Demo Bakery"}),
        ("phone_number_name_update_declined", {"name_status": "DECLINED"}),
        ("phone_number_quality_update", {"quality_rating": "RED", "messaging_limit": "TIER_1K"}),
        ("phone_number_throughput_upgrade", {"throughput_tier": "HIGH", "messaging_limit": "TIER_UNLIMITED"}),
        ("business_capability_update", {"messaging_limit": "TIER_2K"}),
        ("security", {}),
    ],
)
def test_what_a_change_says_of_a_number(name: str, told: dict[str, str]) -> None:
    assert number_values(read(name)) == told


def test_a_review_has_a_decision() -> None:
    assert review_decision(read("account_review_update")) == "REJECTED"
    assert review_decision(read("account_alerts")) is None


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"object":"page","entry":[]}', b'{"object":"whatsapp_business_account"}', b"\xff"]
)
def test_what_is_no_notification_is_refused_in_words_that_show_nothing_of_it(body: bytes) -> None:
    with pytest.raises(NotificationUnreadable, match=r"^not (JSON|of WhatsApp)$"):
        changes(body)


def test_half_an_emoji_in_a_name_costs_no_message() -> None:
    told = sample("messages_text")
    told["entry"][0]["changes"][0]["value"]["contacts"][0]["profile"]["name"] = "Ana \ud83d"
    [found] = changes(body_of(told))
    [item] = items(found)
    assert item.contact is not None
    assert item.contact["profile"]["name"] == "Ana \ufffd"
    assert item.raw["text"]["body"] == "Hola, ¿están abiertos?"


def test_odd_shapes_are_left_out_and_never_fail() -> None:
    odd = {
        "object": "whatsapp_business_account",
        "entry": [1, {"id": 7, "time": "1779105600", "changes": [None, {"field": None, "value": ["x"]}, {}]}],
    }
    found = changes(json.dumps(odd).encode())
    assert [(change.field, change.entry_id, change.time, change.value) for change in found] == [
        ("unknown", "7", 1779105600, {}),
        ("unknown", "7", 1779105600, {}),
    ]
    assert items(Change("messages", None, None, {"messages": [1, {"id": 5}], "contacts": "x"}))[0].key == ("5",)

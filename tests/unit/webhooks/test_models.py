"""Event types and who hears of them."""

import pytest

from setuplinks.webhooks.models import EVENT_TYPES, Listener, filter_fault, listens


@pytest.mark.parametrize("pattern", [*EVENT_TYPES, "setup_link.*", "whatsapp.*", "whatsapp.phone_number.*"])
def test_every_type_and_every_prefix_of_one_is_taken(pattern: str) -> None:
    assert filter_fault(pattern) is None


@pytest.mark.parametrize(
    "pattern", ["", "*", ".*", "setup_link", "setup_link.", "setup_*", "setup_link.opened.*", "x.*"]
)
def test_anything_else_is_told_by_name(pattern: str) -> None:
    fault = filter_fault(pattern)
    assert fault is not None
    assert repr(pattern) in fault


def test_a_prefix_means_whole_words() -> None:
    assert listens(("whatsapp.phone_number.*",), "whatsapp.phone_number.created")
    assert not listens(("whatsapp.phone_number.*",), "whatsapp.phone_numbers")
    assert not listens(("setup_link.opened",), "setup_link.opened_again")
    assert listens(None, "anything")
    assert not listens((), "anything")


def test_an_endpoint_of_a_number_hears_of_that_number_only() -> None:
    listener = Listener(1, None, customer_id=7, phone_id=9)
    assert listener.hears("whatsapp.phone_number.created", 7, 9)
    assert not listener.hears("whatsapp.phone_number.created", 7, 10)
    assert not listener.hears("setup_link.created", 7, None)


def test_each_type_is_described_in_a_sentence() -> None:
    assert all(text.endswith(".") and len(text) > 15 for text in EVENT_TYPES.values())

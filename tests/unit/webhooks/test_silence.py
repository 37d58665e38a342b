"""Why an endpoint was not told: one sentence for each reason, the plainest first."""

from dataclasses import replace
from typing import Any

import pytest

from setuplinks.webhooks.models import Endpoint
from setuplinks.webhooks.silence import Happened, why_silent

ENDPOINT = Endpoint(
    1, 7, "https://acme.example/hooks", "", None, None, None, "events", {}, None, False, "whsec_x", None, None,
    "enabled", None, 0, 100, 100,
)  # fmt: skip
EVENT = Happened("e", "setup_link.created", 200, 5, None)


@pytest.mark.parametrize(
    ("endpoint", "event", "said"),
    [
        ({"status": "disabled"}, EVENT, "It is disabled"),
        ({"event_types": ("whatsapp.*",)}, EVENT, "It takes only whatsapp.*, so never setup_link.created."),
        ({"customer_id": 6}, EVENT, "It is only for customer 6"),
        ({"phone_id": 3}, EVENT, "It is only for phone number 3"),
        ({"format": "meta"}, EVENT, "Meta’s own format"),
        ({"created_at": 201}, EVENT, "It was made after this event."),
        ({}, EVENT, "It was not listening at that time"),
        ({}, None, "It is enabled and listens"),
    ],
)
def test_each_reason_has_its_sentence(endpoint: dict[str, Any], event: Happened | None, said: str) -> None:
    assert said in why_silent(replace(ENDPOINT, **endpoint), event, "setup_link.created")


def test_many_filters_are_not_all_listed() -> None:
    many = replace(ENDPOINT, event_types=("a.x", "b.x", "c.x", "d.x", "e.x"))
    assert "a.x, b.x, c.x and 2 more" in why_silent(many, EVENT)

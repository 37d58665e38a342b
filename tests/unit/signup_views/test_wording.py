"""The sentences by code, step and permission."""

import re

import pytest

from setuplinks.signup.wording import (
    failed_words,
    finishing_steps,
    granted,
    not_granted,
    status_json,
    step_words,
    stopped_words,
)

VISIT_CODES = [
    "cancelled", "waba_limit_reached", "verification_failed", "account_restricted", "number_in_use", "meta_refused",
    "timed_out", "code_exchange_failed", "permission_missing", "number_mismatch", "connection_type_not_allowed",
    "no_phone_number", "no_business_portfolio",
]  # fmt: skip
LINK_CODES = [
    "visits_exhausted", "tenant_suspended", "account_restricted", "meta_refused", "meta_unavailable", "internal",
    "no_business_portfolio", "no_phone_number", "pin_mismatch", "timed_out",
]  # fmt: skip
JARGON = re.compile(r"\b(WABA|OAuth|token|session|embedded|please|oops|error)\b|!", re.IGNORECASE)


@pytest.mark.parametrize("code", [*VISIT_CODES, "never_heard_of"])
def test_a_stop_says_first_what_did_not_happen(code: str) -> None:
    words = stopped_words(code)
    assert words.says.startswith(("Nothing was connected", "Nothing has changed"))
    assert not JARGON.search(words.heading + words.says)


@pytest.mark.parametrize("code", [*LINK_CODES, "never_heard_of"])
def test_a_failed_link_says_first_what_did_not_happen_and_who_can_do_something(code: str) -> None:
    words = failed_words(code)
    assert words.says.startswith("Nothing was connected")
    assert "%(company)s" in words.says
    assert not JARGON.search(words.heading + words.says)


def test_each_code_of_a_visit_has_words_of_its_own() -> None:
    assert len({stopped_words(code).heading for code in VISIT_CODES}) == len(VISIT_CODES)


def test_a_step_that_meta_invents_tomorrow_is_not_shown() -> None:
    assert step_words("PHONE_NUMBER_VERIFICATION") == "Confirming the number"
    assert step_words("SOMETHING_NEW") is None
    assert step_words(None) is None


def test_what_is_granted_follows_from_what_is_asked_for() -> None:
    usual = frozenset({"whatsapp_business_management", "whatsapp_business_messaging"})
    assert len(granted(usual)) == len(not_granted(usual)) == 3
    assert granted(frozenset({"whatsapp_business_messaging"})) == ["Send and receive messages from this number"]
    assert "Touch your pages or your ads" not in not_granted(usual | {"ads_management"})
    assert "See your friends, photos or private messages" not in not_granted(usual | {"user_photos"})


def test_the_first_step_that_is_not_done_is_the_one_being_worked_on() -> None:
    steps = finishing_steps("Acme", {"permission": "14:02", "number": "14:03"}, number="+54 11")
    assert [(step.key, step.state, step.time) for step in steps] == [
        ("permission", "done", "14:02"),
        ("number", "done", "14:03"),
        ("register", "now", None),
        ("tell", "open", None),
    ]
    assert steps[1].detail == "+54 11"
    assert steps[1].detail_is_number
    assert steps[3].title == "Telling Acme"


def test_nothing_is_registered_where_the_app_stays_or_a_connection_is_renewed() -> None:
    both = (
        finishing_steps("Acme", {}, connection_type="coexistence"),
        finishing_steps("Acme", {}, reconnect=True),
    )
    assert [[step.key for step in steps] for steps in both] == [["permission", "number", "link", "tell"]] * 2


def test_all_steps_done_leaves_none_turning() -> None:
    times = dict.fromkeys(("permission", "number", "register", "tell"), "14:02")
    assert {step.state for step in finishing_steps("Acme", times)} == {"done"}


def test_the_polled_answer_has_the_lines_and_the_place_to_go() -> None:
    answer = status_json(finishing_steps("Acme", {}), "/signup/visit")
    assert answer["location"] == "/signup/visit"
    assert answer["steps"][0] == {
        "key": "permission", "state": "now", "title": "Facebook gave permission",
        "detail": None, "detailIsNumber": False, "time": None,
    }  # fmt: skip

"""What a reason does to a number's checks, and what undoes it."""

from dataclasses import replace

import pytest

from setuplinks.core.wire import instant
from setuplinks.whatsapp.disconnection import REASONS, cut_off, is_cut_by, restored
from setuplinks.whatsapp.models import PhoneNumber
from setuplinks.whatsapp.readiness import Facts, checks, rows

BEGUN, LATER = 1_779_105_600_000_000, 1_779_192_000_000_000


def a_number(status: str = "active", reason: str | None = None, *, named: str = "APPROVED") -> PhoneNumber:
    found = rows(checks(Facts(True, True, True, named, "CONNECTED", "AVAILABLE")), [], BEGUN)
    return PhoneNumber(
        tenant_id=1, id=2, customer_id=3, waba_id=4, meta_waba_id="5", meta_phone_number_id="6",
        display_phone_number=None, display_phone_number_normalized=None, verified_name=None, name_status=named,
        quality_rating=None, throughput_tier=None, messaging_limit=None, connection_type="dedicated",
        is_coexistence=False, is_official_business_account=False, status=status, disconnect_reason=reason,
        readiness=found, pin=None, registered=True, link_id=None, connected_at=BEGUN, created_at=BEGUN,
        updated_at=BEGUN, version=0,
    )  # fmt: skip


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_fails_a_check_that_says_who_must_act(reason: str) -> None:
    cut = cut_off(a_number(), reason, LATER)
    failed = [row for row in cut["readiness"] if not row["passed"]]
    assert (cut["status"], cut["disconnect_reason"]) == ("disconnected", reason)
    assert failed
    assert {(row["since"], row["whoMustAct"]) for row in failed} == {(instant(LATER), "customer")}


@pytest.mark.parametrize("reason", REASONS)
def test_what_is_undone_leaves_the_number_as_it_was(reason: str) -> None:
    number = a_number()
    dead = replace(number, **cut_off(number, reason, LATER))
    again = restored(dead, LATER)
    assert (again["status"], again["disconnect_reason"]) == ("active", None)
    assert [row["check"] for row in again["readiness"]] == [row["check"] for row in number.readiness]


def test_a_number_that_had_to_wait_for_its_name_still_waits_when_it_comes_back() -> None:
    number = a_number("pending", named="PENDING_REVIEW")
    dead = replace(number, **cut_off(number, "app_removed", LATER))
    assert restored(dead, LATER)["status"] == "pending"


@pytest.mark.parametrize(
    ("status", "before", "reason", "cut"),
    [
        ("active", None, "token_expired", True),
        ("pending", None, "account_disabled", True),
        ("disconnected", "account_disabled", "app_removed", True),
        ("disconnected", "offboarded_in_app", "account_disabled", False),
        ("disconnected", "app_removed", "account_disabled", False),
        ("disconnected", "app_removed", "app_removed", False),
        ("available", None, "app_removed", False),
        ("deleted", None, "app_removed", False),
    ],
)
def test_a_reason_that_stays_takes_the_place_of_one_that_passes(
    status: str, before: str | None, reason: str, cut: bool
) -> None:
    assert is_cut_by(a_number(status, before), reason) is cut

"""The dashboard's words, times and pictures: values in, words out."""

from zoneinfo import ZoneInfo

import pytest

from setuplinks.core.clock import DAY, HOUR, MILLISECOND, MINUTE, SECOND
from setuplinks.dashboard.answers import breakable, sentence
from setuplinks.dashboard.clockface import Clockface, long_span, span
from setuplinks.dashboard.entrance import own_path
from setuplinks.dashboard.home import funnel_view
from setuplinks.dashboard.words import by, counted, link_state, ordinal, outcome, result, step
from setuplinks.setup_links.machine import Phase
from tests.support.instants import TEST_BEGINS

FACE = Clockface(TEST_BEGINS, ZoneInfo("America/Argentina/Buenos_Aires"))


def test_a_time_of_today_is_a_clock_and_of_other_days_has_its_date() -> None:
    assert FACE.brief(TEST_BEGINS) == "09:00"
    assert FACE.brief(TEST_BEGINS + 5 * SECOND, seconds=True) == "09:00:05"
    assert FACE.brief(TEST_BEGINS - 10 * HOUR) == "17 May, 23:00"
    assert FACE.brief(TEST_BEGINS - 365 * DAY) == "18 May 2025, 09:00"
    assert FACE.exact(TEST_BEGINS) == "18 May 2026, 09:00:00, America/Argentina/Buenos Aires"


@pytest.mark.parametrize("text", ["2026-05-18T09:00", "2026-05-18T12:00:00Z", "2026-05-18T14:00:00+02:00"])
def test_a_time_is_read_in_the_tenants_zone_or_with_its_own(text: str) -> None:
    assert FACE.read(text) == TEST_BEGINS


@pytest.mark.parametrize("text", ["", "soon", "2026-13-18T09:00", "2026-05-18", "99999-05-18T09:00"])
def test_what_is_no_time_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected a time|no such time"):
        FACE.read(text)


def test_a_field_holds_what_it_gave() -> None:
    assert FACE.read(FACE.field(TEST_BEGINS)) == TEST_BEGINS


@pytest.mark.parametrize(
    ("took", "words"),
    [(0, "0 ms"), (214 * MILLISECOND, "214 ms"), (15 * SECOND, "15.0 s"), (5 * MINUTE, "5 min"), (2 * DAY, "2 d")],
)
def test_a_duration_is_told_in_its_own_unit(took: int, words: str) -> None:
    assert span(took) == words


@pytest.mark.parametrize(
    ("took", "words"),
    [
        (0, "0 s"), (5 * SECOND, "5 s"), (250 * SECOND, "4 min 10 s"), (HOUR, "1 h"), (HOUR + SECOND, "1 h"),
        (DAY + HOUR + MINUTE, "1 d 1 h"), (-SECOND, "0 s"),
    ],
)  # fmt: skip
def test_a_distance_has_at_most_two_units(took: int, words: str) -> None:
    assert long_span(took) == words


def test_numbers_are_counted_and_ordered_in_words() -> None:
    assert [counted(1, "attempt"), counted(1204, "delivery")] == ["1 attempt", "1,204 deliveries"]
    assert [ordinal(n) for n in (1, 3, 10, 11, 12, 21, 22, 111)] == [
        "first", "third", "tenth", "11th", "12th", "21st", "22nd", "111th"
    ]  # fmt: skip


def test_a_delivery_is_told_by_its_outcome() -> None:
    assert outcome("delivered", 3) == "Delivered, third attempt"
    assert outcome("failed", 10) == "Failed after 10 attempts"
    assert outcome("failed", 0) == "Ended without an attempt"
    assert outcome("pending", 0) == "Waiting for the first attempt"


def test_a_result_is_a_status_with_its_name_or_what_went_wrong() -> None:
    assert (result(503, "answered 503").word, result(503, "answered 503").shape) == ("503 Service Unavailable", "fail")
    assert (result(204, None).word, result(204, None).shape) == ("204 No Content", "pass")
    assert result(599, "answered 599").word == "599"
    assert result(None, "name does not resolve").word == "Name does not resolve"
    assert result(200, "answer broke off").shape == "fail"


def test_every_phase_has_a_state_and_what_is_asked_names_it() -> None:
    states = {phase: link_state(phase, opened=False, question=None) for phase in Phase}
    assert all(state.word and state.shape for state in states.values())
    assert link_state(Phase.ACTION_REQUIRED, opened=True, question="pin").word == "Needs a PIN"


def test_a_step_that_nobody_knows_is_shown_by_its_name() -> None:
    state, cause = step("some_new_step", {})
    assert (state.word, cause) == ("Some new step", "")
    assert step("visit_ended", {"code": "cancelled", "metaStep": "phone"})[0].word == "Left Facebook"
    assert step("revoked", {"reason": "superseded"})[1] == "a newer link replaced it"
    assert [by("operator"), by("key:12"), by("cli")] == ["by the operator", "by API key 12", "from the command line"]
    assert step("created", {"by": "key:12"}, "production")[1] == "by the key “production”"


def test_words_begin_as_a_sentence_and_names_stay() -> None:
    assert sentence("refused: private address") == "Refused: private address"
    assert [sentence("http://a"), sentence("SETUPLINKS_X: y")] == ["http://a", "SETUPLINKS_X: y"]


def test_a_long_name_breaks_at_its_parts_and_stays_escaped() -> None:
    assert breakable("setup_link.created") == "setup_<wbr>link.<wbr>created"
    assert breakable("127.0.0.1/<b>") == "127.0.0.1/<wbr>&lt;b&gt;"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("/dashboard/7/links?status=failed", True), ("/dashboard", True), ("/admin/tenants", False),
        ("/dashboardx", False), ("//dashboard", False), ("/dashboard/7\n", False), ("/dashboard/%2e%2e/x", False),
        ("/dashboard?next=%2e%2e", False), ("https://x/dashboard", False),
    ],
)  # fmt: skip
def test_a_sign_in_leads_on_within_the_dashboard_only(text: str, wanted: bool) -> None:
    assert bool(own_path(text)) is wanted


def test_the_funnel_falls_at_a_scale_that_begins_at_zero_and_tells_each_share_of_the_step_before() -> None:
    figures = {
        "created": 400, "opened": 200, "started": 100, "authorized": 50, "completed": 0,
        "failed": {"cancelled": 3, "link_expired": 7}, "secondsToConnectP50": 250.2, "secondsToConnectP90": None,
    }  # fmt: skip
    view = funnel_view(figures)
    assert [stage.share for stage in view.stages] == [
        "", "50% of created", "50% of opened", "50% of started", "0% of authorised"
    ]  # fmt: skip
    assert view.line.startswith("M0 4.0 H86 C100 4.0 100 52.0 114 52.0")
    assert view.line.endswith("414 100.0 H500")
    assert (view.median, view.ninetieth) == ("4 min 10 s", None)
    assert (view.most, view.of) == (
        "The link has expired; make a new one.", "7 of 10 links that ended without a connection"
    )  # fmt: skip
    empty = funnel_view(dict.fromkeys(figures, 0) | {"failed": {}})
    assert (empty.most, {stage.share for stage in empty.stages}) == (None, {""})

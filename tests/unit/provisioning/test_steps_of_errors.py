"""What a failed call to Meta means at each step, for every row of the error table."""

import pytest

from setuplinks.meta.error_table import TABLE, Kind
from setuplinks.meta.errors import Call, GraphError, cut_off, from_answer, never_sent, unreadable
from setuplinks.provisioning.machine import Again, Done, Lost, Refused, Step
from setuplinks.provisioning.steps import of_error
from setuplinks.setup_links.codes import CODES

CALL = Call("/{waba}")
CODED = sorted(TABLE, key=str)
OTHER_STEPS = [step for step in Step if step is not Step.REGISTER]


def _error(code: int, subcode: int | None = None, **more: object) -> GraphError:
    return from_answer(CALL, 400, {"code": code, "error_subcode": subcode, "message": "no", **more})


@pytest.mark.parametrize(("code", "subcode"), CODED)
@pytest.mark.parametrize("step", [Step.FIND_WABAS, Step.SUBSCRIBE, Step.READ_METADATA])
def test_every_code_has_an_outcome_with_a_known_code(step: Step, code: int, subcode: int | None) -> None:
    error = _error(code, subcode)
    outcome = of_error(step, error)
    expected = {
        Kind.RETRY: Again(wait_s=error.wait_s),
        Kind.RELOGIN: Refused("permission_missing"),
        Kind.PERMISSION: Refused("permission_missing"),
        Kind.NOT_FOUND: Refused("permission_missing"),
        Kind.ACCOUNT: Lost("account_restricted"),
        Kind.CONFIGURATION: Again(code="meta_refused", wait_s=300),
    }.get(error.kind, Again(wait_s=error.wait_s) if error.retryable else Lost("meta_refused"))
    assert outcome == expected
    assert getattr(outcome, "code", "internal") in CODES


@pytest.mark.parametrize(("code", "subcode"), CODED)
def test_trouble_with_a_registration_is_sign_in_again_only_where_the_grant_itself_is_bad(
    code: int, subcode: int | None
) -> None:
    error = _error(code, subcode)
    outcome = of_error(Step.REGISTER, error)
    if error.kind in {Kind.RELOGIN, Kind.PERMISSION, Kind.NOT_FOUND}:
        assert outcome == Refused("permission_missing")
    else:
        assert outcome != Refused("permission_missing")


def test_the_answers_to_a_registration() -> None:
    assert of_error(Step.REGISTER, _error(133006)) == Refused("verification_failed")
    for locked in (133008, 133009, 133016):
        assert of_error(Step.REGISTER, _error(locked)) == Done()
    assert of_error(Step.REGISTER, _error(133004)) == Again()
    assert of_error(Step.REGISTER, _error(133015)) == Again(wait_s=300)
    assert of_error(Step.REGISTER, _error(131031)) == Lost("account_restricted")


@pytest.mark.parametrize("step", OTHER_STEPS)
def test_silence_a_cut_line_and_nonsense_are_tried_again(step: Step) -> None:
    for error in (cut_off(CALL), never_sent(CALL), unreadable(CALL, 200), unreadable(CALL, 502), unreadable(CALL, 429)):
        assert isinstance(of_error(step, error), Again)


@pytest.mark.parametrize("step", OTHER_STEPS)
def test_what_meta_calls_transient_is_tried_again_whatever_its_code(step: Step) -> None:
    assert isinstance(of_error(step, _error(190, is_transient=True)), Again)


def test_an_unknown_code_ends_the_link_without_a_guess() -> None:
    assert of_error(Step.SUBSCRIBE, _error(987654)) == Lost("meta_refused")

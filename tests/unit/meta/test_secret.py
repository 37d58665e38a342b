"""A secret does not show itself by accident."""

import pickle

import msgspec
import pytest

from setuplinks.meta.secret import Secret


def test_no_way_of_printing_shows_it() -> None:
    secret = Secret("EAAcanary")
    shown = f"{secret} {secret!r} {secret!s} {secret:>20} {[secret]} {{'a': {secret}}}"
    assert "canary" not in shown
    assert secret.reveal() == "EAAcanary"


def test_dumping_it_fails_instead_of_writing_it() -> None:
    with pytest.raises(TypeError):
        msgspec.json.encode({"token": Secret("EAAcanary")})
    with pytest.raises(TypeError):
        pickle.dumps(Secret("EAAcanary"))


def test_two_of_the_same_text_are_equal() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert {Secret("a"), Secret("a")} == {Secret("a")}
    assert (bool(Secret("")), bool(Secret("x"))) == (False, True)

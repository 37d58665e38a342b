"""How values are spelled on the wire."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from setuplinks.core import wire
from setuplinks.core.problems import Invalid, Malformed


class Inner(wire.Body):
    success_url: str | msgspec.UnsetType | None = msgspec.UNSET


class Sample(wire.Body):
    phone_id: wire.Id
    expires_at: wire.Instant | None = None
    country_isos: list[str] = msgspec.field(default_factory=list)
    inner: Inner | None = None
    inners: list[Inner] = msgspec.field(default_factory=list)
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    enabled: bool = False


def fault(raw: bytes) -> dict[str, str]:
    """The fields that a body is refused for."""
    with pytest.raises(Invalid) as caught:
        wire.decode(raw, Sample)
    return caught.value.fields


@pytest.mark.parametrize(
    ("text", "back"),
    [
        ("2026-05-25T23:59:59Z", "2026-05-25T23:59:59Z"),
        ("2026-05-25t23:59:59z", "2026-05-25T23:59:59Z"),
        ("2026-05-25T23:59:59.999Z", "2026-05-25T23:59:59Z"),
        ("2026-05-25T20:59:59-03:00", "2026-05-25T23:59:59Z"),
        ("2026-05-26T05:29:59+05:30", "2026-05-25T23:59:59Z"),
        ("1969-12-31T23:59:59Z", "1969-12-31T23:59:59Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
    ],
)
def test_an_instant_is_read_with_any_offset_and_written_in_utc(text: str, back: str) -> None:
    assert wire.instant(wire.parse_instant(text)) == back


@pytest.mark.parametrize(
    "text",
    [
        "2026-05-25T23:59:59", "2026-05-25", "2026-02-30T00:00:00Z", "2026-05-25T24:00:00Z", "2026-05-25 23:59:59Z", "",
        "tomorrow", "2026-05-25T23:59:59+24:00", "2026-05-25T23:59:59+01:60", "２026-05-25T23:59:59Z", "1779753599",
        "2026-05-25T23:59:59Z ", "0000-01-01T00:00:00Z",
    ],
)  # fmt: skip
def test_a_naive_or_impossible_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="time"):
        wire.parse_instant(text)


def test_both_spellings_of_a_field_are_taken_inside_and_out() -> None:
    camel = wire.decode(
        b'{"phoneId":7,"countryIsos":["US"],"inner":{"successUrl":"x"},"inners":[{"successUrl":"y"}]}', Sample
    )
    snake = wire.decode(
        b'{"phone_id":"7","country_isos":["US"],"inner":{"success_url":"x"},"inners":[{"success_url":"y"}]}', Sample
    )
    assert camel == snake
    assert (camel.phone_id, camel.inner) == (7, Inner("x"))


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"{}", "phoneId"),
        (b'{"phoneId":7,"phone_id":7}', "phoneId"),
        (b'{"phoneId":7,"colour":1}', "colour"),
        (b'{"phoneId":7,"inner":{"colour":1}}', "inner.colour"),
        (b'{"phoneId":7,"inners":[{},{"colour":1}]}', "inners[1].colour"),
        (b'{"phoneId":7,"inner":{"success_url":1}}', "inner.successUrl"),
        (b'{"phoneId":"x"}', "phoneId"),
        (b'{"phoneId":true}', "phoneId"),
        (b'{"phoneId":1.5}', "phoneId"),
        (b'{"phoneId":0}', "phoneId"),
        (b'{"phoneId":null}', "phoneId"),
        (b'{"phoneId":9007199254740992}', "phoneId"),
        (b'{"phoneId":123456789012345678901234567890}', "phoneId"),
        (b'{"phoneId":7,"expiresAt":"2026-05-25T23:59:59"}', "expiresAt"),
        (b'{"phoneId":7,"expiresAt":1779753599}', "expiresAt"),
        (b'{"phoneId":7,"countryIsos":"US"}', "countryIsos"),
        (b'{"phoneId":7,"countryIsos":[1]}', "countryIsos[0]"),
        (b'{"phoneId":7,"enabled":"yes"}', "enabled"),
        (b'{"phoneId":7,"metadata":[]}', "metadata"),
        (b'{"phoneId":7,"inner":[]}', "inner"),
        (b'{"phoneId":7,"countryIsos":["a\\u0000b"]}', "countryIsos[0]"),
        (b'{"phoneId":7,"metadata":{"a":{"b":"\\u0000"}}}', "metadata.a.b"),
    ],
)
def test_a_body_that_does_not_fit_is_refused_and_the_field_named(raw: bytes, name: str) -> None:
    assert list(fault(raw)) == [name]


def test_a_nul_in_a_key_is_refused_too() -> None:
    assert fault(b'{"phoneId":7,"metadata":{"a\\u0000":1}}') == {"metadata": "NUL characters are not taken"}


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert wire.decode(rb'{"phoneId":7,"metadata":{"a":"\\u0000"}}', Sample).metadata == {"a": "\\u0000"}


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"1",
        b"\xff",
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b"[" * 100_000,
        b'{"a":NaN}',
        b'{"a":1}x',
    ],
)
def test_what_is_no_json_object_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        wire.decode(raw, Sample)


def test_an_empty_body_is_an_empty_object() -> None:
    assert wire.decode_object(b" ") == {}


@given(st.binary(max_size=60))
def test_no_bytes_at_all_raise_anything_but_a_problem(raw: bytes) -> None:
    try:
        outcome: object = wire.decode(raw, Sample)
    except (Invalid, Malformed) as problem:
        outcome = problem
    assert outcome is not None


@given(st.integers(0, 2**62), st.one_of(st.integers(0, 2**53), st.uuids().map(str)))
def test_a_cursor_comes_back_as_it_went(at: int, key: int | str) -> None:
    assert wire.parse_cursor(wire.cursor(at, key)) == (at, str(key))


@given(st.text(max_size=40))
def test_any_other_text_is_no_cursor(text: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        wire.parse_cursor(text)


def test_a_cursor_with_one_letter_changed_is_refused() -> None:
    good = wire.cursor(1_779_000_000_000_000, 42)
    for index, letter in enumerate(good[:-1]):
        changed = good[:index] + ("A" if letter != "A" else "B") + good[index + 1 :]
        with pytest.raises(ValueError, match="cursor"):
            wire.parse_cursor(changed)
    assert wire.parse_cursor(good) == (1_779_000_000_000_000, "42")


@pytest.mark.parametrize("text", ["0", "-1", "1.0", "abc", "", "9007199254740992", "99999999999999999999", "１", "1 "])
def test_what_cannot_be_an_id_of_ours_is_none(text: str) -> None:
    assert wire.path_id(text) is None


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 81, "a\u202eb", "\x7f"])
def test_a_name_that_is_empty_long_or_holds_control_characters_is_refused(name: str) -> None:
    with pytest.raises(Invalid) as caught:
        wire.plain_text("name", name, 80)
    assert list(caught.value.fields) == ["name"]

"""Each value of a notification is cut out byte for byte, whatever JSON allows and Meta has sent."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setuplinks.meta.notices import body_of, changes

VALUES = [
    rb'{ "messaging_product" :"whatsapp", "text":"Cl\u00ednica \ud83d\ude00 \/ \n" }',
    b'{"a":1,"a":2,"b":1.0e5,"c":[1,2,{"x":null}],"d":"\xc3\xad"}',
    rb'{"name":"Ana \ud83d","next":"\\ud83d \" } ]"}',
    b'{"broken":"\xff"}',
    b"{}",
    b'["no object"]',
    b"7",
]


def notification(values: list[bytes], *, wabas: int = 1) -> bytes:
    """A notification of these values, spread over so many accounts, with spaces as no library writes them."""
    entries = []
    for number in range(wabas):
        told = b" ,\n".join(b'{"value": ' + value + b' ,"field":"messages"}' for value in values[number::wabas])
        entries.append(b'{"id":"%d" , "changes" :[ ' % number + told + b" ] }")
    return b'{ "object":"whatsapp_business_account" ,"entry":[' + b", ".join(entries) + b"]}"


@pytest.mark.parametrize("value", VALUES)
def test_a_value_stays_as_it_was_written(value: bytes) -> None:
    [found] = changes(notification([value]))
    assert found.raw == value


@pytest.mark.parametrize("wabas", [1, 2, 3])
def test_each_of_many_keeps_its_own(wabas: int) -> None:
    found = changes(notification(VALUES, wabas=wabas))
    assert [one.raw for one in found] == [value for number in range(wabas) for value in VALUES[number::wabas]]
    assert {one.entry_id for one in found} == {str(number) for number in range(wabas)}


def test_what_is_kept_of_a_notification_is_kept_byte_for_byte() -> None:
    found = changes(notification(VALUES))
    assert [one.raw for one in changes(body_of(found[1:]))] == VALUES[1:]


def test_odd_rows_do_not_shift_the_others() -> None:
    body = (
        b'{"object":"whatsapp_business_account","entry":[1,{"id":"7","changes":[null,{"field":"messages"},'
        b'{"field":"messages","value":{"n":1}}]},{"changes":{}},[],{"id":"8","changes":[{"value":{"n":2}}]}]}'
    )
    assert [(one.entry_id, one.raw) for one in changes(body)] == [("7", b"{}"), ("7", b'{"n":1}'), ("8", b'{"n":2}')]


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


@given(values=st.lists(st.dictionaries(st.text(max_size=4), anything, max_size=4), min_size=1, max_size=4))
def test_any_json_comes_back_as_it_went_in(values: list[dict[str, object]]) -> None:
    written = [json.dumps(value, separators=(" ,", ": ")).encode() for value in values]
    assert [one.raw for one in changes(notification(written))] == written

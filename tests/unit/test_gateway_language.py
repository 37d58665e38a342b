"""Graph's language as the gateway reads it: paths, parameters, addresses. What is odd is refused, never repaired."""

import gzip
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setuplinks.meta import gateway_answers as answers
from setuplinks.meta import gateway_language as graph
from setuplinks.meta import gateway_params as params

GRAPH = "https://graph.facebook.com"
CANONICAL = re.compile(r"v\d{1,3}(\.\d{1,2})?/(\d{1,40}(/[a-z][a-z0-9_]*(/[\w-]*[A-Za-z_-][\w-]*)?)?|upload:[\w:=.-]+)")


@given(st.lists(st.sampled_from([b"v25.0", b"123", b"/", b"//", b"..", b"%2f", b"messages", b"upload:", b"a", b"%3A"])))
def test_what_is_read_as_a_path_is_spelled_in_one_way(parts: list[bytes]) -> None:
    path = graph.read_path(b"".join(parts))
    assert path is None or CANONICAL.fullmatch(str(path))


def test_an_edges_code_may_follow_and_another_id_may_not() -> None:
    assert str(graph.read_path(b"v25.0/123/message_qrdls/4O4YGZEG3RIVE1")) == "v25.0/123/message_qrdls/4O4YGZEG3RIVE1"
    assert graph.read_path(b"v25.0/123/messages/456") is None
    assert str(graph.read_path(b"v25.0/upload%3AMTphdHRhY2g=")) == "v25.0/upload:MTphdHRhY2g="


@pytest.mark.parametrize(
    ("method", "edge", "use"),
    [
        ("GET", "messages", "read"), ("HEAD", "", "read"), ("POST", "messages", "send"), ("POST", "media", "send"),
        ("POST", "calls", "send"), ("POST", "message_templates", "manage"), ("DELETE", "", "manage"),
        ("PUT", "settings", "manage"),
    ],
)  # fmt: skip
def test_what_a_call_does(method: str, edge: str, use: str) -> None:
    assert graph.use_of(method, graph.GraphPath("v25.0", "1", edge)) == use


def test_pairs_that_stay_keep_their_spelling() -> None:
    read = params.read_pairs(b"fields=id%2Cname&&access%5Ftoken=a%2Bb+c&x=%zz&ap+psecret_proof=1&phone_number_id=7")
    assert read.rest == b"fields=id%2Cname&&x=%zz&ap+psecret_proof=1&phone_number_id=7"
    assert (read.token, read.fields, read.number) == ("a+b c", ("id,name",), "7")
    assert read.names == {"fields", "x", "ap_psecret_proof", "phone_number_id"}


@pytest.mark.parametrize(
    ("fields", "away"),
    [
        ("id,name,quality_rating", None),
        ("analytics.start(1).end(2).granularity(DAY).phone_numbers([\"1\"]).country_codes([])", None),
        ("pricing_analytics.start(1).dimensions(PHONE,COUNTRY)", None),
        ("health_status.phone_number(123){can_send_message}", None),
        ("message_templates.limit(5){id,name,components}", None),
        ("id,phone_numbers", "phone_numbers"),
        ("id, PHONE_NUMBERS.limit(3) {id}", "phone_numbers"),
        ("flows{id,whatsapp_business_account{id}}", "whatsapp_business_account"),
        ("message_templates{owner{phone}}", "owner"),
        ('["id","phone_numbers"]', "phone_numbers"),
        ("['phone_numbers']", "phone_numbers"),
        ('["id", "name"]', None),
        ('["phone\\u005fnumbers"]', 'phone\\u005fnumbers'),
        ("whatsapp_business_account.fields(id,phone_numbers)", ".fields"),
        ("id,message_templates.limit(1) . fields (id)", ".fields"),
        ("id," * 4000, "…"),
    ],
)  # fmt: skip
def test_fields_that_lead_to_other_objects(fields: str, away: str | None) -> None:
    assert params.leads_away([fields]) == away


def test_json_stays_to_the_byte_unless_it_carries_a_key() -> None:
    plain = b'{ "to" : "1",\n"text":{"body":"\\u00a1"} }'
    assert params.read_json(plain).rest is plain
    read = params.read_json(b'{"a":1.50,"access_token":"sl_waba_x","fields":["id","business{id}"]}')
    assert (read.rest, read.token, read.fields) == (b'{"a":1.50,"fields":["id","business{id}"]}', "sl_waba_x",
                                                   ("id", "business{id}"))  # fmt: skip
    assert params.read_json(b'{"fields":5,"clone_flow_id":[7,"8"]}').refers == ("7", "8")
    for odd in (b'{"fields":"\xff"}', b"[]", b"1", b"{", b'{"a":1}}', b'{"\xff":1}', b"\xff\xfe"):
        with pytest.raises(ValueError, match="body"):
            params.read_json(odd)


@pytest.mark.parametrize("name", ["method%00", "method%00x", "%20method", "method[]", "method"])
def test_a_name_that_graph_may_read_as_another_call_is_known(name: str) -> None:
    assert params.read_pairs(f"a=1&{name}=delete".encode()).names & params.ELSEWHERE


@pytest.mark.parametrize(
    "head",
    [
        b"name='method'", b'name=" method"', b"name=method", b"name*=UTF-8''%6dethod", b'name="x;y"',
        b'name="x\r\n--cut\r\nContent-Disposition: form-data; name="method"', b'filename="a"; name="method"',
    ],
)  # fmt: skip
def test_a_part_that_may_be_read_as_another_call_is_known(head: bytes) -> None:
    assert params.ELSEWHERE.intersection(params.part_names(b"Content-Disposition: form-data; " + head))
    assert params.part_names(b'Content-Disposition: form-data; name="file"; filename="O\'Hara.png"') == ["file"]


def test_of_two_values_under_one_name_the_one_that_was_looked_at_goes_on() -> None:
    assert params.read_json(b'{"clone_flow_id":"1","clone_flow_id":"2","x":[1, 2]}') == params.Parameters(
        b'{"clone_flow_id":"2","x":[1, 2]}', None, frozenset({"clone_flow_id", "x"}), (), None, ("2",)
    )


def test_more_parameters_than_a_call_has_are_not_read_and_long_names_not_kept() -> None:
    for many in (b"&" * 1_000, b"a&" * 1_000):
        with pytest.raises(ValueError, match="parameters"):
            params.read_pairs(many)
    with pytest.raises(ValueError, match="parameters"):
        params.read_json(("{" + ",".join(f'"a{number}":1' for number in range(1_001)) + "}").encode())
    before = params._short_name.cache_info().currsize
    assert params.plain_name("a" * 100_000) == "a" * 100_000
    assert params._short_name.cache_info().currsize == before


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1&ext=2&hash=3", True),
        ("https://mmg.whatsapp.net/v/1", True),
        ("https://graph.facebook.com/v25.0/1", True),
        ("https://lookaside.fbsbx.com:443/a", True),
        ("http://lookaside.fbsbx.com/a", False),
        ("https://lookaside.fbsbx.com:8443/a", False),
        ("https://fbsbx.com.example.com/a", False),
        ("https://evilfbsbx.com/a", False),
        ("https://user@lookaside.fbsbx.com/a", False),
        ("https://example.com\\@lookaside.fbsbx.com/a", False),
        ("https://example.com/?https://lookaside.fbsbx.com/a", False),
        ("https://127.0.0.1/a", False),
        ("https://[::1/a", False),
        ("file:///etc/passwd", False),
        ("https://lookaside.fbsbx.com/a b", False),
        ("https://lookaside.fbsbx.com/é", False),
    ],
)
def test_a_token_goes_to_metas_own_hosts_alone(url: str, good: bool) -> None:
    assert answers.is_file_address(url, GRAPH) is good


def test_the_sandboxs_own_address_is_metas_where_it_is_graph() -> None:
    assert answers.is_file_address("http://localhost:9100/media?mid=1", "http://localhost:9100")
    assert not answers.is_file_address("http://localhost:9101/media?mid=1", "http://localhost:9100")


def test_a_bomb_is_not_unpacked() -> None:
    assert answers.plain(gzip.compress(bytes(1_000_000)), b"gzip", 1000) is None
    assert answers.plain(b"no gzip", b"gzip", 1000) is None
    assert answers.plain(b"x", b"br", 1000) is None
    assert answers.plain(gzip.compress(b"x"), b"gzip", 1000) == b"x"

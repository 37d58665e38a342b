"""Which hosts and addresses a tenant's URL may lead to, in every spelling that reaches a connect."""

from ipaddress import ip_address

import pytest

from setuplinks.core.addresses import (
    MAY_OPEN,
    Policy,
    literal_address,
    parse_networks,
    parse_target,
    why_not_public,
)

LOOPBACK_SPELLINGS = [
    "127.0.0.1", "127.1", "127.0.1", "0x7f.1", "0x7f000001", "2130706433", "017700000001", "0177.0.0.1", "0177.0.0.01",
    "127.0.0.1.", "①②⑦.⓪.⓪.①", "127。0。0。1", "[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    "0", "0.0.0.0", "[::]",
]  # fmt: skip
NOT_PUBLIC = [
    "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "192.0.0.8", "192.0.2.1", "198.18.0.1",
    "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.88.99.1", "0.1.2.3",
    "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "::", "::1", "::ffff:10.0.0.1", "::127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:1::1", "2001:db8::1", "3fff::1", "100::1", "5f00::1",
]  # fmt: skip
PUBLIC = ["93.184.216.34", "8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8"]


@pytest.mark.parametrize("host", LOOPBACK_SPELLINGS)
def test_an_address_is_seen_in_every_spelling_and_refused(host: str) -> None:
    target = parse_target(f"https://{host}/hook")
    assert target.literal is not None
    assert Policy().refuse_host(target) is not None


@pytest.mark.parametrize("text", NOT_PUBLIC)
def test_what_the_internet_does_not_route_is_refused_at_connect(text: str) -> None:
    assert why_not_public(ip_address(text)) is not None
    refusal = Policy().refusal(ip_address(text), 443, secure=True)
    assert refusal is not None
    assert refusal.startswith("refused: ")


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_are_reached_by_https_on_good_ports_only(text: str) -> None:
    address, policy = ip_address(text), Policy()
    assert [policy.refusal(address, port, secure=True) for port in (80, 443, 1024, 65535)] == [None] * 4
    assert policy.refusal(address, 22, secure=True) == "refused: port 22"
    assert policy.refusal(address, 443, secure=False) == "refused: http to a public address"


def test_an_opened_range_is_reached_on_any_port_and_by_http_also_in_its_mapped_spelling() -> None:
    policy = Policy(parse_networks("127.0.0.0/8, 10.1.2.3"))
    assert policy.refusal(ip_address("127.0.0.1"), 25, secure=False) is None
    assert policy.refusal(ip_address("::ffff:127.0.0.1"), 25, secure=False) is None
    assert policy.refusal(ip_address("10.1.2.3"), 80, secure=False) is None
    assert policy.refusal(ip_address("10.1.2.4"), 443, secure=True) == "refused: private address"
    assert policy.refusal(ip_address("::1"), 443, secure=True) == "refused: loopback address"


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST", "localhost.", "intranet", "printer.local", "a.localdomain", "app.localhost",
     "metadata.google.internal", "db.default.svc", "DB.DEFAULT.SVC."],
)  # fmt: skip
def test_names_that_mean_something_only_inside_are_refused(host: str) -> None:
    assert Policy().refuse_host(parse_target(f"https://{host}/")) is not None


def test_an_inside_name_is_taken_where_it_leads_into_an_opened_range_only() -> None:
    policy = Policy(parse_networks("127.0.0.0/8"))
    target = parse_target("http://localhost:9000/hooks")
    assert policy.refuse_host(target) is None
    assert policy.refuse_addresses(target, [ip_address("::1"), ip_address("127.0.0.1")]) is None
    assert policy.refuse_addresses(target, [ip_address("::1")]) is not None
    assert policy.refuse_addresses(target, []) is not None


def test_a_name_with_one_inside_address_among_public_ones_is_refused() -> None:
    target = parse_target("https://hooks.example.com/")
    assert Policy().refuse_addresses(target, [ip_address("8.8.8.8")]) is None
    refusal = Policy().refuse_addresses(target, [ip_address("8.8.8.8"), ip_address("169.254.169.254")])
    assert refusal == f"the name leads to a link-local address{MAY_OPEN}"


@pytest.mark.parametrize("url", ["https://10.0.0.1/", "https://db/", "https://hooks.internal/"])
def test_whoever_meets_the_guard_is_told_of_the_setting_that_opens_it(url: str) -> None:
    assert "SETUPLINKS_OUTBOUND_ALLOW" in (Policy().refuse_host(parse_target(url)) or "")


@pytest.mark.parametrize(
    "url",
    ["", "hooks.example.com", "//hooks.example.com/", "ftp://hooks.example.com/", "javascript:alert(1)", "https://",
     "https:///x", "https://user@hooks.example.com/", "https://user:pw@hooks.example.com/", "https://:pw@a.example/",
     "https://a.example:0/", "https://a.example:99999/", "https://a.example\\@b.example/", "https://a b.example/",
     "https://a.example/\n", "https://a..example/", "https://-a.example/", "https://127.0.0.1%00.a.example/",
     "https://1.2.3.4.5/", "https://[::1/", "https://a.example/" + "x" * 2048, "file:///etc/passwd", "https://a.%2e/"],
)  # fmt: skip
def test_what_is_no_web_address_is_refused_in_words(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|host"):
        parse_target(url)


def test_a_plain_name_is_a_name_and_an_odd_number_is_an_address() -> None:
    assert literal_address("hooks.example.com") is None
    assert literal_address("0x7f.example.com") is None
    assert str(literal_address("1.1")) == "1.0.0.1"
    assert parse_target("https://bücher.example/").host == "xn--bcher-kva.example"


def test_a_bad_range_is_named() -> None:
    assert parse_networks("") == ()
    with pytest.raises(ValueError, match=r"'10\.0\.0\.1/8'"):
        parse_networks("127.0.0.1, 10.0.0.1/8")

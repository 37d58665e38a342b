"""Limits per address: strangers are slowed down, links are never disabled, loopback is exempt."""

import base64

import pytest
from starlette.requests import Request

from setuplinks.core import rate_limits as module
from setuplinks.core.clock import HOUR, MINUTE, ManualClock
from setuplinks.settings import Settings
from setuplinks.signup.limits import Limits
from tests.support.instants import TEST_BEGINS

PERSON = "203.0.113.9"


def _settings(**more: object) -> Settings:
    given = {
        "public_url": "https://links.example.com", "operator_key": "x" * 24, "meta_app_id": "1",
        "master_keys": "k1:" + base64.b64encode(bytes(32)).decode(), "meta_app_secret": "s", "meta_config_id": "2",
        "meta_verify_token": "v",
    }  # fmt: skip
    return Settings(**{**given, **more})


def _limits(clock: ManualClock | None = None, **more: object) -> Limits:
    return Limits(_settings(**more), clock or ManualClock(TEST_BEGINS))


def _from(peer: str | None, forwarded: str | None = None) -> Request:
    headers = [] if forwarded is None else [(b"x-forwarded-for", forwarded.encode())]
    return Request({"type": "http", "headers": headers, "client": (peer, 1) if peer else None})


def test_sixty_views_a_minute_and_then_a_wait_until_the_window_ends() -> None:
    clock = ManualClock(TEST_BEGINS)
    limits = _limits(clock)
    assert [limits.wait("view", PERSON) for _ in range(60)] == [None] * 60
    assert 0 < (limits.wait("view", PERSON) or 0) <= 61
    assert limits.wait("view", "203.0.113.10") is None
    clock.advance(MINUTE)
    assert limits.wait("view", PERSON) is None


def test_ten_misses_a_minute_stop_an_address_from_trying_further() -> None:
    limits = _limits()
    for _ in range(10):
        assert limits.over("miss", PERSON) is None
        assert limits.wait("miss", PERSON) is None
    assert limits.over("miss", PERSON) is not None
    assert limits.wait("miss", PERSON) is not None
    assert limits.over("miss", "203.0.113.10") is None


def test_starts_are_counted_by_link_whoever_asks() -> None:
    clock = ManualClock(TEST_BEGINS)
    limits = _limits(clock)
    for n in range(10):
        assert limits.wait("start", f"203.0.113.{n}", "link") is None
    assert limits.wait("start", PERSON, "link") is not None
    assert limits.wait("start", PERSON, "other link") is None
    clock.advance(HOUR)
    assert limits.wait("start", PERSON, "link") is None


@pytest.mark.parametrize("more", [{"rate_limits": "off"}, {"rate_page_views": 0}])
def test_a_limit_that_is_off_counts_nothing(more: dict[str, object]) -> None:
    limits = _limits(**more)
    assert [limits.wait("view", PERSON) for _ in range(500)] == [None] * 500


def test_loopback_is_exempt() -> None:
    limits = _limits()
    assert [limits.wait("miss", "127.0.0.1") for _ in range(100)] == [None] * 100


def test_a_forwarded_address_counts_only_from_a_trusted_proxy() -> None:
    assert _limits().address(_from("198.51.100.1", PERSON)) == "198.51.100.1"
    behind = _limits(trusted_proxies="198.51.100.0/24, 127.0.0.1/32")
    assert behind.address(_from("198.51.100.1", f"1.1.1.1, {PERSON}, 198.51.100.7")) == PERSON
    assert behind.address(_from("203.0.113.77", PERSON)) == "203.0.113.77"


@pytest.mark.parametrize("forwarded", [None, "", "not an address", "198.51.100.2"])
def test_nobody_is_exempt_because_the_proxy_stands_on_loopback(forwarded: str | None) -> None:
    limits = _limits(trusted_proxies="127.0.0.0/8,198.51.100.0/24")
    address = limits.address(_from("127.0.0.1", forwarded))
    assert address == "unknown"
    assert [limits.wait("miss", address) for _ in range(11)][-1] is not None


def test_the_counts_are_bounded() -> None:
    limits = _limits()
    for n in range(module.MOST_KEYS + 500):
        limits.wait("view", f"2001:db8::{n:x}")
    assert len(limits._counts) <= module.MOST_KEYS


def test_a_restriction_to_addresses_sees_the_whole_address_and_a_limit_the_subscriber() -> None:
    request = _from("10.0.0.1", "203.0.113.1, 2001:db8::7")
    trusted = _settings(trusted_proxies="10.0.0.0/8")
    assert module.client_address(request, trusted.proxy_networks) == "2001:db8::7"
    assert _limits(trusted_proxies="10.0.0.0/8").address(request) == "2001:db8::"
    assert module.client_address(request, ()) == "10.0.0.1"

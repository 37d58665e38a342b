"""Whose address counts for the limits: what a trusted proxy wrote, never what the client made up."""

from pathlib import Path

import pytest
from starlette.requests import Request

from setuplinks.core.clock import ManualClock
from setuplinks.signup.limits import Limits
from tests.support.instants import TEST_BEGINS
from tests.support.service import settings_for


def _limits(tmp_path: Path, trusted: str) -> Limits:
    settings = settings_for("https://links.example.com", "http://localhost:1", tmp_path, None, trusted_proxies=trusted)
    return Limits(settings, ManualClock(TEST_BEGINS))


def _request(peer: str, *forwarded: str) -> Request:
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    return Request({"type": "http", "headers": headers, "client": (peer, 4711), "method": "GET", "path": "/"})


def test_a_line_that_the_client_made_up_above_the_proxys_own_does_not_count(tmp_path: Path) -> None:
    limits = _limits(tmp_path, "10.0.0.0/8")
    asked = _request("10.0.0.1", "203.0.113.66", "198.51.100.7")  # HAProxy adds a line below the client's
    assert limits.address(asked) == "198.51.100.7"


def test_the_last_address_that_is_no_proxy_counts(tmp_path: Path) -> None:
    limits = _limits(tmp_path, "10.0.0.0/8")
    assert limits.address(_request("10.0.0.1", "203.0.113.66, 198.51.100.7, 10.0.0.9")) == "198.51.100.7"


@pytest.mark.parametrize(
    ("written", "counted"),
    [("198.51.100.7:50123", "198.51.100.7"), ("[2001:db8:1:2:3::9]:50123", "2001:db8:1:2::"), ("nonsense", "unknown")],
)
def test_an_entry_with_a_port_is_read_and_what_is_no_address_is_counted_together(
    tmp_path: Path, written: str, counted: str
) -> None:
    assert _limits(tmp_path, "10.0.0.0/8").address(_request("10.0.0.1", written)) == counted


def test_all_addresses_of_one_ipv6_subscriber_are_counted_together(tmp_path: Path) -> None:
    limits = _limits(tmp_path, "10.0.0.0/8")
    one, other = (limits.address(_request("10.0.0.1", f"2001:db8:7:7::{n}")) for n in (1, 2))
    assert one == other


def test_a_proxy_that_is_met_as_a_mapped_address_is_known(tmp_path: Path) -> None:
    assert _limits(tmp_path, "10.0.0.0/8").address(_request("::ffff:10.0.0.1", "198.51.100.7")) == "198.51.100.7"


def test_a_stranger_is_not_believed(tmp_path: Path) -> None:
    assert _limits(tmp_path, "10.0.0.0/8").address(_request("203.0.113.5", "198.51.100.7")) == "203.0.113.5"
